"""The cost of a landscape, estimated before it is sampled."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import torch

from eigenscape.errors import InputError
from eigenscape.landscape.curvature._curvature import free_memory
from eigenscape.results import byte_words
from eigenscape.runs import Outcome, duration, time_span

if TYPE_CHECKING:
    from eigenscape.landscape.grid._sample_walk import Walk
    from eigenscape.landscape.grid._shortcut import Shortcut

_LONGEST = 1.0
#: Workers side by side share caches and memory, and the timed evaluations had the machine alone.
_SLOWER = 2.0
_FEWEST = 3
_PROCESS_BYTES = 2**29  # torch and its libraries
_PART_BYTES = 64  # of disk for a point, when every point is a file of a few hundred bytes: rarely


@dataclass(frozen=True)
class Estimate:
    """The cost of the points that are still to be evaluated.

    Args:
        points: how many.
        seconds: from a few timed evaluations, for all workers side by side.
        bytes: memory of one worker for vectors and outputs of layers; models and data not counted.
        workers: how many.
    """

    points: int
    seconds: float
    bytes: int
    workers: int = 1

    def __str__(self) -> str:
        beside = f" on {self.workers} workers" if self.workers > 1 else ""
        return (
            f"{self.points:,} points, {time_span(self.seconds, _SLOWER * self.seconds)}{beside}, "
            f"{self.bytes / 2**20:,.1f} MiB"
        )


EstimateCallback = Callable[[Estimate], None]


def seconds_of_a_point(
    walk: Walk, shortcut: Shortcut | None, probes: Sequence[Sequence[float]]
) -> float:
    """Time a few evaluations, after one that is not counted."""
    taken: list[float] = []
    with walk.ready(shortcut):
        walk.value(probes[0], shortcut)
        while len(taken) < _FEWEST and sum(taken) < _LONGEST:
            started = time.perf_counter()
            walk.value(probes[len(taken) % len(probes)], shortcut)
            taken.append(time.perf_counter() - started)
    return median(taken)


def memory_of(walk: Walk, shortcut: Shortcut | None) -> int:
    """Return the bytes of vectors and of outputs of layers that a worker holds."""
    return walk.bytes + (shortcut.layers.bytes if shortcut else 0)


def copies_that_fit(walk: Walk, shortcut: Shortcut | None) -> int:
    """Return how many workers the memory that is free holds, 1 or more; data are not counted."""
    objective = walk.objective
    tensors = [objective.center, *objective.fixed.values()]
    each = _PROCESS_BYTES + memory_of(walk, shortcut) + 3 * sum(t.nbytes for t in tensors)
    there = _memory()
    return max(1, there // each) if there else 1


def refuse_too_costly(cost: Estimate, time_budget: float | None) -> None:
    """Raise an error if it would take longer than allowed.

    Raises:
        InputError: with both figures.
    """
    if time_budget is not None and cost.seconds > time_budget:
        raise InputError(
            f"the landscape would take about {duration(cost.seconds)} ({cost.points:,} points), "
            f"more than the budget of {duration(time_budget)}. Try: fewer steps or dimensions, "
            "less data, or a larger budget; with a folder it can be stopped and continued"
        )


def refuse_late(
    outcomes: Sequence[Outcome], time_budget: float | None, folder: str | Path | None
) -> None:
    """Raise an error if the time was over before all points were evaluated.

    Raises:
        InputError: with the counts.
    """
    late = sum(outcome.late for outcome in outcomes)
    if late and time_budget is not None:
        kept = f"what is finished is kept in {folder}" if folder else "nothing is kept"
        raise InputError(
            f"the time budget of {duration(time_budget)} was over with {late} of {len(outcomes)} "
            f"parts of the landscape still to do; {kept}. Try: a larger budget"
            + (", or the same again to continue" if folder else ", or a folder for the run")
        )


def refuse_too_large(parameters: int, dim: int, points: int, folder: str | Path | None) -> None:
    """Raise an error if the memory or the disk of this machine is too small.

    Raises:
        InputError: with the figures.
    """
    needed, there = 8 * (3 * dim * parameters + 2 * points), _memory()
    if there and needed > there:
        raise InputError(
            f"{points:,} points in {dim} directions of {parameters:,} parameters need "
            f"{needed / 2**30:.1f} GiB of memory; {there / 2**30:.1f} GiB are free. "
            "Try: fewer steps or directions, or include=[...]"
        )
    if folder is None:
        return
    place = Path(folder).absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if _PART_BYTES * points > free:
        raise InputError(
            f"{points:,} points need up to {byte_words(_PART_BYTES * points)} on the disk of "
            f"{folder}; {byte_words(free)} are free. Try: another folder, or fewer steps"
        )


def _memory() -> int:
    return free_memory(torch.device("cpu"))
