"""The scores, by setting and method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eigenscape.stats import Interval, interval
from eigenscape_studies._tables import Rows, column, means

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
    rows: dict[str, Rows]

    def table(self, kind: str) -> pd.DataFrame:
        """Return the rows of one kind."""
        import pandas as pd

        return pd.DataFrame(self.rows[kind])

    def scores(self, setting: str, method: str, score: str = "accuracy") -> NDArray[np.float64]:
        """Return a method's scores, one for each repeat."""
        return column(self.rows["transfer"], score, setting=setting, method=method)

    def words(self, setting: str, method: str) -> str:
        """Return a method's accuracy as text, with its interval and the balanced accuracy."""
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
        return column(self.rows["advice"], "gain", policy=policy)

    def margins(self) -> Rows:
        """Return right answers by what is at stake, all repeats together."""
        found = self.table("margin").groupby(["low", "high"], sort=False)[["n", "right"]].sum()
        return [
            {"low": float(low), "high": float(high), "n": int(row["n"]), "right": int(row["right"])}
            for (low, high), row in found.iterrows()
        ]


def tables(numbers: Numbers) -> dict[str, Rows]:
    """Return the tables of the study; draws of one repeat are averaged first."""
    scores = {"score": "accuracy", "each": "repeat"}
    transfer = means(
        numbers.rows["transfer"], ("setting", "method"), beside=("balanced_accuracy",), **scores
    )
    few = means(numbers.rows["few"], ("cells", "method"), beside=("configurations",), **scores)
    policies = dict.fromkeys(row["policy"] for row in numbers.rows["advice"])
    return {
        "transfer": transfer,
        "few": few,
        "margins": numbers.margins(),
        "advice": [
            {"policy": name, **interval(numbers.gains(name))._asdict()} for name in policies
        ],
        "health": numbers.rows["health"],
    }
