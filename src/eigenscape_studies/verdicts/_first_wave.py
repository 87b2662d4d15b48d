"""The labels of the first wave: rules that were in use before any of them was validated.

They are kept here as one contender among others. The library has descriptions in their place.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from eigenscape.spectra import LayerSpectrum

_RANGE = (2.0, 6.0)  # the KS exponent in well-trained layers, Martin and Mahoney (2021)
#: The label that was acted on was the first of these that a layer had.
_SEVERITY = ("rank-collapsed", "random-like", "over-trained", "under-trained")
#: What the headline of a label stated or advised.
_SAID = {
    "random-like": ("under-trained", "train longer", "raise the rate"),
    "over-trained": ("over-fitted", "rate too high", "lower the rate or stop earlier"),
    "under-trained": ("under-trained", "train longer", "raise the rate", "more data"),
    "": ("well trained",),
}


def first_wave_label(layer: LayerSpectrum) -> str:
    """Return the label that a layer had."""
    if layer.rank is not None and layer.rank < 0.5 * layer.n_eigenvalues:
        return "rank-collapsed"
    if layer.alpha_null_low <= layer.alpha_hill <= layer.alpha_null_high and not layer.spikes:
        return "random-like"
    if not math.isfinite(layer.alpha_ks) or layer.fit != "ks":
        return "no-fit"
    low, high = layer.alpha_ks - 2 * layer.sigma, layer.alpha_ks + 2 * layer.sigma
    floor, ceiling = _RANGE
    if low > ceiling:
        return "under-trained"
    if high < floor:
        return "over-trained"
    return "heavy-tailed" if low >= floor and high <= ceiling else "borderline"


def first_wave_says(labels: Iterable[str]) -> tuple[str, ...]:
    """Return what the headline of a network said: of the most severe label among its layers.

    >>> first_wave_says(["heavy-tailed", "over-trained"])[2]
    'lower the rate or stop earlier'
    >>> first_wave_says(["heavy-tailed", "borderline"])
    ('well trained',)
    """
    seen = set(labels)
    worst = next((label for label in _SEVERITY if label in seen), "")
    return _SAID.get(worst, ())
