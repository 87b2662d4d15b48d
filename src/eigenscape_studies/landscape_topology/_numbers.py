"""What was measured, and the statistics that the claims rest on."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eigenscape.stats import (
    Interval,
    PairedTest,
    RankCorrelation,
    interval,
    paired_test,
    rank_correlation,
)
from eigenscape.topology import NEIGHBORHOODS
from eigenscape_studies._family import Comparison, family
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


#: What they are set against.
OUTCOMES = {"beta": "beta", "relative_l2": "the error of a PINN", "accuracy": "accuracy"}
#: Of residual and plain networks.
SADDLES = {f"saddles_{name}": name for name in NEIGHBORHOODS}
PERSISTENCE = {
    f"persistence_essential_{QUOTED}": "with the essential pair",
    f"persistence_{QUOTED}": "over finite pairs alone (0 where there is none)",
}
CURVATURE = {"top_eigenvalue": "largest eigenvalue", "hessian_trace": "trace"}
#: Set against the error between the seeds of one speed.
WITHIN = (f"minima_{QUOTED}", "top_eigenvalue")


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

    def within(self, metric: str) -> RankCorrelation:
        """Return the rank correlation with the error between the seeds of one speed, pooled."""
        grouped = self.pinns.groupby("beta")
        middle = grouped["relative_l2"].transform("size") / 2
        error, place = (grouped[name].rank() - middle for name in ("relative_l2", metric))
        return rank_correlation(place, error)

    @cached_property
    def family(self) -> dict[tuple[str, str], Comparison]:
        """Every comparison that a claim rests on, with Holm over all of them.

        The outcome, ``"within"`` a speed, or ``"plain"`` minus residual; and the column.
        """
        tests: dict[tuple[str, str], RankCorrelation | PairedTest] = {
            (outcome, metric): self.against(outcome, metric)
            for outcome in OUTCOMES
            for metric in METRICS
        }
        tests |= {("within", metric): self.within(metric) for metric in WITHIN}
        tests |= {
            ("plain", column): paired_test(*self.sides(column, log=column in CURVATURE))
            for column in ("accuracy", *SADDLES, *PERSISTENCE, *CURVATURE)
        }
        return family(tests)

    def by_beta(self, column: str) -> dict[float, Interval]:
        """Return the mean and interval of a column for each speed."""
        return {float(beta): interval(group[column]) for beta, group in self.pinns.groupby("beta")}

    def sides(
        self, column: str, *, log: bool = False
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return plain and residual networks, pair by pair (same seed and depth)."""
        table = self.classifiers.pivot(index=["depth", "seed"], columns="family", values=column)
        plain, residual = (table[name].to_numpy(float) for name in ("plain", "residual"))
        return (np.log(plain), np.log(residual)) if log else (plain, residual)

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
    for outcome in OUTCOMES:
        for metric, name in METRICS.items():
            found = numbers.against(outcome, metric)
            place = {"outcome": outcome, "metric": name}
            after = numbers.family[outcome, metric].holm
            rows.append({**place, **found._asdict(), "holm": after})
    return rows


def _drawn(numbers: Numbers) -> Rows:
    """Return grids to five digits: the first seed of each kind of network."""
    first = min(row["seed"] for row in numbers.rows)
    return [
        {name: row.get(name) for name in ("family", "beta", "depth")} | {"values": rounded(values)}
        for row, values in zip(numbers.rows, numbers.values, strict=True)
        if row["seed"] == first
    ]
