"""What studies that train networks share: running them, and naming the command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eigenscape.runs import Engine, ProgressCallback, Task, execute, raise_failures


def measured(
    tasks: Sequence[Task],
    *,
    folder: str | Path | None,
    engine: Engine,
    jobs: int | None,
    progress: ProgressCallback | None,
) -> tuple[list[Any], float]:
    """Return what every task returned, and the seconds of them all; finished ones are kept."""
    place = None if folder is None else Path(folder) / "networks"
    outcomes = execute(tasks, folder=place, engine=engine, jobs=jobs, progress=progress)
    raise_failures(outcomes)
    values = [outcome.value for outcome in outcomes]
    return values, sum(outcome.seconds for outcome in outcomes)


def command_of(study: str, scale: str, seeds: int | None) -> str:
    """Return the command that runs a study.

    >>> command_of("heavy_tails", "small", 3)
    'eigenscape study heavy_tails --scale small --seeds 3'
    """
    return f"eigenscape study {study} --scale {scale}" + (f" --seeds {seeds}" if seeds else "")
