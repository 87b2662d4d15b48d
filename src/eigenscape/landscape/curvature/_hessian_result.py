"""The result of an examination of the curvature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from eigenscape.errors import InputError
from eigenscape.landscape.curvature._density import SpectralDensity
from eigenscape.landscape.curvature._hessian_findings import hessian_answer, hessian_findings
from eigenscape.landscape.curvature._trace import GroupTrace
from eigenscape.models import Matrix
from eigenscape.results import Finding, Result

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class HessianResult(Result):
    """The curvature of a loss at one point: extreme eigenvalues, trace, density.

    Args:
        top_eigenvalues: the largest, descending.
        residuals: of those, ``||H v - lambda v|| / |lambda|``.
        smallest_eigenvalues: the most negative, ascending; empty unless both ends were asked for.
        smallest_residuals: of those.
        hessian_trace: the estimate of the trace.
        trace_stderr: its standard error.
        matrix: ``"hessian"`` or ``"ggn"``.
        model: the class of the model.
        parameters: the number of rows P.
        samples: of the data behind the loss.
        data_hash: of those data.
        loss: at the point.
        gradient_norm: at the point.
        tolerance: of the residuals.
        trace_probes: products that it took.
        trace_method: ``"hutchinson"``, ``"hutch++"``, ``"exact"``, or ``"none"``: the trace is NaN.
        products: matrix-vector products in all.
        seconds: the time that the examination took.
        notes: how the numbers were found, and what that leaves open.
        groups: the trace by layer or by block.
        density: the spectral density, when asked for.
    """

    schema: ClassVar[str] = "eigenscape.hessian/1"
    top_eigenvalues: tuple[float, ...]
    residuals: tuple[float, ...]
    smallest_eigenvalues: tuple[float, ...] = ()
    smallest_residuals: tuple[float, ...] = ()
    hessian_trace: float
    trace_stderr: float
    matrix: Matrix
    model: str
    parameters: int
    samples: int
    data_hash: str
    loss: float
    gradient_norm: float
    tolerance: float
    trace_probes: int
    trace_method: str
    products: int
    seconds: float
    notes: tuple[str, ...] = ()
    groups: tuple[GroupTrace, ...] = ()
    density: SpectralDensity | None = None

    def __post_init__(self) -> None:
        for values, residuals in (
            (self.top_eigenvalues, self.residuals),
            (self.smallest_eigenvalues, self.smallest_residuals),
        ):
            if len(values) != len(residuals):
                raise InputError(f"{len(values)} eigenvalues have {len(residuals)} residuals")

    @property
    def answer(self) -> str:
        """The largest eigenvalue with its residual, and what it was measured on."""
        return hessian_answer(self)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What did not converge, a point that is no minimum or not stationary, a coarse trace."""
        return hessian_findings(self)

    def frame(self) -> pd.DataFrame:
        """Return one row for each eigenvalue, for the trace if taken, and each layer's share of it.

        ``error`` is in the units of ``value``: for an eigenvalue the length of the residual, within
        which there is an eigenvalue of the matrix; for a trace the standard error.
        """
        import pandas as pd

        rows: list[tuple[str, str, float, float, str]] = []
        for end, values, residuals in (
            ("largest", self.top_eigenvalues, self.residuals),
            ("smallest", self.smallest_eigenvalues, self.smallest_residuals),
        ):
            for place, (value, residual) in enumerate(zip(values, residuals, strict=True), 1):
                row = ("eigenvalue", f"{end} {place}", value, residual * abs(value), "residual")
                rows.append(row)
        if self.trace_method != "none":
            rows.append(("trace", "all", self.hessian_trace, self.trace_stderr, "standard error"))
        rows += [
            ("trace", group.name, group.value, group.standard_error, "standard error")
            for group in self.groups
        ]
        return pd.DataFrame(rows, columns=["quantity", "name", "value", "error", "error_is"])
