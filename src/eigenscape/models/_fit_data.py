"""The data of each training step: batches, and the numbers of their examples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler

from eigenscape.errors import InputError
from eigenscape.models._data import Data, is_one_batch
from eigenscape.models._nested import Batch, moved, split_places, taken, tensors_of, term_count

#: From an epoch, from 0, to the example numbers of each of its steps, ``(b,)`` or ``(k, b)``.
Order = Callable[[int], Iterable[Tensor]]


class Drawn(NamedTuple):
    """One batch with the numbers of its examples (None if unknown)."""

    batch: Batch
    numbers: Tensor | None
    size: int


@runtime_checkable
class Examples(Protocol):
    """Data that are read by example numbers: for augmentation, or for several networks."""

    def __len__(self) -> int:
        """Return the number of examples."""

    def batch(self, numbers: Tensor, /) -> Batch:
        """Return the examples ``(b,)``, or for k networks ``(k, b)``, as one batch."""


class Feed:
    """Yields the batches of each epoch; draws the order, and the seed of dropout, from seeds.

    Args:
        data: one batch of all examples (a tensor, a mapping, a tuple or list of tensors),
            :class:`Data`, :class:`Examples`, or an iterable of batches that can be read again.
        seeds: one for each network.
        device: where tensors go.
        batch_size: examples a step; None for all. A last batch of one joins its neighbour, for
            batch norm's sake.
        drop_last: leave out a last batch that is smaller.
        order: which examples each step sees, in place of a shuffled order.

    Raises:
        InputError: data or options that do not fit.
    """

    def __init__(
        self,
        data: Any,
        seeds: Sequence[int],
        device: torch.device,
        *,
        batch_size: int | None,
        drop_last: bool,
        order: Order | None,
    ) -> None:
        self._device, self._seeds = device, tuple(seeds)
        self._generators = {seed: torch.Generator().manual_seed(seed) for seed in self._seeds}
        self._own_order, self._drop_last = order, drop_last
        holders = (data, _sampler_of(data))  # a loader that draws its own order
        found = [getattr(each, "generator", None) for each in holders]
        own = {id(each): each for each in found if isinstance(each, torch.Generator)}
        self._drawing = [*self._generators.values(), *own.values()]
        if isinstance(data, Data) and not isinstance(data, Examples):
            data = data.whole() if data.divisible else [batch for batch, _ in data]
        self._asked = isinstance(data, Examples)
        self._several = not (self._asked or is_one_batch(data))
        if self._several:
            self._data: Any = _check_several(data, batch_size, order)
            self.count: int | None = None
            self.per_epoch = len(data)
        else:
            self._data = data if self._asked else moved(data, device, None)
            count = len(data) if self._asked else _count(data)
            self.count = count
            self._size = count if batch_size is None else batch_size
            self._in_order = batch_size is None
            if self._size < 1:
                raise InputError(f"batch_size={self._size}, expected 1 or more")
            self._first = list(order(0)) if order else None  # asked once for each epoch
            self.per_epoch = len(self._first or self._parts(torch.arange(count)))
        if not self.per_epoch:
            raise InputError("an epoch has no batch. Try: a smaller batch_size, or more data")

    def positions(self, model: nn.Module) -> float:
        """Return samples of a step times positions over which weights are shared, roughly.

        Of convolutions the places of the input, of tokens and sequences their number; infinite for
        data that would have to be read.
        """
        first = self._data[0] if self._several and isinstance(self._data, list | tuple) else None
        data = first if self._several else self._data
        tensors = [] if self._asked else [t for t in tensors_of(data) if t.ndim]
        if not tensors:
            return math.inf
        shape = tensors[0].shape
        spatial = any(leaf.ndim > 2 for leaf in model.parameters())
        tokens = shape[1:] if not tensors[0].is_floating_point() else shape[1:-1]
        shared = math.prod(shape[2:] if spatial else tokens)
        return shared * (shape[0] if self._several else min(self._size, shape[0]))

    def states(self) -> list[Tensor]:
        """Return the states of the generators, for :meth:`set_states`."""
        return [generator.get_state() for generator in self._drawing]

    def set_states(self, states: Sequence[Tensor]) -> None:
        """Continue from other states."""
        for generator, state in zip(self._drawing, states, strict=True):
            generator.set_state(state)

    def epoch(self, number: int) -> tuple[int, Iterator[Drawn]]:
        """Return the seed of an epoch's dropout, and its batches.

        Args:
            number: of the epoch, from 0.
        """
        parts = None if self._several else self._drawn(number)
        seeds = [
            int(torch.randint(2**62, (), generator=generator))
            for generator in self._generators.values()
        ]
        return seeds[0], self._read() if parts is None else map(self._pick, parts)

    def _drawn(self, number: int) -> list[Tensor]:
        if self._own_order is not None:
            first, self._first = self._first, None
            return first if number == 0 and first is not None else list(self._own_order(number))
        if self._in_order:
            return self._parts(torch.arange(self.count or 0))
        orders = {
            seed: torch.randperm(self.count or 0, generator=generator)
            for seed, generator in self._generators.items()
        }
        if len(orders) == 1:  # one for all networks
            return self._parts(orders[self._seeds[0]])
        return self._parts(torch.stack([orders[seed] for seed in self._seeds]))

    def _parts(self, order: Tensor) -> list[Tensor]:
        if not self._drop_last:
            return split_places(order, self._size)
        parts = torch.split(order, self._size, dim=-1)
        return [part for part in parts if part.shape[-1] == self._size]

    def _pick(self, numbers: Tensor) -> Drawn:
        numbers = numbers.to(self._device)
        if self._asked:
            batch = moved(self._data.batch(numbers), self._device, None)
        else:
            batch = self._data if self._in_order_whole(numbers) else taken(self._data, numbers)
        return Drawn(batch, numbers, numbers.shape[-1])

    def _in_order_whole(self, numbers: Tensor) -> bool:
        return self._in_order and self._own_order is None and numbers.shape[-1] == self.count

    def _read(self) -> Iterator[Drawn]:
        start, known = 0, _keeps_order(self._data)
        for batch in self._data:
            size = term_count(batch)
            rows = next((len(tensor) for tensor in tensors_of(batch) if tensor.ndim), size)
            numbers = torch.arange(start, start + rows, device=self._device) if known else None
            start += rows
            yield Drawn(moved(batch, self._device, None), numbers, size)


def _check_several(data: Any, batch_size: int | None, order: Order | None) -> Any:
    wrong = []
    if isinstance(data, Iterator) or not isinstance(data, Iterable) or not hasattr(data, "__len__"):
        wrong.append(
            f"the data is a {type(data).__name__}; expected one batch, or batches that can be "
            "counted and read again. Try: list(...) of it"
        )
    if batch_size is not None or order is not None:
        wrong.append(
            "batch_size and order are for data given as one batch of all examples; these are cut "
            "into batches already. Try: leave them out"
        )
    if wrong:
        raise InputError("; ".join(wrong))
    return data


def _keeps_order(data: Any) -> bool:
    """Tell whether every pass surely has the same order: batches in memory, or a plain loader."""
    if isinstance(data, list | tuple):
        return True
    return isinstance(data, DataLoader) and isinstance(_sampler_of(data), SequentialSampler)


def _sampler_of(data: Any) -> Any:
    """Return what draws a loader's examples; it may stand in a batch sampler."""
    by_batch = getattr(data, "batch_sampler", None)
    if type(by_batch) is BatchSampler:
        return by_batch.sampler
    return getattr(data, "sampler", None) if by_batch is None else by_batch


def _count(data: Batch) -> int:
    sizes = [len(tensor) for tensor in tensors_of(data) if tensor.ndim]
    if not sizes or len(set(sizes)) != 1 or sizes[0] == 0:
        raise InputError(
            f"the data have tensors of {sizes or 'no'} examples; expected the same number in each, "
            "and at least one"
        )
    return sizes[0]
