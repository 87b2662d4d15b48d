"""The data of a curve: in one order where it is evaluated, shuffled where it is trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.models._batches import Batch, moved
from eigenscape.models._objective import Objective


def in_order(source: Any, size: int) -> Any:
    """Return tensors ``(inputs, targets)`` as batches of ``size`` in order; anything else as it is.

    Raises:
        InputError: no samples, or not one target an input.
    """
    if not _is_whole(source):
        return source
    count = len(source[0])
    if count == 0 or any(len(part) != count for part in source):
        shapes = ", ".join(str(tuple(part.shape)) for part in source)
        raise InputError(
            f"the data are tensors of shapes {shapes}; expected one sample or more on the first "
            "axis, as many in each"
        )
    return [_taken(source, part) for part in _split(torch.arange(count), size)]


def shuffled(
    source: Any, size: int, objective: Objective, generator: torch.Generator
) -> Iterator[Batch]:
    """Yield one epoch: samples of tensors in new batches, or given batches in a new order."""
    if _is_whole(source):
        order = torch.randperm(len(source[0]), generator=generator)
        for part in _split(order, size):
            yield moved(_taken(source, part), objective.device, objective.dtype)
        return
    held = [batch for batch, _ in objective.data]
    for index in torch.randperm(len(held), generator=generator).tolist():
        yield held[index]


def _is_whole(source: Any) -> bool:
    """Whether this is a data set in tensors, and not batches of one."""
    return (
        isinstance(source, tuple)
        and len(source) > 0
        and all(isinstance(part, Tensor) and part.ndim > 0 for part in source)
    )


def _taken(source: Iterable[Tensor], part: Tensor) -> tuple[Tensor, ...]:
    return tuple(tensor[part.to(tensor.device)] for tensor in source)


def _split(order: Tensor, size: int) -> list[Tensor]:
    """Return batches of indices; a last batch of one joins its neighbour (for batch norm)."""
    parts = list(torch.split(order, size))
    if len(parts) > 1 and len(parts[-1]) == 1 < size:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts
