"""The study's measurements as one long table, and how claims read from it: means, thresholds."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from eigenscape.stats import Interval, interval, paired_test
from eigenscape.theory import FirstStep, first_step, spike_strength
from eigenscape_studies._family import Comparison, family
from eigenscape_studies._tables import Rows, rounded
from eigenscape_studies.heavy_tails._plan import SHOWN, Cell, HeavyTailsPlan
from eigenscape_studies.laboratory import LabResult, link_moments

if TYPE_CHECKING:
    import pandas as pd

Key = TypeVar("Key", bound=Hashable)

#: A spike below this multiple of the threshold is too close to the edge to be read off exactly.
_CLEAR = 1.6


@dataclass(frozen=True)
class Numbers:
    """Everything measured.

    Args:
        plan: sizes and seeds.
        data: one row for each experiment and step, with the columns of a step record.
        results: the experiments themselves.
        maps: squared overlaps of leading vectors, step by step.
    """

    plan: HeavyTailsPlan
    data: pd.DataFrame
    results: Mapping[Cell, LabResult]
    maps: Rows

    @property
    def null(self) -> float:
        """PL_Alpha_Hill of a random matrix of the study's shape."""
        return float(self.data["alpha_null"].dropna().iloc[0])

    def pick(
        self, series: str, optimizer: str, value: float, step: int, metric: str
    ) -> NDArray[np.float64]:
        """Return one value for each seed, in the order of the seeds; NaN where a run had ended."""
        rows = self.data
        same = (rows["series"] == series) & (rows["optimizer"] == optimizer)
        same &= np.isclose(rows["value"], value) & (rows["step"] == step)
        by_seed = rows[same].set_index("seed")[metric]
        found: NDArray[np.float64] = by_seed.reindex(self.plan.seeds).to_numpy(dtype=np.float64)
        return found

    def mean(self, series: str, optimizer: str, value: float, step: int, metric: str) -> Interval:
        """Return mean and interval over seeds."""
        return interval(self.pick(series, optimizer, value, step, metric))

    def change(self, series: str, value: float, step: int, metric: str) -> Interval:
        """Return the change from step 0 under Adam, paired by seed."""
        return interval(self.moved(series, "adam", value, step, metric))

    def moved(
        self, series: str, optimizer: str, value: float, step: int, metric: str, start: int = 0
    ) -> NDArray[np.float64]:
        """Return the change from one step to another, seed by seed."""
        before = self.pick(series, optimizer, value, start, metric)
        return self.pick(series, optimizer, value, step, metric) - before

    def values(self, series: str, optimizer: str) -> list[float]:
        """Return the values of a series, ascending."""
        rows = self.data
        same = (rows["series"] == series) & (rows["optimizer"] == optimizer)
        return sorted(rows[same]["value"].unique().tolist())

    def theory(self, optimizer: str) -> FirstStep:
        """Return the first step of an optimizer at the sizes of the study's spectra."""
        plan = self.plan
        return first_step(optimizer, plan.few, plan.d, plan.h, link_moments("softplus"))

    def threshold(self, optimizer: str) -> Interval:
        """Return mean and interval of :meth:`thresholds`."""
        return interval(self.thresholds(optimizer))

    def thresholds(self, optimizer: str) -> NDArray[np.float64]:
        r"""Return the threshold that the measured spikes of each seed imply.

        A clear spike at s gives the planted strength :math:`\theta` by inverting the BBP formula,
        and :math:`\theta = \eta\,\sigma_1(S) - u^T W v` is a straight line in the learning rate;
        the line reaches :math:`(h d)^{1/4}` at the threshold.
        """
        theory = self.theory(optimizer)
        h, d = theory.shape
        n, m = min(h, d), max(h, d)
        multiples = [x for x in self.values("threshold", optimizer) if x >= _CLEAR]
        tops = {x: self.pick("threshold", optimizer, x, 1, "spectral_norm") for x in multiples}
        rates = [x * theory.threshold for x in multiples]
        found = []
        for place in range(len(self.plan.seeds)):
            strengths = [
                math.sqrt(m) * spike_strength(float(tops[x][place]) ** 2 / m, n / m)
                for x in multiples
            ]
            slope, start = np.polyfit(rates, strengths, 1)
            found.append(((h * d) ** 0.25 - start) / slope)
        return np.array(found)


def differences(found: Mapping[Key, NDArray[np.float64]]) -> dict[Key, Comparison]:
    """Return paired differences, one value a seed, with Holm over those given together."""
    return family({key: paired_test(gap, np.zeros_like(gap)) for key, gap in found.items()})


def picked(cells: Mapping[Key, NDArray[np.float64]], *, largest: bool) -> list[Key]:
    """Return, for each seed, the cell that is best on the mean of the other seeds.

    Whatever is then measured at it on the seed itself is free of the choice.

    >>> cells = {"a": np.array([1.0, 1.0, 1.0]), "b": np.array([9.0, 0.0, 0.0])}
    >>> picked(cells, largest=True)
    ['a', 'b', 'b']
    """
    sign = 1 if largest else -1
    found = []
    for seed in range(len(next(iter(cells.values())))):
        others = {key: float(np.nanmean(np.delete(cells[key], seed))) for key in cells}
        found.append(max(others, key=lambda key, others=others: sign * others[key]))  # type: ignore[misc]
    return found


#: What the table of the result keeps; these are what pictures and readers need.
KEPT = (
    *("alpha_hill", "alpha_excess", "alpha_ks", "ks_tail", "spectral_norm", "outliers"),
    *("similarity", "subspace_similarity", "kta", "kta_centred", "loss", "readout_train"),
    *("readout_test", "readout_train_reference", "readout_test_reference", "overlap_left"),
    *("overlap_right", "overlap_right_before", "block_left", "block_right"),
    *("update_stable_rank", "stable_rank", "alpha_hat"),
)


def tables(numbers: Numbers) -> dict[str, Rows]:
    """Return the tables of the study."""
    plan = numbers.plan
    return {
        "summary": _summary(numbers),
        "spectra": _spectra(numbers),
        "overlap_maps": numbers.maps,
        "theory": [
            {"optimizer": name, **numbers.theory(name)._asdict()} for name in ("adam", "gd")
        ],
        "stopped": [
            {"experiment": cell.name, "reason": result.stopped}
            for cell, result in numbers.results.items()
            if result.stopped
        ],
        "sizes": [{"d": plan.d, "h": plan.h, "few": plan.few, "many": plan.many}],
    }


def _spectra(numbers: Numbers) -> Rows:
    plan, rows = numbers.plan, []
    for optimizer, rate in SHOWN:
        value = plan.rate(optimizer, rate)
        spectra = numbers.results[Cell("paths", optimizer, value, plan.seeds[0])].spectra
        place = {"optimizer": optimizer, "rate": value}
        rows += [
            place | {"step": step, "eigenvalues": rounded(spectra[step])}
            for step in (0, 1, 2, 3, 5, 10)
            if step in spectra
        ]
    return rows


def _summary(numbers: Numbers) -> Rows:
    """Return mean and interval over seeds of every kept metric, where it was measured."""
    rows, keys = [], ("series", "optimizer", "value", "step")
    for key, group in numbers.data.groupby(list(keys), sort=False):
        for metric in KEPT:
            found = interval(group[metric].to_numpy(dtype=np.float64))
            if not found.seeds:
                continue
            limits = {name: rounded(getattr(found, name), 6) for name in ("mean", "low", "high")}
            place = dict(zip(keys, key, strict=True))
            rows.append({**place, "metric": metric, **limits, "seeds": found.seeds})
    return rows
