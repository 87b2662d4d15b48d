"""Sampling the loss on a grid around a model."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.landscape.grid._direction_makers import hessian_directions, random_directions
from eigenscape.landscape.grid._direction_scale import Normalization
from eigenscape.landscape.grid._directions import Directions, Unit, check_unit
from eigenscape.landscape.grid._landscape import Landscape, check_grid_size, grid_axis
from eigenscape.landscape.grid._sample_estimate import (
    Estimate,
    EstimateCallback,
    copies_that_fit,
    memory_of,
    refuse_late,
    refuse_too_costly,
    refuse_too_large,
    seconds_of_a_point,
)
from eigenscape.landscape.grid._sample_tasks import (
    Sampler,
    fingerprint_of,
    handed_over,
    in_points,
    points_for_each,
    tasks_of,
)
from eigenscape.landscape.grid._sample_walk import Walk
from eigenscape.landscape.grid._shortcut_plan import find_shortcut
from eigenscape.results import Environment, content_hash
from eigenscape.runs import (
    CannotTravelError,
    Engine,
    Outcome,
    ProgressCallback,
    Task,
    execute,
    raise_failures,
    read_about,
    single_thread,
    unfinished,
    usable_cores,
)

if TYPE_CHECKING:
    from eigenscape.models import Objective

DirectionsLike = Directions | Literal["random", "hessian"]
_CACHE_BYTES = 2**30
_WORTH_PROCESSES = 30.0  # seconds; to start some takes several


def sample(
    objective: Objective,
    directions: DirectionsLike = "random",
    *,
    dim: int | None = None,
    steps: int = 41,
    radius: float | None = None,
    unit: Unit | None = None,
    normalize: Normalization | None = None,
    include: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    chunk: int | None = None,
    jobs: int | None = None,
    engine: Engine = "local",
    address: str | None = None,
    rebuild: Callable[[], Objective] | None = None,
    time_budget: float | None = None,
    fast: bool = True,
    cache_bytes: int = _CACHE_BYTES,
    on_estimate: EstimateCallback | None = None,
    progress: ProgressCallback | None = None,
) -> Landscape:
    """Evaluate ``f(a) = loss(theta + sum a_i d_i)`` on a regular grid centred on the model.

    The coordinates ``a_i`` are those evaluated, from ``-radius`` to ``radius``, and the middle one
    of an odd number is 0: there the loss is that of the unchanged model. The model, its buffers
    and its modes are not changed, also after an error or an interruption.

    Stretches of points are tasks of about ten seconds. Each is evaluated on one thread, so that the
    grid is the same to the last bit with any number of jobs, on any engine, resumed or not.

    Args:
        objective: the loss around its center.
        directions: ``"random"``, ``"hessian"``, or any :class:`Directions`.
        dim: how many; 2 unless the directions are given.
        steps: points along each axis. 41 is the number of Geniesse et al. (2024); an even number
            has no point at the center.
        radius: half-width in ``unit``. None for that of the directions: 1 for random ones, as
            Li et al. (2018) draw them; 0.1, a tenth of the parameters' norm, along the Hessian,
            because the curvature there is steepest.
        unit: ``"absolute"`` (lengths in parameter space), ``"relative"`` (shares of the norm of the
            moved parameters) or ``"direction"`` (multiples of each direction). None for that of the
            directions.
        normalize: of random (``"filter"``) and Hessian (``"none"``) directions.
        include: globs over parameter names; only these move, and ``"relative"`` is relative to
            them. None for all that the objective moves.
        exclude: globs over names of parameters that stay fixed.
        seed: of random directions, or of the iteration that finds eigenvectors.
        folder: keep finished points here; an interrupted sampling resumes from them.
        chunk: points in a task; None for what is done in about ten seconds. A folder's own stays.
        jobs: tasks at once. None for one on each usable core where the grid would take one of them
            more than half a minute (and the loss is computed on CPUs, and memory holds so many
            copies of the model and the data), else for this process alone. 1 is this process.
        engine: ``"local"`` processes, ``"threads"``, ``"dask"`` or ``"ray"``.
        address: of the Dask or Ray cluster; see :func:`eigenscape.runs.open_executor`.
        rebuild: builds the objective again in a worker, where it cannot be pickled.
        time_budget: seconds; raise an error at the start if it is expected to take longer, or when
            they are over.
        fast: take outputs of layers from memory where they do not change, or change linearly. The
            losses are the same up to rounding, which is checked at two points of the grid.
        cache_bytes: at most so much memory for that.
        on_estimate: called before the start with the expected cost.
        progress: called after each task.

    Raises:
        InputError: invalid arguments, a grid that is too large or too slow, or a folder
            that holds the points of another landscape.

    >>> import torch
    >>> from eigenscape.models import Objective
    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> _ = torch.nn.init.constant_(model.weight, 2.0)
    >>> data = torch.ones(3, 1), torch.ones(3, 1)                      # (w - 1)^2
    >>> objective = Objective(model, torch.nn.functional.mse_loss, data)
    >>> landscape = sample(objective, "hessian", dim=1, steps=5, radius=1.0, unit="absolute")
    >>> landscape.coordinates[0].tolist(), landscape.values.tolist()
    ([-1.0, -0.5, 0.0, 0.5, 1.0], [0.0, 0.25, 1.0, 2.25, 4.0])
    """
    if include or exclude:
        objective = objective.restricted(include, exclude)
    n = _dimensions(directions, dim, normalize)
    check_unit(unit or "direction")
    check_grid_size(steps, 1.0 if radius is None else radius, n)
    _check_costs(chunk, time_budget, cache_bytes)
    refuse_too_large(objective.space.count, n, steps**n, folder)
    chosen = _made(objective, directions, n, normalize, seed)
    unit, radius = _scale(chosen, unit, radius)
    vectors = chosen.scaled(unit, float(objective.center.double().norm()))
    axis = grid_axis(float(radius), steps)
    grid: dict[str, Any] = {"radius": float(radius), "steps": steps, "dimensions": n, "unit": unit}
    grid["kind of directions"] = f"{chosen.kind}, normalised by {chosen.normalization}"
    grid["seed"] = chosen.extra.get("seed")
    with single_thread():
        run = _Run(objective, vectors, axis, grid, cache_bytes if fast else None)
        plan = run.planned(folder, chunk, jobs, engine, rebuild)
        if on_estimate is not None:
            on_estimate(plan.cost)
        refuse_too_costly(plan.cost, time_budget)
        started = time.monotonic()
        how: dict[str, Any] = {"folder": folder, "about": plan.about, "engine": engine}
        how["progress"] = in_points(progress, plan.each, steps**n)
        how["time_budget"] = time_budget
        alone = ""
        try:
            outcomes = execute(plan.tasks, jobs=plan.jobs, address=address, **how)
        except CannotTravelError as error:
            if jobs is not None or engine in ("dask", "ray"):
                raise
            alone = f"sampled by this process alone: {error}"
            outcomes = execute(plan.tasks, jobs=1, **how)
    refuse_late(outcomes, time_budget, folder)
    raise_failures(outcomes)
    values = np.concatenate([outcome.value for outcome in outcomes])
    return _landscape(
        objective,
        chosen,
        values.reshape((steps,) * n),
        axis,
        unit,
        vectors,
        seed,
        time.monotonic() - started,
        sum(len(outcome.value) for outcome in outcomes if not outcome.resumed),
        _notes(objective, steps, values, run, alone, outcomes),
    )


@dataclass(frozen=True)
class _Plan:
    tasks: list[Task]
    each: int
    jobs: int | None
    about: dict[str, Any]
    cost: Estimate


class _Run:
    """A sampler, and the tasks that it is cut into."""

    def __init__(
        self,
        objective: Objective,
        vectors: Tensor,
        axis: NDArray[np.float64],
        grid: dict[str, Any],
        budget: int | None,
    ) -> None:
        walk, n = Walk(objective, vectors), vectors.shape[1]
        self._vectors, self._points = vectors, len(axis) ** n
        self._probes = _probes(axis, n)
        shortcut, self.about_fast = None, ""
        if budget is not None:
            shortcut, self.about_fast = find_shortcut(walk, self._probes, budget)
        self.sampler = Sampler(walk, tuple(axis.tolist()), shortcut)
        layers = None if shortcut is None else shortcut.layers
        self._about = fingerprint_of(objective, vectors, grid, layers)

    def planned(
        self,
        folder: str | Path | None,
        chunk: int | None,
        jobs: int | None,
        engine: Engine,
        rebuild: Callable[[], Objective] | None,
    ) -> _Plan:
        """Divide the points into tasks and estimate their cost."""
        walk, shortcut = self.sampler.walk, self.sampler.shortcut
        seconds = seconds_of_a_point(walk, shortcut, self._probes)
        jobs = self._jobs(jobs, engine, seconds * self._points)
        handed = handed_over(self.sampler, self._vectors, content_hash(self._about), rebuild)
        workers = jobs or usable_cores()
        stored = None if folder is None else read_about(folder)
        each = (stored or {}).get("points in a task") or chunk
        if type(each) is not int or each < 1:
            each = points_for_each(seconds, self._points, workers)
        tasks = tasks_of(handed, self._points, each)
        left = tasks if folder is None else unfinished(tasks, folder)
        points = sum(task.arguments["stop"] - task.arguments["start"] for task in left)
        cost = Estimate(points, seconds * points / workers, memory_of(walk, shortcut), workers)
        about = {
            **self._about,
            "loss at the center": walk.objective.loss_at_center,
            "points in a task": each,
        }
        return _Plan(tasks, each, jobs, about, cost)

    def _jobs(self, jobs: int | None, engine: Engine, seconds: float) -> int | None:
        walk = self.sampler.walk
        if jobs is not None or engine in ("dask", "ray"):
            return jobs
        if seconds < _WORTH_PROCESSES or walk.objective.device.type != "cpu":
            return 1
        return min(usable_cores(), copies_that_fit(walk, self.sampler.shortcut))


def _dimensions(directions: Any, dim: int | None, normalize: str | None) -> int:
    if isinstance(directions, Directions):
        if dim not in (None, len(directions)):
            raise InputError(f"dim is {dim}, but {len(directions)} directions are given")
        if normalize is not None:
            raise InputError(
                "normalize is for directions that are made here; these are given, normalised as "
                f"{directions.normalization!r}. Try: normalise them when they are made"
            )
        return len(directions)
    if directions not in ("random", "hessian"):
        raise InputError(
            f"directions is {directions!r:.60}; expected 'random', 'hessian' or Directions"
        )
    if dim is not None and (isinstance(dim, bool) or not isinstance(dim, int) or dim < 1):
        raise InputError(f"dim is {dim!r}; expected a whole number of 1 or more")
    return 2 if dim is None else dim


def _made(
    objective: Objective,
    directions: DirectionsLike,
    n: int,
    normalize: Normalization | None,
    seed: int,
) -> Directions:
    if directions == "random":
        return random_directions(objective, n, normalize=normalize or "filter", seed=seed)
    if directions == "hessian":
        return hessian_directions(objective, n, normalize=normalize or "none", seed=seed)
    assert isinstance(directions, Directions)
    if len(directions.vectors) != objective.space.count:
        raise InputError(
            f"the directions have {len(directions.vectors)} coordinates; the objective moves "
            f"{objective.space.count} parameters. Try: make them of the same objective, and give "
            "the objective, not sample, the parameters to move"
        )
    return directions


def _scale(directions: Directions, unit: Unit | None, radius: float | None) -> tuple[Unit, float]:
    """Return unit and radius; a radius is known only in the unit of its directions."""
    if unit is None or unit == directions.unit:
        return directions.unit, directions.radius if radius is None else radius
    if radius is None:
        raise InputError(
            f"unit is {unit!r}, but the radius {directions.radius:g} of these directions is in "
            f"unit {directions.unit!r}. Try: give a radius too"
        )
    return unit, radius


def _probes(axis: NDArray[np.float64], n: int) -> list[tuple[float, ...]]:
    """Return two points of the grid, drawn once and for all, without a 0, and two corners."""
    generator = np.random.default_rng(0)
    free = axis[axis != 0]
    drawn = [tuple(generator.choice(free, n).tolist()) for _ in range(2)]
    return [*drawn, (float(axis[0]),) * n, (float(axis[-1]),) * n]


def _check_costs(chunk: Any, time_budget: Any, cache_bytes: Any) -> None:
    wrong = []
    if chunk is not None and (not isinstance(chunk, int) or chunk < 1):
        wrong.append(f"chunk is {chunk!r}; expected a whole number of points, 1 or more")
    if time_budget is not None and not time_budget > 0:
        wrong.append(f"time_budget is {time_budget!r}; expected seconds, above 0")
    if cache_bytes < 0:
        wrong.append(f"cache_bytes is {cache_bytes!r}; expected 0 or more")
    if wrong:
        raise InputError("; ".join(wrong))


def _notes(
    objective: Objective,
    steps: int,
    values: NDArray[np.float64],
    run: _Run,
    alone: str,
    outcomes: Sequence[Outcome],
) -> tuple[str, ...]:
    notes = list(objective.notes)
    if steps % 2 == 0:
        notes.append(f"{steps} steps, an even number: no point of the grid is at the center")
    lost = int(np.isinf(values).sum())
    if lost:
        notes.append(f"{lost} of {values.size} losses are not finite; they are kept as +inf")
    if about := run.about_fast:
        notes.append(f"fast: {about}" if run.sampler.shortcut else f"evaluated in full: {about}")
    if alone:
        notes.append(alone)
    if damaged := [outcome.name for outcome in outcomes if outcome.damaged]:
        notes.append(f"files were damaged and computed again: {', '.join(damaged)}")
    return tuple(notes)


def _landscape(
    objective: Objective,
    directions: Directions,
    values: NDArray[np.float64],
    axis: NDArray[np.float64],
    unit: Unit,
    vectors: Tensor,
    seed: int,
    seconds: float,
    evaluations: int,
    notes: tuple[str, ...],
) -> Landscape:
    eps = float(np.finfo(str(objective.dtype).removeprefix("torch.")).eps)
    return Landscape(
        environment=Environment.capture(device=str(objective.device), seed=seed),
        model=type(objective.model).__name__,
        values=values,
        coordinates=tuple(itertools.repeat(axis, values.ndim)),
        names=directions.names,
        kind=directions.kind,
        normalization=directions.normalization,
        unit=unit,
        norms=tuple(vectors.norm(dim=0).tolist()),
        gram=tuple(map(tuple, directions.gram.tolist())),
        rayleigh=directions.rayleigh,
        parameters=objective.space.count,
        samples=round(objective.data.count),
        data_hash=objective.data.hash,
        batch_norm=objective.batch_norm,
        dtype=str(objective.dtype).removeprefix("torch."),
        loss_at_center=objective.loss_at_center,
        noise=max(objective.noise, eps * abs(objective.loss_at_center)),
        seconds=seconds,
        evaluations=evaluations,
        notes=notes,
    )
