"""The Hill exponent over random matrices of one shape: its mean, its spread, its 99 % band."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eigenscape.theory._hill import tail_start
from eigenscape.theory._marchenko_pastur import MarchenkoPastur, marchenko_pastur_alpha

Array = NDArray[np.float64]
#: Of a normal law, half of 99 %.
_Z99 = 2.5758
#: The fewest eigenvalues, and the fewest in a tail, for which there is a band.
_FEWEST, _SMALLEST_TAIL = 8, 4
_TINY = 1e-3
#: Entry laws whose bands are joined, for real entries.
_REAL = ("normal", "uniform")


class HillNull(NamedTuple):
    """The Hill exponent over random matrices of one shape.

    Args:
        limit: of infinite matrices of the same aspect ratio, exactly.
        mean: over matrices of this size with normal entries, to second order.
        spread: the standard deviation over them.
        low: the lower end of the 99 % band, of normal and of uniform entries; NaN where the table
            does not reach: fewer than 8 eigenvalues, fewer than 4 in the tail, or a fraction
            outside 1/6 to 5/6.
        high: the upper end.
    """

    limit: float
    mean: float
    spread: float
    low: float
    high: float


@lru_cache(maxsize=4096)
def hill_null(
    n: int,
    m: int,
    slices: int = 1,
    fraction: float = 0.5,
    *,
    paper: bool = False,
    independent: bool = True,
    complex_entries: bool = False,
) -> HillNull:
    r"""Return the distribution of PL_Alpha_Hill on random matrices of the same shape.

    The limit is the exact Marchenko-Pastur value. The rest is interpolated in a table of

    .. math:: U = n \left(\frac{\alpha_{MP}(q, f) - 1}{\alpha - 1} - 1\right), \qquad
              f = \text{tail size} / \text{eigenvalues}

    over log n, sqrt(q) and log f: mean and k Var(U) are linear in 1 / k over k pooled slices, and
    the ends of the band approach those of a normal law as 1 / sqrt(k). Above 192 rows the variance
    grows by :math:`(\alpha_{MP} - 1)^2 / (\beta \pi^2 \rho(t)^2 t^2)` times log n, that of the
    eigenvalue t at which the tail begins, with density :math:`\rho`, and :math:`\beta` 1 for real,
    2 for complex entries. ``python benchmarks/null_bands.py table`` draws the table.

    The band holds independent entries of equal variance with a normal law, a uniform one, or one
    between them in kurtosis, such as a truncated normal; its ends are the outer ones of these two.
    Entries with heavy tails (Student's t) lie outside, and so do orthogonal matrices.

    Args:
        n: the smaller dimension of one matrix.
        m: the larger dimension.
        slices: how many equal matrices are pooled.
        fraction: the share of the eigenvalues that counts as the tail.
        paper: the estimator's convention, as in ``alpha_hill``.
        independent: whether the slices are; otherwise they scatter as a single one does.
        complex_entries: the matrices are complex, of normal entries.

    >>> null = hill_null(200, 200)
    >>> round(null.limit, 4), round(null.mean, 2), round(null.low, 2), round(null.high, 2)
    (2.1217, 2.13, 2.08, 2.19)
    """
    limit = marchenko_pastur_alpha(n / m, fraction)
    total = n * slices
    size = total - tail_start(total, fraction)
    share = min(size / total, 1 - 1 / (2 * total))
    centre = marchenko_pastur_alpha(n / m, share) - 1
    pool = slices if independent else 1
    laws = ("complex",) if complex_entries else _REAL
    found = [_law(law, n, m, pool, share) for law in laws]
    mean, spread = found[0][:2]
    low, high = min(law[2] for law in found), max(law[3] for law in found)
    table = _table()
    if total < _FEWEST or size < _SMALLEST_TAIL or not table.covers(share):
        low = high = math.nan
    counted = (size - 1) / size if paper else 1.0

    middle = 1 + mean / n
    relative = spread / n / middle
    return HillNull(
        limit,
        mean=1 + centre / middle * (1 + relative**2) * counted,
        spread=centre / middle * relative * counted,
        low=1 + centre / max(1 + high / n, _TINY) * counted,
        high=1 + centre / max(1 + low / n, _TINY) * counted,
    )


def _law(law: str, n: int, m: int, pool: int, share: float) -> tuple[float, float, float, float]:
    """Mean, standard deviation and the ends of the band of U for one law of the entries."""
    table = _table()
    mean, mean_each, variance, variance_each, low, high = table.at(law, n, n / m, share)
    part = min(1 / pool, n / _FEWEST)
    variance += variance_each * part
    if n > table.rows[-1]:
        rise = 2 if law == "complex" else 1
        variance += math.log(n / table.rows[-1]) * _rate(n / m, share) / rise
    spread = math.sqrt(variance / pool)
    mean += mean_each * part
    root = math.sqrt(pool)
    return mean, spread, mean + (low / root - _Z99) * spread, mean + (high / root + _Z99) * spread


def _rate(q: float, share: float) -> float:
    """The growth of the variance of U with log n, for real entries."""
    law = MarchenkoPastur(q)
    start = float(law.quantile(1 - share))
    slope = (marchenko_pastur_alpha(q, share) - 1) / (math.pi * start * float(law.density(start)))
    return slope**2


class _Table(NamedTuple):
    """Numbers of U over a grid: rows, square roots of the aspect ratio, shares in the tail."""

    rows: Array
    aspects: Array
    shares: Array
    laws: dict[str, Array]  # (rows, aspects, shares, 6)

    def covers(self, share: float) -> bool:
        """Whether the table has this share of the eigenvalues."""
        return bool(self.shares[0] - 1e-5 <= share <= self.shares[-1] + 1e-5)

    def at(self, law: str, n: int, q: float, share: float) -> list[float]:
        """Interpolate linearly in log n, sqrt(q) and log(share), within the grid."""
        values = self.laws[law]
        axes = (np.log(self.rows), self.aspects, np.log(self.shares))
        for axis, place in zip(axes, (math.log(n), math.sqrt(q), math.log(share)), strict=True):
            right = int(np.clip(np.searchsorted(axis, place), 1, len(axis) - 1))
            weight = np.clip((place - axis[right - 1]) / (axis[right] - axis[right - 1]), 0, 1)
            values = (1 - weight) * values[right - 1] + weight * values[right]
        return [float(value) for value in values]


@lru_cache(maxsize=1)
def _table() -> _Table:
    text = files("eigenscape.theory").joinpath("hill_null.json").read_text(encoding="utf-8")
    data = json.loads(text)
    laws = {name: np.array(values) for name, values in data["laws"].items()}
    rows, aspects, shares = (np.array(data[key]) for key in ("rows", "aspects", "shares"))
    return _Table(rows, aspects, shares, laws)
