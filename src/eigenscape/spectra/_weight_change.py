"""How far the weights of a layer moved from one checkpoint to another."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch

from eigenscape.checkpoints import Checkpoint
from eigenscape.layers import LayerMatrix

_FAR = 2.0**62  # beyond this a difference of integers may not fit


class Pairs:
    """Two checkpoints, of which the tensors of one layer at a time are in memory.

    Args:
        before: the first.
        after: the second.
    """

    def __init__(self, before: Checkpoint, after: Checkpoint) -> None:
        self._sources = (before, after)
        self._held: list[tuple[tuple[str, ...], list[torch.Tensor]]] = [((), []), ((), [])]

    def of_layers(self, old: LayerMatrix, new: LayerMatrix) -> dict[str, Any]:
        """Compare the weights of two rows of a layer table; empty where the shapes differ.

        A part of a tensor is compared as that part, a LoRA update as the product of its factors.
        """
        if old.shape != new.shape or old.stack != new.stack:
            return {}
        tensors = [self._read(side, layer.tensors) for side, layer in enumerate((old, new))]
        return _compared(zip(_pieces(old, tensors[0]), _pieces(new, tensors[1]), strict=True))

    def of_tensors(self, name: str) -> dict[str, Any]:
        """Compare two tensors of one name; empty where the shapes differ."""
        a, b = (source[name] for source in self._sources)
        return _compared([(a, b)]) if a.shape == b.shape else {}

    def _read(self, side: int, names: tuple[str, ...]) -> list[torch.Tensor]:
        """Read tensors, or take those of the layer before where they are the same."""
        if self._held[side][0] != names:
            self._held[side] = ((), [])
            self._held[side] = (names, [self._sources[side][name] for name in names])
        return self._held[side][1]


def _pieces(layer: LayerMatrix, tensors: list[torch.Tensor]) -> Iterator[torch.Tensor]:
    if layer.pieces is not None:
        yield from layer.pieces(tensors)
    elif len(tensors) == 1 and layer.parameters == tensors[0].numel():
        yield tensors[0]  # also of a convolution that is examined by its frequencies
    else:
        yield from layer.matrices(tensors)


def _compared(pairs: Any) -> dict[str, Any]:
    """Return ||b - a|| / ||a|| over pairs of tensors, and the share of zeros of each side."""
    whole, moved, zeros, count = [], [], [0, 0], 0
    for a, b in (map(_plain, pair) for pair in pairs):
        zeros[0] += int((a == 0).sum())
        zeros[1] += int((b == 0).sum())
        count += a.numel()
        whole.append(_size(_wide(a)))
        moved.append(0.0 if torch.equal(a, b) else _size(_difference(a, b)))
    total, change = math.hypot(*whole), math.hypot(*moved)
    return {
        "weight_change": change / total if total else (math.inf if change else 0.0),
        "sparsity_before": zeros[0] / max(1, count),
        "sparsity_after": zeros[1] / max(1, count),
    }


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor that can be compared: float8 cannot."""
    small = tensor.is_floating_point() and tensor.dtype.itemsize == 1
    return tensor.float() if small else tensor


def _wide(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to(torch.complex128 if tensor.is_complex() else torch.float64)


def _difference(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    away = _wide(b) - _wide(a)
    whole = not any(x.is_floating_point() or x.is_complex() for x in (a, b))
    if whole and torch.uint64 not in (a.dtype, b.dtype):  # large integers, exactly
        exact = (b.to(torch.int64) - a.to(torch.int64)).double()
        away = torch.where(away.abs() < _FAR, exact, away)
    return away


def _size(tensor: torch.Tensor) -> float:
    """The norm, with entries that neither overflow nor underflow where they are squared."""
    largest = float(tensor.abs().max()) if tensor.numel() else 0.0
    if largest == 0 or not math.isfinite(largest):
        return largest
    power = math.frexp(largest)[1]
    return math.ldexp(float(torch.linalg.vector_norm(_shifted(tensor, -power))), power)


def _shifted(tensor: torch.Tensor, power: int) -> torch.Tensor:
    half = power // 2  # in two steps: 2.0 ** 1074 is no number
    return tensor * 2.0**half * 2.0 ** (power - half)
