"""A logarithmic axis: from numbers to places on the page, and its ticks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class LogAxis:
    """Places of positive numbers between two ends of a page.

    Args:
        low: log10 of the number at ``start``.
        high: log10 of the number at ``end``.
        start: the place of the low end.
        end: the place of the high end.

    >>> LogAxis(0.0, 2.0, 0.0, 100.0)([10.0]).tolist()
    [50.0]
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return the places of ``values``, clipped to the axis."""
        share = (np.log10(np.asarray(values, dtype=np.float64)) - self.low) / (self.high - self.low)
        return self.start + (self.end - self.start) * np.clip(share, 0.0, 1.0)

    def ticks(self, most: int = 4) -> list[tuple[float, str]]:
        """Return places and labels of whole decades, at most ``most`` of them.

        >>> [label for _, label in LogAxis(-0.5, 2.5, 0.0, 1.0).ticks()]
        ['10⁰', '10¹', '10²']
        """
        first, last = math.ceil(self.low), math.floor(self.high)
        step = max(1, math.ceil((last - first + 1) / most))
        decades = list(range(first, last + 1, step))
        if len(decades) > 1:
            return [(float(self([10.0**d])[0]), f"10{_raised(d)}") for d in decades]
        ends = (self.low + 0.08 * (self.high - self.low), self.high - 0.08 * (self.high - self.low))
        return [(float(self([10.0**end])[0]), f"{10.0**end:.2g}") for end in ends]


def _raised(number: int) -> str:
    return str(number).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
