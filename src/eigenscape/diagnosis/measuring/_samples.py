"""What each network of a stack is given: rows of a shared pool of data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from eigenscape.landscape.paths._curve_data import _split

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
    def shared(cls, data: tuple[Tensor, Tensor], networks: int, *, like: Tensor) -> Samples:
        """Return the same data for every network, in their own order.

        Args:
            data: inputs and labels.
            networks: how many.
            like: whose device and, for real inputs, whose dtype they get.
        """
        inputs, labels = data
        rows = torch.arange(len(labels)).expand(networks, -1)
        return cls(inputs.cpu(), rows, labels.cpu().expand(networks, -1)).to(like)

    def __len__(self) -> int:
        return self.rows.shape[1]

    def to(self, like: Tensor) -> Samples:
        """Return the samples on a tensor's device, real inputs in its dtype."""
        device, real = like.device, self.pool.is_floating_point()
        pool = self.pool.to(like) if real else self.pool.to(device)
        return Samples(pool, self.rows.to(device), self.labels.to(device))

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
        for rows in _split(torch.arange(len(self)), _AT_ONCE):
            yield self.pool[self.rows[:, rows.to(self.rows.device)]]
