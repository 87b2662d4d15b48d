"""What an examination of the curvature returns."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

from eigenscape.landscape.curvature._density import SpectralDensity
from eigenscape.landscape.curvature._trace import GroupTrace
from eigenscape.results import Environment, Result

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class HessianResult(Result):
    """The curvature of a loss at one point: extreme eigenvalues, trace, density.

    Args:
        matrix: ``"hessian"`` or ``"ggn"``.
        model: the class of the model.
        parameters: the number of rows P.
        samples: of the data behind the loss.
        data_hash: of those data.
        loss: at the point.
        gradient_norm: at the point.
        top_eigenvalues: the largest, descending.
        residuals: of those, ``||H v - lambda v|| / |lambda|``.
        smallest_eigenvalues: the most negative, ascending; empty unless both ends were asked for.
        smallest_residuals: of those.
        tolerance: that the residuals were to meet.
        trace: the estimate.
        trace_stderr: its standard error.
        trace_samples: products that it took.
        trace_method: ``"hutchinson"``, ``"hutch++"`` or ``"exact"``.
        groups: the trace by layer or by block.
        density: the spectral density, when asked for.
        products: matrix-vector products in all.
        seconds: the time that the examination took.
        notes: what to keep in mind when reading the numbers.
    """

    schema: ClassVar[str] = "eigenscape.hessian/1"
    matrix: str
    model: str
    parameters: int
    samples: int
    data_hash: str
    loss: float
    gradient_norm: float
    top_eigenvalues: tuple[float, ...]
    residuals: tuple[float, ...]
    smallest_eigenvalues: tuple[float, ...] = ()
    smallest_residuals: tuple[float, ...] = ()
    tolerance: float
    trace: float
    trace_stderr: float
    trace_samples: int
    trace_method: str
    groups: tuple[GroupTrace, ...] = ()
    density: SpectralDensity | None = None
    products: int
    seconds: float
    notes: tuple[str, ...] = ()

    def payload(self) -> dict[str, Any]:
        """Return the fields: eigenvalues and trace first, the long density last."""
        first = ("top_eigenvalues", "residuals", "smallest_eigenvalues", "smallest_residuals",
                 "trace", "trace_stderr")  # fmt: skip
        last = ("notes", "groups", "density")
        data = {name: value for name, value in asdict(self).items() if name != "environment"}
        order = [*first, *(name for name in data if name not in (*first, *last)), *last]
        return {name: data[name] for name in order}

    @classmethod
    def from_payload(cls, data: dict[str, Any], environment: Environment) -> Self:
        """Rebuild from JSON."""
        known = {field.name for field in fields(cls)} - {"environment"}
        listed = ("top_eigenvalues", "residuals", "smallest_eigenvalues", "smallest_residuals",
                  "notes")  # fmt: skip
        density = data["density"]
        return cls(
            **{
                **{name: value for name, value in data.items() if name in known},
                **{name: tuple(data[name]) for name in listed},
                "groups": tuple(GroupTrace(**group) for group in data["groups"]),
                "density": None if density is None else SpectralDensity.from_dict(density),
                "environment": environment,
            }
        )

    def frame(self) -> pd.DataFrame:
        """Return one row for each eigenvalue, the trace, and each layer's share of it.

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
        rows.append(("trace", "all", self.trace, self.trace_stderr, "standard error"))
        rows += [
            ("trace", group.name, group.value, group.standard_error, "standard error")
            for group in self.groups
        ]
        return pd.DataFrame(rows, columns=["quantity", "name", "value", "error", "error_is"])

    def plot(self) -> Figure:
        """Return eigenvalues, traces of the layers and the spectral density, side by side."""
        from eigenscape.landscape.curvature._plot_hessian import plot_hessian

        return plot_hessian(self)
