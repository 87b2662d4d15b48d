"""Studies by name; a study's code is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from eigenscape.errors import InputError
from eigenscape.runs import Engine, ProgressCallback

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from eigenscape_studies._result import StudyResult

_HOMES = {
    "heavy_tails": "eigenscape_studies.heavy_tails",
    "landscape_topology": "eigenscape_studies.landscape_topology",
    "landscape_profiles": "eigenscape_studies.landscape_profiles",
    "md_tree": "eigenscape_studies.md_tree",
    "md_tree_population": "eigenscape_studies.md_tree_population",
    "planted_faults": "eigenscape_studies.planted_faults",
    "tempbalance": "eigenscape_studies.tempbalance",
}
#: The names of all studies.
STUDIES = tuple(_HOMES)


class RunStudy(Protocol):
    """How a study is run."""

    def __call__(
        self,
        scale: str,
        *,
        seeds: int | None,
        folder: str | Path | None,
        engine: Engine,
        jobs: int | None,
        progress: ProgressCallback | None,
    ) -> StudyResult:
        """Compute, and return claims and tables."""


@dataclass(frozen=True)
class Study:
    """A paper, its claims, and how they are put to the test.

    Args:
        name: what the command calls it.
        title: the heading of its page.
        paper: which paper.
        run: from a scale to a result.
        pictures: from a result to its pictures.
        scales: its scales, from small to large.
        intervals: how its intervals were made.
    """

    name: str
    title: str
    paper: str
    run: RunStudy
    pictures: Callable[[StudyResult], dict[str, tuple[Figure, str]]]
    scales: tuple[str, ...] = ("small", "paper")
    intervals: str = "Student's t over seeds."


def get_study(name: str) -> Study:
    """Return a study by name.

    Raises:
        InputError: no such study.

    >>> get_study("heavy_tails").paper.startswith("Kothapalli")
    True
    """
    if name not in _HOMES:
        raise InputError(f"no study {name!r}; expected one of {', '.join(STUDIES)}")
    study: Study = import_module(_HOMES[name]).STUDY
    return study


def run_study(
    name: str,
    scale: str = "small",
    *,
    seeds: int | None = None,
    folder: str | Path | None = None,
    engine: Engine = "local",
    jobs: int | None = None,
    progress: ProgressCallback | None = None,
) -> StudyResult:
    """Run a study at a scale.

    Args:
        name: which one.
        scale: ``"small"`` (minutes), or the study's large one: ``"paper"`` (the paper's own sizes)
            or ``"full"`` (the largest that a small machine finishes).
        seeds: repeats; None for the scale's own number.
        folder: where finished experiments are kept, so that a killed study goes on from them.
        engine: where experiments run.
        jobs: experiments at a time; None for one on each core.
        progress: called after each experiment.

    Raises:
        InputError: an unknown study or scale, or fewer than two seeds, which give no interval.
    """
    study = get_study(name)
    if scale not in study.scales:
        raise InputError(f"scale is {scale!r}; expected one of {', '.join(study.scales)}")
    if seeds is not None and seeds < 2:
        raise InputError(f"seeds is {seeds}; an interval needs 2 or more")
    return study.run(scale, seeds=seeds, folder=folder, engine=engine, jobs=jobs, progress=progress)
