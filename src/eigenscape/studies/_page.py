"""The page of a study: one self-contained file, light and dark."""

from __future__ import annotations

import io
import re
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eigenscape.results import write_text
from eigenscape.studies._registry import get_study
from eigenscape.studies._result import StudyResult

if TYPE_CHECKING:
    from jinja2 import Template
    from matplotlib.figure import Figure

#: Ink of the pictures; on the page it becomes the page's own, light or dark.
_INK = "#1a1a1a"


def render_study(result: StudyResult) -> str:
    """Return a study's page as HTML: findings, claims, pictures."""
    pictures = {
        heading: (_inline_svg(figure, index), caption)
        for index, (heading, (figure, caption)) in enumerate(result.pictures().items())
    }
    paper = get_study(result.study).paper
    return _template().render(result=result, paper=paper, pictures=pictures)


def write_study_page(result: StudyResult, path: str | Path) -> Path:
    """Write a study's page, atomically.

    Raises:
        OutputError: the file could not be written.
    """
    return write_text(path, render_study(result))


def _inline_svg(figure: Figure, index: int) -> str:
    """Return a figure as SVG whose ink follows the page."""
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
    text = re.sub(r'id="((?:figure|axes|patch|text|line2d|legend|QuadMesh|xtick|ytick|matplotlib'
                  r'\.axis)[^"]*)"', "", text)  # fmt: skip
    return re.sub(r' d="[^"]*"', _shortened, text)


def _shortened(path: re.Match[str]) -> str:
    """Round a path's coordinates: a hundredth of a point is enough."""
    return re.sub(r"(\d+\.\d{2})\d+", r"\1", path.group())


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    text = files("eigenscape.studies").joinpath("templates/study.html.j2").read_text("utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(text)
