"""Data of k networks side by side: each has its own samples of one pool."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.models._data import Data
from eigenscape.models._nested import Batch, split_places
from eigenscape.results import ContentHash

_AT_ONCE = 512  # samples of one forward pass


class NetworkData(Data):
    """Samples of k networks: for each its own rows of a shared pool, and its own targets.

    Iterating gives pairs of inputs ``(k, b, ...)`` and targets ``(k, b, ...)``, up to 512 samples
    of each network at a time, in order.

    Args:
        pool: inputs, ``(N, ...)``.
        rows: of the pool, for each network, ``(k, n)``.
        targets: ``(k, n, ...)``.

    Raises:
        InputError: rows and targets that do not fit.

    >>> data = NetworkData(torch.eye(3), torch.tensor([[0, 1], [2, 0]]), torch.zeros(2, 2))
    >>> [tuple(part.shape) for part in next(iter(data))[0]], data.networks, data.examples
    ([(2, 2, 3), (2, 2)], 2, 2)
    """

    def __init__(self, pool: Tensor, rows: Tensor, targets: Tensor) -> None:
        if rows.ndim != 2 or rows.numel() == 0 or targets.shape[:2] != rows.shape:
            raise InputError(
                f"rows are {tuple(rows.shape)} and targets {tuple(targets.shape)}; expected (k, n) "
                "and (k, n, ...), one sample or more"
            )
        self._pool, self._rows_of, self._targets = pool, rows, targets
        self.ambiguous = False
        self._settle()

    @classmethod
    def shared(cls, inputs: Tensor, targets: Tensor, networks: int) -> NetworkData:
        """Return the same samples, in their own order, for every network."""
        rows = torch.arange(len(targets)).expand(networks, -1)
        return cls(inputs.cpu(), rows, targets.cpu().expand(networks, *targets.shape))

    def __len__(self) -> int:
        return self.examples

    @property
    def hash(self) -> str:
        """Of pool, rows and targets, 32 hexadecimal digits."""
        state = ContentHash()
        state.add([self._pool, self._rows_of, self._targets])
        return state.hexdigest()

    @property
    def targets(self) -> Tensor:
        """The targets of every network, ``(k, n, ...)``."""
        return self._targets

    def to(
        self, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> NetworkData:
        """Return the samples on a device, floating ones in a dtype."""

        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(device, dtype if tensor.is_floating_point() else None)

        return self._with(moved(self._pool), self._rows_of.to(device), moved(self._targets))

    def select(self, chosen: Sequence[int]) -> NetworkData:
        """Return the samples of some of the networks."""
        index = torch.tensor(list(chosen), device=self._rows_of.device)
        return self._with(self._pool, self._rows_of[index], self._targets[index])

    def network(self, place: int) -> Data:
        """Return the samples of one network, as plain :class:`Data`."""
        return _OfOne(self._pool, self._rows_of[place][None], self._targets[place][None])

    def first(self, count: int) -> NetworkData:
        """Return the first samples of each network."""
        return self._with(self._pool, self._rows_of[:, :count], self._targets[:, :count])

    def take(self, n: int, seed: int = 0) -> NetworkData:
        """Return ``n`` samples of each network, drawn without replacement at the same places.

        Raises:
            InputError: fewer samples than that.
        """
        if not 1 <= n <= self.examples:
            raise InputError(f"n is {n}; expected 1 to {self.examples}, the number of examples")
        order = torch.randperm(self.examples, generator=torch.Generator().manual_seed(seed))[:n]
        order = order.to(self._rows_of.device)
        return self._with(self._pool, self._rows_of[:, order], self._targets[:, order])

    def cut(self, size: int) -> NetworkData:  # noqa: ARG002 - its batches are small already
        """Return the same data: they come in batches already."""
        return self

    def batch(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Return inputs ``(k, b, ...)`` and targets ``(k, b, ...)``.

        Args:
            places: among each network's samples: ``(b,)`` for all, or ``(k, b)``.
        """
        places = places.to(self._rows_of.device).expand(len(self._rows_of), -1)
        own = torch.arange(len(self._targets), device=places.device)[:, None]
        return self._pool[self._rows_of.gather(1, places)], self._targets[own, places]

    def epoch(self, size: int, generator: torch.Generator) -> Iterator[tuple[Batch, Tensor]]:
        """Yield the batches of one pass of training; all networks take the same places."""
        for part in split_places(torch.randperm(self.examples, generator=generator), size):
            yield self.batch(part), part

    def _read(self) -> Iterator[Batch]:
        for part in split_places(torch.arange(self.examples), _AT_ONCE):
            yield self.batch(part)

    def _with(self, pool: Tensor, rows: Tensor, targets: Tensor) -> NetworkData:
        other = copy.copy(self)
        other._pool, other._rows_of, other._targets = pool, rows, targets
        other._settle()
        return other

    def _settle(self) -> None:
        networks, samples = self._rows_of.shape
        self.networks = networks
        parts = split_places(torch.arange(samples), _AT_ONCE)
        self._rows = tuple(len(part) for part in parts)
        self._weights: tuple[float, ...] = self._rows
        self.understood = f"{samples} samples of each of {networks} networks"


class _OfOne(NetworkData):
    """The samples of one network, without the axis of networks."""

    def batch(self, places: Tensor) -> tuple[Tensor, Tensor]:
        inputs, targets = super().batch(places)
        return inputs[0], targets[0]

    def _settle(self) -> None:
        super()._settle()
        self.networks = None
        self.understood = f"one batch of {self.examples}"
