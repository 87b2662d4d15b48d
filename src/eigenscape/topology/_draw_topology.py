"""One figure of a grid's topology: contour, profile, diagram, barcode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from eigenscape.results import PALETTE, new_figure
from eigenscape.topology._draw_contour import draw_contour
from eigenscape.topology._draw_diagram import draw_barcode, draw_persistence_diagram
from eigenscape.topology._draw_profile import draw_profile
from eigenscape.topology._draw_scale import finite_range
from eigenscape.topology._profile import landscape_profile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from eigenscape.topology._tree import MergeTree


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
