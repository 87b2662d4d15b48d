"""The points of a grid as tasks: what their losses depend on, and how a worker computes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.landscape.grid._sample_walk import Walk
from eigenscape.landscape.grid._shortcut import Layers
from eigenscape.landscape.grid._shortcut_plan import shortcut_of
from eigenscape.models import code_of
from eigenscape.results import content_hash
from eigenscape.runs import PerWorker, ProgressCallback, Task

if TYPE_CHECKING:
    from eigenscape.landscape.grid._shortcut import Shortcut
    from eigenscape.models import Objective
    from eigenscape.runs import Progress

#: A task is to take so long: what a kill costs at most, and long beside a message.
TASK_SECONDS = 10.0
_SHORTEST_SECONDS = 0.2
_TASKS_FOR_EACH_WORKER = 16


@dataclass(frozen=True)
class Sampler:
    """The losses on a grid, point by point; each worker has its own.

    A loss depends on its point alone, not on the points before it: not to the last bit.

    Args:
        walk: the loss along the directions.
        axis: coordinates, the same along each direction.
        shortcut: what need not be computed at every point.
    """

    walk: Walk
    axis: tuple[float, ...]
    shortcut: Shortcut | None

    def losses(self, start: int, stop: int) -> NDArray[np.float64]:
        """Return the losses of points ``start`` to ``stop``, in row-major order."""
        shape = (len(self.axis),) * len(self.walk.directions)
        values = np.empty(stop - start)
        with self.walk.ready(self.shortcut):
            for flat in range(start, stop):
                place = np.unravel_index(flat, shape)
                at = tuple(self.axis[int(k)] for k in place)
                values[flat - start] = self.walk.value(at, self.shortcut)
        return values


def losses(sampler: Sampler, start: int, stop: int) -> NDArray[np.float64]:
    """Return the losses of a stretch of points; a task."""
    return sampler.losses(start, stop)


def tasks_of(sampler: PerWorker, points: int, each: int) -> list[Task]:
    """Return the tasks of a grid, ``each`` points long."""
    return [
        Task(
            f"points {start} to {min(start + each, points) - 1}",
            losses,
            {"sampler": sampler, "start": start, "stop": min(start + each, points)},
        )
        for start in range(0, points, each)
    ]


def points_for_each(seconds: float, points: int, workers: int) -> int:
    """Return how many points a task has.

    Args:
        seconds: that one point takes.
        points: of the grid.
        workers: each gets many tasks, so that all end at about the same time.

    >>> points_for_each(1.0, 1681, 2), points_for_each(0.001, 1681, 2), points_for_each(1e-6, 9, 1)
    (10, 200, 9)
    """
    aim = seconds * points / (_TASKS_FOR_EACH_WORKER * workers)
    aim = min(max(aim, _SHORTEST_SECONDS), TASK_SECONDS)
    return min(max(1, round(aim / seconds)), points)


def in_points(tell: ProgressCallback | None, each: int, points: int) -> ProgressCallback | None:
    """Return a callback for tasks that reports to another one in points."""
    if tell is None:
        return None

    def told(state: Progress) -> None:
        counts = {
            name: min(points, each * getattr(state, name)) for name in ("done", "resumed", "failed")
        }
        tell(replace(state, total=points, **counts))

    return told


# --- how a worker gets its sampler ----------------------------------------------------------------


def handed_over(
    sampler: Sampler,
    vectors: Tensor,
    digest: str,
    rebuild: Callable[[], Objective] | None,
) -> PerWorker:
    """Return the arguments from which every worker builds its own sampler.

    The objective goes by cloudpickle. Where it does not pickle, ``rebuild`` makes it anew in the
    worker, and its tensors and data are compared.
    """
    objective, shortcut = sampler.walk.objective, sampler.shortcut
    same = {
        "vectors": vectors,
        "axis": sampler.axis,
        "layers": None if shortcut is None else shortcut.layers,
    }
    instead = None
    if rebuild is not None:
        again = {"rebuild": rebuild, "expected": content_of(objective)}
        instead = {**same, "objective": None, "again": again}
    arguments = {**same, "objective": objective}
    return PerWorker(_sampler, arguments, digest, here=sampler, instead=instead)


def _sampler(
    vectors: Tensor,
    axis: tuple[float, ...],
    layers: Layers | None,
    objective: Objective | None,
    again: Mapping[str, Any] | None = None,
) -> Sampler:
    walk = Walk(objective or _rebuilt(**(again or {})), vectors)
    return Sampler(walk, axis, None if layers is None else shortcut_of(walk, layers))


def _rebuilt(rebuild: Callable[[], Objective], expected: Mapping[str, str]) -> Objective:
    objective = rebuild()
    found = content_of(objective)
    if changed := [name for name, value in expected.items() if found[name] != value]:
        raise InputError(
            f"the probe gives other {' and '.join(changed)} when a worker runs it again, and the "
            "objective does not pickle. Try: seed what it draws and read trained weights from a "
            "file, or --jobs 1"
        )
    return objective


# --- what losses depend on ------------------------------------------------------------------------


def content_of(objective: Objective) -> dict[str, str]:
    """Return hashes of an objective's data and tensors."""
    return {
        "data": objective.data.hash,
        "center": content_hash(objective.center),
        "fixed tensors": content_hash(list(objective.fixed.values())),
    }


def fingerprint_of(
    objective: Objective, vectors: Tensor, grid: dict[str, Any], layers: Layers | None
) -> dict[str, Any]:
    """Return what the losses on a grid depend on, in JSON's own types.

    Args:
        objective: whose tensors, data, code and settings.
        vectors: ``(P, n)``, as they are walked.
        grid: radius, steps, dimensions, unit, what the directions are.
        layers: that are taken from memory: the last bits of a loss depend on them.
    """
    return {
        "model": type(objective.model).__name__,
        **content_of(objective),
        "code": code_of(objective),
        "directions": content_hash(vectors),
        "batch norm": objective.batch_norm,
        "dtype": str(objective.dtype),
        "device": objective.device.type,
        "layers from memory": "none" if layers is None else content_hash(layers),
        **grid,
    }
