"""What was measured, and the statistics that the claims rest on."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from eigenscape.stats import Interval, interval
from eigenscape_studies._tables import Rows, rounded
from eigenscape_studies._topology import FAILED, Landscapes, diagram_distance, simplified

if TYPE_CHECKING:
    import pandas as pd

_QUANTILES = np.linspace(0, 1, 41)


class Numbers(Landscapes):
    """Every landscape of the study."""

    def by(self, table: pd.DataFrame, key: str, column: str) -> dict[float, Interval]:
        """Return the mean and interval of a column for each value of a key."""
        return {float(value): interval(part[column]) for value, part in table.groupby(key)}

    @property
    def transition(self) -> tuple[float, float]:
        """The last speed at which most networks succeed and the first at which most fail."""
        share = (
            self.frame("convection", dim=2)
            .groupby("beta")["relative_l2"]
            .agg(lambda error: float((error > FAILED).mean()))
        )
        good = [float(beta) for beta, failed in share.items() if failed <= 0.5]
        bad = [float(beta) for beta, failed in share.items() if failed > 0.5]
        return (max(good) if good else float(share.index[0])), (
            min(bad) if bad else float(share.index[-1])
        )

    def dispersion(self) -> Rows:
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


def tables(numbers: Numbers) -> dict[str, Rows]:
    """Return landscapes in numbers, how seeds differ, and the grids that are drawn."""
    return {
        "networks": numbers.rows,
        "dispersion": numbers.dispersion(),
        "landscapes": _drawn(numbers),
    }


def _drawn(numbers: Numbers) -> Rows:
    """Return grids to five digits, flat, with their shapes: one U-Net for each rate."""
    first, kept = min(row["seed"] for row in numbers.rows), []
    for row, values in zip(numbers.rows, numbers.values, strict=True):
        if row["family"] == "unet" and row["seed"] != first:
            continue
        names = ("family", "beta", "rate", "epoch", "seed", "dim")
        place = {name: row.get(name) for name in names}
        kept.append({**place, "shape": list(values.shape), "values": rounded(values.ravel())})
    return kept
