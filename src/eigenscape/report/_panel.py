"""One spectrum as a small inline SVG: density, fitted tail with its interval, and the null.

Written as SVG text instead of with matplotlib for two reasons: a panel takes 2 kB instead of 20, so
that a page of two hundred layers stays small, and its colours follow the page's light or dark mode.
"""

from __future__ import annotations

import math
from html import escape

import numpy as np
from numpy.typing import NDArray

from eigenscape.report._figure import LogAxis
from eigenscape.results import printable
from eigenscape.spectra import LayerSpectrum
from eigenscape.theory import MarchenkoPastur

_WIDTH, _HEIGHT = 250, 147
#: Points of a drawn curve, ends included: more make the page larger and look the same.
_POINTS, _TAIL_POINTS = 36, 7
_LEFT, _RIGHT, _TOP, _BOTTOM = 36, 244, 8, 112


def spectrum_panel(layer: LayerSpectrum) -> str:
    """Return the SVG of one layer's spectrum, on logarithmic axes with units."""
    parts = [
        f'<svg class="panel" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="spectrum of {escape(printable(layer.name))}">',
    ]
    histogram = layer.histogram
    if histogram is None or histogram.high <= histogram.low:
        label = layer.label or "no spectrum"
        parts.append(f'<text x="{_WIDTH / 2}" y="60" text-anchor="middle">{escape(label)}</text>')
        return "".join([*parts, "</svg>"])
    edges = 10 ** np.linspace(histogram.low, histogram.high, len(histogram.counts) + 1)
    counts = np.array(histogram.counts, dtype=np.float64)
    density = counts / np.diff(edges) / counts.sum()
    margin = 0.03 * (histogram.high - histogram.low)
    x = LogAxis(histogram.low - margin, histogram.high + margin, _LEFT, _RIGHT)
    seen = density[density > 0]
    y = LogAxis(math.log10(seen.min()) - 0.4, math.log10(seen.max()) + 0.3, _BOTTOM, _TOP)
    parts += [
        _bars(x, y, edges, density),
        _null(x, y, layer, 10**x.low, 10**x.high),
        _fit(x, y, layer, counts.sum()),
        _axes(x, y),
        _caption(layer),
        "</svg>",
    ]
    return "".join(parts)


def _bars(x: LogAxis, y: LogAxis, edges: NDArray[np.float64], density: NDArray[np.float64]) -> str:
    places = x(edges)
    heights = np.where(density > 0, y(np.where(density > 0, density, 1.0)), _BOTTOM)
    steps = "".join(
        f"V{top:.1f}H{right:.1f}" for top, right in zip(heights, places[1:], strict=True)
    )
    return (
        f'<path class="bars" d="M{places[0]:.1f} {_BOTTOM}{steps.replace(".0", "")}V{_BOTTOM}Z"/>'
    )


def _null(x: LogAxis, y: LogAxis, layer: LayerSpectrum, low: float, high: float) -> str:
    n, m = sorted((layer.rows, layer.cols))
    if not layer.bulk_sigma > 0:
        return ""
    law = MarchenkoPastur(n / m, layer.bulk_sigma**2 * m)
    start, end = max(law.lower, low), min(law.upper, high)
    if not 0 < start < end:
        return ""
    values = np.geomspace(start, end, _POINTS)[1:-1]
    share = 1 - layer.spikes / layer.n_eigenvalues
    return _line("null", x(values), y(np.maximum(share * law.density(values), 10.0**y.low)))


def _fit(x: LogAxis, y: LogAxis, layer: LayerSpectrum, count: float) -> str:
    if not math.isfinite(layer.alpha_ks):
        return ""
    tail = np.geomspace(layer.xmin, layer.lambda_max, _TAIL_POINTS)
    share = layer.tail_size / count

    def law(alpha: float) -> NDArray[np.float64]:
        alpha = max(alpha, 1.001)
        found = share * (alpha - 1) / layer.xmin * (tail / layer.xmin) ** -alpha
        return y(np.maximum(found, 10.0**y.low))

    places, error = x(tail), 2 * layer.sigma
    high, low = law(layer.alpha_ks - error), law(layer.alpha_ks + error)
    outline = [*zip(places, high, strict=True), *zip(places[::-1], low[::-1], strict=True)]
    band = " ".join(f"{a:.1f},{b:.1f}" for a, b in outline)
    return f'<polygon class="band" points="{band}"/>' + _line("fit", places, law(layer.alpha_ks))


def _line(kind: str, x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<polyline class="{kind}" points="{points}"/>'


def _axes(x: LogAxis, y: LogAxis) -> str:
    parts = [f'<path class="axis" d="M{_LEFT} {_TOP}V{_BOTTOM}H{_RIGHT}"/>']
    for place, label in x.ticks():
        parts.append(f'<text class="tick" x="{place:.1f}" y="{_BOTTOM + 11}">{label}</text>')
    for place, label in y.ticks(3):
        parts.append(f'<text class="tick side" x="{_LEFT - 3}" y="{place + 3:.1f}">{label}</text>')
    return "".join(parts)


def _caption(layer: LayerSpectrum) -> str:
    alpha = f"α {layer.alpha_hill:.2f}" if math.isfinite(layer.alpha_hill) else "no α"
    if math.isfinite(layer.alpha_null):
        alpha += f" (random {layer.alpha_null:.2f})"
    if math.isfinite(layer.alpha_ks):
        alpha += f" · KS {layer.alpha_ks:.2f} ± {2 * layer.sigma:.2f}"
    return f'<text class="caption" x="4" y="{_HEIGHT - 6}">{alpha}</text>'
