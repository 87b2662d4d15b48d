"""The page of a study: one self-contained file, light and dark."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from eigenscape.report import inline_svg

if TYPE_CHECKING:
    from jinja2 import Template
    from matplotlib.figure import Figure

    from eigenscape_studies._result import StudyResult


def render_page(
    result: StudyResult,
    pictures: dict[str, tuple[Figure, str]],
    *,
    paper: str,
    intervals: str,
) -> str:
    """Return a study's page as HTML: findings, claims, pictures."""
    drawn = {
        heading: (inline_svg(figure, index), caption)
        for index, (heading, (figure, caption)) in enumerate(pictures.items())
    }
    return _template().render(result=result, paper=paper, intervals=intervals, pictures=drawn)


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    text = files("eigenscape_studies").joinpath("templates/study.html.j2").read_text("utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(text)
