"""The shuffled comparison: the same entries in random places, so that only their sizes remain."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from eigenscape.spectra.metrics._bulk import fit_bulk


class Shuffled(NamedTuple):
    """A spectrum beside that of its own shuffled entries.

    Args:
        lambda_max: the largest eigenvalue after shuffling.
        soft_rank: that over the largest eigenvalue before; 1 where structure adds nothing.
        distance: the Kolmogorov-Smirnov distance between the two spectra, in [0, 1].
        traps: eigenvalues of the shuffled matrix outside its own bulk: single large entries.
    """

    lambda_max: float
    soft_rank: float
    distance: float
    traps: int


def shuffled_stack(stack: torch.Tensor, seed: int) -> torch.Tensor:
    """Return each matrix of (k, rows, cols) with its entries in seeded random order."""
    generator = torch.Generator().manual_seed(seed)
    k, rows, cols = stack.shape
    pieces = []
    for matrix in stack.reshape(k, -1):
        order = torch.randperm(rows * cols, generator=generator).to(matrix.device)
        pieces.append(matrix[order].reshape(rows, cols))
    return torch.stack(pieces)


def compare_shuffled(
    eigenvalues: NDArray[np.float64], shuffled: NDArray[np.float64], stack: tuple[int, int, int]
) -> Shuffled:
    """Compare a spectrum with that of its shuffled entries.

    Args:
        eigenvalues: ascending.
        shuffled: ascending, as many.
        stack: (k, rows, cols).

    >>> flat = np.linspace(1, 2, 50)
    >>> compare_shuffled(flat, flat, (1, 50, 50)).distance
    0.0
    """
    both = np.concatenate([eigenvalues, shuffled])
    first = np.searchsorted(eigenvalues, both, side="right") / len(eigenvalues)
    second = np.searchsorted(shuffled, both, side="right") / len(shuffled)
    return Shuffled(
        lambda_max=float(shuffled[-1]),
        soft_rank=float(shuffled[-1] / eigenvalues[-1]),
        distance=float(np.abs(first - second).max()),
        traps=fit_bulk(shuffled, stack).spikes,
    )
