"""How two quantities go together: ranks, rank correlation, a line."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenscape.stats._pairs import equal_lengths, finite_pairs

Floats = NDArray[np.float64]


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
    a, b = equal_lengths(x, y)
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

    a, b = finite_pairs(x, y)
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
