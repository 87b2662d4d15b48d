"""What is done to a layer: entries shuffled, replaced by noise, a part of the spectrum removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from eigenscape.spectra import decompose, fit_bulk


class Changed(NamedTuple):
    """A changed stack.

    Attributes:
        stack: ``(k, rows, cols)``, of the type of the original.
        directions: of the singular directions of all k matrices, how many are above the edge of
            noise; None for a change that does not ask for them.
    """

    stack: Tensor
    directions: int | None = None


@dataclass(frozen=True)
class Change:
    """One way to change a layer.

    Args:
        make: from the stack ``(k, rows, cols)`` and a generator to the changed one.
        drawn: whether it draws random numbers, so that it is repeated.
        words: what was done, as in "the loss with its entries shuffled".
    """

    make: Callable[[Tensor, torch.Generator], Changed]
    drawn: bool
    words: str


def shuffled(stack: Tensor, generator: torch.Generator) -> Changed:
    """Return the same entries in random order, over all matrices of the stack."""
    order = torch.randperm(stack.numel(), generator=generator).to(stack.device)
    return Changed(stack.flatten()[order].reshape(stack.shape))


def replaced(stack: Tensor, generator: torch.Generator) -> Changed:
    """Return independent normal entries with the Frobenius norm of the stack."""
    noise = torch.randn(stack.shape, generator=generator, dtype=stack.dtype).to(stack.device)
    return Changed(noise * (stack.norm() / noise.norm()))


def without_bulk(stack: Tensor, generator: torch.Generator) -> Changed:  # noqa: ARG001
    """Return only the singular directions above the edge of the noise fitted to the bulk."""
    found = _top(stack)
    return Changed(found.part.to(stack), found.spikes)


def without_top(stack: Tensor, generator: torch.Generator) -> Changed:  # noqa: ARG001
    """Return the stack without these; where there are none, without its largest direction."""
    found = _top(stack, largest=True)
    return Changed((stack.double() - found.part).to(stack), found.spikes)


#: By name; where a budget is short, the last are given up first.
CHANGES: Mapping[str, Change] = {
    "shuffled": Change(shuffled, True, "its entries shuffled"),
    "random": Change(replaced, True, "a random matrix of the same norm in its place"),
    "bulk removed": Change(without_bulk, False, "only its directions above the noise kept"),
    "top removed": Change(without_top, False, "its directions above the noise removed"),
}


class _Top(NamedTuple):
    part: Tensor  # float64 (k, rows, cols)
    spikes: int


def _top(stack: Tensor, *, largest: bool = False) -> _Top:
    """Return what the directions above the edge contribute.

    Args:
        stack: ``(k, rows, cols)``.
        largest: take the largest direction where none is above.
    """
    few = min(stack.shape[1:])
    triplets = [decompose(matrix, few) for matrix in stack]
    pooled = np.sort(np.concatenate([squares for squares, _ in triplets]))
    edge = fit_bulk(pooled, (stack.shape[0], stack.shape[1], stack.shape[2])).edge
    counts = [min(int((squares > edge).sum()), len(top.values)) for squares, top in triplets]
    spikes = sum(counts)
    if largest and not spikes:
        tops = [float(squares[-1]) for squares, _ in triplets]
        counts[int(np.argmax(tops))] = 1
    parts = [
        (top.left[:, :count] * top.values[:count]) @ top.right[:, :count].T
        for count, (_, top) in zip(counts, triplets, strict=True)
    ]
    return _Top(torch.stack(parts), spikes)
