"""The coordinates of a landscape's grid."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError

_LARGEST = 2**31


def grid_axis(radius: float, steps: int) -> NDArray[np.float64]:
    """Return ``steps`` equally spaced coordinates from ``-radius`` to ``radius``.

    They are symmetric to the last bit, and the middle one of an odd number is 0.

    >>> grid_axis(0.3, 5).tolist()
    [-0.3, -0.15, 0.0, 0.15, 0.3]
    """
    return radius * (2.0 * np.arange(steps) - (steps - 1)) / (steps - 1)


def check_grid_size(steps: Any, radius: Any, dim: int) -> None:
    """Raise an error for an invalid grid, or one that is too large.

    Raises:
        InputError: with the figures.
    """
    wrong = []
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 3:
        wrong.append(f"steps is {steps!r}; expected a whole number of 3 or more")
    elif steps**dim > _LARGEST:
        wrong.append(
            f"{steps}^{dim} is {float(steps) ** dim:.3g} points; at most {_LARGEST:.2g} are "
            "sampled. Try: fewer steps, or fewer dimensions"
        )
    good = isinstance(radius, int | float) and not isinstance(radius, bool)
    if not good or not (math.isfinite(radius) and radius > 0):
        wrong.append(f"radius is {radius!r}; expected a number above 0")
    if wrong:
        raise InputError("; ".join(wrong))
