"""What joining two models found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from torch import Tensor

from eigenscape.landscape.paths._curve_options import CurveOptions
from eigenscape.landscape.paths._path import PathValues
from eigenscape.landscape.paths._path_metrics import (
    mode_connectivity,
    mode_connectivity_peak,
    path_barrier,
)
from eigenscape.results import Environment, Result

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Connectivity(Result):
    """Loss and error along the trained curve between two models, and along the straight line.

    Args:
        options: the protocol.
        t: where the paths were evaluated, from 0 (the first model) to 1 (the second).
        curve: along the quadratic Bezier curve.
        line: along the straight line.
        error_name: what the error is, with its unit.
        training_loss: the mean loss of each epoch of the bend's training.
        distance: the L2 distance between the two parameter vectors.
        samples: of the training data.
        data_hash: of the training data.
        bend: the trained control point, ``(P,)``; not saved.
    """

    schema: ClassVar[str] = "eigenscape.connectivity/1"
    options: CurveOptions
    t: tuple[float, ...]
    curve: PathValues
    line: PathValues
    error_name: str
    training_loss: tuple[float, ...]
    distance: float
    samples: int
    data_hash: str
    bend: Tensor | None = field(default=None, compare=False, repr=False)

    @property
    def mode_connectivity(self) -> float:
        """:func:`mode_connectivity` of the training error along the curve."""
        return mode_connectivity(self.curve.train_error)

    @property
    def mode_connectivity_peak(self) -> float:
        """:func:`mode_connectivity_peak` of the training error along the curve."""
        return mode_connectivity_peak(self.curve.train_error)

    @property
    def barrier(self) -> float:
        """:func:`path_barrier` of the training error along the curve."""
        return path_barrier(self.curve.train_error)

    @property
    def line_barrier(self) -> float:
        """:func:`path_barrier` of the training error along the straight line."""
        return path_barrier(self.line.train_error)

    def payload(self) -> dict[str, Any]:
        """Return the protocol, the metrics and the values along both paths."""
        return {
            "options": self.options.to_dict(),
            "mode_connectivity": self.mode_connectivity,
            "mode_connectivity_peak": self.mode_connectivity_peak,
            "barrier": self.barrier,
            "line_barrier": self.line_barrier,
            "t": list(self.t),
            "curve": self.curve.to_dict(),
            "line": self.line.to_dict(),
            "error_name": self.error_name,
            "training_loss": list(self.training_loss),
            "distance": self.distance,
            "samples": self.samples,
            "data_hash": self.data_hash,
        }

    @classmethod
    def from_payload(cls, data: dict[str, Any], environment: Environment) -> Self:
        """Rebuild from :meth:`payload`; the bend is not there."""
        return cls(
            environment=environment,
            options=CurveOptions(**data["options"]),
            t=tuple(data["t"]),
            curve=PathValues.from_dict(data["curve"]),
            line=PathValues.from_dict(data["line"]),
            error_name=data["error_name"],
            training_loss=tuple(data["training_loss"]),
            distance=data["distance"],
            samples=data["samples"],
            data_hash=data["data_hash"],
        )

    def frame(self) -> pd.DataFrame:
        """Return one row for each point of each path."""
        import pandas as pd

        parts = []
        for name, path in (("curve", self.curve), ("line", self.line)):
            columns = {key: values for key, values in path.to_dict().items() if values}
            parts.append(pd.DataFrame({"path": name, "t": self.t, **columns}))
        return pd.concat(parts, ignore_index=True)

    def plot(self) -> Figure:
        """Draw loss and error along the curve and along the straight line."""
        from eigenscape.landscape.paths._connectivity_plot import plot_connectivity

        return plot_connectivity(self)
