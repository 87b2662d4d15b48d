"""What was measured, and the statistics that the claims rest on: all of them paired by seed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigenscape.stats import Interval, Line, fit_line, interval
from eigenscape_studies import signed
from eigenscape_studies._tables import Rows, matching
from eigenscape_studies.tempbalance._plan import BASE, FACTORS, TUNED

Array = NDArray[np.float64]
NRMSE, ACCURACY = "nRMSE", "accuracy"


@dataclass(frozen=True)
class Numbers:
    """Every judged run, and those that the rates were tuned by.

    Args:
        cells: name to what the cell is judged by, in order; the first is the main one.
        rows: one for each judged run.
        tuning: one for each tuning run.
        traces: alphas and factors over time of some runs.
        chosen: cell and amount to the factor of the tuned rate.
    """

    cells: dict[str, str]
    rows: Rows
    tuning: Rows
    traces: Rows
    chosen: dict[tuple[str, int], float]

    @property
    def main(self) -> tuple[str, int]:
        """The main cell and its smallest amount."""
        name = next(iter(self.cells))
        return name, min(self.amounts(name))

    def unit(self, cell: str) -> str:
        """Return the unit of a change: percent of the nRMSE, or points of accuracy."""
        return " points" if self.cells[cell] == ACCURACY else " %"

    def fewest(self, cells: Iterable[str]) -> int:
        """Return the smallest number of seeds among the amounts of some cells."""
        runs = [
            self.mean(cell, amount, method).seeds
            for cell in cells
            for amount in self.amounts(cell)
            for method in self.methods(cell)
        ]
        return min(runs, default=0)

    def listed(self) -> str:
        """List the amounts of every cell."""
        return "; ".join(f"{cell} {', '.join(map(str, self.amounts(cell)))}" for cell in self.cells)

    def of_measure(self, measure: str) -> list[str]:
        """Return the cells that are judged by a measure."""
        return [name for name, own in self.cells.items() if own == measure]

    def amounts(self, cell: str) -> list[int]:
        """Return the amounts of a cell, ascending."""
        return sorted({row["amount"] for row in self.rows if row["cell"] == cell})

    def methods(self, cell: str) -> list[str]:
        """Return the ways of a cell, in the order in which they were run."""
        return list(dict.fromkeys(row["method"] for row in self.rows if row["cell"] == cell))

    def by_seed(self, cell: str, amount: int, method: str, column: str) -> dict[int, float]:
        """Return seed to a number of its run."""
        rows = matching(self.rows, cell=cell, amount=amount, method=method)
        return {row["seed"]: float(row[column]) for row in rows}

    def _pairs(
        self, cell: str, amount: int, method: str, column: str, other: str = BASE
    ) -> tuple[Array, Array]:
        mine = self.by_seed(cell, amount, method, column)
        theirs = self.by_seed(cell, amount, other, column)
        both = sorted(set(mine) & set(theirs))
        pair = ([numbers[seed] for seed in both] for numbers in (mine, theirs))
        first, second = (np.array(values, dtype=np.float64) for values in pair)
        return first, second

    def changes(self, cell: str, amount: int, method: str) -> Array:
        """Return the change against base, seed by seed: of the nRMSE in percent, or in points."""
        mine, base = self._pairs(cell, amount, method, "value")
        return mine - base if self.cells[cell] == ACCURACY else 100 * (mine / base - 1)

    def gains(self, cell: str, amount: int, method: str) -> Array:
        """Return by how much it is better than base: percent less nRMSE, or points more."""
        return self._sign(cell) * self.changes(cell, amount, method)

    def _sign(self, cell: str) -> int:
        return 1 if self.cells[cell] == ACCURACY else -1

    def change(self, cell: str, amount: int, method: str) -> Interval:
        """Return the mean change against base with its interval."""
        return interval(self.changes(cell, amount, method))

    def moved(self, cell: str, amount: int, method: str) -> str:
        """Write the mean change down, in the unit of the cell."""
        return signed(self.change(cell, amount, method), self.unit(cell))

    def gain(self, cell: str, amount: int, method: str) -> Interval:
        """Return the mean gain over base with its interval."""
        return interval(self.gains(cell, amount, method))

    def ahead(self, cell: str, amount: int, method: str, other: str) -> Interval:
        """Return how much more one way gains over base than another, seed by seed."""
        return interval(self.gains(cell, amount, method) - self.gains(cell, amount, other))

    def ratios(self, cell: str, amount: int, method: str) -> Array:
        """Return the spread of alpha over that of base, seed by seed."""
        mine, base = self._pairs(cell, amount, method, "spread")
        return mine / base

    def ratio(self, cell: str, amount: int, method: str) -> Interval:
        """Return the mean of :meth:`ratios` with its interval."""
        return interval(self.ratios(cell, amount, method))

    def mean(self, cell: str, amount: int, method: str, column: str = "value") -> Interval:
        """Return the mean of a column with its interval."""
        return interval(list(self.by_seed(cell, amount, method, column).values()))

    def line(self, cell: str, method: str) -> Line:
        """Return the line of the gain over the binary logarithm of the amount, over all runs."""
        return self._line(cell, lambda amount: self.gains(cell, amount, method))

    def spread_line(self, cell: str) -> Line:
        """Return the line of the spread of base over the binary logarithm of the amount."""
        return self._line(
            cell, lambda amount: list(self.by_seed(cell, amount, BASE, "spread").values())
        )

    def _line(self, cell: str, values_at: Any) -> Line:
        x, y = [], []
        for amount in self.amounts(cell):
            values = values_at(amount)
            x += [np.log2(amount)] * len(values)
            y += list(values)
        return fit_line(x, y)

    def _own(self) -> Rows:
        """The judged runs; those of base that stand in for the tuned rate are left out."""
        return [row for row in self.rows if row["method"] != TUNED or row["factor"] != 1]

    def trainings(self) -> int:
        """Return how many trainings were judged."""
        return len(self._own())

    def diverged(self) -> int:
        """Return how many judged trainings diverged."""
        return sum(bool(row["diverged"]) for row in self._own())

    def summaries(self, kind: str) -> Rows:
        """Return changes, or ratios of the spread, of every way in every cell at every amount."""
        compute = {"changes": self.change, "ratios": self.ratio}[kind]
        return [
            {"cell": cell, "amount": amount, "method": method}
            | compute(cell, amount, method)._asdict()
            for cell in self.cells
            for amount in self.amounts(cell)
            for method in self.methods(cell)
            if method != BASE
        ]


def tables(numbers: Numbers) -> dict[str, Rows]:
    """Return the runs, and changes, ratios and lines of every way in every cell."""
    return {
        "runs": numbers.rows,
        "tuning": numbers.tuning,
        "changes": numbers.summaries("changes"),
        "ratios": numbers.summaries("ratios"),
        "lines": [
            {"cell": cell, "method": method, **numbers.line(cell, method)._asdict()}
            for cell in numbers.cells
            for method in numbers.methods(cell)
            if method != BASE
        ],
        "traces": numbers.traces,
    }


def tuning_scores(rows: Rows, measure: str) -> dict[float, float]:
    """Return, for one cell and amount, each factor's mean gain over the base rate.

    A rate that diverges on a seed is worse than all others.
    """
    sign = 1 if measure == ACCURACY else -1
    base = {row["seed"]: row["value"] for row in rows if row["factor"] == 1}
    scores = {}
    for factor in FACTORS:
        found = [(row["value"], base[row["seed"]]) for row in rows if row["factor"] == factor]
        gains = [
            sign * ((mine - theirs) if measure == ACCURACY else 100 * (mine / theirs - 1))
            for mine, theirs in found
        ]
        scores[factor] = float(np.mean(gains)) if np.isfinite(gains).all() else -np.inf
    return scores


def choose(rows: Rows, cells: dict[str, str]) -> dict[tuple[str, int], float]:
    """Return the best factor for each cell and amount; the base rate where two are equal."""
    chosen = {}
    for cell, amount in dict.fromkeys((row["cell"], row["amount"]) for row in rows):
        scores = tuning_scores(matching(rows, cell=cell, amount=amount), cells[cell])
        chosen[cell, amount] = max(FACTORS, key=lambda factor: (scores[factor], factor == 1))
    return chosen


def with_tuned(
    rows: Rows, tuned: Iterable[dict[str, Any]], chosen: dict[tuple[str, int], float]
) -> Rows:
    """Add the runs at the tuned rates; where that is the base rate, they are those of base."""
    again = [
        row
        for row in rows
        if row["method"] == BASE and chosen.get((row["cell"], row["amount"])) == 1
    ]
    return [*rows, *({**row, "method": TUNED} for row in [*again, *tuned])]
