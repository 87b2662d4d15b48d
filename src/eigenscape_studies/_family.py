"""Comparisons that are read together, and what is left of each after all of them are counted."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import NamedTuple, TypeVar

from eigenscape.stats import PairedTest, RankCorrelation, holm

Test = PairedTest | RankCorrelation
Key = TypeVar("Key", bound=Hashable)
_LEVEL = 0.05


class Comparison(NamedTuple):
    """A difference or a rank correlation that is one of several.

    Attributes:
        mean: the estimate.
        low: its own 95 % interval, as if it were the only one.
        high: likewise.
        seeds: how many pairs it is of.
        p: two-sided, as if it were the only one.
        holm: the probability after Holm over the family.
        of: comparisons in the family.
    """

    mean: float
    low: float
    high: float
    seeds: int
    p: float
    holm: float
    of: int

    @property
    def above(self) -> bool:
        """Whether it is above zero, by its interval and after Holm."""
        return self.low > 0 and self.holm < _LEVEL

    @property
    def below(self) -> bool:
        """Whether it is below zero, by its interval and after Holm."""
        return self.high < 0 and self.holm < _LEVEL

    def words(self, unit: str = "", digits: int = 1) -> str:
        """Return it as text, with a remark where it is not significant.

        >>> Comparison(float("nan"), float("nan"), float("nan"), 9, 1.0, 1.0, 60).words()
        'undefined'
        >>> Comparison(-1.4, -2.3, -0.5, 8, 0.008, 0.4, 60).words(" points")
        '-1.4 [-2.3, -0.5] points, not significant after Holm over 60 comparisons'
        >>> Comparison(2.1, -4.1, 8.2, 24, 0.49, 1.0, 60).words(" %")
        '+2.1 [-4.1, +8.2] %, not significant'
        """
        if self.mean != self.mean:
            return "undefined"
        numbers = f"{self.mean:+.{digits}f} [{self.low:+.{digits}f}, {self.high:+.{digits}f}]{unit}"
        if self.above or self.below:
            return numbers
        told = self.low > 0 or self.high < 0
        return f"{numbers}, not significant" + (
            f" after Holm over {self.of} comparisons" if told else ""
        )


def family(tests: Mapping[Key, Test]) -> dict[Key, Comparison]:
    """Return the comparisons of a family; a test without a probability is not counted.

    >>> from eigenscape.stats import paired_test
    >>> found = family({"a": paired_test([2, 3, 4], [1, 2, 3.1]), "b": paired_test([1, 2], [2, 1])})
    >>> [(key, round(one.p, 4), round(one.holm, 4), one.of) for key, one in found.items()]
    [('a', 0.0012, 0.0024, 2), ('b', 1.0, 1.0, 2)]
    """
    adjusted = holm([test.p for test in tests.values()])
    counted = sum(test.p == test.p for test in tests.values())
    return {
        key: Comparison(*_estimate(test), test.p, float(p), counted)
        for (key, test), p in zip(tests.items(), adjusted, strict=True)
    }


def _estimate(test: Test) -> tuple[float, float, float, int]:
    if isinstance(test, RankCorrelation):
        return test.rho, test.low, test.high, test.pairs
    return test.difference, test.low, test.high, test.pairs
