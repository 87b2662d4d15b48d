"""The scores, by setting and method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eigenscape_studies._interval import Interval, interval

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Numbers:
    """Every score of the study.

    Args:
        repeats: how many.
        networks: that were trained.
        rows: kind to its rows.
    """

    repeats: int
    networks: int
    rows: dict[str, list[dict[str, Any]]]

    def table(self, kind: str) -> pd.DataFrame:
        """Return the rows of one kind."""
        import pandas as pd

        return pd.DataFrame(self.rows[kind])

    def scores(self, setting: str, method: str, column: str = "accuracy") -> NDArray[np.float64]:
        """Return a method's scores, one for each repeat."""
        found = [row[column] for row in self.rows["transfer"]
                 if (row["setting"], row["method"]) == (setting, method)]  # fmt: skip
        return np.array(found, dtype=np.float64)

    def words(self, setting: str, method: str) -> str:
        """Write a method's accuracy down, with its interval and the balanced accuracy."""
        balanced = self.scores(setting, method, "balanced_accuracy").mean()
        return f"{interval(self.scores(setting, method)).words(1)} (balanced {balanced:.1f})"

    def gap(self, setting: str, method: str, other: str) -> Interval:
        """Return how many points a method is ahead of another, repeat by repeat."""
        return interval(self.scores(setting, method) - self.scores(setting, other))

    def few(self, method: str) -> dict[int, Interval]:
        """Return cells to the accuracy after a fit to so many, over repeats."""
        table = self.table("few")
        table = table[table["method"] == method]
        return {
            int(cells): interval(group.groupby("repeat")["accuracy"].mean())
            for cells, group in table.groupby("cells")
        }

    def gains(self, policy: str) -> NDArray[np.float64]:
        """Return the mean gain of a policy, one for each repeat, in points."""
        found = [row["gain"] for row in self.rows["advice"] if row["policy"] == policy]
        return np.array(found, dtype=np.float64)

    def margins(self) -> list[dict[str, Any]]:
        """Return right answers by what is at stake, all repeats together."""
        found = self.table("margin").groupby(["low", "high"], sort=False)[["n", "right"]].sum()
        return [
            {"low": float(low), "high": float(high), "n": int(row["n"]), "right": int(row["right"])}
            for (low, high), row in found.iterrows()
        ]


def mark(found: Interval) -> str:
    """Write a difference down, and say where its interval has zero in it.

    >>> mark(Interval(2.0, -1.0, 5.0, 3))
    '+2.0 [-1.0, 5.0], not significant'
    """
    tail = "" if found.low > 0 or found.high < 0 else ", not significant"
    return f"{found.mean:+.1f} [{found.low:.1f}, {found.high:.1f}]{tail}"
