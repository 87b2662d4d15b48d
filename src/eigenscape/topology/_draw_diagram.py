"""Pictures of the pairs: persistence diagram, barcode, Betti-0 curve; and of the tree itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eigenscape.results import PALETTE
from eigenscape.topology._draw_scale import (
    check_scale,
    finite_range,
    loss_label,
    marker_size,
    set_loss_scale,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from eigenscape.topology._tree import MergeTree

_BARS = 60


def draw_persistence_diagram(axes: Axes, tree: MergeTree, *, scale: str = "linear") -> None:
    """Draw birth against death; what never dies is marked at the largest loss.

    Args:
        axes: where to draw.
        tree: the merge tree.
        scale: "linear", "log" or "symlog", for both axes.
    """
    low, high = finite_range(tree.values)
    check_scale(scale, low)
    first = tree.values.ravel()[tree.essential]
    end = low if tree.superlevel else high
    axes.plot([low, high], [low, high], color=PALETTE["grey"], lw=1, zorder=1)
    axes.scatter(
        tree.births,
        tree.deaths,
        s=marker_size(tree.n_pairs),
        color=PALETTE["blue"],
        alpha=0.8,
        linewidths=0,
        label=f"pair ({tree.n_pairs})",
        zorder=2,
    )
    axes.scatter(
        first,
        np.full(len(first), end),
        marker="^",
        s=45,
        color=PALETTE["vermilion"],
        zorder=3,
        label="never dies (drawn at the end)",
        clip_on=False,
    )
    for which in ("x", "y"):
        set_loss_scale(axes, scale, low, high, which=which)
    axes.set(xlabel=f"birth ({loss_label(scale)})", ylabel=f"death ({loss_label(scale)})")
    axes.set_title("Persistence diagram", fontsize=9)
    axes.legend(frameon=False, fontsize=7, loc="upper left" if tree.superlevel else "lower right")


def draw_barcode(axes: Axes, tree: MergeTree, *, scale: str = "linear", bars: int = _BARS) -> None:
    """Draw a bar from birth to death for each pair, the longest lowest; at most ``bars`` of them.

    What never dies is a bar to the end of the range, in another colour.
    """
    from matplotlib.ticker import MaxNLocator

    low, high = finite_range(tree.values)
    check_scale(scale, low)
    first = np.sort(tree.values.ravel()[tree.essential])[:bars]
    end = low if tree.superlevel else high
    shown = min(tree.n_pairs, bars)
    axes.hlines(
        np.arange(len(first)), first, end, color=PALETTE["vermilion"], lw=2, label="never dies"
    )
    rows = np.arange(len(first), len(first) + shown)
    axes.hlines(
        rows,
        tree.births[:shown],
        tree.deaths[:shown],
        color=PALETTE["blue"],
        lw=max(0.8, min(2.0, 120 / max(shown, 1))),
        label="pair",
    )
    set_loss_scale(axes, scale, low, high, which="x")
    more = f", the {shown} longest of {tree.n_pairs}" if shown < tree.n_pairs else ""
    axes.set(xlabel=loss_label(scale), ylabel="bar", ylim=(-1, len(first) + shown))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(f"Barcode{more}", fontsize=9)
