"""Data: batches that are the same at every pass."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from eigenscape.errors import InputError
from eigenscape.models._nested import (
    Batch,
    content,
    has_ignored,
    joined,
    moved,
    row_count,
    scored_count,
    split_places,
    taken,
    tensors_of,
    term_count,
)
from eigenscape.models._tokens import Tokens
from eigenscape.results import ContentHash

Size = Callable[[Batch], float]
_CACHE_BYTES = 2**30
_WINDOWS = 16  # windows of tokens in a batch
_CUT = 512  # samples of a batch, where nothing else is said


class Data:
    """Batches of any kind, in a fixed order, each with its weight.

    What is one batch is decided by structure alone. A tensor, a mapping, or a tuple or list that
    holds a tensor (``(X, y)``, ``[X, y]``, ``({"x": X}, y)``, ``((X1, X2), y)``) is ONE batch. A
    tuple or list of such, a loader, or a ``torch.utils.data.Dataset`` (in batches of 512) is
    several. :attr:`understood` says how the data were interpreted.

    :class:`Tokens` are batches of up to 16 windows, ``(ids, scored)``, weighted by the tokens that
    are scored.

    Args:
        source: one batch, or an iterable of batches that can be read again and again.
        size: from a batch to the number of terms that its mean loss is over: its weight. None for
            the number of examples, or of labels that are not -100 (see :func:`Objective`).

    Attributes:
        understood: a sentence: how the data were interpreted.
        single: whether they were given as one batch.
        divisible: whether training may cut them into batches of another size: one batch, or a
            ``Dataset``.
        ambiguous: whether a reader might have meant something else; results then repeat
            ``understood``.
        count: the sum of the weights.
        examples: rows of the first tensor of each batch, in all.
        batches: how many there are.
        hash: of the contents, 32 hexadecimal digits.
        sized: whether ``size`` says what a batch weighs.
        of_tokens: whether they are windows of :class:`Tokens`.
        networks: None; k where each of k networks has samples of its own (:class:`NetworkData`).

    Raises:
        InputError: an iterator that is exhausted after one pass, batches that differ between two
            passes, no batch, or a batch without samples.

    >>> inputs, labels = torch.ones(30, 8), torch.zeros(30, dtype=torch.int64)
    >>> Data([inputs, labels]).understood
    'one batch of 30: a list of tensors (30, 8), (30,)'
    >>> Data([(inputs, labels), (inputs, labels)]).understood
    '2 batches, 60 in all: a list of tuples of tensors, the first (30, 8), (30,)'
    >>> [weight for _, weight in Data([(inputs, labels)] * 2)]
    [30, 30]
    """

    networks: int | None = None
    single: bool = False
    divisible: bool = False
    of_tokens: bool = False
    sized: bool = False
    _by_target: bool = False

    def __init__(self, source: Any, *, size: Size | None = None) -> None:
        kind = _kind_of(source)
        self._source: Iterable[Batch] = kind.batches
        self.of_tokens, self.sized = isinstance(source, Tokens), size is not None
        self._size = size or (scored_count if self.of_tokens else term_count)
        self._device: torch.device | None = None
        self._dtype: torch.dtype | None = None
        self.ambiguous, self.single = kind.ambiguous, kind.single
        self.divisible = self.single or isinstance(source, Dataset)
        self._survey(repeat=not kind.held)
        self.understood = self._sentence(kind)

    def __repr__(self) -> str:
        return f"<Data: {self.understood}>"

    @classmethod
    def of(cls, source: Any, *, size: Size | None = None) -> Data:
        """Return data as they are, or what :class:`Data` makes of anything else."""
        if isinstance(source, Data):
            return source if size is None else source.weighted(size)
        return cls(source, size=size)

    def __iter__(self) -> Iterator[tuple[Batch, float]]:
        """Yield each batch with its weight."""
        yield from zip(self._read(), self._weights, strict=True)

    @property
    def batches(self) -> int:
        """How many batches there are."""
        return len(self._weights)

    @property
    def count(self) -> float:
        """The sum of the weights of the batches; whole where they are counts."""
        return sum(self._weights)

    @property
    def hash(self) -> str:
        """Of the contents of all batches, 32 hexadecimal digits."""
        return self._hash

    @property
    def examples(self) -> int:
        """Rows of the first tensor of each batch, in all."""
        return sum(self._rows)

    @property
    def numbers(self) -> tuple[Tensor, ...]:
        """The example numbers of each batch: 0 ... ``examples`` - 1, in order."""
        return torch.split(torch.arange(self.examples), list(self._rows))

    def to(self, device: torch.device | None = None, dtype: torch.dtype | None = None) -> Data:
        """Return the same data with tensors on a device, floating ones in a dtype."""
        other = copy.copy(self)
        other._device, other._dtype = device or self._device, dtype or self._dtype
        if self._kept is not None:
            other._kept = [moved(batch, other._device, other._dtype) for batch in self._kept]
        return other

    def weighted(self, size: Size) -> Data:
        """Return the same batches with other weights."""
        other = copy.copy(self)
        other._size, other.sized = size, True
        other._weights = tuple(
            _checked_size(size(batch), place) for place, batch in enumerate(self._read())
        )
        return other

    def weight_of(self, batch: Batch) -> float:
        """Return what a batch of these data weighs, one that is cut out of them too."""
        plain = self._size is term_count
        return term_count(batch, by_target=self._by_target) if plain else self._size(batch)

    def network(self, place: int) -> Data:  # noqa: ARG002 - all networks are given the same
        """Return the data of one network."""
        return self

    def select(self, chosen: Sequence[int]) -> Data:  # noqa: ARG002
        """Return the data of some networks."""
        return self

    # ------------------------------------------------------------------ by example

    def whole(self) -> Batch:
        """Return all data as one batch.

        Raises:
            InputError: batches that do not fit together.
        """
        return joined(list(self._read()))

    def take(self, n: int, seed: int = 0) -> Data:
        """Return ``n`` examples, drawn without replacement: one batch.

        Raises:
            InputError: fewer examples than that, or batches that cannot be cut into examples.
        """
        if not 1 <= n <= self.examples:
            raise InputError(f"n is {n}; expected 1 to {self.examples}, the number of examples")
        order = torch.randperm(self.examples, generator=torch.Generator().manual_seed(seed))
        return self._of_same_kind([taken(self.whole(), order[:n])])

    def cut(self, size: int) -> Data:
        """Return data given as one batch as several of ``size``, in order; others as they are."""
        if not self.single:
            return self
        (batch,) = self._read()
        places = split_places(torch.arange(self.examples), size)
        return self._of_same_kind([taken(batch, part) for part in places], single=False)

    def epoch(self, size: int, generator: torch.Generator) -> Iterator[tuple[Batch, Tensor]]:
        """Yield the batches of one pass of training, each with its example numbers.

        Args:
            size: of the batches that data given as one batch are cut into, the examples in a new
                order. Batches that were given come in a new order themselves.
            generator: draws the order.
        """
        if self.single:
            (batch,) = self._read()
            order = torch.randperm(self.examples, generator=generator)
            for part in split_places(order, size):
                yield taken(batch, part), part
            return
        held, numbers = list(self._read()), self.numbers
        for place in torch.randperm(len(held), generator=generator).tolist():
            yield held[place], numbers[place]

    # ------------------------------------------------------------------ set-up

    def _read(self) -> Iterator[Batch]:
        if self._kept is not None:
            yield from self._kept
            return
        for batch in self._source:
            yield moved(batch, self._device, self._dtype)

    def _survey(self, *, repeat: bool) -> None:
        """Hash all data and count them, twice where they might differ; keep them when small."""
        rows, weights, kept, used = [], [], [], 0
        by_target, plain = [], self._size is term_count  # one batch's -100 decides for all
        state = ContentHash()
        for place, batch in enumerate(self._source):
            state.add(content(batch))
            weights.append(_checked_size(self._size(batch), place))
            rows.append(_rows_or(batch, weights[-1]))
            if plain:
                by_target.append((has_ignored(batch), term_count(batch, by_target=True)))
            used += sum(tensor.nbytes for tensor in tensors_of(batch))
            if used <= _CACHE_BYTES or not repeat:
                kept.append(batch)
        if not weights:
            raise InputError("there is no batch. Try: give at least one batch of data")
        self._by_target = any(ignored for ignored, _ in by_target)
        if self._by_target:
            weights = [_checked_size(count, place) for place, (_, count) in enumerate(by_target)]
        self._rows, self._weights = tuple(rows), tuple(weights)
        self._kept: list[Batch] | None = kept if len(kept) == len(weights) else None
        self._hash = state.hexdigest()
        if repeat and self._second_hash() != self._hash:
            raise InputError(
                "the batches differ between two passes over the data: shuffled, or augmented at "
                "random. The same data are needed at every evaluation. Try: "
                "DataLoader(..., shuffle=False) without random augmentation, or list(loader)"
            )

    def _second_hash(self) -> str:
        state = ContentHash()
        for batch in self._source:
            state.add(content(batch))
        return state.hexdigest()

    def _of_same_kind(self, batches: list[Batch], *, single: bool = True) -> Data:
        other = copy.copy(self)
        other.single, other.divisible = single, self.divisible or single
        other._source = batches
        other._survey(repeat=False)
        other.understood = f"{_amount(other)} chosen from {self.understood}"
        return other

    def _sentence(self, kind: _Kind) -> str:
        first = next(iter(self._read()))
        return f"{_amount(self)}: {kind.words}{_shapes(first)}"


def is_one_batch(source: Any) -> bool:
    """Whether data are one batch by their structure; see :class:`Data`."""
    if isinstance(source, tuple | list):
        return _sequence_kind(source, "").single
    return isinstance(source, Tensor | np.ndarray | Mapping)


class _Kind:
    """How a source was understood.

    Args:
        batches: an iterable of batches.
        words: what it is, before the shapes of the first batch.
        held: it is in memory, so that two passes give the same.
        ambiguous: it might be meant otherwise.
    """

    def __init__(
        self, batches: Iterable[Batch], words: str, *, held: bool, ambiguous: bool = False
    ) -> None:
        self.batches, self.words, self.held, self.ambiguous = batches, words, held, ambiguous
        self.single = False  # whether the source itself is the one batch


def _one(source: Batch, words: str, *, ambiguous: bool = False) -> _Kind:
    kind = _Kind([source], words, held=True, ambiguous=ambiguous)
    kind.single = True
    return kind


def _kind_of(source: Any) -> _Kind:
    name = type(source).__name__
    article = "an" if name[:1].lower() in "aeiou" else "a"
    if isinstance(source, Tokens):
        words = f"{len(source)} windows of {source.source}, the first ids and scored "
        return _Kind(source.batches(_WINDOWS), words, held=True)
    if isinstance(source, Tensor | np.ndarray):
        return _one(source, f"{article} {name} ")
    if isinstance(source, Mapping):
        return _one(source, f"{article} {name} of tensors ")
    if isinstance(source, tuple | list):
        return _sequence_kind(source, f"{article} {name}")
    if isinstance(source, Dataset):
        loader: Iterable[Batch] = DataLoader(source, batch_size=_CUT)
        return _Kind(loader, f"{article} {name} in batches of {_CUT}, the first ", held=False)
    if not isinstance(source, Iterable) or isinstance(source, str | bytes):
        raise InputError(
            f"the data is {article} {name}; expected one batch or an iterable of batches"
        )
    if isinstance(source, Iterator):
        raise InputError(
            f"the data is {article} {name}, which is exhausted after one pass. "
            "Try: give list(...) of it"
        )
    return _Kind(source, f"{article} {name}, the first batch ", held=False)


def _sequence_kind(source: tuple[Any, ...] | list[Any], name: str) -> _Kind:
    direct = [item for item in source if isinstance(item, Tensor | np.ndarray)]
    mappings = [item for item in source if isinstance(item, Mapping)]
    if direct or hasattr(source, "_fields"):
        tensors = len(direct) == len(source)
        # of the same kind: they might be the inputs of several batches
        alike = len({(str(item.dtype), tuple(item.shape[1:])) for item in direct}) == 1
        unsure = isinstance(source, list) and tensors and alike and len(direct) > 1
        words = f"{name} of tensors " if tensors else f"{name} of tensors and more, "
        return _one(source, words, ambiguous=unsure)
    if len(mappings) == len(source) == 2 and mappings[0].keys() != mappings[1].keys():
        words = f"{name} of two mappings with different keys, "
        return _one(source, words, ambiguous=True)
    if 0 < len(mappings) < len(source):
        return _one(source, f"{name} of a mapping and more, ", ambiguous=True)
    joined_ones = _joined_samples(source)
    if joined_ones is not None:
        return _one(joined_ones, f"{name} of single samples, joined to a tuple of tensors ")
    kinds = {type(item).__name__ for item in source}
    inner = f"{kinds.pop()}s" if len(kinds) == 1 else "batches"
    held = all(isinstance(item, Mapping | tuple | list) for item in source)
    return _Kind(
        source,
        f"{name} of {inner} of tensors, the first ",
        held=held,
        ambiguous=isinstance(source, tuple) and len(source) == 2,
    )


def _joined_samples(source: tuple[Any, ...] | list[Any]) -> Batch | None:
    """Return samples ``(x, y)`` with a scalar y as one batch; None where they are not such."""

    def is_sample(item: Any) -> bool:
        if not (isinstance(item, tuple | list) and len(item) == 2):
            return False
        target = item[1]
        scalar = target.ndim == 0 if isinstance(target, Tensor | np.ndarray | np.generic) else None
        return isinstance(item[0], Tensor | np.ndarray) and (
            isinstance(target, int | float) if scalar is None else scalar
        )

    if not source or not all(map(is_sample, source)):
        return None
    try:
        inputs = torch.stack([torch.as_tensor(item[0]) for item in source])
    except RuntimeError:  # of different shapes
        return None
    return inputs, torch.stack([torch.as_tensor(item[1]) for item in source])


def _checked_size(size: Any, place: int) -> float:
    number = size.item() if isinstance(size, Tensor | np.generic) else size
    if not isinstance(number, int | float) or not 0 < number < math.inf:
        raise InputError(f"batch {place} holds {number} samples; expected one sample or more")
    return number


def _rows_or(batch: Batch, weight: float) -> int:
    return row_count(batch) if any(t.ndim for t in tensors_of(batch)) else round(weight)


def _amount(data: Data) -> str:
    if data.batches == 1:
        return f"one batch of {data.examples}"
    return f"{data.batches} batches, {data.examples} in all"


def _shapes(batch: Batch) -> str:
    shapes = [str(tuple(tensor.shape)) for tensor in tensors_of(batch)]
    return ", ".join(shapes[:6]) + (" ..." if len(shapes) > 6 else "") or "no tensor"
