"""The Hill estimate of a tail's exponent, and how far a change of the weights can move it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError


class HillFit(NamedTuple):
    """A Hill estimate: exponent, threshold, number in the tail, KS distance of the fit."""

    alpha: float
    threshold: float
    tail_size: int
    distance: float


def alpha_hill(
    eigenvalues: NDArray[np.float64], fraction: float = 0.5, *, convention: str = "code"
) -> HillFit:
    r"""Return the Hill estimate over the top ``fraction`` of the eigenvalues (PL_Alpha_Hill).

    With ascending :math:`\lambda_0 \ldots \lambda_{N-1}`, :math:`i = \lfloor N (1 - f) \rfloor` and
    :math:`n = N - i`:

    .. math:: \alpha = 1 + n \Big/ \sum_{j \ge i} \ln(\lambda_j / \lambda_i)

    ``convention="code"`` is this, as in the published code of TempBalance and AlphaPruning (the
    threshold counts itself); ``"paper"`` has n - 1 in the numerator, as equation 2 of Liu et al.
    (2024) reads, which matters for small layers only.

    Args:
        eigenvalues: ascending, positive, at least two.
        fraction: the share that counts as the tail: 1/2 is the default of TempBalance (Zhou et al.
            2023), 1/3 that of the low-data runs on RoBERTa.
        convention: ``"code"`` or ``"paper"``.

    Raises:
        InputError: fewer than two eigenvalues, or one that is not positive in the tail.

    >>> values = np.exp(0.3 * np.arange(10))          # geometric: alpha = 1 + 2 / (0.3 * 4)
    >>> round(alpha_hill(values).alpha, 12)
    2.666666666667
    """
    values = np.asarray(eigenvalues, dtype=np.float64)
    count = len(values)
    if count < 2:
        raise InputError(f"a tail exponent needs at least 2 eigenvalues, got {count}")
    start = tail_start(count, fraction)
    threshold = float(values[start])
    if not threshold > 0:
        raise InputError(
            f"the tail begins at an eigenvalue of {threshold}; drop the zero eigenvalues first"
        )
    logs = np.log(values[start:] / threshold)
    size = count - start
    total = float(logs.sum())
    counted = size if convention == "code" else size - 1
    alpha = 1 + counted / total if total > 0 else math.inf
    distance = _distance(logs, alpha) if math.isfinite(alpha) else math.nan
    return HillFit(alpha, threshold, size, distance)


def tail_start(count: int, fraction: float) -> int:
    """Return how many of ``count`` eigenvalues lie below the Hill tail; two or more are in it.

    >>> tail_start(10, 0.9), tail_start(9, 0.5), tail_start(3, 0.01)
    (1, 4, 1)
    """
    return min(int(count * (1 - fraction) + 1e-9), count - 2)


def hill_shift(alpha: float, threshold: float, change: float) -> float:
    r"""Return by how much a change of the weights can move a Hill exponent, to first order.

    By Weyl's inequality no singular value moves further than :math:`\delta = \|\Delta W\|_F`, so

    .. math:: |\Delta \alpha| \le 4 (\alpha - 1)^2 \delta / \sigma_{thr}

    with :math:`\sigma_{thr}` the singular value where the tail begins.

    Args:
        alpha: the exponent.
        threshold: the eigenvalue where the tail begins, the square of that singular value.
        change: the Frobenius norm of the change of the weights.

    >>> hill_shift(2.0, 4.0, 0.01)
    0.02
    """
    return 4 * (alpha - 1) ** 2 * change / math.sqrt(threshold)


def _distance(logs: NDArray[np.float64], alpha: float) -> float:
    fitted = 1 - np.exp((1 - alpha) * logs)
    return float(np.abs(fitted - np.arange(len(logs)) / len(logs)).max())
