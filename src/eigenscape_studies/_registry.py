"""Studies by name: every installed package may offer some through an entry point."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from eigenscape.errors import InputError
from eigenscape_studies._study import Study

#: The group of entry points, ``name = "module:STUDY"``.
GROUP = "eigenscape.studies"


def study_names() -> tuple[str, ...]:
    """Return the names of all installed studies, in order; none of them is imported.

    >>> "heavy_tails" in study_names()
    True
    """
    return tuple(sorted(metadata.entry_points(group=GROUP).names))


def get_study(name: str) -> Study[Any, Any]:
    """Return an installed study by name.

    Raises:
        InputError: no such study, two packages offer one of this name, or what is offered is not a
            study of this name.

    >>> get_study("heavy_tails").paper.startswith("Kothapalli")
    True
    """
    offered = tuple(metadata.entry_points(group=GROUP, name=name))
    if not offered:
        known = ", ".join(study_names()) or "none"
        raise InputError(
            f"no study {name!r}; installed: {known}. Try: one of these, or install the package "
            f"that offers it through the entry point group {GROUP}"
        )
    if len(offered) > 1:
        places = ", ".join(point.value for point in offered)
        raise InputError(f"study {name!r} is offered more than once: {places}. Try: keep one")
    study = offered[0].load()
    if not isinstance(study, Study) or study.name != name:
        raise InputError(f"{offered[0].value} is not a Study of the name {name!r}")
    return study
