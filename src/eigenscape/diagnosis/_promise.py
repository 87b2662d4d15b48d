"""What an advice is expected to gain: held out, shrunk, and for networks of this training error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_FEWEST = 6  # configurations, and half as many cells, of which a slope is taken


class Calibration(NamedTuple):
    """What was got for each point that was promised, with its 95 % interval.

    Args:
        slope: 1 is a promise that is kept.
        low: of the slope; NaN where cells are too few.
        high: likewise.
        points: how many configurations.
    """

    slope: float
    low: float
    high: float
    points: int


class Followed(NamedTuple):
    """Configurations that one advice was given to, and what following it gained.

    Args:
        gains: change of test accuracy, in points.
        errors: training error before, in per cent.
        cells: the number of the cell of each.
    """

    gains: Floats
    errors: Floats
    cells: NDArray[np.int64]

    def means(self) -> Floats:
        """Return the mean gain of each cell."""
        places = np.unique(self.cells, return_inverse=True)[1]
        return np.asarray(np.bincount(places, self.gains) / np.bincount(places))

    def without(self, cell: int) -> Followed:
        """Return the others."""
        rows = self.cells != cell
        return Followed(self.gains[rows], self.errors[rows], self.cells[rows])


@dataclass(frozen=True, kw_only=True)
class Promise:
    """The expected gain of an advice as a line in the training error.

    Args:
        mean: at the mean training error, shrunk towards all advices (:func:`shrunk`).
        slope: points of gain for each point of training error; 0 where it is not known.
        at: the mean training error.
        low: the smallest gain that was seen; nothing beyond is promised.
        high: the largest.
        spread: standard deviation of single configurations around the line; NaN below three.
    """

    mean: float
    slope: float
    at: float
    low: float
    high: float
    spread: float

    def expected(self, train_error: float) -> float:
        """Return the expected gain in points, for a network of this training error in %.

        >>> line = Promise(mean=5.0, slope=0.5, at=10.0, low=0.0, high=8.0, spread=1.0)
        >>> line.expected(12.0), line.expected(40.0), line.expected(math.nan)
        (6.0, 8.0, 5.0)
        """
        if math.isnan(train_error):
            return self.mean
        return min(max(self.mean + self.slope * (train_error - self.at), self.low), self.high)


def promises(groups: Sequence[Followed]) -> list[Promise]:
    """Return the promise of each advice.

    Least squares of the gain over the training error in each group, from six configurations and
    three cells on, around a mean that is shrunk.
    """
    found = []
    for group, mean in zip(groups, shrunk([group.means() for group in groups]), strict=True):
        away = group.errors - group.errors.mean()
        enough = len(away) >= _FEWEST and len(np.unique(group.cells)) >= _FEWEST // 2
        slope = float(away @ group.gains / (away @ away)) if enough and away.any() else 0.0
        misfit = group.gains - group.gains.mean() - slope * away
        free = len(away) - 1 - bool(slope)
        found.append(
            Promise(
                mean=mean,
                slope=slope,
                at=float(group.errors.mean()),
                low=float(group.gains.min()),
                high=float(group.gains.max()),
                spread=math.sqrt(float(misfit @ misfit) / free) if free > 0 else math.nan,
            )
        )
    return found


def shrunk(groups: Sequence[Floats]) -> list[float]:
    """Return the mean of each group, shrunk towards the mean of all.

    ``m + (m_g - m) b / (b + w / n_g)``: of n_g cells with mean m_g, where w is the variance within
    groups and b that between their means (of a one-way analysis of variance, not below 0; Searle,
    Casella and McCulloch 1992, chapter 3). Means that do not differ more than chance makes them are
    all replaced by m; so is every mean where each group has one cell.

    Args:
        groups: the values of each, one or more.

    >>> shrunk([np.array([4.0, 6.0]), np.array([5.0, 5.0])])
    [5.0, 5.0]
    >>> [round(mean, 2) for mean in shrunk([np.array([9.0, 11.0]), np.array([-1.0, 1.0])])]
    [9.9, 0.1]
    """
    if len(groups) < 2:
        return [float(group.mean()) for group in groups]
    sizes = np.array([len(group) for group in groups], dtype=np.float64)
    means = np.array([group.mean() for group in groups])
    total = sizes.sum()
    middle = float(sizes @ means / total)
    free = total - len(groups)
    if free < 1:
        return [middle] * len(groups)
    within = sum(float(((group - group.mean()) ** 2).sum()) for group in groups) / free
    size = (total - sizes @ sizes / total) / (len(groups) - 1)
    apart = float(sizes @ (means - middle) ** 2) / (len(groups) - 1)
    between = (apart - within) / size
    if between <= 0:
        return [middle] * len(groups)
    found: list[float] = (middle + (means - middle) * between / (between + within / sizes)).tolist()
    return found


def calibration(groups: Sequence[Followed]) -> Calibration:
    """Return the slope of what was got over what was promised, by promises from the other cells.

    The interval of the slope is by the jackknife over cells (Efron and Tibshirani 1993, chapter
    11) with Student's t, since configurations of one cell are not independent.
    """
    from scipy.special import stdtrit

    promised, got, cells = _crossed(groups)
    slope = _slope(promised, got)
    names = np.unique(cells)
    left = np.array([_slope(promised[cells != cell], got[cells != cell]) for cell in names])
    count = len(names)
    if count < _FEWEST // 2 or not np.isfinite(left).all():
        return Calibration(slope, math.nan, math.nan, len(got))
    error = math.sqrt((count - 1) / count * float(((left - left.mean()) ** 2).sum()))
    reach = float(stdtrit(count - 1, 0.975)) * error
    return Calibration(slope, slope - reach, slope + reach, len(got))


def _crossed(groups: Sequence[Followed]) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return promised and got of every configuration, and its cell."""
    promised: list[Floats] = []
    got: list[Floats] = []
    cells: list[NDArray[np.int64]] = []
    for cell in np.unique(np.concatenate([group.cells for group in groups])):
        others = [group.without(cell) for group in groups]
        kept = [i for i, group in enumerate(others) if len(group.gains)]
        lines = dict(zip(kept, promises([others[i] for i in kept]), strict=True))
        for i, group in enumerate(groups):
            rows = group.cells == cell
            if i in lines and rows.any():
                promised.append(np.array([lines[i].expected(x) for x in group.errors[rows]]))
                got.append(group.gains[rows])
                cells.append(group.cells[rows])
    if not got:
        return np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64)
    return np.concatenate(promised), np.concatenate(got), np.concatenate(cells)


def _slope(x: Floats, y: Floats) -> float:
    away = x - x.mean() if len(x) else x
    return float(away @ y) / float(away @ away) if away.any() else math.nan
