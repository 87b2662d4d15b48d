"""Means with intervals."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Interval(NamedTuple):
    """A mean and its 95 % interval over seeds (Student's t)."""

    mean: float
    low: float
    high: float
    seeds: int

    def words(self, digits: int = 3) -> str:
        """Write it down.

        >>> Interval(1.0, 0.5, 1.5, 3).words(1)
        '1.0 [0.5, 1.5]'
        """
        return f"{self.mean:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def rate_words(value: float) -> str:
    """Write a learning rate: three digits, and no exponent where none is needed.

    >>> rate_words(0.04664), rate_words(1174.2), rate_words(27841.0)
    ('0.0466', '1174', '27841')
    """
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def interval(values: ArrayLike) -> Interval:
    """Return mean and 95 % interval; NaN values are left out.

    >>> interval([1.0, 2.0, 3.0]).words(2)
    '2.00 [-0.48, 4.48]'
    """
    from scipy.special import stdtrit

    found = np.asarray(values, dtype=np.float64)
    found = found[np.isfinite(found)]
    count = len(found)
    if count == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = float(found.mean())
    if count == 1:
        return Interval(mean, math.nan, math.nan, 1)
    reach = float(stdtrit(count - 1, 0.975)) * float(found.std(ddof=1)) / math.sqrt(count)
    return Interval(mean, mean - reach, mean + reach, count)
