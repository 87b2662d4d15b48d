"""Two arrays of equal lengths, without the pairs that are not finite."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenscape.errors import InputError

Floats = NDArray[np.float64]


def finite_pairs(x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    """Return the pairs of which both are finite.

    Raises:
        InputError: different lengths.
    """
    a, b = equal_lengths(x, y)
    known = np.isfinite(a) & np.isfinite(b)
    return a[known], b[known]


def equal_lengths(x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    """Return two arrays in float64.

    Raises:
        InputError: different lengths, or not one dimension.
    """
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise InputError(f"pairs of shapes {a.shape} and {b.shape}; expected two equal lengths")
    return a, b
