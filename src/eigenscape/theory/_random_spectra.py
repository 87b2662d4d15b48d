"""Exact draws of random-matrix spectra."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def wishart_eigenvalues(
    n: int, m: int, generator: np.random.Generator, *, complex_entries: bool = False
) -> NDArray[np.float64]:
    """Draw the eigenvalues of X X^T, X being n x m standard normal, n <= m, without forming X.

    The bidiagonal model of Dumitriu and Edelman (2002, theorem 3.1) has exactly this law, and its
    eigenvalues cost O(n^2) instead of O(n^2 m). With ``complex_entries``, X X^* with entries of
    variance 2.

    Returns:
        n eigenvalues, ascending.

    >>> values = wishart_eigenvalues(50, 200, np.random.default_rng(0))
    >>> values.shape, bool(0.2 < values[0] / 200 and values[-1] / 200 < 2.6)
    ((50,), True)
    """
    from scipy.linalg import eigvalsh_tridiagonal

    beta = 2 if complex_entries else 1
    diagonal = np.sqrt(generator.chisquare(beta * (m - np.arange(n))))
    below = np.sqrt(generator.chisquare(beta * np.arange(n - 1, 0, -1))) if n > 1 else np.empty(0)
    squares = diagonal**2
    squares[1:] += below**2
    values: NDArray[np.float64] = eigvalsh_tridiagonal(squares, diagonal[:-1] * below)
    return np.clip(values, 0.0, None)
