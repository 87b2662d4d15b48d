"""The picture of a pruning: what each matrix lost, and the error of its outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eigenscape.pruning._result import Pruning
from eigenscape.results import PALETTE, label_text, new_figure, picture_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = ("blue", "orange", "green", "vermilion", "purple", "sky", "black", "grey")


@picture_of(Pruning)
def plot_pruning(pruning: Pruning) -> Figure:
    """Draw the sparsity of each matrix over the depth, and below it the error of its outputs."""
    blocks = dict.fromkeys(row.block for row in pruning.rows)
    order = {block: place for place, block in enumerate(blocks)}
    kinds = dict.fromkeys(_kind(row.name, row.block) for row in pruning.rows)
    measured = any(row.error is not None for row in pruning.rows)
    figure = new_figure(8.0, 5.4 if measured else 3.4)
    panels = figure.subplots(2 if measured else 1, 1, sharex=True, squeeze=False)[:, 0]
    for place, kind in enumerate(kinds):
        rows = [row for row in pruning.rows if _kind(row.name, row.block) == kind]
        at = [order[row.block] for row in rows]
        look = {
            "color": PALETTE.get(_COLOURS[place % len(_COLOURS)], PALETTE["grey"]),
            "marker": "os^Dvx+*"[place // len(_COLOURS) % 8],
            "ms": 3.5,
            "lw": 1.0,
            "label": label_text(kind),
        }
        panels[0].plot(at, [row.sparsity for row in rows], **look)
        if measured:
            errors = [np.nan if row.error is None else max(row.error, 1e-12) for row in rows]
            panels[1].plot(at, errors, **look)
    panels[0].axhline(pruning.sparsity, color=PALETTE["black"], lw=0.9, ls="--")
    panels[0].set_ylabel("zeros / entries")
    panels[0].set_ylim(0, 1)  # equal sparsities differ by less than one weight in a million
    if measured:
        panels[1].set_yscale("log")
        panels[1].set_ylabel("relative squared error\nof the outputs")
    panels[-1].set_xlabel("block, in the order of the network")
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside right upper", fontsize=7, frameon=False
    )
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _kind(name: str, block: str) -> str:
    return name.removeprefix(f"{block}.") if name != block else "layer"
