"""What was measured, and the statistics that the claims rest on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eigenscape_studies._interval import Interval, interval
from eigenscape_studies._rank import RankCorrelation, rank_correlation

if TYPE_CHECKING:
    import pandas as pd

#: The connectivity that counts are quoted at: that of the paper's own merge trees.
QUOTED = "freudenthal"
#: Columns that are set against error and accuracy, with their names in sentences.
METRICS = {
    f"minima_{QUOTED}": "minima",
    f"saddles_{QUOTED}": "saddles",
    f"persistence_{QUOTED}": "average persistence",
    f"persistence_essential_{QUOTED}": "average persistence with the essential pair",
    "top_eigenvalue": "largest eigenvalue",
    "trace": "trace",
}


@dataclass(frozen=True)
class Numbers:
    """Every network of the study.

    Args:
        rows: one for each network.
        values: its landscape, in the same order.
    """

    rows: list[dict[str, Any]]
    values: list[NDArray[np.float64]]

    @classmethod
    def collect(cls, found: list[dict[str, Any]]) -> Numbers:
        """Gather what the tasks returned."""
        return cls([dict(item["row"]) for item in found], [item["values"] for item in found])

    def frame(self, *families: str) -> pd.DataFrame:
        """Return the rows of some families as a table."""
        import pandas as pd

        table = pd.DataFrame(self.rows)
        return table[table["family"].isin(families)].reset_index(drop=True)

    @property
    def pinns(self) -> pd.DataFrame:
        """The physics-informed networks."""
        return self.frame("convection")

    @property
    def classifiers(self) -> pd.DataFrame:
        """The residual and plain networks."""
        return self.frame("residual", "plain")

    def against(self, outcome: str, metric: str) -> RankCorrelation:
        """Return the rank correlation of a metric with the speed, an error or the accuracy."""
        table = self.classifiers if outcome == "accuracy" else self.pinns
        return rank_correlation(table[metric], table[outcome])

    def by_beta(self, column: str) -> dict[float, Interval]:
        """Return the mean and interval of a column for each speed."""
        return {float(beta): interval(group[column]) for beta, group in self.pinns.groupby("beta")}

    def paired(self, column: str, *, log: bool = False) -> Interval:
        """Return plain minus residual, pair by pair (same seed and depth)."""
        table = self.classifiers.pivot(index=["depth", "seed"], columns="family", values=column)
        plain, residual = table["plain"].to_numpy(float), table["residual"].to_numpy(float)
        return interval(np.log(plain / residual) if log else plain - residual)

    def means(self, column: str) -> tuple[float, float]:
        """Return the means of residual and of plain networks."""
        table = self.classifiers.groupby("family")[column].mean()
        return float(table["residual"]), float(table["plain"])


def correlations(numbers: Numbers) -> list[dict[str, Any]]:
    """Return every rank correlation as rows."""
    rows = []
    for outcome in ("beta", "relative_l2", "accuracy"):
        for metric, name in METRICS.items():
            found = numbers.against(outcome, metric)
            rows.append({"outcome": outcome, "metric": name, **found._asdict(),
                         "significant": found.significant})  # fmt: skip
    return rows
