"""Norms, ranks and entropy of a spectrum: one number each, in closed form."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

#: Keeps 0 ln 0 out of the entropy; the value of WeightWatcher on the CPU.
_TINY = 1e-10


def stable_rank(eigenvalues: NDArray[np.float64]) -> float:
    r"""Return :math:`\sum \lambda / \lambda_{max} = \|W\|_F^2 / \|W\|_2^2`.

    >>> stable_rank(np.array([1.0, 1.0, 2.0]))
    2.0
    """
    return float(eigenvalues.sum() / eigenvalues[-1])


def log_alpha_norm(eigenvalues: NDArray[np.float64], alpha: float) -> float:
    r"""Return :math:`\log_{10} \sum \lambda^\alpha`, without overflow.

    >>> round(log_alpha_norm(np.array([1.0, 3.0]), 2.0), 12)
    1.0
    """
    top = float(eigenvalues[-1])
    return alpha * math.log10(top) + math.log10(float(((eigenvalues / top) ** alpha).sum()))


def spectral_entropy(eigenvalues: NDArray[np.float64], rank: int) -> float:
    r"""Return :math:`-\sum p \ln p / \ln(\mathrm{rank})`, in [0, 1].

    The shares are :math:`p = \lambda / \sum \lambda`. 1 is a flat spectrum, 0 a single direction.

    >>> spectral_entropy(np.ones(1024), 1024)
    1.0
    """
    if rank < 2:
        return 0.0
    p = eigenvalues / eigenvalues.sum() + _TINY
    return float(np.clip(-(p * np.log(p)).sum() / math.log(rank), 0.0, 1.0))


def erg_tail(eigenvalues: NDArray[np.float64], *, rescale: bool = True) -> int:
    r"""Return the size of the smallest top tail whose product has fallen below 1 (det X = 1).

    With ``rescale`` the eigenvalues are first brought to mean 1 (SETOL's trace condition). The
    first k with :math:`\sum_{top\ k} \ln \lambda < 0` counts the crossing element; all of them
    where there is none. Sums of logarithms neither overflow nor underflow.

    >>> values = np.concatenate([np.linspace(1e-6, 1e-3, 1000), np.linspace(5, 6, 2000)])
    >>> erg_tail(values, rescale=False)
    2474
    """
    values = eigenvalues * (len(eigenvalues) / eigenvalues.sum()) if rescale else eigenvalues
    logs = np.log(np.clip(values[::-1], np.finfo(np.float64).tiny, None))
    # A flat spectrum has logarithms of rounding size: they are zero, not a crossing.
    logs[np.abs(logs) < 1e-12] = 0.0
    below = np.nonzero(np.cumsum(logs) < 0)[0]
    return int(below[0]) + 1 if len(below) else len(values)
