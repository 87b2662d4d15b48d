"""Contents of a batch: tensors in tuples, lists and mappings of any depth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eigenscape.errors import InputError

_ALIGNED = 64  # bytes
Batch = Any
IGNORED = -100  # the label that does not count, in torch's cross-entropy and in transformers


def as_tensor(array: Tensor | np.ndarray[Any, Any]) -> Tensor:
    """Return an array as a tensor that shares its memory.

    Raises:
        InputError: an array of objects or strings.
    """
    try:
        return torch.as_tensor(array)
    except (TypeError, ValueError) as error:
        raise InputError(f"the data hold an array that cannot be a tensor: {error}") from error


def tensors_of(batch: Batch) -> Iterator[Tensor]:
    """Yield the tensors of a batch: itself, or those of its mappings, tuples and lists."""
    if isinstance(batch, Tensor):
        yield batch
    elif isinstance(batch, np.ndarray):
        yield as_tensor(batch)
    elif isinstance(batch, Mapping):
        for value in batch.values():
            yield from tensors_of(value)
    elif isinstance(batch, tuple | list):
        for value in batch:
            yield from tensors_of(value)


def rebuilt(batch: Batch, function: Callable[[Tensor], Any], other: Callable[[Any], Any]) -> Batch:
    """Return a batch of the same structure, its tensors and other leaves replaced.

    Args:
        batch: of any nesting; mappings become plain dictionaries.
        function: of each tensor (arrays become tensors).
        other: of each leaf that is no tensor.
    """
    if isinstance(batch, Tensor | np.ndarray):
        return function(as_tensor(batch))
    if isinstance(batch, Mapping):
        return {key: rebuilt(value, function, other) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(rebuilt(value, function, other) for value in batch))
    if isinstance(batch, tuple | list):
        return type(batch)(rebuilt(value, function, other) for value in batch)
    return other(batch)


def moved(batch: Batch, device: torch.device | None, dtype: torch.dtype | None) -> Batch:
    """Return the batch with its tensors on ``device``, floating ones as ``dtype``.

    Objects that are no tensor, mapping, tuple or list are asked to ``.to(device)`` when they can.
    A tensor at an address that torch would not choose (a slice, a numpy array) is copied: the last
    bits of sums depend on the address, and workers have their own copies.
    """

    def tensor(value: Tensor) -> Tensor:
        value = value.to(device, dtype if value.is_floating_point() else None)
        plain = value.device.type == "cpu" and value.layout is torch.strided
        return value.clone() if plain and value.data_ptr() % _ALIGNED else value

    def other(value: Any) -> Any:
        return value.to(device) if callable(getattr(value, "to", None)) else value

    return rebuilt(batch, tensor, other)


def row_count(batch: Batch) -> int:
    """Return the length of the first tensor of a batch that has one: its examples.

    Raises:
        InputError: no tensor with a first axis.
    """
    for tensor in tensors_of(batch):
        if tensor.ndim:
            return len(tensor)
    raise InputError(
        f"a batch of type {type(batch).__name__} holds no tensor with a first axis, so its samples "
        "cannot be counted. Try: Objective(..., size=lambda batch: its number of samples)"
    )


def labels_of(batch: Batch) -> Tensor | None:
    """Return the integer labels of a mapping, as transformers takes them, or None.

    ``shift_labels``, which are shifted already, come before ``labels``.
    """
    if not isinstance(batch, Mapping):
        return None
    labels = batch.get("shift_labels", batch.get("labels"))
    known = isinstance(labels, Tensor) and labels.ndim > 0 and not labels.is_floating_point()
    return labels if known else None


def targets_of(batch: Batch) -> Tensor | None:
    """Return the whole-number targets that a pair ends with, or None."""
    if not (isinstance(batch, tuple | list) and len(batch) == 2):
        return None
    if not isinstance(batch[1], Tensor | np.ndarray):
        return None
    targets = as_tensor(batch[1])
    whole = not (targets.is_floating_point() or targets.is_complex())
    return targets if whole and targets.ndim else None


def has_ignored(batch: Batch) -> bool:
    """Whether whole-number targets of a pair are -100 in places."""
    targets = targets_of(batch)
    return targets is not None and bool((targets == IGNORED).any())


def term_count(batch: Batch, *, by_target: bool | None = None) -> int:
    """Return the number of terms of the mean loss of a batch, as far as the batch determines it.

    The number of labels that are not -100, where a mapping has integer ``labels`` of two axes or
    more, or where a pair ends with integer targets some of which are -100; else the examples.

    Args:
        batch: one batch.
        by_target: count a pair's integer targets also where none is -100, as another batch of the
            same data has some; None to see by this batch alone.
    """
    labels = labels_of(batch)
    if labels is not None and (labels.ndim > 1 or bool((labels == IGNORED).any())):
        return int((labels != IGNORED).sum())
    targets = targets_of(batch)
    if targets is not None and (has_ignored(batch) if by_target is None else by_target):
        return int((targets != IGNORED).sum())
    return row_count(batch)


def scored_count(batch: Batch) -> int:
    """Return how many tokens of ``(ids, scored)``, windows of tokens, are scored."""
    return int(batch[1].sum())


def shifted_term_count(batch: Batch) -> int:
    """Return the number of labels that count when the first of each row does not.

    A causal language model predicts ``labels[:, 1:]``; its loss is a mean over those.
    """
    labels = labels_of(batch)
    if labels is None or labels.ndim < 2:
        return term_count(batch)
    return int((labels[:, 1:] != IGNORED).sum())


def taken(batch: Batch, places: Tensor) -> Batch:
    """Return some examples of a batch: rows of every tensor, and of lists as long.

    Raises:
        InputError: tensors with different first axes.
    """
    count = row_count(batch)

    def rows(value: Tensor) -> Tensor:
        if value.ndim == 0:
            return value
        if len(value) != count:
            shapes = ", ".join(str(tuple(t.shape)) for t in tensors_of(batch))
            raise InputError(
                f"the data are tensors of shapes {shapes}; expected one sample or more on the "
                "first axis, as many in each, so that samples can be chosen. Try: a list of batches"
            )
        return value[places.to(value.device)]

    def chosen(part: Any) -> Any:
        """Choose from lists of texts and the like, as long as the tensors."""
        if isinstance(part, Mapping):
            return {key: chosen(value) for key, value in part.items()}
        if isinstance(part, list) and len(part) == count and next(tensors_of(part), None) is None:
            return _picked(part, places.tolist())
        return part

    return rebuilt(chosen(batch), rows, lambda value: value)


def _picked(items: list[Any], places: Any) -> Any:
    if isinstance(places, list):  # (k, b) where networks differ: a list for each
        return [_picked(items, place) for place in places]
    return items[places]


def joined(batches: Sequence[Batch]) -> Batch:
    """Return batches of one structure as one batch, tensors concatenated.

    Raises:
        InputError: batches that differ in structure or in the shapes of their samples.
    """
    if len(batches) == 1:
        return batches[0]
    try:
        return _joined(batches)
    except (RuntimeError, KeyError, ValueError, TypeError) as error:
        said = str(error).splitlines()[0]
        raise InputError(
            f"the batches cannot be put into one: {said}. Expected the same structure and the same "
            "shape of a sample in each. Try: padded batches of equal shapes"
        ) from error


def _joined(batches: Sequence[Batch]) -> Batch:
    first = batches[0]
    if isinstance(first, Tensor | np.ndarray):
        tensors = [as_tensor(batch) for batch in batches]
        if tensors[0].ndim == 0:
            if any(not torch.equal(tensors[0], tensor) for tensor in tensors):
                raise ValueError("numbers that differ between batches")
            return tensors[0]
        return torch.cat(tensors)
    if isinstance(first, Mapping):
        if any(batch.keys() != first.keys() for batch in batches):
            raise ValueError("mappings with different keys")
        return {key: _joined([batch[key] for batch in batches]) for key in first}
    if isinstance(first, tuple | list):
        parts = [_joined(part) for part in zip(*batches, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
    if any(batch != first for batch in batches):
        raise ValueError(f"objects of type {type(first).__name__}")
    return first


def split_places(order: Tensor, size: int) -> list[Tensor]:
    """Return batches of places; a last batch of one joins its neighbour (for batch norm)."""
    parts = list(torch.split(order, size, dim=-1))  # of k networks: (k, n)
    if len(parts) > 1 and parts[-1].shape[-1] == 1 < size:
        parts[-2:] = [torch.cat(parts[-2:], dim=-1)]
    return parts


def content(batch: Batch) -> Any:
    """Return the parts of a batch that are hashed: plain values and tensors, by name or place."""
    if isinstance(batch, np.ndarray):
        return as_tensor(batch)
    if isinstance(batch, Tensor | str | int | float | bool | None):
        return batch
    if isinstance(batch, Mapping):
        return {key: content(value) for key, value in batch.items()}
    if isinstance(batch, tuple | list):
        return [content(value) for value in batch]
    # a graph, a ragged sequence ...: its tensors, by name; nothing else is known of it
    inside = getattr(batch, "__dict__", {})
    return {name: value for name, value in inside.items() if isinstance(value, Tensor)}
