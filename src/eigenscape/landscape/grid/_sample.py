"""Sampling the loss on a grid around a model."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.landscape.grid._direction_makers import hessian_directions, random_directions
from eigenscape.landscape.grid._direction_scale import Normalization
from eigenscape.landscape.grid._directions import Directions, Unit, check_unit
from eigenscape.landscape.grid._grid_axis import check_grid_size, grid_axis
from eigenscape.landscape.grid._landscape import Landscape
from eigenscape.landscape.grid._sample_estimate import (
    EstimateCallback,
    estimate,
    refuse_too_costly,
    refuse_too_large,
)
from eigenscape.landscape.grid._sample_parts import Parts, fingerprint_of
from eigenscape.landscape.grid._sample_walk import Walk
from eigenscape.landscape.grid._shortcut_plan import find_shortcut
from eigenscape.results import Environment
from eigenscape.runs import Progress

if TYPE_CHECKING:
    from eigenscape.landscape.grid._shortcut import Shortcut
    from eigenscape.models import Objective
    from eigenscape.runs import ProgressCallback

DirectionsLike = Directions | Literal["random", "hessian"]
_CACHE_BYTES = 2**30
_SECONDS_BETWEEN_PARTS = 5.0
_SECONDS_BETWEEN_REPORTS = 0.1


def sample(
    objective: Objective,
    directions: DirectionsLike = "random",
    *,
    dim: int | None = None,
    steps: int = 41,
    radius: float | None = None,
    unit: Unit | None = None,
    normalize: Normalization | None = None,
    layers: Sequence[str] | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    chunk: int | None = None,
    time_budget: float | None = None,
    fast: bool = True,
    cache_bytes: int = _CACHE_BYTES,
    on_estimate: EstimateCallback | None = None,
    progress: ProgressCallback | None = None,
) -> Landscape:
    """Evaluate ``f(a) = loss(theta + sum a_i d_i)`` on a regular grid centred on the model.

    The coordinates ``a_i`` are those evaluated, from ``-radius`` to ``radius``, and the middle one
    of an odd number is 0: there the loss is that of the untouched model. The model, its buffers
    and its modes stay as found, also after an error or an interruption.

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
        layers: globs over parameter names; only these move, and ``"relative"`` is relative to them.
        seed: of random directions, or of the iteration that finds eigenvectors.
        folder: keep finished points here; an interrupted sampling goes on from them.
        chunk: points in one of its files; None for what is done in five seconds.
        time_budget: seconds; refuse at the start what is expected to take longer.
        fast: take outputs of layers from memory where they do not change, or change linearly. The
            losses are the same up to rounding, which is checked at two points of the grid.
        cache_bytes: at most so much memory for that.
        on_estimate: told before the start what is expected.
        progress: told ten times a second how far it is.

    Raises:
        InputError: arguments that make no sense, a grid that is too large or too slow, or a folder
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
    if layers is not None:
        objective = objective.restricted([layers] if isinstance(layers, str) else layers)
    n = _dimensions(directions, dim, normalize)
    check_unit(unit or "direction")
    check_grid_size(steps, 1.0 if radius is None else radius, n)
    _check_costs(chunk, time_budget, cache_bytes)
    refuse_too_large(objective.space.count, n, steps**n, folder)
    chosen = _made(objective, directions, n, normalize, seed)
    unit, radius = _scale(chosen, unit, radius)
    vectors = chosen.scaled(unit, float(objective.center.double().norm()))
    walk = Walk(objective, vectors)
    axis = grid_axis(float(radius), steps)
    probes = _probes(axis, n)
    shortcut, about = find_shortcut(walk, probes, cache_bytes) if fast else (None, "not asked for")
    parts = None
    if folder is not None:
        grid = {"radius": float(radius), "steps": steps, "dimensions": n, "unit": unit}
        evaluation = "plain" if shortcut is None else "fast"
        parts = Parts(folder, fingerprint_of(objective, vectors, grid, evaluation), steps**n)
    values = np.full(steps**n, np.nan) if parts is None else parts.read()
    todo = np.flatnonzero(np.isnan(values))
    cost = estimate(walk, shortcut, probes, len(todo))
    if on_estimate is not None:
        on_estimate(cost)
    refuse_too_costly(cost, time_budget)
    run = _Run(walk, shortcut, axis, n, values, parts, chunk, progress)
    seconds = run.finish(todo)
    return _landscape(
        objective,
        chosen,
        values.reshape((steps,) * n),
        axis,
        unit,
        vectors,
        seed,
        seconds,
        len(todo),
        _notes(objective, steps, values, about if fast else "", shortcut),
    )


class _Run:
    """The loop over the points that are still unknown."""

    def __init__(
        self,
        walk: Walk,
        shortcut: Shortcut | None,
        axis: NDArray[np.float64],
        dim: int,
        values: NDArray[np.float64],
        parts: Parts | None,
        chunk: int | None,
        progress: ProgressCallback | None,
    ) -> None:
        self._walk, self._shortcut, self._axis, self._dim = walk, shortcut, axis.tolist(), dim
        self._values, self._parts, self._chunk, self._tell = values, parts, chunk, progress
        self._stretch: list[int] = []

    def finish(self, todo: NDArray[np.int64]) -> float:
        """Evaluate the points; what is finished is written also when this is interrupted."""
        started = told = written = time.monotonic()
        self._report(0, len(todo), 0.0)
        try:
            with self._walk.ready(self._shortcut):
                for done, (flat, at) in enumerate(self._points(todo), 1):
                    self._values[flat] = self._walk.value(at, self._shortcut)
                    self._stretch.append(flat)
                    now = time.monotonic()
                    if self._is_due(now - written):
                        self._write()
                        written = now
                    if now - told > _SECONDS_BETWEEN_REPORTS:
                        self._report(done, len(todo), now - started)
                        told = now
        finally:
            self._write()
        seconds = time.monotonic() - started
        self._report(len(todo), len(todo), seconds)
        return seconds

    def _points(self, todo: NDArray[np.int64]) -> Iterator[tuple[int, tuple[float, ...]]]:
        shape = (len(self._axis),) * self._dim
        for flat in todo.tolist():
            place = np.unravel_index(flat, shape)
            if self._stretch and flat != self._stretch[-1] + 1:
                self._write()
            yield flat, tuple(self._axis[int(k)] for k in place)

    def _is_due(self, seconds: float) -> bool:
        if self._chunk is not None:
            return len(self._stretch) >= self._chunk
        return seconds >= _SECONDS_BETWEEN_PARTS

    def _write(self) -> None:
        if self._parts is not None and self._stretch:
            first, last = self._stretch[0], self._stretch[-1]
            self._parts.write(first, self._values[first : last + 1])
        self._stretch = []

    def _report(self, done: int, total: int, seconds: float) -> None:
        if self._tell is None:
            return
        size = len(self._values)
        left = seconds / done * (total - done) if done else None
        self._tell(Progress(size - total + done, size, size - total, 0, seconds, left, "points"))


def _dimensions(directions: Any, dim: int | None, normalize: str | None) -> int:
    if isinstance(directions, Directions):
        if dim not in (None, len(directions)):
            raise InputError(f"dim is {dim}, but {len(directions)} directions are given")
        if normalize is not None:
            raise InputError(
                "normalize is for directions that are made here; these are given, normalised as "
                f"{directions.normalization!r}. Mend: normalise them when they are made"
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
            f"{objective.space.count} parameters. Mend: make them of the same objective, and give "
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
            f"unit {directions.unit!r}. Mend: give a radius too"
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
    about: str,
    shortcut: Shortcut | None,
) -> tuple[str, ...]:
    notes = list(objective.notes)
    if steps % 2 == 0:
        notes.append(f"{steps} steps, an even number: no point of the grid is at the center")
    lost = int(np.isinf(values).sum())
    if lost:
        notes.append(f"{lost} of {values.size} losses are not finite; they are kept as +inf")
    if about:
        notes.append(f"fast: {about}" if shortcut else f"evaluated in full: {about}")
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
