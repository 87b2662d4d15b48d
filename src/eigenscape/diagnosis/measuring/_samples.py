"""What each network of a stack is given: rows of a shared pool of data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

_AT_ONCE = 512  # samples of one forward pass


@dataclass(frozen=True, eq=False)
class Samples:
    """Data for k networks: the same pool for all, and for each its own rows and labels.

    Args:
        pool: inputs, ``(N, ...)``.
        rows: of the pool, for each network, ``(k, n)``.
        labels: int64, ``(k, n)``.
    """

    pool: Tensor
    rows: Tensor
    labels: Tensor

    @classmethod
    def shared(cls, data: tuple[Tensor, Tensor], networks: int, device: torch.device) -> Samples:
        """Return the same data for every network, in their own order."""
        inputs, labels = data
        rows = torch.arange(len(labels)).expand(networks, -1)
        return cls(inputs, rows, labels.expand(networks, -1)).to(device)

    def __len__(self) -> int:
        return self.rows.shape[1]

    def to(self, device: torch.device) -> Samples:
        """Return the samples on a device."""
        return Samples(self.pool.to(device), self.rows.to(device), self.labels.to(device))

    def networks(self, chosen: Sequence[int]) -> Samples:
        """Return the samples of some of the networks."""
        index = torch.tensor(list(chosen), device=self.rows.device)
        return replace(self, rows=self.rows[index], labels=self.labels[index])

    def first(self, count: int) -> Samples:
        """Return the first samples of each network."""
        return replace(self, rows=self.rows[:, :count], labels=self.labels[:, :count])

    def batch(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Return inputs ``(k, b, ...)`` and labels ``(k, b)``.

        Args:
            places: among each network's samples: ``(b,)`` for all, or ``(k, b)``.
        """
        places = places.to(self.rows.device).expand(len(self.rows), -1)
        return self.pool[self.rows.gather(1, places)], self.labels.gather(1, places)

    def batches(self) -> Iterator[Tensor]:
        """Yield inputs ``(k, b, ...)``, a few hundred samples at a time, in order."""
        for rows in torch.split(self.rows, _AT_ONCE, dim=1):
            yield self.pool[rows]
