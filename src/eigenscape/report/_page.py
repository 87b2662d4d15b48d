"""One self-contained page: it asks for nothing, is light or dark, and is whole without scripts."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from eigenscape.report._colours import step_rules
from eigenscape.report._glossary import GLOSSARY
from eigenscape.report._places import Page, Places
from eigenscape.report._sections import panel_groups, pictures, section, skipped
from eigenscape.report._tables import breakable, number
from eigenscape.results import printable, write_text
from eigenscape.spectra import LABELS, SpectraResult

if TYPE_CHECKING:
    from jinja2 import Template

#: Findings on the first screen; the others stand below.
_FINDINGS = 3


def render(page: Page) -> str:
    """Return a page as HTML."""
    places = Places(page)
    spectra = {k: r for k, r in page.results.items() if isinstance(r, SpectraResult)}
    script, style = _asset("page.js"), _asset("page.css")
    steps = f"{step_rules(dark=False)}@media (prefers-color-scheme:dark){{{step_rules(dark=True)}}}"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    leading = page.leading
    return _template().render(
        page=page,
        leading=leading,
        said=places.said(leading)[:_FINDINGS] if leading else (),
        more=places.said(leading)[_FINDINGS:] if leading else (),
        pictures=pictures(page, places),
        groups=panel_groups(spectra, places),
        panels_left_out=sum(map(len, spectra.values())) - len(places.drawn),
        sections=[section(page, label, places) for label in page.results],
        spectra=spectra,
        skipped={label: skipped(result) for label, result in spectra.items()},
        environments=_environments(page),
        words=LABELS,
        glossary=GLOSSARY,
        script=Markup(script),
        style=Markup(f"{style}{steps}"),
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'",
    )


def write_page(page: Page, path: str | Path) -> Path:
    """Write the page to a file, atomically.

    Raises:
        OutputError: the file could not be written.
    """
    return write_text(path, render(page))


def _environments(page: Page) -> dict[str, Any]:
    """What made the results: one entry where all were made at once."""
    found: dict[str, Any] = {}
    for label, result in page.results.items():
        if result.environment not in found.values():
            found[label] = result.environment
    return found


def _safe(value: Any) -> Any:
    """Make text from a file fit for a page; markup is the page's own."""
    return printable(value) if type(value) is str else value


def _asset(name: str) -> str:
    return files("eigenscape.report").joinpath(f"templates/{name}").read_text("utf-8")


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_safe,
    )
    environment.filters.update(number=number, breakable=breakable)
    return environment.from_string(_asset("page.html.j2"))
