"""A straight line through many runs, with the interval of its slope."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Line(NamedTuple):
    """A line by ordinary least squares, and the 95 % interval of its slope (Student's t).

    Args:
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
        """Return the line over the negative of x."""
        return self._replace(slope=-self.slope, low=-self.high, high=-self.low)

    def words(self, digits: int = 1, unit: str = "") -> str:
        """Write the slope down.

        >>> Line(2.0, -1.0, 5.0, 0.0, 9).words(1, " points")
        '+2.0 [-1.0, +5.0] points, not significant'
        """
        tail = "" if self.significant else ", not significant"
        numbers = f"{self.slope:+.{digits}f} [{self.low:+.{digits}f}, {self.high:+.{digits}f}]"
        return f"{numbers}{unit}{tail}"


def fit_line(x: ArrayLike, y: ArrayLike) -> Line:
    """Fit a line to runs that are taken for independent; pairs with a NaN are left out.

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

    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
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
