"""What the value of a flag may be: each kind refuses a wrong word with what was expected."""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import dataclass

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Whole:
    """A whole number.

    Args:
        least: the smallest that is taken; None for any.
        example: shown where the flag has no default.

    >>> Whole(1)("12")
    12
    """

    least: int | None = 1
    example: str = "2"

    def __call__(self, text: str) -> int:
        """Read the number.

        Raises:
            ArgumentTypeError: another text, or a number below the smallest.
        """
        expected = f"expected a whole number{_from(self.least)}"
        try:
            value = int(text)
        except ValueError:
            raise ArgumentTypeError(expected) from None
        if self.least is not None and value < self.least:
            raise ArgumentTypeError(expected)
        return value


@dataclass(frozen=True)
class Number:
    """A finite number.

    Args:
        above: the value lies above it; None for any.
        least: the smallest that is taken; None for any.
        most: the largest that is taken; None for any.
        example: shown where the flag has no default.

    >>> Number(above=0)("1e-3")
    0.001
    """

    above: float | None = None
    least: float | None = None
    most: float | None = None
    example: str = "0.1"

    def __call__(self, text: str) -> float:
        """Read the number.

        Raises:
            ArgumentTypeError: another text, or a number outside the range.
        """
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        low = -math.inf if self.least is None else self.least
        high = math.inf if self.most is None else self.most
        above = -math.inf if self.above is None else self.above
        if not (math.isfinite(value) and low <= value <= high and value > above):
            raise ArgumentTypeError(f"expected a number{self._range()}")
        return value

    def _range(self) -> str:
        if self.most is not None and self.least is not None:
            return f" from {self.least:g} to {self.most:g}"
        return f" above {self.above:g}" if self.above is not None else _from(self.least)


@dataclass(frozen=True)
class Listed:
    """Values separated by commas.

    Args:
        each: reads one of them.
        words: what they are called.
        example: shown where the flag has no default.

    >>> Listed(Whole(0), "whole numbers", "3,5,8")("1, 2")
    (1, 2)
    """

    each: Callable[[str], int] | Callable[[str], float]
    words: str
    example: str

    def __call__(self, text: str) -> tuple[int | float, ...]:
        """Read the values.

        Raises:
            ArgumentTypeError: one of them cannot be read.
        """
        try:
            return tuple(self.each(word.strip()) for word in text.split(","))
        except ArgumentTypeError:
            said = f"expected {self.words} separated by commas"
            raise ArgumentTypeError(said) from None


class _Duration:
    """A duration, in seconds."""

    example = "60s"

    def __call__(self, text: str) -> float:
        found = re.fullmatch(r"([\d.]+(?:e[-+]?\d+)?)\s*([smh]?)", text.strip())
        try:
            seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
        except ValueError:  # 1.2.3
            seconds = 0.0
        if not 0 < seconds < math.inf:
            raise ArgumentTypeError("expected a time above 0, such as 90s, 10m, 2h, or seconds")
        return seconds


#: Reads ``90s``, ``10m``, ``2h`` or a number of seconds.
duration = _Duration()


def _from(least: float | None) -> str:
    return "" if least is None else f" of {least:g} or more"
