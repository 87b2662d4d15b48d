"""Drawings of a page: figures as SVG, and logarithmic axes."""

from __future__ import annotations

import base64
import io
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray

from eigenscape.errors import InputError
from eigenscape.results import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Characters of a drawing beyond which the page takes its pixels instead.
_LARGEST = 300_000
#: Grey of the palette, which is too light for text, and the one that text gets.
_GREYS, _SOFT = re.compile(r"fill: ?#(?:7f7f7f|808080)", re.I), "fill: #5c5c5c"


def inline_picture(result: Result, index: int) -> Markup:
    """Return the picture of a result for a page; nothing where it has none.

    Args:
        result: any result.
        index: its number on the page.
    """
    try:
        figure = result.plot()
    except InputError:
        return Markup("")
    svg = inline_svg(figure, index)
    if len(svg) <= _LARGEST:
        return Markup(svg)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    data = base64.b64encode(buffer.getvalue()).decode()
    words = result.answer or f"picture of a {type(result).__name__}"
    return Markup('<img alt="{}" src="data:image/png;base64,{}">').format(words, data)


def inline_svg(figure: Figure, index: int) -> str:
    """Return a figure as SVG for a page; it is made for a light background.

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
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.S)
    text = re.sub(r' xmlns(?::\w+)?="[^"]*"', "", text)
    text = re.sub(
        r'id="((?:figure|axes|patch|text|line2d|legend|QuadMesh|xtick|ytick|matplotlib'
        r'\.axis)[^"]*)"',
        "",
        text,
    )
    text = re.sub(r"<text[^>]*>", lambda tag: _GREYS.sub(_SOFT, tag.group()), text)
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
