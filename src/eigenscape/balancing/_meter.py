"""The metric of a layer while it trains: when it is measured, how, and in all processes alike."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from eigenscape.balancing._options import LIGHT, BalanceOptions
from eigenscape.layers import LayerMatrix, NonFiniteError, Spectrum, eigenvalues
from eigenscape.spectra import (
    MetricContext,
    SpectraOptions,
    examine,
    hill_numbers,
    standard_error,
)
from eigenscape.theory import hill_shift

NOT_FINITE = "weights not finite"
_NO_VALUE = "no exponent: too few eigenvalues above rounding level, or all equal"


@dataclass(frozen=True)
class Reading:
    """One layer measured.

    Args:
        value: the metric; NaN where it has none, and ``note`` says why.
        error: its standard error; None if unknown.
        fresh: measured now, not carried over.
        note: why there is no value.
    """

    value: float
    error: float | None = None
    fresh: bool = True
    note: str = ""


@dataclass(frozen=True)
class _Kept:
    stack: torch.Tensor
    reading: Reading
    alpha: float
    threshold: float


class Meter:
    """Measures layers; with a tolerance, only those whose exponent can have moved by more.

    :func:`eigenscape.theory.hill_shift` bounds how far it can have moved.

    Args:
        options: what to measure and how often.
    """

    def __init__(self, options: BalanceOptions) -> None:
        self._options = options
        self._kept: dict[str, _Kept] = {}

    def forget(self) -> None:
        """Measure every layer again at the next update."""
        self._kept.clear()

    def read(self, layer: LayerMatrix, tensors: Sequence[torch.Tensor]) -> Reading:
        """Return the metric of one layer from its tensors, which are only read."""
        options = self._options.on(tensors[0].device.type)
        if self._options.metric not in LIGHT or options.windows is not None:
            return self._examined(layer, tensors, options)
        stack = layer.matrices(list(tensors))
        kept = self._kept.get(layer.name)
        if kept is not None and self._still(layer, stack, kept):
            return Reading(kept.reading.value, kept.reading.error, fresh=False)

        def threshold(found: Spectrum) -> float:
            return float(found.values[int(len(found.values) * (1 - options.fraction))])

        try:
            spectrum = eigenvalues(
                stack.to(options.torch_device),
                dtype=layer.torch_dtype,
                scale=layer.scale,
                precision=options.precision,
                needed=threshold,
            )
        except NonFiniteError:
            return Reading(math.nan, note=NOT_FINITE)
        values = spectrum.values
        if values[0] <= spectrum.level:  # zeros, or a rank that needs a closer look
            return self._examined(layer, tensors, options)
        numbers = hill_numbers(values, MetricContext(layer, spectrum, options, stack))
        reading = self._reading(numbers)
        if self._options.tolerance and math.isfinite(reading.value):
            self._kept[layer.name] = _Kept(
                stack.clone(), reading, numbers["alpha_hill"], numbers["hill_threshold"]
            )
        return reading

    def _still(self, layer: LayerMatrix, stack: torch.Tensor, kept: _Kept) -> bool:
        if stack.shape != kept.stack.shape:
            return False
        change = layer.scale * float(torch.linalg.vector_norm(stack - kept.stack))
        moved = hill_shift(kept.alpha, kept.threshold, change)
        return moved < self._options.tolerance  # NaN is not

    def _reading(self, numbers: Mapping[str, Any]) -> Reading:
        value = float(numbers.get(self._options.metric, math.nan))
        if not math.isfinite(value):
            return Reading(math.nan, note=_NO_VALUE)
        return Reading(value, standard_error(numbers, self._options.metric))

    def _examined(
        self, layer: LayerMatrix, tensors: Sequence[torch.Tensor], options: SpectraOptions
    ) -> Reading:
        """The whole layer table for one number: for less common metrics and matrices."""
        row = examine(layer, list(tensors), options)
        if row.label == "not-finite":
            return Reading(math.nan, note=NOT_FINITE)
        metric = self._options.metric
        return self._reading({**row.columns(), metric: row.number(metric)})


class Timer:
    """Decides when an update is due, and adds up what updates cost.

    Args:
        every: calls from one update to the next.
        start: calls before the first.
        max_overhead: the largest share of the other time that updates may take; None for no limit.

    >>> timer = Timer(every=2, start=0, max_overhead=None)
    >>> [timer.due(step) for step in range(3)]
    [True, True, True]
    >>> with timer.measuring(0):
    ...     pass
    >>> [timer.due(step) for step in range(5)]
    [False, False, True, True, True]
    """

    def __init__(self, every: int, start: int, max_overhead: float | None) -> None:
        self.every, self.start, self.max_overhead = every, start, max_overhead
        self.last: int | None = None
        self.spent = 0.0
        self._worst = 0.0
        self._began: float | None = None

    @property
    def overhead(self) -> float:
        """Seconds spent on updates for each second of the rest since the first; 0 before it."""
        rest = self._rest()
        return self.spent / rest if rest > 0 else 0.0

    def due(self, step: int) -> bool:
        """Tell whether it is time to measure, at this many calls."""
        if self.last is None:
            return step >= self.start
        if step - self.last < self.every:
            return False
        if self.max_overhead is None:
            return True
        return self.spent + self._worst <= self.max_overhead * self._rest()

    @contextmanager
    def measuring(self, step: int) -> Iterator[None]:
        """Time one update."""
        start = perf_counter()
        self._began = start if self._began is None else self._began
        try:
            yield
        finally:
            cost = perf_counter() - start
            self.spent += cost
            self._worst = max(self._worst, cost)
            self.last = step

    def _rest(self) -> float:
        return 0.0 if self._began is None else perf_counter() - self._began - self.spent


def is_distributed(model: nn.Module) -> bool:
    """Tell whether a model is wrapped for data-parallel training over processes."""
    return isinstance(model, DistributedDataParallel)


def from_first(values: list[float], device: torch.device) -> list[float]:
    """Return the numbers of process 0, in every process; without a process group, this process's.

    Equal weights give equal eigenvalues on equal machines only; the replicas of a network must
    never take different rates.

    >>> from_first([0.5, 2.0], torch.device("cpu"))
    [0.5, 2.0]
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return values
    # 64-bit numbers exist on every backend's device but Apple's, which has no process group.
    shared = torch.tensor(values, dtype=torch.float64, device=device)
    distributed.broadcast(shared, src=0)
    result: list[float] = shared.tolist()
    return result


def shared_readings(readings: Sequence[Reading], device: torch.device) -> list[Reading]:
    """Return the readings of process 0, in every process."""
    mine = [
        number
        for reading in readings
        for number in (
            reading.value,
            math.nan if reading.error is None else reading.error,
            float(reading.note == NOT_FINITE),
        )
    ]
    numbers = from_first(mine, device) if mine else []
    return [
        Reading(
            value=numbers[at],
            error=None if math.isnan(numbers[at + 1]) else numbers[at + 1],
            fresh=reading.fresh,
            note=NOT_FINITE if numbers[at + 2] else reading.note,
        )
        for at, reading in zip(range(0, len(numbers), 3), readings, strict=True)
    ]
