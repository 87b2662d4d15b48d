"""A filled contour of a two-dimensional grid, with its minima and saddles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenscape.errors import InputError
from eigenscape.results import PALETTE
from eigenscape.topology._draw_scale import (
    COLOURS,
    SADDLE,
    check_scale,
    extremum_style,
    finite_range,
    linear_width,
    loss_label,
    marker_edge,
    marker_size,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.contour import QuadContourSet

    from eigenscape.topology._tree import MergeTree

FloatArray = NDArray[np.float64]

_LEVELS = 24


def draw_contour(
    axes: Axes,
    tree: MergeTree,
    *,
    coordinates: Sequence[ArrayLike] | None = None,
    names: Sequence[str] = ("axis 0", "axis 1"),
    scale: str = "linear",
    same_units: bool = False,
) -> QuadContourSet:
    """Draw a 2-D grid; axis 0 of the array runs to the right, axis 1 upward.

    Args:
        axes: where to draw.
        tree: its merge tree; the nodes are marked.
        coordinates: of the samples, one array for each axis; by default their indices.
        names: labels of the two axes.
        scale: "linear", "log" or "symlog" spacing of the levels.
        same_units: True where a step along one axis means the same as along the other: only then
            are the two drawn to the same scale.

    Raises:
        InputError: the grid is not two-dimensional, or the scale does not suit it.
    """
    values = tree.values
    if values.ndim != 2 or min(values.shape) < 2:
        raise InputError(f"a contour needs a 2-D grid; this one has shape {values.shape}")
    low, high = finite_range(values)
    check_scale(scale, low)
    x, y = (np.asarray(c, dtype=np.float64) for c in coordinates or map(np.arange, values.shape))
    levels = _levels(scale, low, high)
    norm = None if scale == "linear" else _boundaries(levels)
    axes.set_facecolor(PALETTE["grey"])  # shows where a sample is not finite
    drawn = axes.contourf(
        x, y, np.ma.masked_invalid(values).T, levels=levels, cmap=COLOURS, norm=norm
    )
    leaf = extremum_style(tree.superlevel)
    for style, nodes in ((SADDLE, tree.saddles), (leaf, tree.minima)):
        rows, columns = np.unravel_index(np.asarray(nodes, dtype=np.int64), values.shape)
        axes.scatter(
            x[rows],
            y[columns],
            s=marker_size(len(nodes)),
            linewidths=marker_edge(len(nodes)),
            edgecolors="white",
            zorder=3,
            clip_on=False,
            **style,
        )
    axes.set(xlabel=names[0], ylabel=names[1])
    if same_units:
        axes.set_aspect("equal")
    bad = int((~np.isfinite(values)).sum())
    axes.set_title("Contour" + (f", {bad} samples not finite (grey)" if bad else ""), fontsize=9)
    axes.figure.colorbar(drawn, ax=axes, label=f"{loss_label(scale)} (dark: low)")
    return drawn


def _levels(scale: str, low: float, high: float) -> FloatArray:
    if not high > low:
        high = low + (abs(low) or 1.0)
    if scale == "log":
        return np.geomspace(low, high, _LEVELS)
    if scale == "symlog":
        width = linear_width(low, high)
        ends = np.arcsinh([low / width, high / width])
        return np.asarray(width * np.sinh(np.linspace(ends[0], ends[1], _LEVELS)))
    return np.linspace(low, high, _LEVELS)


def _boundaries(levels: FloatArray) -> object:
    from matplotlib.colors import BoundaryNorm

    return BoundaryNorm(levels, 256)
