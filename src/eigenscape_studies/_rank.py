"""Rank correlations with intervals."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class RankCorrelation(NamedTuple):
    """Spearman's rho, its 95 % interval by the bootstrap over pairs, and the number of pairs."""

    rho: float
    low: float
    high: float
    pairs: int

    @property
    def significant(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0

    def words(self) -> str:
        """Write it down.

        >>> RankCorrelation(0.5, -0.1, 0.9, 12).words()
        '+0.50 [-0.10, +0.90], not significant'
        """
        if math.isnan(self.rho):
            return "undefined (one of the two does not vary)"
        tail = "" if self.significant else ", not significant"
        return f"{self.rho:+.2f} [{self.low:+.2f}, {self.high:+.2f}]{tail}"


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

    >>> rank_correlation(list(range(12)), [v**3 for v in range(12)]).words()
    '+1.00 [+1.00, +1.00]'
    """
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    known = ~(np.isnan(a) | np.isnan(b))
    a, b = a[known], b[known]
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return RankCorrelation(math.nan, math.nan, math.nan, len(a))
    picks = np.random.default_rng(seed).integers(len(a), size=(draws, len(a)))
    resampled = _spearman(a[picks], b[picks])
    low, high = np.quantile(np.nan_to_num(resampled), [0.025, 0.975])
    return RankCorrelation(float(_spearman(a[None], b[None])[0]), float(low), float(high), len(a))


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlate the ranks of each row of ``(draws, n)``; NaN where a row does not vary."""
    from scipy.stats import rankdata

    ranks = [rankdata(part, axis=1) for part in (a, b)]
    u, v = (part - part.mean(axis=1, keepdims=True) for part in ranks)
    size = np.sqrt((u**2).sum(axis=1) * (v**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        result: NDArray[np.float64] = np.where(size > 0, (u * v).sum(axis=1) / size, np.nan)
    return result
