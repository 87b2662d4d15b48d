"""The learning rate at which a spike leaves the bulk: theory, and measured from single steps."""

from __future__ import annotations

import math

import numpy as np

from eigenscape.theory import FirstStep, first_step, spike_strength
from eigenscape_studies._interval import Interval, interval
from eigenscape_studies.heavy_tails._numbers import Numbers
from eigenscape_studies.laboratory import link_moments

#: A spike below this multiple of the threshold is too close to the edge to be read off exactly.
_CLEAR = 1.6


def theory_of(numbers: Numbers, optimizer: str) -> FirstStep:
    """Return the first step of an optimizer at the sizes of the study's spectra."""
    scale = numbers.scale
    return first_step(optimizer, scale.few, scale.d, 3 * scale.d // 2, link_moments("softplus"))


def measured_threshold(numbers: Numbers, optimizer: str) -> Interval:
    r"""Return the threshold that the measured spikes imply, over seeds.

    A clear spike at s gives the planted strength :math:`\theta` by inverting the BBP formula, and
    :math:`\theta = \eta\,\sigma_1(S) - u^T W v` is a straight line in the learning rate; the line
    reaches :math:`(h d)^{1/4}` at the threshold.
    """
    theory = theory_of(numbers, optimizer)
    h, d = theory.shape
    n, m = min(h, d), max(h, d)
    multiples = [x for x in numbers.values("threshold", optimizer) if x >= _CLEAR]
    found = []
    tops = {x: numbers.pick("threshold", optimizer, x, 1, "spectral_norm") for x in multiples}
    for seed in range(numbers.seeds):
        rates = [x * theory.threshold for x in multiples]
        strengths = [
            math.sqrt(m) * spike_strength(float(tops[x][seed]) ** 2 / m, n / m) for x in multiples
        ]
        slope, start = np.polyfit(rates, strengths, 1)
        found.append(((h * d) ** 0.25 - start) / slope)
    return interval(found)
