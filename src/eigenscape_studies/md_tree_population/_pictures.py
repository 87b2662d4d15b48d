"""The study's pictures, drawn from the result's tables alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eigenscape.results import PALETTE
from eigenscape_studies import Pictures, StudyResult
from eigenscape_studies._draw import below, curve, draw, label, panels, ticks
from eigenscape_studies.md_tree_population._plan import TREE, VALIDATION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CURVES = {TREE: "blue", "free landscape": "green", VALIDATION: "vermilion"}
_SETTINGS = {
    "all": "all clean networks",
    "narrow": "the two narrowest widths",
    "little data": "the two smallest amounts of data",
}


def pictures(result: StudyResult) -> Pictures:
    """Return heading to figure and caption."""
    over = f"over {result.seeds} repeats (95 % intervals)"
    return {
        "Few configurations": (
            few(result),
            f"Right answers on the networks with noisy labels after a fit to a few cells of those "
            f"with clean ones, {over}.",
        ),
        "Every method": (
            methods(result),
            f"Right answers on the networks with noisy labels after a fit to clean ones: all, the "
            f"narrow, those of little data, {over}. Diamonds: balanced accuracy.",
        ),
    }


def few(result: StudyResult) -> Figure:
    """Draw accuracy against the number of cells."""
    table = result.table("few")
    figure, axes = panels(1, 1, 6.6, 3.9)
    axis = axes[0, 0]
    for method, colour in _CURVES.items():
        draw(axis, curve(table, "cells", method=method), "cells", method, colour)
    majority = result.table("transfer").query("method == 'majority' and setting == 'all'")
    axis.axhline(
        float(majority["mean"].iloc[0]), ls=":", lw=1.2, color=PALETTE["black"], label="majority"
    )
    ticks(axis, sorted(set(table["cells"])), base=2)
    label(
        axis,
        "",
        "cells of the grid that were fitted to (6 learning rates each)",
        "right answers (%)",
    )
    below(figure, axis)
    return figure


def methods(result: StudyResult) -> Figure:
    """Draw every method in every setting."""
    table = result.table("transfer")
    figure, axes = panels(1, len(_SETTINGS), 13, 4.4, sharey=True, sharex=True)
    for axis, (setting, words) in zip(axes[0], _SETTINGS.items(), strict=True):
        rows = table[table["setting"] == setting]
        y = np.arange(len(rows))
        colours = [
            PALETTE["blue" if str(m).startswith("MD tree") else "grey"] for m in rows["method"]
        ]
        axis.barh(y, rows["mean"], 0.6, color=colours, alpha=0.75)
        axis.hlines(y, rows["low"], rows["high"], color=PALETTE["black"], lw=1.4)
        axis.plot(rows["balanced_accuracy"], y, "D", ms=4, color=PALETTE["vermilion"])
        axis.set_yticks(y, rows["method"])
        label(axis, f"fitted to {words}", "right answers (%)", "")
    axes[0, 0].invert_yaxis()
    axes[0, 0].set_xlim(0, 100)
    return figure
