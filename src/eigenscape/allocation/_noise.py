"""How much of a metric's spread is real, and how much its estimator's noise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

#: Of networks whose layers are really equal, this share gets exactly equal budgets.
CONFIDENCE = 0.95


def real_share(values: NDArray[np.float64], errors: NDArray[np.float64]) -> float:
    r"""Return the share k of the observed standard deviation that noise does not explain.

    .. math:: k = \sqrt{\max\left(0,\; 1 - q \,\overline{e^2} / v\right)}, \qquad
        q = \chi^2_{0.95}(n - 1) / (n - 1)

    With q = 1 this is the method-of-moments estimate of the true standard deviation over the
    observed one: the variance v of the estimates (n - 1 in the denominator) is the true variance
    plus the mean squared error. But where the true variance is 0, v exceeds the mean squared error
    every other time. With the chi-square quantile it does so in 5 % of the cases: layers that are
    equal get equal budgets in 95 % of the networks. As n grows, q falls to 1 (1.45 at 32 layers).

    Args:
        values: (n,) the estimates.
        errors: (n,) their standard errors.

    >>> real_share(np.array([2.0, 2.1, 1.9]), np.full(3, 0.1))
    0.0
    >>> real_share(np.array([2.0, 3.0, 4.0]), np.zeros(3))
    1.0
    """
    from scipy.special import chdtri

    freedom = len(values) - 1
    variance = float(values.var(ddof=1)) if freedom else 0.0
    if variance == 0:
        return 0.0
    quantile = float(chdtri(freedom, 1 - CONFIDENCE)) / freedom
    return math.sqrt(max(0.0, 1 - quantile * float(np.mean(errors**2)) / variance))
