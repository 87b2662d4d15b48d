"""The pictures of a landscape: contours with the profile, and the surface."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError
from eigenscape.landscape.grid._landscape import Landscape
from eigenscape.results import PALETTE, label_text, new_figure, picture_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_UNITS = {
    "absolute": "in parameter units",
    "relative": "as a share of ‖θ‖",
    "direction": "× direction",
}
_SLICES = 3
#: Facets of the surface along an axis; more make a vector file of megabytes.
_FACETS = 80
_MODEL: dict[str, Any] = {"marker": "P", "color": PALETTE["black"], "label": "the model"}
_LOWEST: dict[str, Any] = {"marker": "*", "color": PALETTE["green"], "label": "the lowest point"}


@picture_of(Landscape)
def plot_landscape(landscape: Landscape, *, surface: bool = False) -> Figure:
    """Draw the curve, the contour, or slices through the center; and the profile.

    Args:
        landscape: what to draw.
        surface: the loss as a surface above the first two directions, beside its contours; of more
            than two, the slice through the center.

    Raises:
        InputError: fewer than two points along an axis, no finite loss, or a surface of one
            direction.
    """
    _check(landscape, surface)
    return _surface(landscape) if surface else _contours(landscape)


def _check(landscape: Landscape, surface: bool) -> None:
    shape = landscape.values.shape
    if min(shape) < 2:
        raise InputError(
            f"a picture needs two points along each axis; this landscape has shape {shape}"
        )
    if landscape.lowest is None:
        raise InputError(
            f"none of the {landscape.values.size:,} losses is finite; there is nothing to draw. "
            "Try: sample a smaller radius"
        )
    if surface and len(shape) < 2:
        raise InputError(
            "a surface needs two directions; this landscape has one. Try: plot() draws its curve"
        )


def _contours(landscape: Landscape) -> Figure:
    from eigenscape.topology import draw_profile, landscape_profile

    tree = landscape.merge_tree()
    scale = _scale(landscape)
    pairs = list(combinations(range(landscape.values.ndim), 2))[:_SLICES]
    panels = max(1, len(pairs)) + 1
    rows = 1 if panels < 4 else 2
    figure = new_figure(9.2, 4.6 if rows == 1 else 8.4)
    axes = figure.subplots(rows, panels // rows).ravel()
    if not pairs:
        _draw_curve(axes[0], landscape, scale)
    for panel, pair in zip(axes, pairs, strict=False):
        _draw_slice(panel, landscape, pair, scale)
    drawn = draw_profile(axes[-1], landscape_profile(tree), scale=scale, title="Landscape profile")
    figure.colorbar(drawn, ax=axes[-1], label="mean loss of the branch (dark: low)")
    _head(figure, landscape)
    _legend(figure, (*axes[:1], axes[-1]))
    return figure


def _surface(landscape: Landscape) -> Figure:
    figure = new_figure(9.6, 4.8)
    scale = _scale(landscape)
    grid = figure.add_gridspec(1, 2, width_ratios=(1, 1.1))
    left = figure.add_subplot(grid[0])
    _draw_slice(left, landscape, (0, 1), scale)
    right: Any = figure.add_subplot(grid[1], projection="3d", computed_zorder=False)
    _draw_surface(right, landscape, scale)
    _head(figure, landscape)
    _legend(figure, (left,))
    return figure


def _head(figure: Figure, landscape: Landscape) -> None:
    shape = "×".join(map(str, landscape.values.shape))
    figure.suptitle(
        f"{landscape.model}: {shape} points, {landscape.kind} directions "
        f"(normalisation: {landscape.normalization}), loss at the center "
        f"{landscape.loss_at_center:.4g}",
        fontsize=10,
    )


def _legend(figure: Figure, panels: tuple[Axes, ...]) -> None:
    found: dict[str, Any] = {}
    for panel in panels:
        handles, labels = panel.get_legend_handles_labels()
        found.update(zip(labels, handles, strict=True))
    where: dict[str, Any] = {"loc": "outside lower center", "ncols": len(found) or 1}
    figure.legend(list(found.values()), list(found), **where, frameon=False, fontsize=8)


def _scale(landscape: Landscape) -> str:
    finite = landscape.values[np.isfinite(landscape.values)]
    return "log" if len(finite) and 0 < 100 * finite.min() < finite.max() else "linear"


def _label(landscape: Landscape, axis: int) -> str:
    return f"{label_text(landscape.names[axis])}, {_UNITS[landscape.unit]}"


def _marks(landscape: Landscape, pair: tuple[int, ...]) -> list[tuple[tuple[float, ...], Any]]:
    """Return the model and the lowest point, where they lie in the slice through the center."""
    assert landscape.lowest is not None
    middle = [float(axis[len(axis) // 2]) for axis in landscape.coordinates]
    origin = (0.0,) * len(middle)
    places = [(origin, _MODEL)]
    if landscape.lowest != origin:
        places.append((landscape.lowest, _LOWEST))
    return [
        (tuple(place[k] for k in pair), style)
        for place, style in places
        if style is _MODEL or all(place[k] == middle[k] for k in set(range(len(middle))) - {*pair})
    ]


def _draw_curve(panel: Axes, landscape: Landscape, scale: str) -> None:
    losses = np.ma.masked_invalid(landscape.values)
    panel.plot(landscape.coordinates[0], losses, color=PALETTE["blue"], marker=".")
    panel.axvline(0.0, color=PALETTE["grey"], linewidth=0.8, linestyle=":")
    heights = (landscape.loss_at_center, float(landscape.values.min()))
    for ((at,), style), height in zip(_marks(landscape, (0,)), heights, strict=False):
        panel.plot(at, height, linestyle="", markersize=9, zorder=4, **style)
    panel.set(xlabel=_label(landscape, 0), ylabel="loss", yscale=scale)
    panel.set_title("Loss along the direction", fontsize=9)


def _draw_slice(panel: Axes, landscape: Landscape, pair: tuple[int, int], scale: str) -> None:
    from eigenscape.topology import draw_contour, merge_tree

    draw_contour(
        panel,
        merge_tree(_slice(landscape, pair)),
        coordinates=[landscape.coordinates[k] for k in pair],
        names=[_label(landscape, k) for k in pair],
        scale=scale,
    )
    for place, style in _marks(landscape, pair):
        panel.plot(
            *place, linestyle="", markersize=11, markeredgecolor="white", zorder=2.5, **style
        )  # under the minimum that may be there
    panel.tick_params(labelsize=8)
    if landscape.values.ndim > 2:
        outside = landscape.is_lower and len(_marks(landscape, pair)) < 2
        beside = "\nthe lowest point is beside it" if outside else ""
        panel.set_title(f"Slice through the center, with its own minima{beside}", fontsize=9)


def _slice(landscape: Landscape, pair: tuple[int, int]) -> NDArray[np.float64]:
    shape = landscape.values.shape
    return np.asarray(
        landscape.values[tuple(slice(None) if k in pair else s // 2 for k, s in enumerate(shape))]
    )


def _draw_surface(panel: Any, landscape: Landscape, scale: str) -> None:
    values = _slice(landscape, (0, 1))
    heights = np.where(np.isfinite(values), values, np.nan)
    height = (lambda loss: math.log10(loss)) if scale == "log" else (lambda loss: loss)
    if scale == "log":
        heights = np.log10(heights)
    x, y = np.meshgrid(landscape.coordinates[0], landscape.coordinates[1], indexing="ij")
    panel.plot_surface(
        x,
        y,
        heights,
        cmap="Blues_r",
        rcount=_FACETS,
        ccount=_FACETS,
        edgecolor=(1.0, 1.0, 1.0, 0.25),
        linewidth=0.2,
        antialiased=True,
    )
    losses = (landscape.loss_at_center, float(landscape.values.min()))
    for (place, style), loss in zip(_marks(landscape, (0, 1)), losses, strict=False):
        panel.plot(
            *([at] for at in (*place, height(loss))),
            linestyle="",
            markersize=9,
            markeredgecolor="white",
            zorder=5,
            **style,
        )
    panel.set_xlabel(_label(landscape, 0), fontsize=8)
    panel.set_ylabel(_label(landscape, 1), fontsize=8)
    panel.set_zlabel("loss, log scale" if scale == "log" else "loss", fontsize=8)
    if scale == "log":
        panel.zaxis.set_major_formatter(lambda at, _: f"{10**at:.2g}")
    panel.tick_params(labelsize=7)
    panel.locator_params(axis="x", nbins=5)
    panel.locator_params(axis="y", nbins=5)
    panel.set_box_aspect(None, zoom=0.8)  # the labels are cut off otherwise
    lost = int((~np.isfinite(values)).sum())
    panel.set_title("Surface" + (f", {lost} points not finite (holes)" if lost else ""), fontsize=9)
