"""What the pictures of this package share: the loss scale, the colours, the markers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize

FloatArray = NDArray[np.float64]

# More markers than this touch each other.
_RIMMED = 200

SCALES = ("linear", "log", "symlog")

#: Blue, dark where the loss is low: the colours of Geniesse et al. 2024. Light to dark is read
#: alike with every kind of colour vision, and on paper.
COLOURS = "Blues_r"

#: Minima red and saddles orange, as in the same figures, in Okabe and Ito's safe tints; the two
#: differ in shape too.
MINIMUM: dict[str, Any] = {"marker": "o", "color": "#D55E00", "label": "minimum"}
SADDLE: dict[str, Any] = {"marker": "D", "color": "#E69F00", "label": "saddle"}


def extremum_style(superlevel: bool) -> dict[str, Any]:
    """Return the marker of the nodes in which a tree's branches end."""
    return {**MINIMUM, "label": "maximum"} if superlevel else MINIMUM


def check_scale(scale: str, low: float) -> None:
    """Raise an error if the scale cannot show the data.

    Raises:
        InputError: an unknown scale, or a logarithm of what is not positive.
    """
    if scale not in SCALES:
        raise InputError(f"scale is one of {', '.join(SCALES)}; got {scale!r}")
    if scale == "log" and not low > 0:
        raise InputError(
            f"scale 'log' needs positive losses; the smallest is {low:g}. Try: scale='symlog'"
        )


def finite_range(values: FloatArray) -> tuple[float, float]:
    """Return the smallest and the largest finite value; (0, 1) where there is none."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)


def colour_norm(scale: str, low: float, high: float) -> Normalize:
    """Return matplotlib's normalisation for a scale."""
    from matplotlib.colors import LogNorm, Normalize, SymLogNorm

    if not high > low:  # a constant: any span shows it
        high = low + (abs(low) or 1.0)
    if scale == "log":
        return LogNorm(low, high)
    if scale == "symlog":
        return SymLogNorm(linear_width(low, high), vmin=low, vmax=high)
    return Normalize(low, high)


def linear_width(low: float, high: float) -> float:
    """Return the half-width around 0 that a symmetric logarithm shows linearly."""
    return max(abs(low), abs(high)) * 1e-3 or 1.0


def set_loss_scale(axes: Axes, scale: str, low: float, high: float, *, which: str = "y") -> None:
    """Set one axis to the scale, with room for the markers at both ends."""
    options = {"linthresh": linear_width(low, high)} if scale == "symlog" else {}
    set_scale = axes.set_yscale if which == "y" else axes.set_xscale
    set_limits = axes.set_ylim if which == "y" else axes.set_xlim
    set_scale(scale, **options)
    if not high > low:
        high = low + (abs(low) or 1.0)
    if scale == "log":
        pad = (high / low) ** 0.04
        set_limits(low / pad, high * pad)
    elif scale == "symlog":
        set_limits(low - 0.1 * abs(low) - options["linthresh"] * 0.1, high + 0.1 * abs(high))
    else:
        pad = 0.04 * (high - low)
        set_limits(low - pad, high + pad)


def loss_label(scale: str) -> str:
    """Return an axis label that states the scale."""
    words = {"log": ", log scale", "symlog": ", symmetric log scale", "linear": ""}
    return f"loss{words[scale]}"


def marker_size(count: int) -> float:
    """Return an area in square points: many markers become small ones."""
    return float(np.clip(900.0 / max(count, 1), 3.0, 26.0))


def marker_edge(count: int) -> float:
    """Return the width of a marker's white edge: zero if many would hide the markers."""
    return 0.3 if count <= _RIMMED else 0.0
