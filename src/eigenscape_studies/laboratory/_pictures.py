"""The picture of one experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eigenscape.results import PALETTE, new_figure, picture_of
from eigenscape.theory import noise_edge
from eigenscape_studies.laboratory._result import LabResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHOWN = 4
_COLOURS = ("grey", "sky", "orange", "vermilion")


@picture_of(LabResult)
def plot_result(result: LabResult) -> Figure:
    """Draw spectra on the left, the exponent and its null on the right."""
    figure = new_figure(9.5, 3.8)
    left, right = figure.subplots(1, 2)
    steps = sorted(result.spectra)
    picks = sorted({steps[round(i)] for i in np.linspace(0, len(steps) - 1, _SHOWN)})
    for step, colour in zip(picks, _COLOURS[-len(picks) :], strict=True):
        draw_spectrum(left, result.spectra[step], f"step {step}", PALETTE[colour])
    draw_edge(left, result.options.h, result.options.d)
    left.legend(frameon=False, fontsize=8)
    frame = result.frame()
    right.plot(frame["step"], frame["alpha_hill"], "o-", color=PALETTE["blue"], label="W")
    right.axhline(result.final.alpha_null, color=PALETTE["orange"], ls="--", label="random matrix")
    right.set(xlabel="step", ylabel="PL_Alpha_Hill (1)", title="Tail exponent")
    right.legend(frameon=False, fontsize=8)
    o = result.options
    figure.suptitle(f"{o.optimizer}, learning rate {o.learning_rate:g}, h {o.h}, d {o.d}, n {o.n}")
    return figure


def draw_spectrum(
    axes: Axes, eigenvalues: NDArray[np.float64], label: str, colour: str, bins: int = 60
) -> None:
    """Draw the density of log10 eigenvalues as a step line, on a logarithmic scale."""
    logs = np.log10(eigenvalues[eigenvalues > 1e-12 * eigenvalues[-1]])
    counts, edges = np.histogram(logs, bins=bins)
    share = counts / counts.sum() / np.diff(edges)
    axes.stairs(np.where(share > 0, share, np.nan), edges, color=colour, label=label, lw=1.4)
    axes.set(
        xlabel="log10 eigenvalue of $W^T W$",
        ylabel="density (per decade)",
        yscale="log",
        title="Spectrum",
    )


def draw_edge(axes: Axes, h: int, d: int) -> None:
    """Mark the edge of noise of this shape."""
    n, m = min(h, d), max(h, d)
    axes.axvline(
        np.log10(noise_edge(n, m) * m), color=PALETTE["black"], ls=":", lw=1, label="edge of noise"
    )
