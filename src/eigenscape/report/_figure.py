"""Drawings of a page: figures as SVG, logarithmic axes, and the strip of layers."""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenscape.spectra import LayerSpectrum, SpectraResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Ink of the pictures; on the page it becomes the page's own, light or dark.
_INK = "#1a1a1a"


def inline_svg(figure: Figure, index: int) -> str:
    """Return a figure as SVG for a page, with ink that follows the page, light or dark.

    Args:
        figure: any figure.
        index: its number on the page: it makes the names inside the pictures unique.
    """
    import matplotlib as mpl

    buffer = io.StringIO()
    settings: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": f"eigenscape{index}"}
    with mpl.rc_context(settings):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = (
        text[text.index("<svg") :].replace(_INK, "currentColor").replace("#000000", "currentColor")
    )
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(
        r'id="((?:figure|axes|patch|text|line2d|legend|QuadMesh|xtick|ytick|matplotlib'
        r'\.axis)[^"]*)"',
        "",
        text,
    )
    return re.sub(r' d="[^"]*"', _shortened, text)


def _shortened(path: re.Match[str]) -> str:
    """Round a path's coordinates: a hundredth of a point is enough."""
    return re.sub(r"(\d+\.\d{2})\d+", r"\1", path.group())


@dataclass(frozen=True)
class LogAxis:
    """Places of positive numbers between two ends of a page.

    Args:
        low: log10 of the number at ``start``.
        high: log10 of the number at ``end``.
        start: the place of the low end.
        end: the place of the high end.

    >>> LogAxis(0.0, 2.0, 0.0, 100.0)([10.0]).tolist()
    [50.0]
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return the places of ``values``, clipped to the axis."""
        share = (np.log10(np.asarray(values, dtype=np.float64)) - self.low) / (self.high - self.low)
        return self.start + (self.end - self.start) * np.clip(share, 0.0, 1.0)

    def ticks(self, most: int = 4) -> list[tuple[float, str]]:
        """Return places and labels of whole decades, at most ``most`` of them.

        >>> [label for _, label in LogAxis(-0.5, 2.5, 0.0, 1.0).ticks()]
        ['10⁰', '10¹', '10²']
        """
        first, last = math.ceil(self.low), math.floor(self.high)
        step = max(1, math.ceil((last - first + 1) / most))
        decades = list(range(first, last + 1, step))
        if len(decades) > 1:
            return [(float(self([10.0**d])[0]), f"10{_raised(d)}") for d in decades]
        ends = (self.low + 0.08 * (self.high - self.low), self.high - 0.08 * (self.high - self.low))
        return [(float(self([10.0**end])[0]), f"{10.0**end:.2g}") for end in ends]


def _raised(number: int) -> str:
    return str(number).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


# Blue (heavier than random) over near-white to orange (lighter): safe for colour-blind readers.
_HEAVY, _MIDDLE, _LIGHT = (0, 90, 160), (240, 240, 236), (200, 110, 0)
#: Cells beyond these values of alpha_excess have the full colour.
_ENDS = (0.4, 1.6)


@dataclass(frozen=True)
class Cell:
    """One layer in the strip: its colour, and its tooltip."""

    name: str
    colour: str
    words: str
    label: str


def heat_strip(result: SpectraResult) -> list[Cell]:
    """Return the strip's cells, in the order of the checkpoint."""
    return [_cell(layer) for layer in result.layers]


def excess_colour(excess: float) -> str:
    """Return the colour of one alpha_excess: 1 (random) is near white.

    >>> excess_colour(1.0)
    'rgb(240,240,236)'
    """
    if not math.isfinite(excess):
        return "rgb(128,128,128)"
    low, high = _ENDS
    end, share = (
        (_HEAVY, (1 - excess) / (1 - low)) if excess < 1 else (_LIGHT, (excess - 1) / (high - 1))
    )
    share = min(1.0, max(0.0, share))
    mixed = (round(a + (b - a) * share) for a, b in zip(_MIDDLE, end, strict=True))
    return f"rgb({','.join(str(value) for value in mixed)})"


def _cell(layer: LayerSpectrum) -> Cell:
    label = layer.label or "not examined"
    words = f"{layer.name}: {label}"
    if math.isfinite(layer.alpha_excess):
        words += (
            f"; alpha_excess {layer.alpha_excess:.2f} "
            f"[{layer.alpha_excess_low:.2f}, {layer.alpha_excess_high:.2f}]"
        )
    return Cell(layer.name, excess_colour(layer.alpha_excess), words, label)
