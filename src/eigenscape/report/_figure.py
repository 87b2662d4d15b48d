"""A figure inside a page."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

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
