"""What is known about a stored tensor before it is read."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class TensorInfo:
    """The name, shape and type of one tensor of a checkpoint.

    Args:
        name: its name in the checkpoint.
        shape: its shape.
        dtype: the type that it is stored in.
        file: the path of the file that holds it; None for a tensor in memory.
        aliases: the other names of the same tensor, where weights are tied.

    >>> info = TensorInfo("fc.weight", (10, 20), torch.bfloat16)
    >>> info.numel, info.bytes
    (200, 400)
    """

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    file: str | None = None
    aliases: tuple[str, ...] = ()

    @property
    def numel(self) -> int:
        """The number of entries."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """The bytes that the tensor takes once it is read."""
        return self.numel * self.dtype.itemsize

    @property
    def names(self) -> tuple[str, ...]:
        """The name, then the aliases."""
        return (self.name, *self.aliases)
