"""The picture of an allocation: the metric above, the budgets below."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eigenscape.allocation._allocation import Allocation
from eigenscape.allocation._request import KINDS
from eigenscape.results import PALETTE, label_text, new_figure, picture_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAMED = 40


@picture_of(Allocation)
def plot_allocation(allocation: Allocation) -> Figure:
    """Draw the metric of each layer above the budget of its group, groups side by side."""
    groups = allocation.groups
    names = list(groups)
    place = {name: at for at, name in enumerate(names)}
    figure = new_figure(max(6.0, min(16.0, 0.22 * len(groups) + 2)), 5.2)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
    at = np.array([place[row.group] for row in allocation.rows])
    metric = np.array([row.layer.value for row in allocation.rows])
    error = np.array([row.layer.error or 0.0 for row in allocation.rows])
    above.errorbar(
        at,
        metric,
        yerr=2 * error if error.any() else None,
        fmt="o",
        ms=3,
        lw=0.8,
        color=PALETTE["grey"],
        label="layer" + (" (± 2 standard errors)" if error.any() else ""),
    )
    if len(names) < len(allocation.rows):
        means = [metric[at == i].mean() for i in range(len(names))]
        above.plot(means, "_", ms=9, mew=2, color=PALETTE["blue"], label="mean of the group")
    above.set_ylabel(allocation.metric)
    above.margins(y=0.35)
    above.legend(frameon=False, fontsize=8, ncols=2, loc="upper left")
    held = {row.group for row in allocation.rows if row.clipped}
    for label, colour, chosen in (
        ("budget", PALETTE["blue"], [name for name in names if name not in held]),
        ("held by a floor or a cap", PALETTE["orange"], [name for name in names if name in held]),
    ):
        if chosen:
            below.bar(
                [place[n] for n in chosen], [groups[n] for n in chosen], color=colour, label=label
            )
    level = allocation.total / len(names) if _is_sum(allocation) else allocation.total
    below.axhline(level, color=PALETTE["black"], lw=0.9, ls="--", label=f"mean {level:.3g}")
    below.set_ylabel(KINDS[allocation.kind].unit)
    below.margins(y=0.25)
    below.legend(frameon=False, fontsize=8, ncols=3, loc="upper left")
    if len(names) <= _NAMED:
        below.set_xticks(range(len(names)), list(map(label_text, names)), rotation=90, fontsize=7)
    else:
        below.set_xlabel("group of layers, in the order of the network")
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _is_sum(allocation: Allocation) -> bool:
    return KINDS[allocation.kind].adds_up and allocation.settings["weights"] == "plain"
