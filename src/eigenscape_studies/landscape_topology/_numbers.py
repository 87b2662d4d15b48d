"""What was measured, and the statistics that the claims rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eigenscape.stats import Interval, RankCorrelation, interval, rank_correlation
from eigenscape_studies._tables import Rows, rounded
from eigenscape_studies._topology import Landscapes

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
    "hessian_trace": "trace",
}


class Numbers(Landscapes):
    """Every network of the study, one landscape each."""

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


def tables(numbers: Numbers) -> dict[str, Rows]:
    """Return networks, rank correlations, and the grids that are drawn."""
    return {
        "networks": numbers.rows,
        "correlations": _correlations(numbers),
        "landscapes": _drawn(numbers),
    }


def _correlations(numbers: Numbers) -> Rows:
    rows = []
    for outcome in ("beta", "relative_l2", "accuracy"):
        for metric, name in METRICS.items():
            found = numbers.against(outcome, metric)
            place = {"outcome": outcome, "metric": name}
            rows.append({**place, **found._asdict(), "significant": found.significant})
    return rows


def _drawn(numbers: Numbers) -> Rows:
    """Return grids to five digits: the first seed of each kind of network."""
    first = min(row["seed"] for row in numbers.rows)
    return [
        {name: row.get(name) for name in ("family", "beta", "depth")} | {"values": rounded(values)}
        for row, values in zip(numbers.rows, numbers.values, strict=True)
        if row["seed"] == first
    ]
