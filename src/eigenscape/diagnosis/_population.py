"""A population: configurations by metrics, with labels from its own grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenscape.diagnosis._fingerprint import Fingerprint
from eigenscape.diagnosis._labels import (
    ACTIONS,
    FIXED,
    Labels,
    check_question,
    label,
    room_for_improvement,
)
from eigenscape.diagnosis._metrics import ABOVE_ZERO, COLUMNS, METRICS, Protocol, Scalar
from eigenscape.errors import InputError
from eigenscape.results import Environment, Result

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Population(Result):
    """Trained configurations over a grid of widths, data amounts and temperatures.

    Make one with :meth:`from_frame`, :meth:`from_rows` or :func:`read_population`. The temperature
    is learning rate over batch size, from those of ``lr`` and ``bs`` that the rows have.

    Args:
        name: what reports call it.
        protocol: how the metrics were measured, item by item; a tree that was fitted here refuses
            metrics that state otherwise.
        columns: name to one value for each configuration; as in ``METRICS``, and the knobs
            ``width``, ``data`` and ``temperature``, ``test_acc`` (%) and four columns of room for
            improvement (points).
        notes: remarks, such as configurations that failed.
        fingerprint: of its networks and their data; None where it was not grown by this package.

    >>> rows = [{"width": 8, "data": 1, "lr": lr, "test_acc": acc, "train_error": 0.0}
    ...         for lr, acc in ((0.1, 60.0), (0.2, 70.0), (0.4, 65.0))]
    >>> Population.from_rows(rows).labels("temperature").tolist()
    ['small', 'optimal', 'large']
    """

    schema: ClassVar[str] = "eigenscape.population/2"
    name: str
    protocol: Protocol
    columns: Mapping[str, NDArray[np.float64]] = field(repr=False)
    notes: tuple[str, ...] = ()
    fingerprint: Fingerprint | None = None

    def __post_init__(self) -> None:
        sizes = {values.shape for values in self.columns.values()}
        if len(sizes) != 1 or len(next(iter(sizes))) != 1:
            raise InputError(f"{self.name}: the columns of a population are of different lengths")
        _check(self.table, self.name)
        needed = ["temperature", *(column for column, _, _ in ACTIONS.values())]
        lost = [n for n in needed if n not in self.columns or np.isnan(self.columns[n]).any()]
        if lost:
            raise InputError(
                f"{self.name} lacks columns {', '.join(lost)}. Try: make it again from its table"
            )
        if not set(self.columns) <= {*COLUMNS, *needed}:
            unknown = ", ".join(sorted(set(self.columns) - {*COLUMNS, *needed}))
            raise InputError(f"{self.name} has unknown columns: {unknown}")

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row for each configuration."""
        import pandas as pd

        return pd.DataFrame(dict(self.columns))

    @cached_property
    def fits(self) -> dict[tuple[object, ...], object]:
        """What was fitted to it, by arguments, so that many models share one cross-validation."""
        return {}

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[Mapping[str, float]],
        *,
        protocol: Mapping[str, Scalar] | None = None,
        name: str = "population",
        notes: Sequence[str] = (),
        fingerprint: Fingerprint | None = None,
    ) -> Self:
        """Make a population from one mapping for each configuration; as :meth:`from_frame`."""
        import pandas as pd

        frame = pd.DataFrame(list(rows))
        return cls.from_frame(
            frame, protocol=protocol, name=name, notes=notes, fingerprint=fingerprint
        )

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        protocol: Mapping[str, Scalar] | None = None,
        name: str = "population",
        notes: Sequence[str] = (),
        fingerprint: Fingerprint | None = None,
    ) -> Self:
        """Make a population from a table; room for improvement is computed from its own grid.

        Args:
            frame: columns ``width``, ``data``, ``test_acc`` (%), ``bs`` or ``lr`` or both, and
                metrics. Other columns are left out.
            protocol: how the metrics were measured.
            name: what reports call it.
            notes: remarks.
            fingerprint: of the networks and their data, where it is known.

        Raises:
            InputError: missing columns, values that are not finite or impossible, or the same
                configuration twice; all of them at once.
        """
        _check(frame, name)
        known = [column for column in COLUMNS if column in frame.columns]
        table = frame[known].astype(np.float64).reset_index(drop=True)
        rate = table["lr"] if "lr" in known else 1.0
        size = table["bs"] if "bs" in known else 1.0
        # equal ratios of different rates and sizes may differ in the last bit
        table["temperature"] = [float(f"{value:.12g}") for value in np.asarray(rate / size)]
        _check_twice(table, name)
        table = table.join(room_for_improvement(table))
        return cls(
            environment=Environment.capture(),
            name=name,
            protocol=dict(protocol or {}),
            columns=_columns(table),
            notes=tuple(notes),
            fingerprint=fingerprint,
        )

    def __len__(self) -> int:
        return len(self.table)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that were measured."""
        return tuple(name for name in METRICS if name in self.table.columns)

    @property
    def seed_noise(self) -> float | None:
        """Standard deviation of the test accuracy over seeds, in points; None if unknown.

        The median of ``test_acc_sd``, divided by what the median of such an estimate from so few
        seeds (``protocol["seeds"]``) is for a true value of 1: 0.674 for two seeds.
        """
        if "test_acc_sd" not in self.table.columns:
            return None
        seeds = self.protocol.get("seeds")
        share = 1.0
        if isinstance(seeds, int) and seeds > 1:
            from scipy.special import gammaincinv

            free = seeds - 1  # the median of chi-squared is 2 gammaincinv(k / 2, 1 / 2)
            share = float(np.sqrt(2 * gammaincinv(free / 2, 0.5) / free))
        return float(self.table["test_acc_sd"].median()) / share

    def labels(self, question: str) -> Labels:
        """Return the label of every configuration, ``"optimal"`` on a tie.

        Raises:
            InputError: an unknown question.
        """
        return label(self.table, question)

    def features(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Return metrics as an array, (configurations, names).

        Raises:
            InputError: naming every metric that is missing or not finite.
        """
        missing = sorted({name for name in names if name not in self.table.columns})
        if missing:
            raise InputError(
                f"{self.name} has no {', '.join(missing)}; it has {', '.join(self.metrics)}. "
                "Try: measure them, or take a tree that does without (variant)"
            )
        values: NDArray[np.float64] = self.table[list(names)].to_numpy(np.float64)
        bad = [
            f"{name} in {count} of {len(self)} rows"
            for name, count in zip(names, (~np.isfinite(values)).sum(axis=0), strict=True)
            if count
        ]
        if bad:
            raise InputError(
                f"{self.name}: not finite: {', '.join(dict.fromkeys(bad))}. "
                "Try: drop those rows, or measure them again"
            )
        return values

    def cells(self, question: str) -> NDArray[np.int64]:
        """Return the cell of every configuration, (configurations,), numbered from 0.

        A cell holds fixed what is not in question: data and width (in that order, ascending) for
        the temperature, data for width against temperature, width for data against temperature.
        """
        check_question(question)
        groups = self.table.groupby(list(FIXED[question]), sort=True).ngroup()
        numbers: NDArray[np.int64] = groups.to_numpy(np.int64)
        return numbers

    def select(self, rows: ArrayLike) -> Self:
        """Return some configurations, with the labels that they have in the whole population.

        Args:
            rows: a mask, (configurations,).

        Raises:
            InputError: the mask leaves nothing.
        """
        mask = np.asarray(rows, dtype=bool)
        if not mask.any():
            raise InputError(f"no configuration of {self.name} is left. Try: widen the selection")
        return replace(self, columns={n: values[mask] for n, values in self.columns.items()})

    def with_table(self, table: pd.DataFrame) -> Self:
        """Return the population with other values: a control, or further columns.

        Args:
            table: as :attr:`table`; its labels follow from the room for improvement in it.

        Raises:
            InputError: no table of a population.
        """
        return replace(self, columns=_columns(table))

    def frame(self) -> pd.DataFrame:
        """Return a copy of the table, with the label for each question."""
        table = self.table.copy()
        for question in FIXED:
            table[f"label_{question}"] = self.labels(question)
        return table


def _columns(table: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    return {str(name): table[name].to_numpy(np.float64) for name in table.columns}


def _check(frame: pd.DataFrame, name: str) -> None:
    problems = []
    missing = [column for column in ("width", "data", "test_acc") if column not in frame.columns]
    if "bs" not in frame.columns and "lr" not in frame.columns:
        missing.append("bs or lr")
    if missing:
        problems.append(f"missing columns: {', '.join(missing)}")
    if not len(frame):
        problems.append("no rows")
    for column in (column for column in COLUMNS if column in frame.columns):
        problems += _column_problems(frame, column)
    if problems:
        raise InputError(f"{name} is not a population: {'; '.join(problems)}")


def _column_problems(frame: pd.DataFrame, column: str) -> list[str]:
    try:
        values = frame[column].to_numpy(np.float64)
    except (TypeError, ValueError) as error:
        return [f"{column} holds a value that is not a number ({error})"]
    known = COLUMNS[column]
    found = []
    needed = column not in METRICS  # a metric may be missing in a row until a tree asks for it
    bad = ~np.isfinite(values) if needed else np.isinf(values)
    if bad.any():
        found.append(f"{column} is not finite in {bad.sum()} rows, first in row {bad.argmax()}")
    outside = np.isfinite(values) & ((values < known.low) | (values > known.high))
    if outside.any():
        seen = ", ".join(f"{value:g}" for value in values[outside][:_SHOWN])
        span = "more than 0" if known.low == ABOVE_ZERO else f"{known.low:g} to {known.high:g}"
        found.append(f"{column} of {seen} in {outside.sum()} rows; expected {span}")
    return found


def _check_twice(table: pd.DataFrame, name: str) -> None:
    twice = table.duplicated(["width", "data", "temperature"])
    if twice.any():
        row = table[twice].iloc[0]
        raise InputError(
            f"{name} has {int(twice.sum())} configurations twice, first width {row['width']:g}, "
            f"data {row['data']:g}, temperature {row['temperature']:g}. "
            "Try: average repeats over seeds before"
        )
