"""Pictures of a layer table, of one spectrum, and of the changes between two checkpoints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eigenscape.results import PALETTE, label_text, new_figure, picture_of
from eigenscape.spectra._compare import ComparisonResult, LayerChange
from eigenscape.spectra._groups import name_pattern
from eigenscape.spectra._layer import LayerSpectrum
from eigenscape.spectra._reference_pictures import plot_placement as plot_placement
from eigenscape.spectra._reference_pictures import plot_reference as plot_reference
from eigenscape.spectra._result import SpectraResult
from eigenscape.theory import MarchenkoPastur

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMED = 40
#: Where a layer moved by more of its norm, the norm is drawn.
_NEAR_NORM = 0.3


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
    """Draw how far the weights of each layer moved, and its alpha_hill before and after.

    Above 40 layers those of one name but for its numbers share a row.
    """
    changes = [one for one in result.changes if one.examined]
    names = [one.name for one in changes]
    rows = names if len(changes) <= _NAMED else [name_pattern(name) for name in names]
    order = {name: row for row, name in enumerate(dict.fromkeys(rows))}
    place = np.array([order[name] for name in rows], dtype=float) + _within(rows)
    figure = new_figure(
        8.5, max(2.4, (0.24 if len(order) == len(changes) else 0.6) * len(order) + 1.4)
    )
    left, right = figure.subplots(1, 2, sharey=True)
    _draw_moves(left, changes, place)
    _draw_alphas(right, changes, place)
    left.set_yticks(range(len(order)), [label_text(name) for name in order], fontsize=7)
    left.set_ylim(len(order) - 0.5, -0.5)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", lw=0.3, alpha=0.5)
    return figure


def _within(rows: Sequence[str]) -> NDArray[np.float64]:
    """The place of each layer within its row, from -.3 to .3."""
    counts, seen = Counter(rows), Counter[str]()
    places = []
    for name in rows:
        seen[name] += 1
        places.append(0.6 * (seen[name] / (counts[name] + 1) - 0.5) if counts[name] > 1 else 0.0)
    return np.array(places)


def _draw_moves(axes: Axes, changes: Sequence[LayerChange], place: NDArray[np.float64]) -> None:
    moves = np.array([one.weight_change for one in changes])
    moved = np.isfinite(moves) & (moves > 0)
    same = moves == 0
    least = float(moves[moved].min()) if moved.any() else 1.0
    rounding = max((one.rounding for one in changes if np.isfinite(one.rounding)), default=0.0)
    axes.set_xscale("log")
    axes.scatter(moves[moved], place[moved], s=14, color=PALETTE["blue"], label="moved")
    if same.any():
        at = np.full(int(same.sum()), least / 3)
        words = "0: unchanged bit for bit"
        axes.scatter(at, place[same], s=18, marker="x", color=PALETTE["black"], label=words)
    if moved.any() and rounding >= least / 3:
        axes.axvspan(least / 5, rounding, color=PALETTE["grey"], alpha=0.2, label="rounding")
    if moved.any() and float(moves[moved].max()) > _NEAR_NORM:
        axes.axvline(1, color=PALETTE["vermilion"], lw=1, ls="--", label="its own norm")
    axes.set_xlabel("change of the weights / their norm")
    if moved.any() or same.any():
        axes.legend(frameon=False, fontsize=7, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3)


def _draw_alphas(axes: Axes, changes: Sequence[LayerChange], place: NDArray[np.float64]) -> None:
    before = np.array([one.alpha_hill_before for one in changes])
    after = np.array([one.alpha_hill_after for one in changes])
    clear = np.array([one.clear for one in changes], dtype=bool)
    colours = np.where(clear, PALETTE["vermilion"], PALETTE["blue"])
    axes.hlines(place, before, after, color=colours, lw=1)
    axes.scatter(before, place, s=16, facecolors="none", edgecolors=PALETTE["grey"], label="before")
    for chosen, colour, words in (
        (~clear, "blue", "after"),
        (clear, "vermilion", "after, beyond its noise"),
    ):
        if (chosen & np.isfinite(after)).any():
            axes.scatter(after[chosen], place[chosen], s=16, color=PALETTE[colour], label=words)
    axes.set_xlabel("PL_Alpha_Hill")
    if np.isfinite(before).any() or np.isfinite(after).any():
        axes.legend(frameon=False, fontsize=7, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3)
