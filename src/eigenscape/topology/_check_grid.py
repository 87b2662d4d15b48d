"""Check whether minima can be counted on a grid of losses: a report with evidence and remedies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenscape.results import Environment, Result
from eigenscape.topology import _suspicions as suspicion
from eigenscape.topology._grid import grid_values
from eigenscape.topology._result import LARGEST_STORED
from eigenscape.topology._suspicions import Suspicion
from eigenscape.topology._topology_findings import grid_answer, grid_findings

if TYPE_CHECKING:
    import pandas as pd

    from eigenscape.results import Finding

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class GridReport(Result):
    """What :func:`check_grid` found.

    Args:
        source: where the grid came from.
        shape: samples along each axis.
        suspicions: faults first.
        values: the grid, None where a reloaded report was too large to hold it.
    """

    schema: ClassVar[str] = "eigenscape.grid_report/1"
    also_written: ClassVar[tuple[str, ...]] = ("n_faults",)
    source: str
    shape: tuple[int, ...]
    suspicions: tuple[Suspicion, ...]
    values: FloatArray | None = field(
        default=None, repr=False, metadata={"largest": LARGEST_STORED}
    )

    @property
    def faults(self) -> tuple[Suspicion, ...]:
        """The findings that make counts on this grid misleading."""
        return tuple(item for item in self.suspicions if item.severity == "fault")

    @property
    def n_faults(self) -> int:
        """How many there are."""
        return len(self.faults)

    @property
    def answer(self) -> str:
        """How many faults and notes there are, and whether minima may be counted."""
        return grid_answer(self)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The suspicions with their remedies, faults first."""
        return grid_findings(self)

    def frame(self) -> pd.DataFrame:
        """Return one row for each finding."""
        import pandas as pd

        rows = [(item.severity, item.name, item.sentence, item.remedy) for item in self.suspicions]
        return pd.DataFrame(rows, columns=["severity", "finding", "sentence", "remedy"])


def check_grid(
    values: ArrayLike,
    axes: Sequence[ArrayLike] | None = None,
    *,
    source: str = "array",
) -> GridReport:
    """Look for the faults that make minima appear on a grid where the loss has none.

    Args:
        values: the losses, n-D.
        axes: coordinates of the samples, one array for each axis.
        source: a name for the report.

    Raises:
        InputError: no grid of real numbers.

    What is checked: NaN and infinities; a constant; duplicated slices; a zig-zag sampler; minima
    that are rounding; a loss at chance level; axes that contradict the shape; a grid that does not
    hold, or is not centred on, the trained model.

    >>> x = np.linspace(-1, 1, 11)
    >>> check_grid(x[:, None] ** 2 + x**2, (x, x)).suspicions
    ()
    """
    array = grid_values(values, source)
    found: list[Suspicion | None] = [
        suspicion.not_finite(array),
        suspicion.constant(array),
        *suspicion.duplicated(array),
        suspicion.zigzag(array),
        suspicion.noise_floor(array),
        suspicion.chance_level(array),
    ]
    coordinates = None
    if axes is not None:
        given = [np.asarray(axis, dtype=np.float64).ravel() for axis in axes]
        wrong = suspicion.axes_fit(array, given)
        found.append(wrong)
        if wrong is None:
            coordinates = given
            found += suspicion.spacing(given)
    if not any(item and item.name == "constant" for item in found):
        found += suspicion.centre(array, coordinates)
    findings = [item for item in found if item is not None]
    findings.sort(key=lambda item: item.severity)  # "fault" before "note"
    return GridReport(
        environment=Environment.capture(),
        source=source,
        shape=array.shape,
        suspicions=tuple(findings),
        values=array,
    )
