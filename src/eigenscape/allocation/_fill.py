"""Meeting a total exactly under floors and caps: water-filling."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError

Array = NDArray[np.float64]
#: Totals are met, and limits compared, to this relative accuracy.
_TOLERANCE = 1e-12


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
    cap: float = math.inf,
) -> tuple[Array, NDArray[np.bool_]]:
    r"""Scale (or shift) scores to a weighted mean, holding each between a floor and a cap.

    Finds the level :math:`c` with
    :math:`\sum_i w_i \min(\max(c r_i, f), u) = \bar{b} \sum_i w_i`. The left side rises with
    :math:`c` in straight pieces, so :math:`c` is found exactly, on the piece that crosses.

    Args:
        scores: (n,) at least one positive, none negative, unless ``additive``; those that are not
            0 within a factor of 1e150.
        weights: (n,) positive.
        mean: what the weighted mean shall be.
        additive: c + r instead of c r.
        floor: the smallest budget.
        cap: the largest.

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


def _turns(scores: Array, additive: bool, floor: float, cap: float) -> Array:
    """Levels at which a budget meets one of its limits, ascending."""
    limits = [limit for limit in (floor, cap) if math.isfinite(limit)]
    if additive:
        found = [limit - scores for limit in limits]
    else:
        found = [limit / scores[scores > 0] for limit in limits if limit > 0]
    return np.unique(np.concatenate([np.empty(0), *found]))


def _piece(
    turns: Array, mean: float, at: Callable[[float], float], additive: bool
) -> tuple[float, float]:
    """Return the two turns between which the weighted mean crosses what it shall be."""
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
    cap: float = math.inf,
) -> tuple[float, float]:
    """Return the smallest and the largest weighted mean that :func:`fill` can meet.

    >>> reach(np.array([0.0, 1.0]), np.ones(2), floor=0.1, cap=0.9)
    (0.1, 0.5)
    """
    lowest = floor if additive else max(0.0, floor)
    rises = np.ones(len(scores), bool) if additive else scores > 0
    if rises.all() or math.isinf(cap):
        return lowest, cap
    return lowest, mean_of(np.where(rises, cap, lowest), weights)
