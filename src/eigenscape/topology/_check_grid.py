"""Is a grid of losses fit to count minima on? A report with evidence and mends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenscape.errors import InputError
from eigenscape.results import PALETTE, Environment, Result, new_figure
from eigenscape.topology import _check_findings as suspicion
from eigenscape.topology._check_findings import Finding
from eigenscape.topology._grid import grid_values
from eigenscape.topology._grid_store import stored, unstored

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class GridReport(Result):
    """What :func:`check_grid` found.

    Args:
        source: where the grid came from.
        shape: samples along each axis.
        findings: faults first.
        values: the grid, None where a reloaded report was too large to hold it.
    """

    schema: ClassVar[str] = "eigenscape.grid_report/1"
    source: str
    shape: tuple[int, ...]
    findings: tuple[Finding, ...]
    values: FloatArray | None = field(default=None, repr=False)

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that make counts on this grid misleading."""
        return tuple(item for item in self.findings if item.severity == "fault")

    def payload(self) -> dict[str, Any]:
        """Return everything but schema and environment."""
        return {
            "source": self.source,
            "shape": self.shape,
            "faults": len(self.faults),
            "findings": self.findings,
            "values": stored(self.values),
        }

    @classmethod
    def from_payload(cls, data: dict[str, Any], environment: Environment) -> Self:
        """Rebuild from :meth:`payload`."""
        shape = tuple(data["shape"])
        return cls(
            environment=environment,
            source=data["source"],
            shape=shape,
            findings=tuple(Finding(**item) for item in data["findings"]),
            values=unstored(data["values"], shape),
        )

    def frame(self) -> pd.DataFrame:
        """Return one row for each finding."""
        import pandas as pd

        rows = [(item.severity, item.name, item.sentence, item.mend) for item in self.findings]
        return pd.DataFrame(rows, columns=["severity", "finding", "sentence", "mend"])

    def plot(self) -> Figure:
        """Draw the grid beside the findings; of more than two axes, the slice through the minimum.

        Raises:
            InputError: reloaded from a file that was too large to hold the values.
        """
        if self.values is None:
            raise InputError(
                f"{self.source} has {np.prod(self.shape):,} samples, too many to be kept in the "
                "file. Mend: check the grid again and plot that report"
            )
        figure = new_figure(10, 4)
        left, right = figure.subplots(1, 2)
        _draw_slice(left, self.values)
        right.set_axis_off()
        right.set_title(f"{len(self.faults)} fault(s), {len(self.findings)} finding(s)", fontsize=9)
        lines = [
            f"{item.severity}: {item.name}\n   {_wrap(item.sentence)}" for item in self.findings
        ]
        right.text(0, 1, "\n".join(lines) or "nothing found", va="top", fontsize=7.5)
        return figure


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

    The suspicions: NaN and infinities; a constant; duplicated slices; a zig-zag sampler; minima
    that are rounding; a loss at chance level; axes that contradict the shape; a grid that does not
    hold, or is not centred on, the trained model.

    >>> x = np.linspace(-1, 1, 11)
    >>> check_grid(x[:, None] ** 2 + x**2, (x, x)).findings
    ()
    """
    array = grid_values(values, source)
    found: list[Finding | None] = [
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
        findings=tuple(findings),
        values=array,
    )


def _draw_slice(axes: Any, values: FloatArray) -> None:
    masked = np.ma.masked_invalid(values)
    if values.ndim == 1:
        axes.plot(masked, color=PALETTE["blue"], marker=".")
        axes.set(xlabel="sample along axis 0", ylabel="loss", title="Grid")
        return
    place = np.unravel_index(int(np.argmin(masked.filled(np.inf))), values.shape)
    key: tuple[Any, ...] = (slice(None), slice(None), *place[2:])
    plane = masked[key]
    axes.set_facecolor(PALETTE["grey"])
    drawn = axes.pcolormesh(plane.T, cmap="Blues_r")
    title = (
        "Grid" if values.ndim == 2 else f"Axes 0 and 1 through the lowest loss ({values.ndim}-D)"
    )
    axes.set(xlabel="sample along axis 0", ylabel="sample along axis 1")
    axes.set_title(title, fontsize=9)
    axes.figure.colorbar(drawn, ax=axes, label="loss (dark: low; grey: not finite)")


def _wrap(text: str) -> str:
    import textwrap

    return "\n   ".join(textwrap.wrap(text, 74))
