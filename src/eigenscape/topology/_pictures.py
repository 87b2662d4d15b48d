"""Pictures of a topology result and of a report on a grid."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError
from eigenscape.results import PALETTE, new_figure, picture_of
from eigenscape.topology._check_grid import GridReport
from eigenscape.topology._draw_diagram import draw_topology
from eigenscape.topology._result import LARGEST_STORED, TopologyResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@picture_of(TopologyResult)
def plot_topology(result: TopologyResult) -> Figure:
    """Draw contour, profile, diagram and barcode.

    Raises:
        InputError: reloaded from a file that was too large to hold the values.
    """
    if result.tree is None:
        raise _too_large(result)
    title = result.source if len(result.source) < 80 else "…" + result.source[-79:]
    if result.simplified > 0:
        title += (
            f"\npairs below {result.simplified:.3g} cancelled: {result.unsimplified_minima} -> "
            f"{result.tree.n_minima} minima"
        )
    return draw_topology(result.tree, coordinates=result.axes, names=result.names, title=title)


@picture_of(GridReport)
def plot_report(report: GridReport) -> Figure:
    """Draw the grid beside the findings; of more than two axes, the slice through the minimum.

    Raises:
        InputError: reloaded from a file that was too large to hold the values.
    """
    if report.values is None:
        raise _too_large(report)
    figure = new_figure(10, 4)
    left, right = figure.subplots(1, 2)
    _draw_slice(left, report.values)
    right.set_axis_off()
    right.set_title(
        f"{len(report.faults)} fault(s), {len(report.suspicions)} finding(s)", fontsize=9
    )
    lines = [
        f"{item.severity}: {item.name}\n   {_wrap(item.sentence)}" for item in report.suspicions
    ]
    right.text(0, 1, "\n".join(lines) or "nothing found", va="top", fontsize=7.5)
    return figure


def _too_large(result: TopologyResult | GridReport) -> InputError:
    return InputError(
        f"{result.source} has {int(np.prod(result.shape)):,} samples; values are kept in a result "
        f"file up to {LARGEST_STORED:,}. Try: examine the grid again and plot that"
    )


def _draw_slice(axes: Any, values: NDArray[np.float64]) -> None:
    masked = np.ma.masked_invalid(values)
    if values.ndim == 1:
        axes.plot(masked, color=PALETTE["blue"], marker=".")
        axes.set(xlabel="sample along axis 0", ylabel="loss", title="Grid")
        return
    place = np.unravel_index(int(np.argmin(masked.filled(np.inf))), values.shape)
    key: tuple[Any, ...] = (slice(None), slice(None), *place[2:])
    plane = masked[key]
    axes.set_facecolor(PALETTE["grey"])
    drawn = axes.pcolormesh(plane.T, cmap="Blues_r")
    title = (
        "Grid" if values.ndim == 2 else f"Axes 0 and 1 through the lowest loss ({values.ndim}-D)"
    )
    axes.set(xlabel="sample along axis 0", ylabel="sample along axis 1")
    axes.set_title(title, fontsize=9)
    axes.figure.colorbar(drawn, ax=axes, label="loss (dark: low; grey: not finite)")


def _wrap(text: str) -> str:
    return "\n   ".join(textwrap.wrap(text, 74))
