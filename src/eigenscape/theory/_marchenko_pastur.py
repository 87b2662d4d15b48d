"""The Marchenko-Pastur law: the eigenvalues of an untrained weight matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenscape.errors import InputError

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)


@dataclass(frozen=True)
class MarchenkoPastur:
    r"""Limit law of the eigenvalues of :math:`X X^T / m`, :math:`X` being n x m with iid entries.

    .. math:: f(x) = \frac{\sqrt{(\lambda_+ - x)(x - \lambda_-)}}{2 \pi q \sigma^2 x},
              \qquad \lambda_\pm = \sigma^2 (1 \pm \sqrt q)^2, \quad q = n / m \le 1

    Source: Marchenko and Pastur (1967).

    Args:
        q: aspect ratio, smaller over larger dimension, in (0, 1].
        variance: :math:`\sigma^2`, the variance of an entry.

    Raises:
        InputError: ``q`` outside (0, 1], or a variance that is not positive.

    >>> law = MarchenkoPastur(0.25)
    >>> law.lower, law.upper
    (0.25, 2.25)
    >>> round(float(law.cdf(law.quantile(0.3))), 12)
    0.3
    """

    q: float
    variance: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.q <= 1:
            raise InputError(f"q must lie in (0, 1] (smaller over larger dimension), got {self.q}")
        if not self.variance > 0:
            raise InputError(f"the variance must be positive, got {self.variance}")

    @property
    def lower(self) -> float:
        """The lower edge of the bulk."""
        return self.variance * (1 - math.sqrt(self.q)) ** 2

    @property
    def upper(self) -> float:
        """The upper edge of the bulk."""
        return self.variance * (1 + math.sqrt(self.q)) ** 2

    def density(self, x: ArrayLike) -> NDArray[np.float64]:
        """Return the density at ``x``; zero outside the bulk.

        >>> float(MarchenkoPastur(1.0).density(4.5))
        0.0
        """
        x = np.asarray(x, dtype=np.float64)
        inside = (x > self.lower) & (x < self.upper)
        safe = np.where(inside, x, 1.0)
        root = np.sqrt(np.clip((self.upper - safe) * (safe - self.lower), 0, None))
        return np.where(inside, root / (2 * np.pi * self.q * self.variance * safe), 0.0)

    def cdf(self, x: ArrayLike) -> NDArray[np.float64]:
        """Return the share of the eigenvalues below ``x``, in closed form."""
        a, b = self.lower, self.upper
        x = np.clip(np.asarray(x, dtype=np.float64), a, b)
        centre, product = (a + b) / 2, math.sqrt(a * b)
        first = np.arcsin(np.clip((2 * x - a - b) / (b - a), -1, 1))
        safe = np.where(x > 0, x, 1.0)  # x = 0 happens only for q = 1, where `product` is zero
        second = np.arcsin(np.clip(((a + b) * safe - 2 * a * b) / (safe * (b - a)), -1, 1))
        root = np.sqrt(np.clip((b - x) * (x - a), 0, None))
        at_lower = -np.pi / 2 * (centre - product)
        integral = root + centre * first - product * second - at_lower
        return np.clip(integral / (2 * np.pi * self.q * self.variance), 0.0, 1.0)

    def quantile(self, p: ArrayLike) -> NDArray[np.float64]:
        """Return the ``p``-quantile, by bisection to machine precision."""
        p = np.asarray(p, dtype=np.float64)
        low = np.full(p.shape, self.lower)
        high = np.full(p.shape, self.upper)
        for _ in range(60):
            middle = (low + high) / 2
            above = self.cdf(middle) > p
            high = np.where(above, middle, high)
            low = np.where(above, low, middle)
        return np.asarray((low + high) / 2)

    def mean_log_above(self, threshold: float) -> float:
        """Return E[ln x | x > threshold], by Gauss quadrature in the bulk's angle.

        With x = c - r cos(theta) the integrand is smooth up to both edges.
        """
        centre, radius = (self.lower + self.upper) / 2, (self.upper - self.lower) / 2
        start = math.acos(min(1.0, max(-1.0, (centre - threshold) / radius)))
        theta = start + (math.pi - start) * (_NODES + 1) / 2
        x = centre - radius * np.cos(theta)
        weight = _WEIGHTS * np.sin(theta) ** 2 / x  # the density times dx, up to a constant
        return float((weight * np.log(x)).sum() / weight.sum())


@lru_cache(maxsize=4096)
def marchenko_pastur_median(q: float) -> float:
    """Return the median eigenvalue of an infinite random matrix of unit variance.

    >>> round(marchenko_pastur_median(1.0), 4)
    0.6528
    """
    return float(MarchenkoPastur(q).quantile(0.5))


@lru_cache(maxsize=4096)
def marchenko_pastur_alpha(q: float, fraction: float = 0.5) -> float:
    r"""Return the PL_Alpha_Hill that an infinite random matrix of aspect ratio ``q`` shows.

    .. math:: \alpha_{MP}(q, f) = 1 + \frac{1}{E[\ln x \mid x > t] - \ln t},
              \quad t = \text{upper } f \text{ quantile of the Marchenko-Pastur law}

    The estimator is scale invariant, so neither the variance nor the normalisation matters.

    Args:
        q: aspect ratio, smaller over larger dimension, in (0, 1].
        fraction: the share of the eigenvalues that counts as the tail, in (0, 1).

    Raises:
        InputError: an argument outside its range.

    >>> round(marchenko_pastur_alpha(1.0), 4), round(marchenko_pastur_alpha(1 / 4), 4)
    (2.1217, 3.4546)
    """
    if not 0 < fraction < 1:
        raise InputError(f"fraction must lie in (0, 1), got {fraction}")
    law = MarchenkoPastur(q)
    threshold = float(law.quantile(1 - fraction))
    return 1 + 1 / (law.mean_log_above(threshold) - math.log(threshold))
