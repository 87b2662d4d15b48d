"""What steps from a random start exclude, with a probability."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betaincinv

#: Probability that the bounds of a search do not hold, both ends and all its runs together.
FAILURE = 0.01


def bounds(
    alphas: Sequence[float], betas: Sequence[float], count: int, failure: float = FAILURE
) -> tuple[float, float]:
    """Return bounds on all eigenvalues of a symmetric matrix, after some steps of Lanczos.

    After m steps the next basis vector is p(A) v, where v is the start and p the polynomial whose
    zeros are the Ritz values, ``p(x) = prod (x - theta_i) / prod beta_i``. Its length is one, so
    that an eigenvector x of an eigenvalue ``lam`` has ``|x'v| <= 1 / |p(lam)|``. For a start of
    uniformly random direction ``(x'v)^2`` is Beta(1/2, (n - 1)/2): an ``lam`` so far out that
    ``1 / |p(lam)|`` is below the quantile d of ``|x'v|`` at ``failure / 2`` is as improbable as
    that. The event does not depend on m, so that one may stop where one likes.
    (van Dorsselaer, Hochstenbach and van der Vorst 2000, section 3.)

    Args:
        alphas: the m diagonal entries of the tridiagonal matrix.
        betas: the m entries beside it; the last is the length of the rest after m steps.
        count: n, rows of the matrix.
        failure: the probability that an eigenvalue lies outside, both ends together.

    >>> low, high = bounds([0.0, 0.0], [1.0, 0.0], 1000)  # an invariant space: -1 and 1
    >>> round(low, 6), round(high, 6)
    (-1.0, 1.0)
    >>> high = bounds([0.5] * 20, [0.25] * 20, 1000)[1]  # a flat bulk between 0 and 1
    >>> round(high, 3)
    1.04
    """
    values = torch.linalg.eigvalsh(projected(alphas, betas))
    component = _component(count, failure)
    return -_beyond(-values.flip(0), betas, component), _beyond(values, betas, component)


def projected(alphas: Sequence[float], betas: Sequence[float]) -> torch.Tensor:
    """Return the tridiagonal matrix of some steps of Lanczos."""
    off = torch.tensor(list(betas[: len(alphas) - 1]), dtype=torch.float64)
    matrix = torch.diag(torch.tensor(list(alphas), dtype=torch.float64))
    return matrix + torch.diag(off, 1) + torch.diag(off, -1)


def _component(count: int, failure: float) -> float:
    """Return what a random unit vector's component stays below with half the probability."""
    return math.sqrt(betaincinv(0.5, (count - 1) / 2, failure / 2)) if count > 1 else 1.0


@dataclass(frozen=True)
class Step:
    """One step of conjugate gradients: ``x' = keep x + down w + back p``.

    Args:
        value: the Rayleigh quotient of x.
        length: of the residual ``w = Hx - value x``.
        keep: of x.
        down: of w.
        back: of p. The new p is ``x' - keep x``.
    """

    value: float
    length: float
    keep: float
    down: float
    back: float


def bounds_of_steps(
    steps: Sequence[Step], value: float, length: float, count: int, failure: float = FAILURE
) -> tuple[float, float]:
    """Return bounds on all eigenvalues after some steps of conjugate gradients.

    As for :func:`bounds`: every x and w is a known polynomial of the matrix times the start v, so
    that an eigenvector y of an eigenvalue ``lam`` has ``|y'v| <= length / |w(lam)|``. The start is
    ``(g + r) / |g + r|``, with a fixed unit vector g (or none) and a random r. Whatever g is,
    ``|y'g + y'r|`` is below a number no more often than ``|y'r|`` is, whose density falls on both
    sides of 0; and ``|g + r| <= 2``. The bounds are the outermost of 4,000 places, dense near the
    found value, that no step excludes, and one place beyond.

    Args:
        steps: in their order.
        value: the last Rayleigh quotient.
        length: of the last residual.
        count: n, rows of the matrix.
        failure: the probability that an eigenvalue lies outside, both ends together.
    """
    component = _component(count, failure) / 2
    first = steps[0] if steps else Step(value, length, 1.0, 0.0, 0.0)
    widest = abs(value - first.value) + first.length / component  # the first residual excludes more
    if widest == 0:
        return value, value
    away = np.geomspace(1e-16 * widest, widest, 4000)

    def outermost(sign: float) -> float:
        left = np.flatnonzero(~_excluded(value + sign * away, steps, value, length, component))
        return value + sign * float(away[min(left[-1] + 1, len(away) - 1)] if len(left) else 0.0)

    return outermost(-1.0), outermost(1.0)


def _excluded(
    places: NDArray[np.float64],
    steps: Sequence[Step],
    value: float,
    length: float,
    component: float,
) -> NDArray[np.bool_]:
    x, p = np.ones_like(places), np.zeros_like(places)
    excluded = np.zeros(len(places), dtype=bool)
    with np.errstate(over="ignore", invalid="ignore"):  # far out, where the first step excludes
        for step in steps:
            w = (places - step.value) * x
            excluded |= np.abs(w) * component > step.length
            p = step.down * w + step.back * p
            x = step.keep * x + p
        return excluded | (np.abs((places - value) * x) * component > length)


def _beyond(values: torch.Tensor, betas: Sequence[float], component: float) -> float:
    """Return the place above the largest Ritz value where ``p = 1 / component``."""
    largest = float(values[-1])
    unit = max(float(values[-1] - values[0]), max(betas))
    if not min(betas) > 0 or unit == 0:  # an invariant space holds every eigenvalue once
        return largest
    target = sum(map(math.log, betas)) - math.log(component)

    def excess(logarithm: float) -> float:
        return float(torch.log(largest - values + math.exp(logarithm)).sum()) - target

    low, high = math.log(unit) - 36, math.log(unit) + 36 - math.log(component)
    return largest + (math.exp(brentq(excess, low, high)) if excess(low) < 0 else 0.0)
