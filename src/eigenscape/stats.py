"""Ranks, intervals and paired tests: wrappers around scipy with one treatment of missing values.

Every interval is at 95 % unless ``level`` says otherwise; values that are not finite are left out,
of pairs both. scipy is imported where it is used: it costs 0.5 s.
"""

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


class RankCorrelation(NamedTuple):
    """Spearman's rho of pairs.

    Attributes:
        rho: with ties at their mean rank.
        low: its 95 % interval by the bootstrap over pairs.
        high: likewise.
        p: two-sided, of no relation, by Student's t of the ranks (as scipy's).
        pairs: how many.
    """

    rho: float
    low: float
    high: float
    p: float
    pairs: int

    @property
    def significant(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0

    def words(self) -> str:
        """Return it as text.

        >>> RankCorrelation(0.5, -0.1, 0.9, 0.1, 12).words()
        '+0.50 [-0.10, +0.90], not significant'
        """
        if math.isnan(self.rho):
            return "undefined (one of the two does not vary)"
        tail = "" if self.significant else ", not significant"
        return f"{self.rho:+.2f} [{self.low:+.2f}, {self.high:+.2f}]{tail}"


class Line(NamedTuple):
    """A line by ordinary least squares, and the 95 % interval of its slope (Student's t).

    Attributes:
        slope: of y over x.
        low: of the slope.
        high: of the slope.
        start: y at x = 0.
        points: how many runs.
    """

    slope: float
    low: float
    high: float
    start: float
    points: int

    @property
    def significant(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0

    def turned(self) -> Line:
        """Return the line as a function of the negative of x."""
        return self._replace(slope=-self.slope, low=-self.high, high=-self.low)

    def words(self, digits: int = 1, unit: str = "") -> str:
        """Return the slope as text.

        >>> Line(2.0, -1.0, 5.0, 0.0, 9).words(1, " points")
        '+2.0 [-1.0, +5.0] points, not significant'
        """
        tail = "" if self.significant else ", not significant"
        numbers = f"{self.slope:+.{digits}f} [{self.low:+.{digits}f}, {self.high:+.{digits}f}]"
        return f"{numbers}{unit}{tail}"


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


# --- means and shares ----------------------------------------------------------------------------


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


# --- pairs ---------------------------------------------------------------------------------------


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
    a, b = _pairs(first, second)
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


def rank_correlation(
    x: ArrayLike, y: ArrayLike, *, draws: int = 2000, seed: int = 0
) -> RankCorrelation:
    """Return Spearman's rho of pairs, with ties at their mean rank.

    A bootstrap sample in which either of the two does not vary counts as 0: it shows no relation.

    Args:
        x: ``(n,)``; pairs in which either is NaN are left out.
        y: ``(n,)``.
        draws: bootstrap samples (Efron and Tibshirani 1993, chapter 13: 1000 or more for limits).
        seed: of the bootstrap.

    Raises:
        InputError: different lengths.

    >>> rank_correlation(list(range(12)), [v**3 for v in range(12)]).words()
    '+1.00 [+1.00, +1.00]'
    """
    a, b = _equal_lengths(x, y)
    known = ~(np.isnan(a) | np.isnan(b))
    a, b = a[known], b[known]
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return RankCorrelation(math.nan, math.nan, math.nan, math.nan, len(a))
    picks = np.random.default_rng(seed).integers(len(a), size=(draws, len(a)))
    resampled = _spearman(a[picks], b[picks])
    low, high = np.quantile(np.nan_to_num(resampled), [0.025, 0.975])
    rho = float(_spearman(a[None], b[None])[0])
    return RankCorrelation(rho, float(low), float(high), _p_rank(rho, len(a)), len(a))


def _p_rank(rho: float, count: int) -> float:
    from scipy.special import stdtr

    rest = 1 - rho**2
    return 2 * float(stdtr(count - 2, -abs(rho) * math.sqrt((count - 2) / rest))) if rest else 0.0


def _spearman(a: Floats, b: Floats) -> Floats:
    """Correlate the ranks of each row of ``(draws, n)``; NaN where a row does not vary."""
    u, v = (part - part.mean(axis=1, keepdims=True) for part in (ranks(a), ranks(b)))
    size = np.sqrt((u**2).sum(axis=1) * (v**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Floats = np.where(size > 0, (u * v).sum(axis=1) / size, np.nan)
    return result


def ranks(values: ArrayLike) -> Floats:
    """Return the ranks along the last axis, from 1; ties get their mean rank.

    >>> ranks([30.0, 10.0, 30.0]).tolist()
    [2.5, 1.0, 2.5]
    """
    from scipy.stats import rankdata

    found: Floats = rankdata(np.asarray(values, dtype=np.float64), axis=-1)
    return found


def fit_line(x: ArrayLike, y: ArrayLike) -> Line:
    """Fit a line to runs that are assumed independent; pairs that are not finite are left out.

    Args:
        x: ``(n,)``.
        y: ``(n,)``.

    Returns:
        NaN where there are fewer than 3 runs, or one x alone.

    >>> line = fit_line([0, 1, 2, 3], [1, 3, 5, 7])
    >>> round(line.slope, 6), round(line.start, 6), round(line.high - line.low, 6)
    (2.0, 1.0, 0.0)
    """
    from scipy.special import stdtrit

    a, b = _pairs(x, y)
    count = len(a)
    if count < 3 or np.ptp(a) == 0:
        return Line(math.nan, math.nan, math.nan, math.nan, count)
    away = a - a.mean()
    square = float(away @ away)
    slope = float(away @ b) / square
    start = float(b.mean() - slope * a.mean())
    misfit = b - start - slope * a
    error = math.sqrt(float(misfit @ misfit) / (count - 2) / square)
    reach = float(stdtrit(count - 2, 0.975)) * error
    return Line(slope, slope - reach, slope + reach, start, count)


def _pairs(x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    """Return the pairs of which both are finite.

    Raises:
        InputError: different lengths.
    """
    a, b = _equal_lengths(x, y)
    known = np.isfinite(a) & np.isfinite(b)
    return a[known], b[known]


def _equal_lengths(x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise InputError(f"pairs of shapes {a.shape} and {b.shape}; expected two equal lengths")
    return a, b


def _upper(level: float) -> float:
    if not 0 < level < 1:
        raise InputError(f"level is {level!r}; expected a number between 0 and 1, such as 0.95")
    return (1 + level) / 2
