"""Fitted tails: the power law with the best xmin of all, and one with an exponential cut-off."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError

#: Entries of the distance table that are held at a time (512 KiB: they stay in the cache).
_CELLS = 1 << 16
_SMALLEST_TAIL = 8
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(256)


class PowerLawFit(NamedTuple):
    """A power law: exponent, xmin, KS distance, standard error, number in the tail."""

    alpha: float
    xmin: float
    distance: float
    sigma: float
    tail_size: int


def fit_power_law(eigenvalues: NDArray[np.float64], method: str = "ks") -> PowerLawFit:
    r"""Fit :math:`p(x) \propto x^{-\alpha}` above an xmin that is chosen from the eigenvalues.

    Each candidate :math:`\lambda_i` has :math:`\alpha_i = 1 + n_i / \sum_{j \ge i}
    \ln(\lambda_j / \lambda_i)` and the distance :math:`D_i = \max_j |1 - (\lambda_j /
    \lambda_i)^{1 - \alpha_i} - (j - i) / n_i|`; the smallest D wins (Clauset, Shalizi and Newman
    2009). ``sigma`` is :math:`(\alpha - 1) / \sqrt{n}`.

    Args:
        eigenvalues: ascending, positive, at least two.
        method: ``"ks"``: all candidates. ``"peak"``: those within [0.95, 1.5] times the peak of the
            histogram of log10 (the intended window of WeightWatcher's ``fix_fingers="xmin_peak"``,
            used by AlphaPruning). ``"peak-reference"``: the window of that code, whose lower end is
            log10(0.95 peak). ``"small"``: the bias-corrected :math:`1 + (n - 1) / s`, tails of at
            least 8 (WeightWatcher 0.7.7 below 20 eigenvalues).

    Raises:
        InputError: fewer than two distinct eigenvalues, or one that is not positive.

    >>> fit = fit_power_law(np.exp(0.1 * np.arange(50)))
    >>> 1 < fit.alpha < 20 and fit.tail_size <= 50
    True
    """
    values = np.asarray(eigenvalues, dtype=np.float64)
    if len(values) < 2 or not values[0] > 0 or values[0] == values[-1]:
        raise InputError(
            f"a power law needs at least 2 distinct positive eigenvalues; got {len(values)} in "
            f"[{values.min(initial=math.inf):.4g}, {values.max(initial=-math.inf):.4g}]"
        )
    logs = np.log(values)
    candidates = _candidates(values, method)
    alphas = _exponents(logs, candidates, small=method == "small")
    distances = _distances(logs, candidates, alphas)
    best = int(np.argmin(distances))
    size = len(values) - int(candidates[best])
    alpha = float(alphas[best])
    return PowerLawFit(
        alpha=alpha,
        xmin=float(values[candidates[best]]),
        distance=float(distances[best]),
        sigma=(alpha - 1) / math.sqrt(size),
        tail_size=size,
    )


def _candidates(values: NDArray[np.float64], method: str) -> NDArray[np.intp]:
    every = np.arange(len(values) - 1)
    if method == "ks":
        return every
    if method == "small":
        enough = every[len(values) - every >= _SMALLEST_TAIL]
        return enough if len(enough) else every[:1]
    counts, edges = np.histogram(np.log10(values), bins=100)
    peak = 10.0 ** edges[int(np.argmax(counts))]
    low = 0.95 * peak if method == "peak" else math.log10(0.95 * peak)
    inside = every[(values[:-1] >= low) & (values[:-1] <= 1.5 * peak)]
    return inside if len(inside) else every


def _exponents(
    logs: NDArray[np.float64], candidates: NDArray[np.intp], *, small: bool
) -> NDArray[np.float64]:
    count = len(logs)
    suffix = np.cumsum(logs[::-1])[::-1]
    sizes = (count - candidates).astype(np.float64)
    totals = suffix[candidates] - sizes * logs[candidates]
    # A tail of equal values has no exponent: an infinite one never wins.
    return np.where(totals > 0, 1 + (sizes - small) / np.where(totals > 0, totals, 1), math.inf)


def _distances(
    logs: NDArray[np.float64], candidates: NDArray[np.intp], alphas: NDArray[np.float64]
) -> NDArray[np.float64]:
    """D of each candidate, in blocks of the table (candidate, eigenvalue)."""
    count = len(logs)
    distances = np.ones(len(candidates))
    block = max(1, _CELLS // count)
    places = np.arange(count, dtype=np.float64)
    for start in range(0, len(candidates), block):
        chosen = slice(start, start + block)
        rows = candidates[chosen]
        first = int(rows[0])
        valid = np.isfinite(alphas[chosen])
        slope = np.where(valid, 1 - alphas[chosen], 0.0)[:, None]
        table = slope * logs[first:]  # 1 - fitted CDF is exp(slope * (log - log xmin))
        table -= slope * logs[rows][:, None]
        np.exp(np.minimum(table, 0, out=table), out=table)  # above 0 is below the candidate
        table += (places[first:] - rows[:, None]) / (count - rows)[:, None]
        table -= 1
        np.abs(table, out=table)
        below = places[first : int(rows[-1]) + 1] < rows[:, None]
        table[:, : below.shape[1]][below] = 0.0  # below the candidate: not in its tail
        distances[chosen] = np.where(valid, table.max(axis=1), 1.0)
    return distances


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
