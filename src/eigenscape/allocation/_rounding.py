"""Whole budgets: rounding that keeps the total."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
#: A quota this close below a whole number is that number.
_WHOLE = 1e-9


def largest_remainder(quotas: Array, total: int, ties: Sequence[Any]) -> Counts:
    """Round quotas to whole numbers that add up to a total (Hamilton's method).

    Each gets the whole part of its quota; what is left goes one by one to the largest remainders;
    of equal ones to the larger quota, then to the smaller tie-breaker. A larger quota never gets
    less.

    Args:
        quotas: (n,) not negative, adding up to about ``total``.
        total: what the whole numbers add up to.
        ties: (n,) tie-breakers, such as names.

    >>> largest_remainder(np.array([1.2, 2.7, 1.1]), 5, ["a", "b", "c"]).tolist()
    [1, 3, 1]
    """
    counts = _whole_parts(quotas)
    left = total - int(counts.sum())
    for index in _by_remainder(quotas - counts, quotas, ties)[:left]:
        counts[index] += 1
    return counts


def weighted_remainder(
    quotas: Array, weights: NDArray[np.int64], mean: float, ties: Sequence[Any]
) -> Counts:
    """Round quotas up or down so that the weighted mean comes close to a mean, never above it.

    As :func:`largest_remainder`, but a step up of entry i costs w_i, and is taken where it still
    fits. With equal weights the mean is exact whenever n times the mean is whole.

    >>> weighted_remainder(np.array([2.6, 3.4]), np.array([10, 30]), 3.2, ["a", "b"]).tolist()
    [3, 3]
    """
    counts = _whole_parts(quotas)
    total = sum(int(w) for w in weights)
    left = mean * total * (1 + _WHOLE) - sum(
        int(w) * int(n) for w, n in zip(weights, counts, strict=True)
    )
    for index in _by_remainder(quotas - counts, quotas, ties):
        if quotas[index] - counts[index] > _WHOLE and weights[index] <= left:
            counts[index] += 1
            left -= int(weights[index])
    return counts


def reference_counts(scores: Array, total: int) -> Counts:
    """Round as AlphaLoRA's published code does: to the nearest, then repair the sum.

    The repair compares the scores themselves, not their shares of the total, with the counts; so it
    comes back to the same group again and again. A group can lose half of its experts or all.

    >>> reference_counts(np.array([4.0, 9.0, 5.0]), 6).tolist()
    [1, 3, 2]
    """
    counts = np.rint(total * scores / math.fsum(scores)).astype(np.int64)
    while (missing := total - int(counts.sum())) != 0:
        gaps = scores - counts
        if missing > 0:
            counts[gaps.argmin()] += 1
        else:
            counts[gaps.argmax()] -= 1
    if (counts < 0).any():
        raise InputError(
            "the published rounding gives a negative count here. Mend: leave out reference=True"
        )
    return counts


def _whole_parts(quotas: Array) -> Counts:
    return np.floor(quotas + _WHOLE).astype(np.int64)


def _by_remainder(remainders: Array, quotas: Array, ties: Sequence[Any]) -> list[int]:
    # Quotas that differ only by rounding are equal: then the tie-breaker decides, not the last bit.
    keys = [
        (-round(float(r), 9), -round(float(q), 9), tie)
        for r, q, tie in zip(remainders, quotas, ties, strict=True)
    ]
    return sorted(range(len(keys)), key=keys.__getitem__)
