"""A paper's claim as data next to what was measured, with verdicts and text helpers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from eigenscape.errors import InputError

#: What can be said of a claim after the measurement.
VERDICTS = ("holds", "in part", "fails", "not tested here")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim.

    Args:
        name: a short handle.
        statement: what the paper states, paraphrased.
        figure: where the paper shows it.
        measured: the numbers, with intervals.
        verdict: one of ``VERDICTS``.
        seeds: how many independent repeats are behind them; None for as many as the study has.
        command: what was run here; the study fills it in where it is empty.

    Raises:
        InputError: another verdict.
    """

    name: str
    statement: str
    figure: str
    measured: str
    verdict: str
    seeds: int | None = None
    command: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise InputError(f"verdict {self.verdict!r}; expected one of {', '.join(VERDICTS)}")


def verdict(*parts: bool) -> str:
    """Return the verdict on a claim from the parts that hold and those that do not.

    >>> verdict(True, True), verdict(True, False), verdict(False), verdict()
    ('holds', 'in part', 'fails', 'not tested here')
    """
    if not parts:
        return "not tested here"
    return "holds" if all(parts) else "in part" if any(parts) else "fails"


def graded(holds: bool, in_part: bool) -> str:
    """Return the verdict of a strict condition and of a weaker one.

    >>> graded(True, True), graded(False, True), graded(False, False)
    ('holds', 'in part', 'fails')
    """
    return "holds" if holds else "in part" if in_part else "fails"


class Bounded(Protocol):
    """A value with a 95 % interval: a mean, a slope, a correlation."""

    @property
    def low(self) -> float:
        """The lower limit."""

    @property
    def high(self) -> float:
        """The upper limit."""


class Mean(Bounded, Protocol):
    """A mean with its interval."""

    @property
    def mean(self) -> float:
        """The mean."""


def unless_significant(found: Bounded, null: float = 0.0) -> str:
    """Return a remark if the interval contains the null value, else an empty text.

    >>> from types import SimpleNamespace as Pair
    >>> unless_significant(Pair(low=-1.0, high=2.0)), unless_significant(Pair(low=1.0, high=2.0))
    (', not significant', '')
    """
    return "" if found.low > null or found.high < null else ", not significant"


def signed(found: Mean, unit: str = "", digits: int = 1) -> str:
    """Return a difference with its interval as text, with a remark if that contains zero.

    >>> from types import SimpleNamespace as Pair
    >>> signed(Pair(mean=2.0, low=-1.0, high=5.0), " %")
    '+2.0 [-1.0, +5.0] %, not significant'
    """
    numbers = f"{found.mean:+.{digits}f} [{found.low:+.{digits}f}, {found.high:+.{digits}f}]"
    return f"{numbers}{unit}{unless_significant(found)}"


def rate_words(value: float) -> str:
    """Return a learning rate as text: three digits, and no exponent where none is needed.

    >>> rate_words(0.04664), rate_words(1174.2), rate_words(27841.0)
    ('0.0466', '1174', '27841')
    """
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
