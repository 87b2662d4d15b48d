"""Intervals of a mean, of any statistic, and of a share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenscape.errors import InputError

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate with its interval.

    Attributes:
        mean: the estimate.
        low: lower end; NaN where there is none.
        high: upper end.
        seeds: how many independent values it is of.
    """

    mean: float
    low: float
    high: float
    seeds: int

    @property
    def significant(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0

    def words(self, digits: int = 3) -> str:
        """Return it as text.

        >>> Interval(1.0, 0.5, 1.5, 3).words(1)
        '1.0 [0.5, 1.5]'
        """
        return f"{self.mean:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def interval(
    values: ArrayLike, *, weights: ArrayLike | None = None, level: float = 0.95
) -> Interval:
    """Return the mean and its interval by Student's t; NaN ends with fewer than two values.

    With weights the mean is a ratio of sums, and its error that of one (Cochran, "Sampling
    Techniques", 1977, section 6.4): the same where all weights are equal.

    Args:
        values: ``(n,)``.
        weights: ``(n,)``, positive; None for equal ones.
        level: of the interval.

    >>> interval([1.0, 2.0, 3.0]).words(2)
    '2.00 [-0.48, 4.48]'
    >>> interval([1.0, 2.0, 3.0], weights=[2.0, 2.0, 2.0]).words(2)
    '2.00 [-0.48, 4.48]'
    """
    from scipy.special import stdtrit

    found = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(found)
    sizes = np.ones(len(found)) if weights is None else np.asarray(weights, dtype=np.float64)
    found, sizes = found[finite], sizes[finite]
    count = len(found)
    if count == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = float(np.average(found, weights=sizes))
    if count == 1:
        return Interval(mean, math.nan, math.nan, 1)
    square = float(np.sum((sizes * (found - mean)) ** 2)) * count / (count - 1)
    reach = float(stdtrit(count - 1, _upper(level))) * math.sqrt(square) / float(sizes.sum())
    return Interval(mean, mean - reach, mean + reach, count)


def bootstrap(
    values: ArrayLike,
    statistic: Callable[[Floats], float] | None = None,
    *,
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Return a statistic and its interval by the percentile bootstrap.

    Args:
        values: ``(n,)``.
        statistic: of ``(n,)`` values; the mean by default.
        draws: samples (Efron and Tibshirani 1993, chapter 13: 1000 or more for limits).
        seed: of the draws.
        level: of the interval.

    >>> bootstrap([1.0, 1.0, 1.0], np.median)
    Interval(mean=1.0, low=1.0, high=1.0, seeds=3)
    """
    found = np.asarray(values, dtype=np.float64)
    found = found[np.isfinite(found)]
    if not len(found):
        return Interval(math.nan, math.nan, math.nan, 0)
    measure = statistic or np.mean
    picks = np.random.default_rng(seed).integers(len(found), size=(draws, len(found)))
    drawn = np.array([float(measure(found[row])) for row in picks])
    low, high = np.quantile(drawn, [1 - _upper(level), _upper(level)])
    return Interval(float(measure(found)), float(low), float(high), len(found))


def share(
    hits: int,
    trials: int,
    *,
    method: Literal["wilson", "clopper-pearson"] = "wilson",
    level: float = 0.95,
) -> Interval:
    """Return a share and its interval: Wilson's (1927), or the exact one of Clopper and Pearson.

    Wilson's has the stated coverage on average, the exact one at least that much always; both stay
    within 0 and 1, and neither has zero width where all trials agree.

    Args:
        hits: successes.
        trials: how many there were.
        method: which.
        level: of the interval.

    Raises:
        InputError: hits or trials that cannot be.

    >>> share(0, 10, method="clopper-pearson").words(3)
    '0.000 [0.000, 0.308]'
    """
    if not 0 <= hits <= trials or trials < 1:
        raise InputError(f"{hits} hits of {trials} trials; expected 0 <= hits <= trials, 1 or more")
    if method not in ("wilson", "clopper-pearson"):
        raise InputError(f"method is {method!r}; expected wilson or clopper-pearson")
    from scipy.special import betaincinv, ndtri

    p, upper = hits / trials, _upper(level)
    if method == "clopper-pearson":
        low = float(betaincinv(hits, trials - hits + 1, 1 - upper)) if hits else 0.0
        high = float(betaincinv(hits + 1, trials - hits, upper)) if hits < trials else 1.0
        return Interval(p, low, high, trials)
    z = float(ndtri(upper))
    scale = 1 + z**2 / trials
    middle = (p + z**2 / (2 * trials)) / scale
    reach = z * math.sqrt(p * (1 - p) / trials + z**2 / (4 * trials**2)) / scale
    low = 0.0 if hits == 0 else middle - reach
    return Interval(p, low, 1.0 if hits == trials else middle + reach, trials)


def _upper(level: float) -> float:
    if not 0 < level < 1:
        raise InputError(f"level is {level!r}; expected a number between 0 and 1, such as 0.95")
    return (1 + level) / 2
