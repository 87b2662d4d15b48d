"""The picture of an allocation: the metric above, the budgets below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from eigenscape.allocation._allocation import Allocation
from eigenscape.allocation._request import KINDS
from eigenscape.results import PALETTE, label_text, new_figure, picture_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMED = 40


@picture_of(Allocation)
def plot_allocation(allocation: Allocation) -> Figure:
    """Draw the metric of each layer above the budget of its group, groups side by side."""
    names = list(allocation.groups)
    figure = new_figure(max(7.2, min(16.0, 0.22 * len(names) + 2)), 5.6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
    _draw_metric(above, allocation, names)
    _draw_budgets(below, allocation, names)
    if len(names) <= _NAMED:
        below.set_xticks(range(len(names)), list(map(label_text, names)), rotation=90, fontsize=7)
    else:
        below.set_xlabel("group of layers, in the order of the network")
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_metric(axes: Axes, allocation: Allocation, names: list[str]) -> None:
    place = {name: at for at, name in enumerate(names)}
    at = np.array([place[row.group] for row in allocation.rows])
    metric = np.array([row.layer.value for row in allocation.rows])
    error = np.array([row.layer.error or 0.0 for row in allocation.rows])
    axes.errorbar(
        at,
        metric,
        yerr=2 * error if error.any() else None,
        fmt="o",
        ms=3,
        lw=0.8,
        color=PALETTE["grey"],
        label="layer" + (" (± 2 standard errors)" if error.any() else ""),
    )
    means = np.array([metric[at == i].mean() for i in range(len(names))])
    if len(names) < len(allocation.rows):
        axes.plot(means, "_", ms=9, mew=2, color=PALETTE["blue"], label="mean of the group")
    apart = [place[name] for name in allocation.told_apart or ()]
    if apart:
        label = f"beyond noise from the mean of all ({len(apart)} of {len(names)})"
        style: dict[str, Any] = {"ms": 9, "mew": 2.4, "color": PALETTE["vermilion"], "label": label}
        axes.plot(apart, means[apart], "_", **style)
    axes.axhline(means.mean(), color=PALETTE["black"], lw=0.8, ls=":")
    axes.set_ylabel(allocation.metric)
    axes.margins(y=0.4)
    axes.legend(frameon=False, fontsize=8, ncols=2, loc="upper left")


def _draw_budgets(axes: Axes, allocation: Allocation, names: list[str]) -> None:
    groups = allocation.groups
    held = {row.group for row in allocation.rows if row.clipped}
    if allocation.wide is not None:
        label = "the range without regard to noise"
        axes.axhspan(*allocation.wide, color=PALETTE["sky"], alpha=0.25, lw=0, label=label)
    for label, colour, chosen in (
        ("budget", PALETTE["blue"], [at for at, name in enumerate(names) if name not in held]),
        ("held by a floor or a cap", PALETTE["orange"], [names.index(name) for name in held]),
    ):
        if chosen:
            axes.bar(chosen, [groups[names[at]] for at in chosen], color=colour, label=label)
    level = allocation.total / len(names) if _is_sum(allocation) else allocation.total
    axes.axhline(level, color=PALETTE["black"], lw=0.9, ls="--", label=f"mean {level:.3g}")
    axes.set_ylabel(KINDS[allocation.kind].unit)
    axes.margins(y=0.3)
    axes.legend(frameon=False, fontsize=8, ncols=2, loc="upper left")


def _is_sum(allocation: Allocation) -> bool:
    return KINDS[allocation.kind].adds_up and allocation.settings["weights"] == "plain"
