"""Paired tests, and Holm's correction for several of them."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenscape.errors import InputError
from eigenscape.stats._intervals import interval
from eigenscape.stats._pairs import finite_pairs

Floats = NDArray[np.float64]


class PairedTest(NamedTuple):
    """A mean difference of pairs, its interval, and its probability without any effect.

    Attributes:
        difference: mean of first minus second.
        low: its 95 % interval by Student's t.
        high: likewise.
        p: two-sided.
        pairs: how many.
    """

    difference: float
    low: float
    high: float
    p: float
    pairs: int


def paired_test(
    first: ArrayLike,
    second: ArrayLike,
    *,
    method: Literal["t", "wilcoxon", "signs"] = "t",
    seed: int = 0,
) -> PairedTest:
    """Test whether pairs differ: Student's t, Wilcoxon's signed ranks, or random signs.

    Random signs flip each difference: every pattern where there are at most 2^13, else 10,000
    drawn ones; p counts those with a mean at least as large in size.

    Args:
        first: ``(n,)``.
        second: ``(n,)``, in the same order.
        method: how p is found; the interval is always Student's t.
        seed: of drawn signs.

    Returns:
        NaN for p where there are fewer than two pairs.

    Raises:
        InputError: different lengths, or an unknown method.

    >>> paired_test([1.0, 2.0, 3.0], [0.0, 1.0, 2.0], method="signs")
    PairedTest(difference=1.0, low=1.0, high=1.0, p=0.25, pairs=3)
    """
    tests = {"t": _p_student, "wilcoxon": _p_wilcoxon, "signs": _p_signs}
    if method not in tests:
        raise InputError(f"method is {method!r}; expected one of {', '.join(tests)}")
    a, b = finite_pairs(first, second)
    away = a - b
    found = interval(away)
    p = tests[method](away, seed) if len(away) > 1 else math.nan
    return PairedTest(found.mean, found.low, found.high, p, found.seeds)


def _p_student(away: Floats, _: int) -> float:
    from scipy.special import stdtr

    error = float(away.std(ddof=1)) / math.sqrt(len(away))
    mean = abs(float(away.mean()))
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return 2 * float(stdtr(len(away) - 1, -mean / error))


def _p_wilcoxon(away: Floats, _: int) -> float:
    from scipy.stats import wilcoxon

    return float(wilcoxon(away).pvalue) if away.any() else 1.0


def _p_signs(away: Floats, seed: int) -> float:
    count = len(away)
    if count <= 13:
        signs = 1 - 2 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
    else:
        drawn = np.random.default_rng(seed).integers(2, size=(10_000, count))
        signs = np.vstack([np.ones((1, count), dtype=np.int64), 1 - 2 * drawn])
    sums = np.abs(signs @ away)
    return float(np.mean(sums >= sums[0] * (1 - 1e-12)))  # the first row changes no sign


def holm(p: ArrayLike) -> Floats:
    """Return probabilities that hold for all tests of a family together (Holm 1979).

    The i-th smallest of n is multiplied by n - i + 1, and none is below a smaller one's. Held
    against 0.05, at most one family in twenty has a false finding, whatever the dependence.

    Args:
        p: ``(n,)``; NaN, a test that could not be made, stays NaN and is not counted.

    Raises:
        InputError: a number that is no probability.

    >>> holm([0.01, 0.04, 0.03, 0.005]).round(3).tolist()
    [0.03, 0.06, 0.06, 0.02]
    """
    found = np.asarray(p, dtype=np.float64)
    known = found[np.isfinite(found)]
    if found.ndim != 1 or np.isinf(found).any() or ((known < 0) | (known > 1)).any():
        raise InputError(f"p is {found.tolist()}; expected a list of numbers from 0 to 1")
    order = np.argsort(known, kind="stable")
    raised = known[order] * np.arange(len(known), 0, -1)
    known[order] = np.minimum(np.maximum.accumulate(raised), 1)
    adjusted = np.full_like(found, np.nan)
    adjusted[np.isfinite(found)] = known
    return adjusted
