"""The upper edge of noise, and the position of a planted direction outside it."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from eigenscape.errors import InputError
from eigenscape.theory._marchenko_pastur import MarchenkoPastur, marchenko_pastur_median

# Gamma approximation of the Tracy-Widom law of order 1: shape, scale, shift (Chiani 2014, Table 1).
_TW1_SHAPE, _TW1_SCALE, _TW1_SHIFT = 46.446, 0.186054, 9.84801


def tracy_widom_quantile(p: float) -> float:
    """Return the ``p``-quantile of the Tracy-Widom law of real matrices.

    Source: the gamma approximation of Chiani (2014): from p = 0.01 to 0.99 within 0.015 of the
    exact quantile, 0.026 below it at 0.999 and 0.038 at 0.9999.

    >>> round(tracy_widom_quantile(0.95), 1)
    1.0
    """
    from scipy.special import gammaincinv

    return float(_TW1_SCALE * gammaincinv(_TW1_SHAPE, p) - _TW1_SHIFT)


def noise_edge(n: int, m: int, *, level: float = 0.999) -> float:
    r"""Return the quantile at ``level`` of the largest eigenvalue of n x m unit noise, over m.

    Centre and scale are Johnstone's (2001), with :math:`n \le m`:

    .. math:: \mu = (\sqrt{m - 1} + \sqrt n)^2 / m, \qquad
              s = \frac{\sqrt{m - 1} + \sqrt n}{m}
                  \left(\frac{1}{\sqrt{m - 1}} + \frac{1}{\sqrt n}\right)^{1/3}

    >>> 2.25 < noise_edge(400, 1600) < 2.32
    True
    """
    if m < 2:  # a single entry has no bulk to stand out from
        return math.inf
    total = math.sqrt(m - 1) + math.sqrt(n)
    scale = total / m * (1 / math.sqrt(m - 1) + 1 / math.sqrt(n)) ** (1 / 3)
    return float(total**2 / m + tracy_widom_quantile(level) * scale)


@lru_cache(maxsize=4096)
def spike_edge(n: int, m: int, slices: int = 1, *, alarm: float = 1e-3) -> float:
    r"""Return the edge of noise whose scale is taken from its own median eigenvalue.

    An eigenvalue over :math:`\mathrm{median} / \mathrm{median}(MP_q)` lies above it in a share
    ``alarm`` of pools of n x m noise. The largest eigenvalue has a Tracy-Widom law with the centre
    and scale of Ma (2012), those of ``noise_edge`` with m - 1/2 and n - 1/2; of ``slices`` the
    largest counts. The median scatters, relative to its size, by

    .. math:: \frac{1}{n \pi t \rho(t)} \sqrt{\frac{\ln n + c}{k}}, \qquad
              c = 1.1 - 0.8 q^2 \; (\times 1.3 \text{ where } k > 1)

    with t the median and :math:`\rho` the density of Marchenko and Pastur, and lies
    :math:`0.45\,q/n` below it: c, 1.3 and 0.45 were fitted to draws of 8 to 128 rows.
    ``python benchmarks/null_bands.py coverage`` measures the alarms.

    Args:
        n: the smaller dimension of one matrix.
        m: the larger dimension.
        slices: how many matrices are pooled, k.
        alarm: the share of pools of noise with an eigenvalue above the edge.

    >>> spike_edge(100, 400) > noise_edge(100, 400) > 2.25
    True
    """
    from scipy.optimize import brentq
    from scipy.special import gammainc

    if m < 2:
        return math.inf
    long, short = math.sqrt(m - 0.5), math.sqrt(n - 0.5)
    total = long + short
    scale = total / m * (1 / long + 1 / short) ** (1 / 3)
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    share = weights / weights.sum()
    spread = _median_spread(n, n / m, slices)
    # A squared normal variable: the median is skewed to the right, and never negative.
    medians = (1 - 0.45 / m) * np.maximum(1 + spread * nodes / 2, 0.1) ** 2 / (1 + spread**2 / 4)

    def excess(edge: float) -> float:
        places = (edge * medians - total**2 / m) / scale
        below = gammainc(_TW1_SHAPE, np.clip((places + _TW1_SHIFT) / _TW1_SCALE, 0, None))
        return float(share @ (1 - below**slices)) - alarm

    low = high = total**2 / m
    while excess(high) > 0:
        low, high = high, 2 * high
    return float(brentq(excess, low, high)) if high > low else high


def _median_spread(n: int, q: float, slices: int) -> float:
    """The standard deviation of the median eigenvalue of noise over its size."""
    middle = marchenko_pastur_median(q)
    constant = (math.log(n) + 1.1 - 0.8 * q * q) * (1.3 if slices > 1 else 1.0)
    return math.sqrt(constant / slices) / (
        n * math.pi * middle * float(MarchenkoPastur(q).density(middle))
    )


def spike_position(theta: float, q: float) -> float:
    r"""Return the eigenvalue at which a planted singular value appears.

    For :math:`X / \sqrt m + \theta u v^T` with unit noise, :math:`q = n / m \le 1`:

    .. math:: \lambda = (1 + \theta^2)(q + \theta^2) / \theta^2
              \quad \text{if } \theta > q^{1/4}, \text{ else the edge } (1 + \sqrt q)^2

    Source: Baik, Ben Arous and Peche (2005); Benaych-Georges and Nadakuditi (2012), section 3.1.

    >>> round(spike_position(3.0, 0.25), 2), spike_position(0.5, 0.25)
    (10.28, 2.25)
    """
    if not 0 < q <= 1:
        raise InputError(f"q must lie in (0, 1], got {q}")
    if theta <= q**0.25:
        return (1 + math.sqrt(q)) ** 2
    return (1 + theta**2) * (q + theta**2) / theta**2


def spike_strength(position: float, q: float) -> float:
    """Return the planted singular value behind an eigenvalue outside the bulk; 0 inside it.

    The inverse of :func:`spike_position`, on the same unit-noise scale.

    >>> round(spike_strength(spike_position(2.0, 0.25), 0.25), 12)
    2.0
    """
    if position <= (1 + math.sqrt(q)) ** 2:
        return 0.0
    half = (position - 1 - q) / 2
    return math.sqrt(half + math.sqrt(half**2 - q))
