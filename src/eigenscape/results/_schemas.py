"""Which class reads which file: one table of schema names, open to other packages."""

from __future__ import annotations

import importlib
import re
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from eigenscape.errors import InputError

if TYPE_CHECKING:
    from eigenscape.results._result import Result

#: Schema name to the module whose import defines its class. Other packages add theirs by entry
#: points of the group ``eigenscape.results``: ``"theirs.name" = "their_package"``.
MODULES = {
    "eigenscape.ablation": "eigenscape.ablation",
    "eigenscape.allocation": "eigenscape.allocation",
    "eigenscape.balancing_trace": "eigenscape.balancing",
    "eigenscape.checkup": "eigenscape.checkup",
    "eigenscape.comparison": "eigenscape.spectra",
    "eigenscape.diagnosis": "eigenscape.diagnosis",
    "eigenscape.diagnosis_evaluation": "eigenscape.diagnosis",
    "eigenscape.grid_report": "eigenscape.topology",
    "eigenscape.hessian": "eigenscape.landscape",
    "eigenscape.landscape": "eigenscape.landscape",
    "eigenscape.md_tree": "eigenscape.diagnosis",
    "eigenscape.measurement": "eigenscape.diagnosis",
    "eigenscape.path": "eigenscape.landscape",
    "eigenscape.perplexity": "eigenscape.models",
    "eigenscape.population": "eigenscape.diagnosis",
    "eigenscape.placement": "eigenscape.spectra",
    "eigenscape.prescription": "eigenscape.diagnosis",
    "eigenscape.pruning": "eigenscape.pruning",
    "eigenscape.rank_pattern": "eigenscape.adapters",
    "eigenscape.reference": "eigenscape.spectra",
    "eigenscape.spectra": "eigenscape.spectra",
    "eigenscape.topology": "eigenscape.topology",
}
GROUP = "eigenscape.results"
_FORM = re.compile(r"([A-Za-z_][\w.-]*)/(\d+)")
_CLASSES: dict[str, type[Result]] = {}


def register(kind: type[Result]) -> None:
    """Register the class that reads a schema.

    Raises:
        TypeError: the schema is not ``"name/version"``, or another class has its name.
    """
    match = _FORM.fullmatch(kind.schema)
    if match is None:
        raise TypeError(f"{kind.__name__}: the schema {kind.schema!r} is not 'name/version'")
    before = _CLASSES.setdefault(match[1], kind)
    same = (before.__module__, before.__qualname__) == (kind.__module__, kind.__qualname__)
    if not same:
        raise TypeError(
            f"{kind.__module__}.{kind.__qualname__} and {before.__module__}.{before.__qualname__} "
            f"both have the schema {match[1]}"
        )
    _CLASSES[match[1]] = kind  # a module that was loaded anew has a new class


def class_of(schema: Any, where: str) -> type[Result]:
    """Return the class behind a schema, importing its module where that was not done yet.

    Args:
        schema: what a file states.
        where: the file.

    Raises:
        InputError: no schema, an unknown one, or one of another version.
    """
    match = _FORM.fullmatch(schema) if isinstance(schema, str) else None
    if match is None:
        raise InputError(
            f"{where} states the schema {schema!r:.60}; expected a result file that eigenscape "
            "wrote, such as 'eigenscape.spectra/1'. Try: eigenscape ... --format json"
        )
    name = match[1]
    if name not in _CLASSES:
        _import(name)
    kind = _CLASSES.get(name)
    if kind is None:
        known = ", ".join(sorted({*_CLASSES, *MODULES, *_offered()}))
        raise InputError(
            f"{where} states the unknown schema {name!r}; known are {known}. "
            "Try: install the package that wrote it"
        )
    if kind.schema != schema:
        raise InputError(
            f"{where} has version {match[2]} of {name}; this version of {kind.__name__} reads "
            f"{kind.schema}. Try: make the file again with this version"
        )
    return kind


def _import(name: str) -> None:
    offered = _offered()
    module = MODULES.get(name) or offered.get(name)
    if module is not None:
        importlib.import_module(module)


def _offered() -> dict[str, str]:
    """Return schema name to module of the installed packages' entry points.

    Raises:
        InputError: two packages offer the same schema.
    """
    found: dict[str, str] = dict(MODULES)
    for entry in entry_points(group=GROUP):
        if found.setdefault(entry.name, entry.module) != entry.module:
            raise InputError(
                f"{entry.module} and {found[entry.name]} both offer the schema {entry.name}. "
                "Try: uninstall one of them"
            )
    return found
