"""The scores, by case, value and method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eigenscape_studies._interval import Interval, interval

if TYPE_CHECKING:
    import pandas as pd

PAPER, EXACT = "MD tree, paper search", "MD tree, exact search"


#: A fit to the whole table: the case and the value that leave nothing out.
ALL = ("temperature, little data", 10)


def write(found: Interval) -> str:
    """Write an interval down, or the mean alone where all seeds agree.

    >>> write(Interval(3.0, 3.0, 3.0, 5)), write(Interval(3.0, 2.0, 4.0, 5))
    ('3.00', '3.00 [2.00, 4.00]')
    """
    return found.words(2) if found.high - found.low > 1e-9 else f"{found.mean:.2f}"


@dataclass(frozen=True)
class Numbers:
    """Every score of the study.

    Args:
        seeds: how many repeats.
        rows: kind of task to its rows.
    """

    seeds: int
    rows: dict[str, list[dict[str, Any]]]

    def table(self, kind: str) -> pd.DataFrame:
        """Return the rows of one kind of task."""
        import pandas as pd

        return pd.DataFrame(self.rows[kind])

    def scores(
        self, case: str, value: int, method: str, column: str = "accuracy"
    ) -> NDArray[np.float64]:
        """Return a method's scores, one for each seed."""
        found = [
            row[column]
            for row in self.rows["curve"]
            if (row["case"], row["value"], row["method"]) == (case, value, method)
        ]
        return np.array(found, dtype=np.float64)

    def words(self, case: str, value: int, method: str) -> str:
        """Write a method's mean accuracy down, with its interval where seeds differ."""
        found = self.scores(case, value, method)
        return write(interval(found))

    def gap(self, case: str, value: int, method: str, other: str) -> Interval:
        """Return how much better a method is than another, seed by seed."""
        return interval(self.scores(case, value, method) - self.scores(case, value, other))

    def values(self, case: str) -> list[int]:
        """Return the values at which a case was run."""
        return sorted({row["value"] for row in self.rows["curve"] if row["case"] == case})

    def gain(self, question: str, method: str, rule: str) -> Interval:
        """Return the gain of one step along a method's diagnosis."""
        return interval(
            [
                row["gain"]
                for row in self.rows["steps"]
                if (row["question"], row["method"], row["rule"]) == (question, method, rule)
            ]
        )
