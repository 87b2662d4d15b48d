"""Pictures of the pairs: persistence diagram, barcode, Betti-0 curve; and of the tree itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from eigenscape.results import PALETTE, new_figure
from eigenscape.topology._draw_contour import draw_contour
from eigenscape.topology._draw_profile import draw_profile
from eigenscape.topology._draw_scale import (
    check_scale,
    finite_range,
    loss_label,
    marker_size,
    set_loss_scale,
)
from eigenscape.topology._profile import landscape_profile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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


def draw_topology(
    tree: MergeTree,
    *,
    coordinates: Sequence[ArrayLike] | None = None,
    names: Sequence[str] | None = None,
    scale: str | None = None,
    title: str = "",
) -> Figure:
    """Draw the grid (where it is a plane or a line), its profile, its pairs and their bars.

    Args:
        tree: the merge tree.
        coordinates: of the samples, one array for each axis.
        names: of the axes.
        scale: "linear", "log" or "symlog" for every loss; by default "log" where all losses are
            positive and the largest is over a hundred times the smallest, else "linear".
        title: above the figure.
    """
    scale = scale or best_scale(tree)
    figure = new_figure(10.5, 7.4)
    panels = figure.subplots(2, 2)
    _draw_grid(panels[0, 0], tree, coordinates, names, scale)
    profile = landscape_profile(tree)
    drawn = draw_profile(panels[0, 1], profile, scale=scale, title="Landscape profile")
    figure.colorbar(drawn, ax=panels[0, 1], label="mean loss of the branch (dark: low)")
    # A fixed corner, empty beside a funnel: looking for the best one takes seconds on many arcs.
    corner = "upper left" if tree.superlevel else "lower left"
    panels[0, 1].legend(fontsize=7, framealpha=0.9, loc=corner)
    draw_persistence_diagram(panels[1, 0], tree, scale=scale)
    draw_barcode(panels[1, 1], tree, scale=scale)
    shape = "×".join(map(str, tree.values.shape))
    kind = "superlevel" if tree.superlevel else "sublevel"
    head = f"{shape} samples, {tree.connectivity} connectivity, {kind} sets"
    figure.suptitle(f"{title}\n{head}" if title else head, fontsize=10)
    return figure


def best_scale(tree: MergeTree) -> str:
    """Return "log" for positive losses that span more than two decades, else "linear"."""
    low, high = finite_range(tree.values)
    return "log" if low > 0 and high > 100 * low else "linear"


def _draw_grid(
    axes: Axes,
    tree: MergeTree,
    coordinates: Sequence[ArrayLike] | None,
    names: Sequence[str] | None,
    scale: str,
) -> None:
    labels = tuple(names) if names else tuple(f"axis {k}" for k in range(tree.values.ndim))
    if tree.values.ndim == 2 and min(tree.values.shape) > 1:
        draw_contour(axes, tree, coordinates=coordinates, names=labels, scale=scale)
    elif tree.values.ndim == 1:
        x = np.asarray(coordinates[0]) if coordinates else np.arange(tree.values.size)
        axes.plot(x, np.ma.masked_invalid(tree.values), color=PALETTE["blue"], marker=".")
        axes.set(xlabel=labels[0], ylabel="loss", yscale=scale)
        axes.set_title("Grid", fontsize=9)
    else:
        axes.set_axis_off()
        axes.text(0.5, 0.5, f"{tree.values.ndim}-D grid, no contour", ha="center", va="center")
