"""Colours of a picture of layers: a scale whose ends are quantiles, in steps that CSS names."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

#: Steps on each side of the middle.
STEPS = 10
#: Ends of the scale: a twentieth of the layers may lie beyond each.
_QUANTILES = (0.05, 0.95)
# Red, green, blue of the low end, the middle and the high end. Blue against orange is safe for the
# common colour-vision deficiencies.
_LIGHT = ((0, 90, 160), (236, 236, 231), (196, 100, 0))
_DARK = ((92, 172, 240), (52, 56, 62), (250, 158, 60))


@dataclass(frozen=True)
class Scale:
    """Colours of numbers around a middle.

    Numbers beyond an end have the end's colour; :attr:`beyond` counts them.

    Args:
        low: the number with the full low colour.
        middle: the number with the neutral colour.
        high: the number with the full high colour.
        beyond: how many numbers lie beyond an end.
    """

    low: float
    middle: float
    high: float
    beyond: int

    @classmethod
    def of(cls, values: Iterable[float], middle: float, least: float = 0.0) -> Self:
        """Return the scale of some numbers: its ends are their quantiles .05 and .95.

        Args:
            values: the numbers; those that are not finite do not count.
            middle: the number with the neutral colour.
            least: each end is at least so far from the middle, so that small differences look so.

        >>> Scale.of([0.0, 1.0, 2.0], middle=1.0, least=5.0).ends
        (-4.0, 6.0)
        """
        found = np.array([value for value in values if math.isfinite(value)], dtype=np.float64)
        if not len(found):
            return cls(middle - (least or 1.0), middle, middle + (least or 1.0), 0)
        low, high = (float(end) for end in np.quantile(found, _QUANTILES))
        low, high = min(low, middle - least), max(high, middle + least)
        # of numbers that are all equal, any width will do
        low, high = (low, high) if high > low else (low - 1.0, high + 1.0)
        beyond = int(np.count_nonzero((found < low) | (found > high)))
        return cls(low, middle, high, beyond)

    @property
    def ends(self) -> tuple[float, float]:
        """The numbers with the full colours."""
        return self.low, self.high

    def step(self, value: float) -> int | None:
        """Return the step of a number, -10 to 10; None where it is not finite.

        >>> scale = Scale(0.4, 1.0, 1.6, 0)
        >>> scale.step(1.0), scale.step(0.1), scale.step(1.3), scale.step(float("nan"))
        (0, -10, 5, None)
        """
        if not math.isfinite(value):
            return None
        end, sign = (self.low, -1) if value < self.middle else (self.high, 1)
        width = abs(end - self.middle)
        share = min(1.0, abs(value - self.middle) / width) if width > 0 else 0.0
        return sign * round(STEPS * share)

    def legend(self, parts: int = 5) -> list[tuple[float, str]]:
        """Return numbers across the scale with the class of each, the middle among them.

        >>> [(value, name) for value, name in Scale(0.4, 1.0, 1.6, 0).legend(3)]
        [(0.4, 'c-10'), (1.0, 'c0'), (1.6, 'c10')]
        """
        half = parts // 2 + 1
        numbers = [self.middle]
        if self.low < self.middle:
            numbers = [*np.linspace(self.low, self.middle, half).tolist()[:-1], *numbers]
        if self.high > self.middle:
            numbers += np.linspace(self.middle, self.high, half).tolist()[1:]
        return [(value, step_class(self.step(value))) for value in numbers]


def step_class(step: int | None) -> str:
    """Return the CSS class of a step.

    >>> step_class(-3), step_class(None)
    ('c-3', 'cx')
    """
    return "cx" if step is None else f"c{step}"


def step_rules(*, dark: bool) -> str:
    """Return the CSS rules of all steps."""
    low, middle, high = _DARK if dark else _LIGHT
    rules = []
    for step in range(-STEPS, STEPS + 1):
        end = low if step < 0 else high
        share = abs(step) / STEPS
        mixed = (round(a + (b - a) * share) for a, b in zip(middle, end, strict=True))
        rules.append(f".{step_class(step)}{{background:#{''.join(f'{v:02x}' for v in mixed)}}}")
    return "".join(rules)
