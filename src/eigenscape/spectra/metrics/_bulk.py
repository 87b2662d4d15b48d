"""The Marchenko-Pastur bulk inside a spectrum, and the spikes outside it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eigenscape.theory import (
    MarchenkoPastur,
    marchenko_pastur_median,
    spike_edge,
    spike_strength,
)

#: The chance that a layer of noise yields a spike; measured, 0.08 % with normal entries, less with
#: uniform ones (BENCHMARKS.md).
FALSE_ALARM = 1e-3
_ROUNDS = 50


class BulkFit(NamedTuple):
    """A bulk: entry scale, edge, spikes above the edge and their strengths, soft rank.

    Args:
        sigma: the standard deviation of an entry of the noise.
        edge: what the largest eigenvalue of noise exceeds in one layer of a thousand.
        spikes: how many eigenvalues lie above the edge.
        strengths: the planted singular values behind the spikes, over sigma sqrt(m); descending.
        soft_rank: the bulk's end over the largest eigenvalue, at most 1.
    """

    sigma: float
    edge: float
    spikes: int
    strengths: tuple[float, ...]
    soft_rank: float


def fit_bulk(eigenvalues: NDArray[np.float64], stack: tuple[int, int, int]) -> BulkFit:
    r"""Fit the Marchenko-Pastur law to the bulk of the spectrum and count the spikes beyond it.

    The scale is :math:`\sigma^2 m = \mathrm{median}(bulk) / \mathrm{median}(MP_q)`; eigenvalues
    above the edge are removed from the bulk and the scale is fitted again until none is.
    The edge is that of ``theory.spike_edge``, which allows the noise of one layer a spike once in a
    thousand layers, the scatter of the fitted scale included. The median makes the fit indifferent
    to how heavy the tail is, unlike a least-squares fit to a smoothed density.

    Args:
        eigenvalues: ascending, of the pooled stack.
        stack: (k, rows, cols).

    >>> X = np.random.default_rng(0).standard_normal((100, 400))
    >>> fit = fit_bulk(np.linalg.eigvalsh(X @ X.T), (1, 100, 400))
    >>> fit.spikes, bool(abs(fit.sigma - 1) < 0.02)
    (0, True)
    """
    k, rows, cols = stack
    n, m = min(rows, cols), max(rows, cols)
    law = MarchenkoPastur(n / m)
    middle = marchenko_pastur_median(law.q)
    unit_edge = spike_edge(n, m, k, alarm=FALSE_ALARM)
    count, spikes = len(eigenvalues), 0
    scale = float(np.median(eigenvalues)) / middle
    for _ in range(_ROUNDS):
        found = count - int(np.searchsorted(eigenvalues, unit_edge * scale, side="right"))
        if found <= spikes:  # the edge only falls as spikes leave, so the count only grows
            break
        spikes = found
        scale = (
            float(np.median(eigenvalues[: count - spikes])) / middle if spikes < count else scale
        )
    edge = unit_edge * scale
    top = eigenvalues[count - spikes :][::-1]
    strengths = tuple(spike_strength(float(value) / scale, n / m) for value in top) if scale else ()
    largest = float(eigenvalues[-1])
    return BulkFit(
        sigma=(scale / m) ** 0.5,
        edge=edge,
        spikes=spikes,
        strengths=strengths,
        soft_rank=min(1.0, law.upper * scale / largest) if largest > 0 else 1.0,
    )
