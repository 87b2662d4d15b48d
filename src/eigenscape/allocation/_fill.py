"""Meeting a total exactly: water-filling under floors and caps, and whole budgets."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
#: Totals are met, and limits compared, to this relative accuracy.
_TOLERANCE = 1e-12
#: A quota this close below a whole number is that number.
_WHOLE = 1e-9


def mean_of(values: Array, weights: Array) -> float:
    """Return the weighted mean; the order of the terms does not matter to the last bit.

    >>> mean_of(np.array([1.0, 3.0]), np.array([3, 1]))
    1.5
    """
    return math.fsum(values * weights) / math.fsum(weights)


def fill(
    scores: Array,
    weights: Array,
    mean: float,
    *,
    additive: bool = False,
    floor: float = -math.inf,
    cap: float | Array = math.inf,
) -> tuple[Array, NDArray[np.bool_]]:
    r"""Scale (or shift) scores to a weighted mean, holding each between a floor and a cap.

    Finds the level :math:`c` with
    :math:`\sum_i w_i \min(\max(c r_i, f), u) = \bar{b} \sum_i w_i`. The left side rises with
    :math:`c` in straight pieces, so :math:`c` is found exactly, on the piece that crosses.

    Args:
        scores: (n,) at least one positive, none negative, unless ``additive``; those that are not
            0 within a factor of 1e150.
        weights: (n,) positive.
        mean: the weighted mean to reach.
        additive: c + r instead of c r.
        floor: the smallest budget.
        cap: the largest; one for all, or (n,) one for each.

    Returns:
        The budgets, and which of them a limit holds back.

    Raises:
        InputError: no level reaches the mean; the message has the range that can be reached.

    >>> budgets, held = fill(np.array([1.0, 2.0, 3.0]), np.ones(3), 0.6, cap=0.8)
    >>> budgets.round(6).tolist(), held.tolist()
    ([0.333333, 0.666667, 0.8], [False, False, True])
    """

    def raw(level: float) -> Array:
        return level + scores if additive else level * scores

    def at(level: float) -> float:
        return mean_of(np.clip(raw(level), floor, cap), weights)

    low, high = reach(scores, weights, additive=additive, floor=floor, cap=cap)
    slack = _TOLERANCE * max(1.0, abs(mean))
    if not low - slack <= mean <= high + slack:
        raise InputError(f"a mean of {mean:g} cannot be reached: from {low:g} to {high:g} can")
    own = mean_of(scores, weights)
    level = mean - own if additive else mean / own
    if at(level) != mean:
        left, right = _piece(_turns(scores, additive, floor, cap), mean, at, additive)
        inside = raw(_between(left, right))
        free = (inside > floor) & (inside < cap) & (additive | (scores > 0))
        level = right if math.isfinite(right) else left
        if free.any():
            fixed = np.clip(inside, floor, cap)[~free]
            rest = mean * math.fsum(weights) - math.fsum(fixed * weights[~free])
            inner, total = math.fsum(scores[free] * weights[free]), math.fsum(weights[free])
            level = (rest - inner) / total if additive else rest / inner
        # Beside heavy groups, light ones are solved for with little accuracy: stay on the piece.
        level = min(max(level, left), right)
    budgets = raw(level)
    margin = _TOLERANCE * np.maximum(1.0, np.abs(budgets))
    held = (budgets < floor - margin) | (budgets > cap + margin)
    return np.clip(budgets, floor, cap), held


def _turns(scores: Array, additive: bool, floor: float, cap: float | Array) -> Array:
    """Levels at which a budget meets one of its limits, ascending."""
    limits = [np.broadcast_to(np.asarray(limit, float), scores.shape) for limit in (floor, cap)]
    kept = [np.isfinite(limit) & (additive | ((scores > 0) & (limit > 0))) for limit in limits]
    pairs = [(limit[keep], scores[keep]) for limit, keep in zip(limits, kept, strict=True)]
    found = [limit - own if additive else limit / own for limit, own in pairs]
    return np.unique(np.concatenate([np.empty(0), *found]))


def _piece(
    turns: Array, mean: float, at: Callable[[float], float], additive: bool
) -> tuple[float, float]:
    """Return the two turns between which the weighted mean crosses the one to reach."""
    low, high = -1, len(turns)  # at(turns[low]) < mean <= at(turns[high])
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if at(float(turns[middle])) < mean else (low, middle)
    start = -math.inf if additive else 0.0
    return (
        float(turns[low]) if low >= 0 else start,
        float(turns[high]) if high < len(turns) else math.inf,
    )


def _between(left: float, right: float) -> float:
    if math.isinf(right):
        return left + abs(left) + 1 if math.isfinite(left) else 0.0
    return right - 1 if math.isinf(left) else left + (right - left) / 2


def reach(
    scores: Array,
    weights: Array,
    *,
    additive: bool = False,
    floor: float = -math.inf,
    cap: float | Array = math.inf,
) -> tuple[float, float]:
    """Return the smallest and the largest weighted mean that :func:`fill` can meet.

    >>> reach(np.array([0.0, 1.0]), np.ones(2), floor=0.1, cap=0.9)
    (0.1, 0.5)
    """
    lowest = floor if additive else max(0.0, floor)
    rises = np.ones(len(scores), bool) if additive else scores > 0
    if isinstance(cap, float | int) and (rises.all() or math.isinf(cap)):
        return lowest, cap
    return lowest, mean_of(np.where(rises, cap, lowest), weights)


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
            "the published rounding gives a negative count here. Try: leave out reference=True"
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
