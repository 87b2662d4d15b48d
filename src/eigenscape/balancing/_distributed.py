"""One measurement for all processes of a distributed training."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from eigenscape.balancing._meter import NOT_FINITE, Reading


def is_distributed(model: nn.Module) -> bool:
    """Tell whether a model is wrapped for data-parallel training over processes."""
    return isinstance(model, DistributedDataParallel)


def from_first(values: list[float], device: torch.device) -> list[float]:
    """Return the numbers of process 0, in every process; without a process group, the own ones.

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
