"""Pictures of a layer table, of one spectrum, and of the changes between two checkpoints."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from eigenscape.results import PALETTE, label_text, new_figure, picture_of
from eigenscape.spectra._compare import ComparisonResult
from eigenscape.spectra._layer import LayerSpectrum
from eigenscape.spectra._reference_pictures import plot_placement as plot_placement
from eigenscape.spectra._reference_pictures import plot_reference as plot_reference
from eigenscape.spectra._result import SpectraResult
from eigenscape.theory import MarchenkoPastur

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMED = 40


@picture_of(SpectraResult)
def plot_layers(result: SpectraResult) -> Figure:
    """Draw alpha_hill with its interval for every layer, beside the null of the layer's shape."""
    layers = [layer for layer in result.layers if np.isfinite(layer.alpha_hill)]
    figure = new_figure(max(6.0, min(16.0, 0.22 * len(layers) + 2)), 4.2)
    axes = figure.subplots()
    place = np.arange(len(layers))
    alpha = np.array([layer.alpha_hill for layer in layers])
    below = alpha - np.array([layer.alpha_hill_low for layer in layers])
    above = np.array([layer.alpha_hill_high for layer in layers]) - alpha
    axes.errorbar(
        place,
        alpha,
        yerr=[below, above],
        fmt="o",
        ms=4,
        lw=1,
        color=PALETTE["blue"],
        label="layer, with the interval of its threshold",
    )
    axes.scatter(
        place,
        [layer.alpha_null for layer in layers],
        marker="_",
        s=90,
        color=PALETTE["orange"],
        label="random matrix of the same shape",
        zorder=3,
    )
    axes.set_ylabel("PL_Alpha_Hill")
    if len(layers) <= _NAMED:
        axes.set_xticks(
            place, [label_text(layer.name) for layer in layers], rotation=90, fontsize=7
        )
    else:
        axes.set_xlabel("layer, in the order of the checkpoint")
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_spectrum(axes: Axes, layer: LayerSpectrum) -> None:
    """Draw one spectrum into existing axes, density and eigenvalue both logarithmic."""
    histogram = layer.histogram
    axes.set_title(label_text(layer.name), fontsize=9)
    if histogram is None:
        axes.text(0.5, 0.5, "no spectrum", ha="center", transform=axes.transAxes)
        return
    edges = 10 ** np.linspace(histogram.low, histogram.high, len(histogram.counts) + 1)
    density = np.array(histogram.counts) / np.diff(edges) / sum(histogram.counts)
    axes.stairs(np.where(density > 0, density, np.nan), edges, fill=True, color=PALETTE["sky"])
    law = MarchenkoPastur(
        min(layer.rows, layer.cols) / max(layer.rows, layer.cols),
        layer.bulk_sigma**2 * max(layer.rows, layer.cols),
    )
    x = np.geomspace(max(law.lower, edges[0]), law.upper, 300)[1:-1]
    axes.plot(x, law.density(x), color=PALETTE["orange"], lw=1.2, label="Marchenko-Pastur bulk")
    if np.isfinite(layer.alpha_ks):
        tail = np.geomspace(layer.xmin, layer.lambda_max, 50)
        share = layer.tail_size / sum(histogram.counts)
        line = share * (layer.alpha_ks - 1) / layer.xmin * (tail / layer.xmin) ** -layer.alpha_ks
        label = f"power law, alpha {layer.alpha_ks:.2f} ± {2 * layer.sigma:.2f}"
        axes.plot(tail, line, color=PALETTE["vermilion"], lw=1.5, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(bottom=float(density[density > 0].min()) / 3)
    axes.set_xlabel("eigenvalue of W Wᵀ")
    axes.set_ylabel("density")
    axes.legend(frameon=False, fontsize=7)


@picture_of(ComparisonResult)
def plot_changes(result: ComparisonResult) -> Figure:
    """Draw the change of alpha_hill and the relative change of the weights, by layer."""
    changes = [c for c in result.changes if math.isfinite(c.alpha_hill_change)]
    figure = new_figure(8.0, max(2.5, 0.2 * len(changes) + 1.2))
    left, right = figure.subplots(1, 2, sharey=True)
    place = range(len(changes))
    clear = [c.state == "spectrum" for c in changes]
    colours = [PALETTE["vermilion"] if moved else PALETTE["grey"] for moved in clear]
    left.barh(place, [c.weight_change for c in changes], color=PALETTE["blue"])
    right.barh(place, [c.alpha_hill_change for c in changes], color=colours)
    left.set_yticks(place, [label_text(c.name) for c in changes], fontsize=7)
    left.invert_yaxis()
    left.set_xlabel("relative change of the weights (Frobenius)")
    right.set_xlabel("change of PL_Alpha_Hill (vermilion: clear)")
    right.axvline(0, color=PALETTE["black"], lw=0.8)
    return figure
