"""One self-contained page: no script, no network, light and dark, at most two megabytes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eigenscape.report._figure import excess_colour, heat_strip, inline_svg
from eigenscape.report._glossary import GLOSSARY
from eigenscape.report._panel import spectrum_panel
from eigenscape.results import Result, printable, write_text
from eigenscape.spectra import CERTAIN, LABELS, ComparisonResult, LayerSpectrum, SpectraResult

if TYPE_CHECKING:
    from jinja2 import Template

#: Beyond these the page names what it leaves out; ``result.json`` has everything.
_PANELS, _ROWS, _OTHER_ROWS = 180, 1200, 40


@dataclass(frozen=True)
class Page:
    """The text of a page before its tables and pictures.

    Args:
        title: the heading.
        sentences: the findings, in plain words.
        facts: name and value pairs below them.
        grounds: what each sentence rests on; empty, or as many.
    """

    title: str
    sentences: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    grounds: Sequence[str] = ()


def render(page: Page, results: Mapping[str, Result]) -> str:
    """Return the page of some results as HTML.

    Args:
        page: heading and findings.
        results: label to result; several spectral examinations are drawn side by side.
    """
    spectra = {k: r for k, r in results.items() if isinstance(r, SpectraResult)}
    first = next(iter(results.values()))
    return _template().render(
        page=page,
        environment=first.environment,
        spectra=spectra,
        strips={label: heat_strip(result) for label, result in spectra.items()},
        scale=[(f"{value:.1f}", excess_colour(value)) for value in (0.4, 0.6, 0.8, 1.0, 1.3, 1.6)],
        panels=_panels(spectra),
        panels_left_out=max(0, sum(map(len, spectra.values())) - _PANELS),
        tables={label: result.layers[:_ROWS] for label, result in spectra.items()},
        roles={label: result.by_role() for label, result in spectra.items()},
        skipped={label: _skipped(result) for label, result in spectra.items()},
        rows_limit=_ROWS,
        words=LABELS,
        certain=CERTAIN,
        comparisons={k: r for k, r in results.items() if isinstance(r, ComparisonResult)},
        others=_others(results),
        glossary=GLOSSARY,
    )


def write_page(page: Page, results: Mapping[str, Result], path: str | Path) -> Path:
    """Write the page to a file, atomically.

    Raises:
        OutputError: the file could not be written.
    """
    return write_text(path, render(page, results))


def _panels(spectra: Mapping[str, SpectraResult]) -> list[str]:
    """Draw the layers; if there are too many for the page, those with certain faults first."""
    found: list[tuple[tuple[int, int], str, LayerSpectrum]] = []
    for order, (label, result) in enumerate(spectra.items()):
        found.extend(((index, order), label, layer) for index, layer in enumerate(result.layers))
    kept = sorted(found, key=lambda item: _severity(item[2]))[:_PANELS]
    kept.sort(key=lambda item: item[0])  # back into the checkpoint's order, twins side by side
    several = len(spectra) > 1
    return [
        spectrum_panel(layer, f"{label}: {layer.name}" if several else None)
        for _, label, layer in kept
    ]


def _others(results: Mapping[str, Result]) -> list[dict[str, Any]]:
    """Draw the results that have no tables of their own on the page: picture, rows, notes."""
    found = []
    for index, (label, result) in enumerate(results.items()):
        if isinstance(result, SpectraResult | ComparisonResult):
            continue
        table = result.frame()
        found.append(
            {
                "label": label,
                "picture": inline_svg(result.plot(), index),
                "columns": list(table.columns),
                "rows": table.head(_OTHER_ROWS).to_numpy().tolist(),
                "left_out": max(0, len(table) - _OTHER_ROWS),
                "notes": getattr(result, "notes", ()),
            }
        )
    return found


def _severity(layer: LayerSpectrum) -> int:
    return list(LABELS).index(layer.label) if layer.label else len(LABELS)


def _skipped(result: SpectraResult) -> list[tuple[str, list[str]]]:
    """Skipped tensors by reason, so that a hundred biases take one line."""
    ordered = sorted(result.skipped, key=lambda item: item.reason)
    return [
        (reason, [f"{item.name} {_shape(item.shape)}" for item in items])
        for reason, items in groupby(ordered, key=lambda item: item.reason)
    ]


def _shape(shape: Sequence[int]) -> str:
    return "×".join(str(width) for width in shape) or "scalar"


def _number(value: Any, digits: int = 2) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    return (
        f"{value:.{digits}f}" if 1e-3 <= abs(value) < 1e5 or value == 0 else f"{value:.{digits}g}"
    )


def _cell(value: Any) -> str:
    """Write one value of a foreign table: numbers to four digits, the rest as it is."""
    if isinstance(value, float):
        return "–" if math.isnan(value) else f"{value:.4g}"
    return str(value)


def _safe(value: Any) -> Any:
    """Make text from a file fit for a page; markup is the page's own."""
    return printable(value) if type(value) is str else value


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    text = files("eigenscape.report").joinpath("templates/page.html.j2").read_text("utf-8")
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_safe,
    )
    environment.filters.update(number=_number, shape=_shape, cell=_cell)
    return environment.from_string(text)
