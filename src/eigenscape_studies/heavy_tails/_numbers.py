"""The study's measurements as one long table, and how claims read from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eigenscape_studies._interval import Interval, interval
from eigenscape_studies.heavy_tails._plan import GAMMAS, Cell, Scale
from eigenscape_studies.laboratory import LabResult

if TYPE_CHECKING:
    import pandas as pd

_KEYS = ("series", "optimizer", "value", "seed")


@dataclass(frozen=True)
class Numbers:
    """Everything measured.

    Args:
        scale: the sizes.
        seeds: how many.
        data: one row for each experiment and step, with the columns of a step record.
        results: the experiments themselves.
    """

    scale: Scale
    seeds: int
    data: pd.DataFrame
    results: Mapping[Cell, LabResult]

    def pick(
        self, series: str, optimizer: str, value: float, step: int, metric: str
    ) -> NDArray[np.float64]:
        """Return one value for each seed, in the order of the seeds; NaN where a run had ended."""
        rows = self.data
        same = (rows["series"] == series) & (rows["optimizer"] == optimizer)
        same &= np.isclose(rows["value"], value) & (rows["step"] == step)
        by_seed = rows[same].set_index("seed")[metric]
        found: NDArray[np.float64] = by_seed.reindex(range(self.seeds)).to_numpy(dtype=np.float64)
        return found

    def mean(self, series: str, optimizer: str, value: float, step: int, metric: str) -> Interval:
        """Return mean and interval over seeds."""
        return interval(self.pick(series, optimizer, value, step, metric))

    def change(self, series: str, value: float, step: int, metric: str) -> Interval:
        """Return the change from step 0 under Adam, paired by seed."""
        before = self.pick(series, "adam", value, 0, metric)
        return interval(self.pick(series, "adam", value, step, metric) - before)

    def values(self, series: str, optimizer: str) -> list[float]:
        """Return the values of a series, ascending."""
        rows = self.data
        same = (rows["series"] == series) & (rows["optimizer"] == optimizer)
        return sorted(rows[same]["value"].unique().tolist())


def collect(scale: Scale, seeds: int, results: Mapping[Cell, LabResult]) -> Numbers:
    """Make the long table."""
    import pandas as pd

    rows = []
    for cell, result in results.items():
        head = dict(zip(_KEYS, cell, strict=True))
        rows += [{**head, **record.to_dict()} for record in result.records]
    rows += _shared(scale, rows)
    return Numbers(scale, seeds, pd.DataFrame(rows), results)


def _shared(scale: Scale, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of Adam 1 at n = 8 d again, for the series that they are a point of."""
    base = [row for row in rows if row["series"] == "losses" and row["value"] == 1.0]
    ends = [row for row in base if row["step"] in (0, 10)]
    points = {"noise": 0.3, "samples": float(scale.many), "schedule": 1.0}
    found = [{**row, "series": name, "value": x} for name, x in points.items() for row in ends]
    starts = [row for row in base if row["step"] == 0]  # a schedule starts where all start
    return found + [
        {**row, "series": "schedule", "value": gamma} for gamma in GAMMAS for row in starts
    ]


def with_ridges(numbers: Numbers, found: Mapping[int, list[dict[str, float]]]) -> Numbers:
    """Add the ridge series, measured by its own tasks."""
    import pandas as pd

    rows = [
        {"series": "ridge", "optimizer": "adam", "seed": seed, **row}
        for seed, some in found.items()
        for row in some
    ]
    data = pd.concat([numbers.data, pd.DataFrame(rows)], ignore_index=True)
    return Numbers(numbers.scale, numbers.seeds, data, numbers.results)


#: What the table of the result keeps; these are what pictures and readers need.
KEPT = (
    "alpha_hill", "alpha_excess", "alpha_ks", "ks_tail", "spectral_norm", "outliers", "similarity",
    "subspace_similarity", "kta", "kta_centred", "loss", "readout_train", "readout_test",
    "readout_train_reference", "readout_test_reference", "overlap_left", "overlap_right",
    "overlap_right_before", "block_left", "block_right", "update_stable_rank", "stable_rank",
    "alpha_hat",
)  # fmt: skip


def summary_rows(numbers: Numbers) -> list[dict[str, Any]]:
    """Return mean and interval over seeds of every kept metric, where it was measured."""
    rows = []
    for key, group in numbers.data.groupby(["series", "optimizer", "value", "step"], sort=False):
        for metric in KEPT:
            found = interval(group[metric].to_numpy(dtype=np.float64))
            if found.seeds:
                rows.append(
                    {
                        **dict(zip(("series", "optimizer", "value", "step"), key, strict=True)),
                        "metric": metric,
                        **{
                            name: float(f"{value:.6g}")
                            for name, value in found._asdict().items()
                            if name != "seeds"
                        },
                        "seeds": found.seeds,
                    }
                )
    return rows
