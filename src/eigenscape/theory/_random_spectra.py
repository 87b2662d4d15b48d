"""Exact draws of random-matrix spectra, and the spread of the Hill exponent over them."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eigenscape.theory._hill import alpha_hill
from eigenscape.theory._marchenko_pastur import marchenko_pastur_alpha

#: Drawn no larger than this; beyond it both spread and finite-size shift fall as 1 / n.
_LARGEST_DRAW = 128
_DRAWS = 48
#: Eigenvalues in one pooled draw; below it a pool is drawn whole, because many thin slices (a patch
#: embedding: 256 slices of 3) are not close to their limit.
_POOLED = 1024


class HillNull(NamedTuple):
    """The Hill exponent over random matrices of one shape: limit, mean and standard deviation."""

    limit: float
    mean: float
    spread: float


def wishart_eigenvalues(n: int, m: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Draw the eigenvalues of X X^T, X being n x m standard normal, n <= m, without forming X.

    The bidiagonal model of Dumitriu and Edelman (2002, theorem 3.1) has exactly this law, and its
    eigenvalues cost O(n^2) instead of O(n^2 m).

    Returns:
        n eigenvalues, ascending.

    >>> values = wishart_eigenvalues(50, 200, np.random.default_rng(0))
    >>> values.shape, bool(0.2 < values[0] / 200 and values[-1] / 200 < 2.6)
    ((50,), True)
    """
    from scipy.linalg import eigvalsh_tridiagonal

    diagonal = np.sqrt(generator.chisquare(m - np.arange(n)))
    below = np.sqrt(generator.chisquare(np.arange(n - 1, 0, -1))) if n > 1 else np.empty(0)
    squares = diagonal**2
    squares[1:] += below**2
    values: NDArray[np.float64] = eigvalsh_tridiagonal(squares, diagonal[:-1] * below)
    return np.clip(values, 0.0, None)


@lru_cache(maxsize=4096)
def hill_null(
    n: int, m: int, slices: int = 1, fraction: float = 0.5, *, paper: bool = False
) -> HillNull:
    """Return the distribution of PL_Alpha_Hill on random matrices of the same shape.

    The limit is the exact Marchenko-Pastur value; mean and spread come from seeded draws of at most
    128 rows, extrapolated to n by the 1 / n law of linear eigenvalue statistics (Bai and
    Silverstein 2004). Pooled slices are independent, so the spread falls with the square root of
    their number.

    Args:
        n: the smaller dimension of one matrix.
        m: the larger dimension.
        slices: how many equal matrices are pooled.
        fraction: the share of the eigenvalues that counts as the tail.
        paper: the estimator's convention, as in ``alpha_hill``.

    >>> null = hill_null(200, 200)
    >>> round(null.limit, 4), bool(abs(null.mean - 2.144) < 0.01)
    (2.1217, True)
    """
    limit = marchenko_pastur_alpha(n / m, fraction)
    size = min(n, _LARGEST_DRAW)
    width = max(size, round(size * m / n))
    generator = np.random.default_rng(0)  # the null is one fixed number for one shape
    pool = min(slices, max(1, _POOLED // size))
    draws = np.array(
        [
            alpha_hill(
                np.sort(
                    np.concatenate(
                        [wishart_eigenvalues(size, width, generator) for _ in range(pool)]
                    )
                ),
                fraction,
                convention="paper" if paper else "code",
            ).alpha
            for _ in range(_DRAWS)
        ]
    )
    shrink = size / n
    mean = limit + (float(draws.mean()) - limit) * shrink
    spread = float(draws.std(ddof=1)) * shrink * math.sqrt(pool / slices)
    return HillNull(limit, mean, spread)
