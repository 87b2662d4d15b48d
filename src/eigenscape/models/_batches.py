"""Batches of any nesting: counting samples, moving tensors, hashing what was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.results import ContentHash

Batch = Any
_CACHE_BYTES = 2**30


def tensors_of(batch: Batch) -> Iterator[Tensor]:
    """Yield the tensors of a batch: itself, or those of its mappings, tuples and lists."""
    if isinstance(batch, Tensor):
        yield batch
    elif isinstance(batch, Mapping):
        for value in batch.values():
            yield from tensors_of(value)
    elif isinstance(batch, tuple | list):
        for value in batch:
            yield from tensors_of(value)


def moved(batch: Batch, device: torch.device, dtype: torch.dtype) -> Batch:
    """Return the batch with its tensors on ``device``, floating ones as ``dtype``.

    Objects that are no tensor, mapping, tuple or list are asked to ``.to(device)`` when they can.
    """
    if isinstance(batch, Tensor):
        return batch.to(device, dtype) if batch.is_floating_point() else batch.to(device)
    if isinstance(batch, Mapping):
        return {key: moved(value, device, dtype) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(moved(value, device, dtype) for value in batch))
    if isinstance(batch, tuple | list):
        return type(batch)(moved(value, device, dtype) for value in batch)
    return batch.to(device) if callable(getattr(batch, "to", None)) else batch


def sample_count(batch: Batch) -> int:
    """Return the length of the first tensor of a batch that has one.

    Of a mapping with ``labels`` of two axes or more, as transformers takes them: the number of
    labels that count, those that are not -100.

    Raises:
        InputError: no tensor with a first axis.
    """
    labels = batch.get("labels") if isinstance(batch, Mapping) else None
    if isinstance(labels, Tensor) and labels.ndim > 1 and not labels.is_floating_point():
        return int((labels != -100).sum())
    for tensor in tensors_of(batch):
        if tensor.ndim:
            return len(tensor)
    raise InputError(
        f"a batch of type {type(batch).__name__} holds no tensor with a first axis, so its samples "
        "cannot be counted. Mend: Objective(..., size=lambda batch: its number of samples)"
    )


def _content(batch: Batch) -> Any:
    """Return what of a batch is hashed: plain values and tensors, by name or place."""
    if isinstance(batch, Tensor | str | int | float | bool | None):
        return batch
    if isinstance(batch, Mapping):
        return {key: _content(value) for key, value in batch.items()}
    if isinstance(batch, tuple | list):
        return [_content(value) for value in batch]
    # a graph, a ragged sequence ...: its tensors, by name; nothing else is known of it
    inside = getattr(batch, "__dict__", {})
    return {name: value for name, value in inside.items() if isinstance(value, Tensor)}


class Batches:
    """The data of an objective: the same batches, in the same order, at every evaluation.

    Args:
        source: one batch (a tensor, a mapping, a tuple that begins with a tensor) or an iterable of
            batches that can be read again and again: a list, a DataLoader without shuffling.
        device: where the tensors go.
        dtype: what floating tensors become.
        size: from a batch to its number of samples.

    Raises:
        InputError: an iterator that is exhausted after one pass, batches that differ between two
            passes, no batch, or a batch without samples.
    """

    def __init__(
        self,
        source: Batch | Iterable[Batch],
        device: torch.device,
        dtype: torch.dtype,
        size: Callable[[Batch], int] | None = None,
    ) -> None:
        self._source = _as_iterable(source)
        self._device, self._dtype = device, dtype
        self._size = size or sample_count
        self._kept: list[tuple[Batch, int]] | None = None
        self.hash, self.count, self.batches = self._survey()

    def __iter__(self) -> Iterator[tuple[Batch, int]]:
        """Yield each batch with its number of samples."""
        if self._kept is not None:
            yield from self._kept
            return
        for batch in self._source:
            yield moved(batch, self._device, self._dtype), self._size(batch)

    def _survey(self) -> tuple[str, int, int]:
        """Read all data twice: hash it, count it, keep it when it is small enough."""
        hashes = []
        kept: list[tuple[Batch, int]] | None = []
        total = count = used = 0
        for turn in range(2):
            state = ContentHash()
            for batch in self._source:
                state.add(_content(batch))
                if turn:
                    continue
                size = self._size(batch)
                if size < 1:
                    raise InputError(f"batch {count} holds {size} samples; expected 1 or more")
                total, count = total + size, count + 1
                used += sum(tensor.nbytes for tensor in tensors_of(batch))
                kept = None if used > _CACHE_BYTES else kept
                if kept is not None:
                    kept.append((moved(batch, self._device, self._dtype), size))
            hashes.append(state.hexdigest())
            if not count:
                raise InputError("there is no batch. Mend: give at least one batch of data")
        if hashes[0] != hashes[1]:
            raise InputError(
                "the batches differ between two passes over the data: shuffled, or augmented at "
                "random. A landscape needs the same data at every point. Mend: "
                "DataLoader(..., shuffle=False) without random augmentation, or list(loader)"
            )
        self._kept = kept
        return hashes[0], total, count


def _as_iterable(source: Batch | Iterable[Batch]) -> Iterable[Batch]:
    single = isinstance(source, Tensor | Mapping) or (
        isinstance(source, tuple) and len(source) > 0 and isinstance(source[0], Tensor)
    )
    if single:
        return [source]
    if not isinstance(source, Iterable):
        raise InputError(
            f"the data is a {type(source).__name__}; expected one batch or an iterable of batches"
        )
    if isinstance(source, Iterator):
        raise InputError(
            f"the data is a {type(source).__name__}, which is exhausted after one pass. "
            "Mend: give list(...) of it"
        )
    return source
