"""Colours of a picture of layers: a scale whose ends are quantiles, in steps that CSS names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

#: The luminance on which black and white are read equally well: sqrt(1.05 * 0.05) - 0.05.
_HALF = 0.179
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
    """Colours of numbers around a middle, or, on a logarithmic scale, of positive numbers.

    Numbers beyond an end have the end's colour; :attr:`beyond` counts them.

    Args:
        low: the number with the full low colour; of a logarithmic scale the palest number above 0.
        middle: the number with the neutral colour; of a logarithmic scale that is 0.
        high: the number with the full high colour.
        beyond: how many numbers lie beyond an end.
        log: whether it is logarithmic.
    """

    low: float
    middle: float
    high: float
    beyond: int
    log: bool = False

    @classmethod
    def of(cls, values: Iterable[float], middle: float, least: float = 0.0) -> Self:
        """Return the scale of some numbers: its ends are their quantiles .05 and .95.

        Args:
            values: the numbers; those that are not finite do not count.
            middle: the number with the neutral colour.
            least: each end is at least so far from the middle, so that small differences look so.

        >>> found = Scale.of([0.0, 1.0, 2.0], middle=1.0, least=5.0)
        >>> found.low, found.high
        (-4.0, 6.0)
        """
        found = np.array([value for value in values if math.isfinite(value)], dtype=np.float64)
        if not len(found):
            return cls(middle - (least or 1.0), middle, middle + (least or 1.0), 0)
        low, high = (float(end) for end in np.quantile(found, _QUANTILES))
        low, high = min(low, middle - least), max(high, middle + least)
        # of numbers that are all equal, any width will do
        low, high = (low, high) if high > low else (low - 1.0, high + 1.0)
        return cls(low, middle, high, int(np.count_nonzero((found < low) | (found > high))))

    @classmethod
    def log_of(cls, values: Iterable[float]) -> Self:
        """Return the logarithmic scale of numbers of at least 0; it spans a decade or more.

        >>> found = Scale.log_of([0.0, 0.01, 1.0])
        >>> found.step(0.0), found.step(0.001), found.step(100.0)
        (0, 1, 10)
        """
        found = np.array([value for value in values if 0 < value < math.inf], dtype=np.float64)
        if not len(found):
            return cls(0.1, 0.0, 1.0, 0, log=True)
        low, high = (float(end) for end in np.quantile(found, _QUANTILES))
        low = min(low, high / 10)
        beyond = int(np.count_nonzero((found < low) | (found > high)))
        return cls(low, 0.0, high, beyond, log=True)

    def step(self, value: float) -> int | None:
        """Return the step of a number, -10 to 10; None where it is not finite.

        >>> scale = Scale(0.4, 1.0, 1.6, 0)
        >>> scale.step(1.0), scale.step(0.1), scale.step(1.3), scale.step(float("nan"))
        (0, -10, 5, None)
        """
        if not math.isfinite(value):
            return None
        if self.log:
            if value <= 0:
                return 0
            share = math.log(value / self.low) / math.log(self.high / self.low)
            return 1 + round((STEPS - 1) * min(1.0, max(0.0, share)))
        end, sign = (self.low, -1) if value < self.middle else (self.high, 1)
        width = abs(end - self.middle)
        share = min(1.0, abs(value - self.middle) / width) if width > 0 else 0.0
        return sign * round(STEPS * share)

    def legend(self) -> list[tuple[str, str]]:
        """Return numbers across the scale with the class of each, the middle among them.

        >>> Scale(0.4, 1.0, 1.6, 0).legend()[:3]
        [('≤ 0.4', 'c-10'), ('0.7', 'c-5'), ('1', 'c0')]
        """
        if self.log:
            numbers = [0.0, *np.geomspace(self.low, self.high, 4).tolist()]
        else:
            below = np.linspace(self.low, self.middle, 3).tolist()[:-1]
            above = np.linspace(self.middle, self.high, 3).tolist()[1:]
            numbers = [
                *(below if self.low < self.middle else ()),
                self.middle,
                *(above if self.high > self.middle else ()),
            ]
        words = [f"{value:.2g}" for value in numbers]
        if self.low < self.middle:
            words[0] = f"≤ {words[0]}"
        if self.high > self.middle:
            words[-1] = f"≥ {words[-1]}"
        classes = [step_class(self.step(value)) for value in numbers]
        return list(zip(words, classes, strict=True))


def step_class(step: int | None) -> str:
    """Return the CSS class of a step.

    >>> step_class(-3), step_class(None)
    ('c-3', 'cx')
    """
    return "cx" if step is None else f"c{step}"


def step_rules(*, dark: bool) -> str:
    """Return the CSS rules of all steps; text on a step is black or white, what is read better."""
    low, middle, high = _DARK if dark else _LIGHT
    rules = []
    for step in range(-STEPS, STEPS + 1):
        end = low if step < 0 else high
        share = abs(step) / STEPS
        mixed = [round(a + (b - a) * share) for a, b in zip(middle, end, strict=True)]
        ink = "#000" if _luminance(mixed) > _HALF else "#fff"
        colour = "".join(f"{value:02x}" for value in mixed)
        rules.append(f".{step_class(step)}{{background:#{colour};color:{ink}}}")
    return "".join(rules)


def _luminance(colour: Sequence[int]) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [value / 255 for value in colour]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return math.fsum(a * b for a, b in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
