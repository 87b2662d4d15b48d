"""What was measured, and the statistics that the claims rest on: all of them paired by seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError
from eigenscape.stats import Interval, PairedTest, interval, paired_test
from eigenscape_studies._family import Comparison, family
from eigenscape_studies._tables import Rows, column, matching
from eigenscape_studies.tempbalance._plan import BASE, INVERSE, LINEAR, PERMUTED, SIGMOID

Array = NDArray[np.float64]
NRMSE, ACCURACY = "nRMSE", "accuracy"
What = Literal["error", "spread", "gain by amount", "spread by amount"]


class Key(NamedTuple):
    """One comparison of the study.

    Attributes:
        what: of the error, of the spread of alpha, or of how one of them depends on the amount.
        cell: a handle.
        amount: training examples; 0 for all amounts.
        method: a way.
        against: another way; empty for a slope.
    """

    what: What
    cell: str
    amount: int
    method: str
    against: str = BASE


@dataclass(frozen=True)
class Numbers:
    """Every judged run, and those that the rates were tuned by.

    Args:
        cells: name to what the cell is judged by, in order; the first is the main one.
        rows: one for each judged run.
        tuning: one for each tuning run.
        others: one for each run of the main cell at a rate that was not chosen.
        traces: alphas and factors over time of some runs.
        chosen: cell and amount to the learning rate.
    """

    cells: dict[str, str]
    rows: Rows
    tuning: Rows
    others: Rows
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

    def sign(self, cell: str) -> int:
        """Return 1 where larger is better, -1 where smaller is."""
        return 1 if self.cells[cell] == ACCURACY else -1

    def fewest(self, cells: Iterable[str]) -> int:
        """Return the smallest number of seeds among the amounts of some cells."""
        runs = [
            self.mean(cell, amount, method).seeds
            for cell in cells
            for amount in self.amounts(cell)
            for method in self.methods(cell, amount)
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

    def methods(self, cell: str, amount: int) -> list[str]:
        """Return the ways of a cell at an amount, in the order in which they were run."""
        return list(dict.fromkeys(row["method"] for row in self._runs(cell, amount)))

    def changes(self, cell: str, amount: int, method: str) -> Array:
        """Return the change against base, seed by seed: of the nRMSE in percent, or in points."""
        mine, base = paired(self._runs(cell, amount), method, "value")
        return mine - base if self.cells[cell] == ACCURACY else percent(mine, base)

    def spread_changes(self, cell: str, amount: int, method: str) -> Array:
        """Return the change of the spread of alpha against base, seed by seed, in percent."""
        return percent(*paired(self._runs(cell, amount), method, "spread"))

    def mean(self, cell: str, amount: int, method: str, name: str = "value") -> Interval:
        """Return the mean of a column with its interval."""
        return interval(column(self._runs(cell, amount), name, method=method))

    def _runs(self, cell: str, amount: int) -> Rows:
        return matching(self.rows, cell=cell, amount=amount)

    # --- the family ------------------------------------------------------------------------------

    @cached_property
    def family(self) -> dict[Key, Comparison]:
        """Every comparison of the study, with Holm over all of them."""
        return family(dict(self._tests()))

    def _tests(self) -> Iterator[tuple[Key, PairedTest]]:
        for cell in self.cells:
            for amount in self.amounts(cell):
                for method in self.methods(cell, amount):
                    if method == BASE:
                        continue
                    yield (
                        Key("error", cell, amount, method),
                        _tested(self.changes(cell, amount, method)),
                    )
                    yield (
                        Key("spread", cell, amount, method),
                        _tested(self.spread_changes(cell, amount, method)),
                    )
            yield self._ahead(cell, min(self.amounts(cell)), LINEAR)
            gains, spreads = self.gain_lines(cell), self._spread_lines(cell)
            yield Key("gain by amount", cell, 0, SIGMOID, ""), _tested(gains[:, 0])
            yield Key("spread by amount", cell, 0, BASE, ""), _tested(spreads[:, 0])
        for other in (INVERSE, PERMUTED):
            yield self._ahead(*self.main, other)

    def _ahead(self, cell: str, amount: int, other: str) -> tuple[Key, PairedTest]:
        """Return how much more TB-sigmoid gains over base than another way, seed by seed."""
        gaps = self.changes(cell, amount, SIGMOID) - self.changes(cell, amount, other)
        return Key("error", cell, amount, SIGMOID, other), _tested(self.sign(cell) * gaps)

    def change(self, cell: str, amount: int, method: str) -> Comparison:
        """Return the change of the error, or of the accuracy, against base."""
        return self.family[Key("error", cell, amount, method)]

    def moved(self, cell: str, amount: int, method: str) -> str:
        """Write down :meth:`change` in the unit of the cell."""
        return self.change(cell, amount, method).words(self.unit(cell))

    def better(self, cell: str, amount: int, method: str) -> bool:
        """Return whether a way is better than base after Holm."""
        found = self.change(cell, amount, method)
        return found.above if self.sign(cell) > 0 else found.below

    def ahead(self, cell: str, amount: int, other: str) -> Comparison:
        """Return by how much TB-sigmoid is better than another way; positive is better."""
        return self.family[Key("error", cell, amount, SIGMOID, other)]

    def spread(self, cell: str, amount: int, method: str) -> Comparison:
        """Return the change of the spread of alpha against base, in percent."""
        return self.family[Key("spread", cell, amount, method)]

    # --- slopes ----------------------------------------------------------------------------------

    def gain_lines(self, cell: str) -> Array:
        """Return :meth:`_lines` of TB-sigmoid's gain."""
        sign = self.sign(cell)
        return self._lines(cell, lambda amount: sign * self.changes(cell, amount, SIGMOID))

    def _spread_lines(self, cell: str) -> Array:
        """Return :meth:`_lines` of the spread of base."""
        return self._lines(
            cell, lambda amount: column(self._runs(cell, amount), "spread", method=BASE)
        )

    def _lines(self, cell: str, values_at: Callable[[int], Array]) -> Array:
        """Return slope and start over the binary logarithm of the amount, a row for each seed.

        One line for each seed with every amount: the runs of a seed share their data and, where
        one is fine-tuned, the pretrained network, so they are no independent points of one line.
        """
        amounts = self.amounts(cell)
        known = {
            amount: dict(zip(self._seeds(cell, amount), values_at(amount), strict=True))
            for amount in amounts
        }
        both = [
            seed
            for seed in known[amounts[0]]
            if all(np.isfinite(known[amount].get(seed, np.nan)) for amount in amounts)
        ]
        if len(amounts) < 2 or not both:
            return np.empty((0, 2))
        values = np.array([[known[amount][seed] for seed in both] for amount in amounts])
        lines: Array = np.polyfit(np.log2(amounts), values, 1).T
        return lines

    def _seeds(self, cell: str, amount: int) -> list[int]:
        return sorted(row["seed"] for row in matching(self._runs(cell, amount), method=BASE))

    # --- the other rates -------------------------------------------------------------------------

    def curve(self) -> Rows:
        """Return, for each rate of the main cell, base, and what the ways change.

        At the chosen rate all judged seeds count, at the others the few that were trained there.
        Intervals stand for themselves: these are not of the family.
        """
        runs = [*self._runs(*self.main), *self.others]
        chosen = self.chosen[self.main]
        best = {row["seed"]: row["value"] for row in matching(runs, method=BASE, rate=chosen)}
        rows: Rows = []
        for rate in sorted({row["rate"] for row in runs}):
            part = matching(runs, rate=rate)
            base = matching(part, method=BASE)
            found = {
                "base": interval(column(base, "value")),
                "base against the chosen rate": interval(
                    percent(column(base, "value"), np.array([best[row["seed"]] for row in base]))
                ),
                "base spread": interval(column(base, "spread")),
            }
            for method in dict.fromkeys(row["method"] for row in self.others):
                if method != BASE:
                    for name, word in (("value", "change"), ("spread", "spread change")):
                        pair = paired(part, method, name)
                        found[f"{method} {word}"] = interval(percent(*pair))
            rows += [
                {"rate": rate, "chosen": rate == chosen, "what": what} | one._asdict()
                for what, one in found.items()
            ]
        return rows

    def diverged(self) -> int:
        """Return how many judged trainings diverged."""
        return sum(bool(row["diverged"]) for row in self.rows)


def paired(rows: Rows, method: str, name: str, other: str = BASE) -> tuple[Array, Array]:
    """Return a column of two ways, by the seeds that both have."""
    mine, theirs = (
        {row["seed"]: float(row[name]) for row in matching(rows, method=way)}
        for way in (method, other)
    )
    both = sorted(set(mine) & set(theirs))
    first, second = (np.array([known[seed] for seed in both], float) for known in (mine, theirs))
    return first, second


def percent(mine: Array, base: Array) -> Array:
    """Return the change of each against its base, in percent."""
    return 100 * (mine / base - 1)


def _tested(changes: Array) -> PairedTest:
    return paired_test(changes, np.zeros_like(changes))


def tables(numbers: Numbers) -> dict[str, Rows]:
    """Return the runs, every comparison, the lines, the tuning and the other rates."""
    return {
        "runs": numbers.rows,
        "comparisons": [
            {**key._asdict(), **found._asdict()} for key, found in numbers.family.items()
        ],
        "lines": [
            {
                "cell": cell,
                "start": interval(numbers.gain_lines(cell)[:, 1]).mean,
                **numbers.family[Key("gain by amount", cell, 0, SIGMOID, "")]._asdict(),
            }
            for cell in numbers.cells
        ],
        "tuning": numbers.tuning,
        "rates": [
            {"cell": cell, "amount": amount, "rate": rate, "chosen": rate == chosen}
            | found._asdict()
            for (cell, amount), chosen in numbers.chosen.items()
            for rate, found in tuning_scores(
                matching(numbers.tuning, cell=cell, amount=amount), numbers.cells[cell]
            ).items()
        ],
        "other runs": numbers.others,
        "curve": numbers.curve(),
        "traces": numbers.traces,
    }


def tuning_scores(rows: Rows, measure: str) -> dict[float, Interval]:
    """Return, for one cell and amount, each rate's mean over the tuning seeds.

    Of the accuracy; of the nRMSE the natural logarithm, so that every seed counts alike however
    hard its data are. A rate that diverges on a seed has no mean.
    """
    scores = {}
    for rate in sorted({row["rate"] for row in rows}):
        values = column(rows, "value", rate=rate)
        told = values if measure == ACCURACY else np.log(values)
        scores[rate] = interval(told if np.isfinite(told).all() else [])
    return scores


def choose(rows: Rows, cells: dict[str, str]) -> dict[tuple[str, int], float]:
    """Return the best rate for each cell and amount; the smallest where several are equal.

    Raises:
        InputError: every rate of a cell diverged.
    """
    chosen = {}
    for cell, amount in dict.fromkeys((row["cell"], row["amount"]) for row in rows):
        scores = tuning_scores(matching(rows, cell=cell, amount=amount), cells[cell])
        known = {rate: found.mean for rate, found in scores.items() if found.seeds}
        if not known:
            raise InputError(f"{cell}, {amount} examples: every rate diverged on a tuning seed")
        sign = 1 if cells[cell] == ACCURACY else -1
        chosen[cell, amount] = max(known, key=lambda rate: (sign * known[rate], -rate))
    return chosen
