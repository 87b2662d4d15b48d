"""The first gradient of a two-layer student of a single-index teacher, in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(160)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()

Scalar = Callable[[NDArray[np.float64]], NDArray[np.float64]]


class SingleIndexMoments(NamedTuple):
    r"""Gaussian moments of teacher link :math:`\sigma_*` and activation :math:`\sigma`.

    Attributes:
        teacher_slope: :math:`E[\sigma_*'(g)] = E[g\,\sigma_*(g)]`, g standard normal.
        teacher_square: :math:`E[\sigma_*(g)^2]`.
        student_slope: :math:`\mu_1 = E[\sigma'(g)]`.
        student_square: :math:`E[\sigma(g)^2]`.
        slope_variance: the variance of :math:`\sigma'(g)`.
    """

    teacher_slope: float
    teacher_square: float
    student_slope: float
    student_square: float
    slope_variance: float


class InitialGradient(NamedTuple):
    r"""The gradient at initialisation, :math:`G \approx s\,u v^T` with :math:`u = a / \|a\|`.

    Attributes:
        singular_value: its largest singular value s.
        cosine: between v and the teacher direction.
        signal: :math:`c`, the norm of the mean of residual times input.
        loss: the mean squared error before training.
    """

    singular_value: float
    cosine: float
    signal: float
    loss: float


def gaussian_mean(function: Scalar) -> float:
    """Return E[function(g)] over a standard normal g, by 160-point Gauss-Hermite quadrature.

    Exact for polynomials up to degree 319; good to three digits across a kink.

    >>> round(gaussian_mean(lambda g: g**4), 9)
    3.0
    """
    return float((_WEIGHTS * function(_NODES)).sum())


def single_index_moments(teacher: Scalar, student: Scalar = np.tanh) -> SingleIndexMoments:
    r"""Return the Gaussian moments of a teacher link and a student activation.

    Slopes come from Stein's identity :math:`E[f'(g)] = E[g f(g)]`, so that a link with a kink needs
    no derivative; the variance of the activation's slope uses central differences.

    >>> moments = single_index_moments(lambda g: np.logaddexp(0, g))      # softplus and tanh
    >>> round(moments.teacher_slope, 3), round(moments.student_slope, 4)
    (0.5, 0.6057)
    """
    step = 1e-5

    def slope(g: NDArray[np.float64]) -> NDArray[np.float64]:
        return (student(g + step) - student(g - step)) / (2 * step)

    student_slope = gaussian_mean(lambda g: g * student(g))
    return SingleIndexMoments(
        teacher_slope=gaussian_mean(lambda g: g * teacher(g)),
        teacher_square=gaussian_mean(lambda g: teacher(g) ** 2),
        student_slope=student_slope,
        student_square=gaussian_mean(lambda g: student(g) ** 2),
        slope_variance=gaussian_mean(lambda g: slope(g) ** 2) - student_slope**2,
    )


def initial_gradient(
    n: int, d: int, h: int, moments: SingleIndexMoments, *, noise: float = 0.3, readout: float = 1.0
) -> InitialGradient:
    r"""Return size and direction of the first full-batch gradient of the mean squared error.

    For :math:`f(x) = a^T \sigma(W x / \sqrt d) / \sqrt h` with standard normal W, of n samples:

    .. math:: c^2 = \mu_*^2 + \mu_1^2 \|a\|^2 / h + (d / n) L_0, \qquad
              s = 2 \mu_1 c \, \frac{\|a\|}{\sqrt{h d}}, \qquad
              \cos(v, \beta_*) = |\mu_*| / c

    :math:`L_0 = E[\sigma_*^2] + \rho^2 + E[\sigma^2] \|a\|^2 / h` is the first loss. The three
    parts of c are teacher, student output, and the noise of n samples in d dimensions.

    Args:
        n: samples.
        d: input dimension.
        h: hidden width. It drops out, but for the read-out's norm.
        moments: of link and activation.
        noise: :math:`\rho`, the standard deviation of the label noise.
        readout: :math:`\|a\|^2 / h`; 1 for a standard normal read-out.

    Raises:
        InputError: a size below 1, or negative noise.

    >>> moments = single_index_moments(lambda g: np.logaddexp(0, g))
    >>> first = initial_gradient(2000, 500, 750, moments)
    >>> round(first.cosine, 3), round(first.singular_value, 4)
    (0.508, 0.0533)
    """
    if min(n, d, h) < 1 or noise < 0:
        raise InputError(
            f"n, d and h must be at least 1 and the noise not negative; got {n}, {d}, {h}, {noise}"
        )
    loss = moments.teacher_square + noise**2 + moments.student_square * readout
    own = moments.student_slope**2 * readout
    signal = math.sqrt(moments.teacher_slope**2 + own + d / n * loss)
    return InitialGradient(
        singular_value=2 * moments.student_slope * signal * math.sqrt(readout / d),
        cosine=abs(moments.teacher_slope) / signal,
        signal=signal,
        loss=loss,
    )
