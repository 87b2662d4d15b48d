"""The page of a study: one self-contained file, light and dark."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from eigenscape.report import inline_svg
from eigenscape.results import write_text
from eigenscape_studies._registry import get_study
from eigenscape_studies._result import StudyResult

if TYPE_CHECKING:
    from jinja2 import Template


def render_study(result: StudyResult) -> str:
    """Return a study's page as HTML: findings, claims, pictures."""
    pictures = {
        heading: (inline_svg(figure, index), caption)
        for index, (heading, (figure, caption)) in enumerate(result.pictures().items())
    }
    study = get_study(result.study)
    return _template().render(
        result=result, paper=study.paper, intervals=study.intervals, pictures=pictures
    )


def write_study_page(result: StudyResult, path: str | Path) -> Path:
    """Write a study's page, atomically.

    Raises:
        OutputError: the file could not be written.
    """
    return write_text(path, render_study(result))


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    text = files("eigenscape_studies").joinpath("templates/study.html.j2").read_text("utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(text)
