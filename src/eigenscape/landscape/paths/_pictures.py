"""The picture of two paths between two models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigenscape.landscape.paths._path_result import PathResult
from eigenscape.results import PALETTE, label_text, new_figure, picture_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_MARGIN = 0.08


@picture_of(PathResult)
def plot_connectivity(result: PathResult) -> Figure:
    """Draw the loss on the left, the error on the right; curve against line, train and test."""
    figure = new_figure(9.0, 3.8)
    panels = zip(figure.subplots(1, 2), ("loss", "error"), strict=True)
    for axes, kind in panels:
        for name, path, colour in (
            ("straight line", result.line, PALETTE["orange"]),
            ("trained curve", result.curve, PALETTE["blue"]),
        ):
            for part, style, fill in (("train", "-", colour), ("test", "--", "white")):
                values = getattr(path, f"{part}_{kind}")
                if values:
                    axes.plot(*(result.t, values), color=colour, ls=style, marker="o", markersize=5)
                    axes.lines[-1].set(markerfacecolor=fill, label=f"{name}, {part}")
        label = "loss" if kind == "loss" else label_text(result.error_name)
        axes.set(xlabel="t, from the first model to the second", ylabel=label)
        axes.set_xlim(-_MARGIN, 1 + _MARGIN)
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    figure.axes[0].legend(frameon=False, fontsize=8)
    figure.suptitle(
        f"Mode connectivity {result.mode_connectivity:.3g}, "
        f"barrier of the straight line {result.line_barrier:.3g} (training error)"
    )
    return figure
