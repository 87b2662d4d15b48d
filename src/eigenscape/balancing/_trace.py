"""The trace of a balanced training: metrics and factors over time."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from eigenscape.errors import InputError, OutputError
from eigenscape.results import Result

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class TraceRow:
    """One layer at one update.

    Args:
        step: calls of ``step`` before the update.
        name: the layer.
        group: who shares the factor.
        value: the metric as measured; NaN where it has none.
        average: its running mean, which decides; NaN where there is none yet.
        factor: what the base rate is multiplied by from now on.
        fresh: measured at this update, not carried over.
        note: why there is no value, or why the factors were kept.
    """

    step: int
    name: str
    group: str
    value: float
    average: float
    factor: float
    fresh: bool = True
    note: str = ""


HEADER = tuple(f.name for f in fields(TraceRow))


@dataclass(frozen=True, kw_only=True)
class BalancingTrace(Result):
    """Metric and factor of every balanced layer at every update.

    Get one from :meth:`eigenscape.balancing.TempBalance.trace`.

    Args:
        options: of the balancing.
        rows: by update, then in the order of the network.
        left_out: the layers at the base rate, each with its reason.
        seconds: spent on the updates.
        overhead: seconds spent for each second of the rest of the training.
        applied: whether the optimizer used the factors (no dry run).
    """

    schema: ClassVar[str] = "eigenscape.balancing_trace/1"
    options: Mapping[str, Any]
    applied: bool = True
    seconds: float = 0.0
    overhead: float = 0.0
    left_out: Mapping[str, str]
    rows: tuple[TraceRow, ...]

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps of the updates."""
        return tuple(dict.fromkeys(row.step for row in self.rows))

    def spread(self) -> dict[int, float]:
        """Return the standard deviation of the metric over the layers, by step.

        It is what balancing is meant to shrink (Liu et al. 2024, section 4.4); n in the
        denominator, layers without a value left out.
        """
        found = {}
        for step in self.steps:
            values = [
                row.value for row in self.rows if row.step == step and math.isfinite(row.value)
            ]
            mean = math.fsum(values) / len(values) if values else math.nan
            squares = math.fsum((value - mean) ** 2 for value in values)
            found[step] = math.sqrt(squares / len(values)) if values else math.nan
        return found

    def frame(self) -> pd.DataFrame:
        """Return one row for each layer and update."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows], columns=list(HEADER))


def check_file(path: Path) -> None:
    """Refuse a file that other columns were written to.

    Raises:
        InputError: it is a folder, or such a file.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; expected a file to append rows to")
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open(newline="", encoding="utf-8") as handle:
        if tuple(next(csv.reader(handle), ())) != HEADER:
            raise InputError(
                f"{path} has other columns than a trace; expected {', '.join(HEADER)}. "
                "Try: choose another file"
            )


def append(path: Path, rows: Sequence[TraceRow]) -> None:
    """Append rows to a CSV file, with a header where it is new.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle)
            if handle.tell() == 0:
                writer.writerow(HEADER)
            writer.writerows(asdict(row).values() for row in rows)
    except OSError as error:
        raise OutputError(f"could not append to {path}: {error.strerror or error}") from error
