"""What was measured, and the statistics that the claims rest on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eigenscape_studies._interval import Interval, interval
from eigenscape_studies._topology import diagram_distance, simplified

if TYPE_CHECKING:
    import pandas as pd

#: A relative error above this counts as a failure.
FAILED = 0.5
_QUANTILES = np.linspace(0, 1, 41)


@dataclass(frozen=True)
class Numbers:
    """Every landscape of the study.

    Args:
        rows: one for each landscape.
        values: the samples, in the same order.
    """

    rows: list[dict[str, Any]]
    values: list[NDArray[np.float64]]

    @classmethod
    def collect(cls, found: list[dict[str, Any]]) -> Numbers:
        """Gather what the tasks returned: each brings several landscapes."""
        rows = [dict(row) for item in found for row in item["rows"]]
        return cls(rows, [values for item in found for values in item["values"]])

    def frame(self, family: str, **where: Any) -> pd.DataFrame:
        """Return the rows of a family that match, as a table; its index counts the landscapes."""
        import pandas as pd

        table = pd.DataFrame(self.rows)
        table = table[table["family"] == family]
        for name, value in where.items():
            table = table[table[name] == value]
        return table

    def by(self, table: pd.DataFrame, key: str, column: str) -> dict[float, Interval]:
        """Return the mean and interval of a column for each value of a key."""
        return {float(value): interval(part[column]) for value, part in table.groupby(key)}

    @property
    def transition(self) -> tuple[float, float]:
        """The last speed at which most networks succeed and the first at which most fail."""
        share = self.frame("convection", dim=2).groupby("beta")["relative_l2"].agg(
            lambda error: float((error > FAILED).mean())
        )  # fmt: skip
        good = [float(beta) for beta, failed in share.items() if failed <= 0.5]
        bad = [float(beta) for beta, failed in share.items() if failed > 0.5]
        return (max(good) if good else float(share.index[0])), (
            min(bad) if bad else float(share.index[-1])
        )

    def dispersion(self) -> list[dict[str, Any]]:
        """Return, for each speed, how much the landscapes of its seeds differ."""
        rows = []
        for beta, part in self.frame("convection", dim=2).groupby("beta"):
            trees = [simplified(self.values[place]) for place in part.index]
            apart = [diagram_distance(a, b) for a, b in combinations(trees, 2)]
            counts = part["minima_full"].to_numpy(float)
            logs = np.log10(part["depth"].to_numpy(float))
            rows.append(
                {
                    "beta": float(beta),
                    "bottleneck": float(np.mean(apart)) if apart else 0.0,
                    "minima_iqr": float(np.subtract(*np.quantile(counts, [0.75, 0.25]))),
                    "log_depth_sd": float(logs.std(ddof=1)) if len(logs) > 1 else 0.0,
                    "error_sd": float(part["relative_l2"].std(ddof=1)) if len(part) > 1 else 0.0,
                }
            )
        return rows

    def shape_distance(self, first: int, second: int) -> float:
        """Return how differently two landscapes fill their range of loss, 0 to 1.

        The mean absolute difference of the quantiles of the samples, each scaled to [0, 1].
        """
        curves = []
        for place in (first, second):
            finite = self.values[place][np.isfinite(self.values[place])]
            low, high = float(finite.min()), float(finite.max())
            curves.append(np.quantile((finite - low) / (high - low or 1.0), _QUANTILES))
        return float(np.abs(curves[0] - curves[1]).mean())
