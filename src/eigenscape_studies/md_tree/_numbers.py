"""The scores, by case, value and method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eigenscape.stats import Interval, interval
from eigenscape_studies._tables import Rows, column, matching, means

PAPER, EXACT = "MD tree, paper search", "MD tree, exact search"
#: A fit to the whole table: the case and the value that leave nothing out.
ALL = ("temperature, little data", 10)


def write(found: Interval) -> str:
    """Return an interval as text, or the mean alone where there is one training set.

    >>> write(interval([3.0])), write(Interval(3.0, 2.0, 4.0, 5))
    ('3.00', '3.00 [2.00, 4.00]')
    """
    return found.words(2) if found.high - found.low > 1e-9 else f"{found.mean:.2f}"


def told(gap: Interval) -> bool:
    """Tell whether a method is ahead: beyond the interval, or where one training set has none.

    >>> told(interval([1.0])), told(interval([1.0, 5.0])), told(interval([1.0, 1.1]))
    (True, False, True)
    """
    return gap.low > 0 or (gap.seeds == 1 and gap.mean > 0)


@dataclass(frozen=True)
class Numbers:
    """Every score of the study.

    Args:
        rows: kind of task to its rows.
    """

    rows: dict[str, Rows]

    def scores(
        self, case: str, value: int, method: str, score: str = "accuracy"
    ) -> NDArray[np.float64]:
        """Return a method's scores, one for each distinct training set."""
        rows = matching(self.rows["curve"], case=case, value=value, method=method)
        draws = dict.fromkeys(row["draw"] for row in rows)
        return np.array([column(rows, score, draw=draw).mean() for draw in draws])

    def words(self, case: str, value: int, method: str) -> str:
        """Return a method's mean accuracy as text, with its interval where training sets differ."""
        return write(interval(self.scores(case, value, method)))

    def gap(self, case: str, value: int, method: str, other: str) -> Interval:
        """Return how much better a method is than another, training set by training set."""
        mine, its = self.scores(case, value, method), self.scores(case, value, other)
        return interval(mine - its)

    def values(self, case: str) -> list[int]:
        """Return the values at which a case was run."""
        return sorted({row["value"] for row in self.rows["curve"] if row["case"] == case})

    def gain(self, question: str, method: str, rule: str) -> Interval:
        """Return the gain of one step along a method's diagnosis."""
        place = {"question": question, "method": method, "rule": rule}
        return interval(column(self.rows["steps"], "gain", **place))


def tables(numbers: Numbers) -> dict[str, Rows]:
    """Return the tables of the study."""
    rows = numbers.rows
    curves = means(
        rows["curve"],
        ("case", "value", "method"),
        "accuracy",
        beside=("n", "balanced_accuracy"),
        each="draw",
    )
    for row in curves:
        row["balanced"] = row.pop("balanced_accuracy")
    return {
        "curves": curves,
        "one_step": means(rows["steps"], ("question", "method", "rule"), "gain"),
        "random_thresholds": rows["constants"],
        "margins": rows["margin"],
    }
