"""One large step of gradient descent or Adam: its spike, and the learning rate that it needs."""

from __future__ import annotations

import math
from typing import NamedTuple

from eigenscape.errors import InputError
from eigenscape.theory._single_index import SingleIndexMoments, initial_gradient
from eigenscape.theory._spikes import spike_position

OPTIMIZERS = ("gd", "adam")


class FirstStep(NamedTuple):
    r"""One full-batch step from a standard normal W, in theory.

    The step is :math:`-\eta S`; S is the gradient for ``"gd"`` and its sign for ``"adam"``.

    Attributes:
        gain: the largest singular value of S.
        offset: :math:`u^T W v` along the singular vectors of S, which the step has to cancel first.
        cosine: between the right singular vector of S and the teacher direction.
        threshold: the learning rate from which a spike leaves the bulk.
        frobenius: the learning rate at which the step is as large as W in Frobenius norm.
        shape: (h, d).
    """

    gain: float
    offset: float
    cosine: float
    threshold: float
    frobenius: float
    shape: tuple[int, int]

    def strength(self, learning_rate: float) -> float:
        r"""Return the planted singular value :math:`\theta = \eta\,\sigma_1(S) - u^T W v`."""
        return learning_rate * self.gain - self.offset

    def top_singular_value(self, learning_rate: float) -> float:
        """Return the largest singular value of W after the step."""
        return spiked_singular_value(self.strength(learning_rate), *self.shape)

    def similarity(self, learning_rate: float) -> float:
        """Return the expected cosine of the top right singular vector of W and the teacher."""
        return self.cosine * spike_overlap(self.strength(learning_rate), *self.shape)


def spiked_singular_value(theta: float, h: int, d: int) -> float:
    r"""Return the largest singular value of h x d unit noise plus :math:`\theta u v^T`.

    .. math:: s = \sqrt{(\theta^2 + h)(\theta^2 + d)} / \theta
              \quad \text{if } \theta > (h d)^{1/4}, \text{ else } \sqrt h + \sqrt d

    >>> round(spiked_singular_value(0.0, 100, 25), 12)
    15.0
    """
    n, m = min(h, d), max(h, d)
    return math.sqrt(m * spike_position(max(theta, 0.0) / math.sqrt(m), n / m))


def spike_overlap(theta: float, h: int, d: int) -> float:
    r"""Return the cosine of the planted and the measured right singular vector.

    .. math:: \cos^2 = 1 - \frac{d (h + \theta^2)}{\theta^2 (\theta^2 + d)}
              \quad \text{if } \theta > (h d)^{1/4}, \text{ else } 0

    Source: Benaych-Georges and Nadakuditi (2012), section 3.1.

    >>> spike_overlap(3.0, 100, 100), round(spike_overlap(1e6, 100, 100), 6)
    (0.0, 1.0)
    """
    if theta <= (h * d) ** 0.25:
        return 0.0
    square = theta**2
    return math.sqrt(max(0.0, 1 - d * (h + square) / (square * (square + d))))


def sign_gain(signal_to_noise: float) -> float:
    r"""Return :math:`\kappa`: the top singular value of a sign matrix over its Frobenius norm.

    For :math:`\mathrm{sign}(\tau g_j + \xi_{ij})` with standard normal g and :math:`\xi`:

    .. math:: \kappa^2 = E[(2 \Phi(\tau g) - 1)^2] = \frac 2 \pi \arcsin \frac{\tau^2}{1 + \tau^2}

    >>> sign_gain(0.0), round(sign_gain(1e6), 3)
    (0.0, 1.0)
    """
    square = signal_to_noise**2
    return math.sqrt(2 / math.pi * math.asin(square / (1 + square)))


def first_step(
    optimizer: str,
    n: int,
    d: int,
    h: int,
    moments: SingleIndexMoments,
    *,
    noise: float = 0.3,
    readout: float = 1.0,
) -> FirstStep:
    r"""Return what one step of an optimizer does to the spectrum, and its learning-rate scales.

    Gradient descent plants :math:`\sigma_1(G)` of :func:`initial_gradient`. Adam's first step is
    :math:`-\eta\,\mathrm{sign}(G)`, of size :math:`\kappa \sqrt{h d}` with :func:`sign_gain` at
    :math:`\tau = \mu_1 c \sqrt{n / d} / \sqrt{\mathrm{Var}(\sigma') L_0}`. Both act against the
    student's own output, because the residual contains it:

    .. math:: u^T W v = \mu_1 \sqrt{d \|a\|^2 / h}\,/\,c \quad \text{(times } \sqrt{2 / \pi}\,\rho
              \text{ for Adam)}

    with :math:`\rho` the correlation of :math:`2 \Phi(\tau g) - 1` and g. The spike leaves the bulk
    at :math:`\eta\,\sigma_1(S) = (h d)^{1/4} + u^T W v`: of order :math:`d^{-1/2}` for Adam and d
    for gradient descent.

    Args:
        optimizer: ``"gd"`` or ``"adam"``.
        n: samples.
        d: input dimension.
        h: hidden width.
        moments: of link and activation.
        noise: the standard deviation of the label noise.
        readout: :math:`\|a\|^2 / h`.

    Raises:
        InputError: another optimizer.

    >>> from eigenscape.theory import single_index_moments
    >>> import numpy as np
    >>> moments = single_index_moments(lambda g: np.logaddexp(0, g))
    >>> adam, gd = (first_step(name, 2000, 1000, 1500, moments) for name in ("adam", "gd"))
    >>> round(adam.threshold, 3), round(gd.threshold), adam.frobenius
    (0.047, 1174, 1.0)
    """
    if optimizer not in OPTIMIZERS:
        raise InputError(f"no optimizer {optimizer!r}; expected one of {', '.join(OPTIMIZERS)}")
    first = initial_gradient(n, d, h, moments, noise=noise, readout=readout)
    size, cosine = math.sqrt(h * d), first.cosine
    offset = moments.student_slope * math.sqrt(d * readout) / first.signal
    gain, frobenius = first.singular_value, size / first.singular_value
    if optimizer == "adam":
        spread = math.sqrt(moments.slope_variance * first.loss)
        tau = moments.student_slope * first.signal * math.sqrt(n / d) / spread
        kappa = sign_gain(tau)
        rho = math.sqrt(2 / math.pi) * tau / math.sqrt(1 + tau**2) / kappa
        gain, frobenius = kappa * size, 1.0
        offset *= math.sqrt(2 / math.pi) * rho
        cosine *= rho
    threshold = ((h * d) ** 0.25 + offset) / gain
    return FirstStep(gain, offset, cosine, threshold, frobenius, (h, d))
