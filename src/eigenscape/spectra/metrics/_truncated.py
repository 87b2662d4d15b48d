"""The truncated power law: a power law that an exponential cuts off."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(256)


class TruncatedFit(NamedTuple):
    """A truncated power law: exponent, cut-off rate, and its log-likelihood gain over the pure one.

    ``gain`` is ln L(truncated) - ln L(pure), never below zero; twice the gain above 2.7 rejects the
    pure power law at 5 % (one-sided, because the rate lies on the border of its range).
    """

    alpha: float
    rate: float
    gain: float


def fit_truncated_power_law(tail: NDArray[np.float64]) -> TruncatedFit:
    r"""Fit :math:`p(x) \propto x^{-\alpha} e^{-\Lambda x}` to ``tail`` by maximum likelihood.

    The normaliser is :math:`x_{min}^{1 - \alpha} E_\alpha(\Lambda x_{min})`, the generalised
    exponential integral, or :math:`\Lambda^{\alpha - 1} \Gamma(1 - \alpha, \Lambda x_{min})`.

    Args:
        tail: positive values, ascending; the first one is xmin. At least 4 distinct ones.

    >>> x = np.sort((1 - np.random.default_rng(0).random(2000)) ** (-1 / 1.5))
    >>> fit = fit_truncated_power_law(x)              # a pure power law of exponent 2.5
    >>> abs(fit.alpha - 2.5) < 0.15 and fit.gain < 3
    True
    """
    from scipy.optimize import minimize

    scaled = np.asarray(tail, dtype=np.float64) / tail[0]
    mean_log, mean = float(np.log(scaled).mean()), float(scaled.mean())

    def loss(point: NDArray[np.float64]) -> float:
        alpha, log_rate = point
        rate = math.exp(min(log_rate, 50.0))
        return float(alpha * mean_log + rate * mean + _log_integral(alpha, rate))

    pure = 1 + 1 / mean_log
    starts = [(pure, -math.log(scaled[-1]) - 2), (max(pure - 1, 0.5), -math.log(mean))]
    fits = [
        minimize(
            loss,
            start,
            method="Nelder-Mead",
            bounds=[(-5.0, 50.0), (-40.0, 20.0)],
            options={"xatol": 1e-8, "fatol": 1e-12, "maxiter": 2000},
        )
        for start in starts
    ]
    best = min(fits, key=lambda fit: fit.fun)
    pure_loss = pure * mean_log - math.log(pure - 1)
    alpha, log_rate = best.x
    gain = max(0.0, len(scaled) * (pure_loss - float(best.fun)))
    return TruncatedFit(float(alpha), math.exp(log_rate) / float(tail[0]), gain)


def _log_integral(alpha: float, rate: float) -> float:
    r"""Ln of the integral of x^-alpha e^(-rate x) over [1, inf), with x = e^u."""
    end = min(math.log1p(60 / rate), 60 / (alpha - 1) if alpha > 1.5 else math.inf)
    u = end * (_NODES + 1) / 2
    exponent = (1 - alpha) * u - rate * np.exp(u)
    top = float(exponent.max())
    return top + math.log(end / 2 * float((_WEIGHTS * np.exp(exponent - top)).sum()))
