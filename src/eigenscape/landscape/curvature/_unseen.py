"""What a Lanczos run from a random start excludes, with a probability."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
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
    off = torch.tensor(list(betas[: len(alphas) - 1]), dtype=torch.float64)
    matrix = torch.diag(torch.tensor(list(alphas), dtype=torch.float64))
    values = torch.linalg.eigvalsh(matrix + torch.diag(off, 1) + torch.diag(off, -1))
    component = math.sqrt(betaincinv(0.5, (count - 1) / 2, failure / 2)) if count > 1 else 1.0
    return -_beyond(-values.flip(0), betas, component), _beyond(values, betas, component)


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
