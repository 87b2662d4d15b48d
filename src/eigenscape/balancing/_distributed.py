"""One measurement for all processes of a distributed training."""

from __future__ import annotations

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel


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
