"""The picture of a landscape."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

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


@picture_of(Landscape)
def plot_landscape(landscape: Landscape) -> Figure:
    """Draw the curve, the contour, or slices through the center; and the profile."""
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
    shape = "×".join(map(str, landscape.values.shape))
    figure.suptitle(
        f"{landscape.model}: {shape} points, {landscape.kind} directions "
        f"(normalisation: {landscape.normalization}), loss at the center "
        f"{landscape.loss_at_center:.4g}",
        fontsize=10,
    )
    handles, labels = axes[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


def _scale(landscape: Landscape) -> str:
    finite = landscape.values[np.isfinite(landscape.values)]
    return "log" if len(finite) and 0 < 100 * finite.min() < finite.max() else "linear"


def _label(landscape: Landscape, axis: int) -> str:
    return f"{label_text(landscape.names[axis])}, {_UNITS[landscape.unit]}"


def _draw_curve(panel: Axes, landscape: Landscape, scale: str) -> None:
    losses = np.ma.masked_invalid(landscape.values)
    panel.plot(landscape.coordinates[0], losses, color=PALETTE["blue"], marker=".")
    panel.axvline(0.0, color=PALETTE["grey"], linewidth=0.8, linestyle=":")
    panel.set(xlabel=_label(landscape, 0), ylabel="loss", yscale=scale)
    panel.set_title("Loss along the direction", fontsize=9)


def _draw_slice(panel: Axes, landscape: Landscape, pair: tuple[int, int], scale: str) -> None:
    from eigenscape.topology import draw_contour, merge_tree

    middle = [slice(None) if k in pair else s // 2 for k, s in enumerate(landscape.values.shape)]
    draw_contour(
        panel,
        merge_tree(landscape.values[tuple(middle)]),
        coordinates=[landscape.coordinates[k] for k in pair],
        names=[_label(landscape, k) for k in pair],
        scale=scale,
    )
    panel.plot(0.0, 0.0, marker="+", color=PALETTE["black"], markersize=9, zorder=4)
    if landscape.values.ndim > 2:
        panel.set_title("Slice through the center, with its own minima", fontsize=9)
