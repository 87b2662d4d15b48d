"""What joining two models found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.landscape.paths._curve_options import CurveOptions
from eigenscape.landscape.paths._path import PathValues
from eigenscape.landscape.paths._path_metrics import (
    mode_connectivity,
    mode_connectivity_peak,
    path_barrier,
)
from eigenscape.results import Result

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class PathResult(Result):
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

    schema: ClassVar[str] = "eigenscape.path/1"
    also_written: ClassVar[tuple[str, ...]] = (
        "mode_connectivity",
        "mode_connectivity_peak",
        "barrier",
        "line_barrier",
    )
    options: CurveOptions
    t: tuple[float, ...]
    curve: PathValues
    line: PathValues
    error_name: str
    training_loss: tuple[float, ...]
    distance: float
    samples: int
    data_hash: str
    bend: Tensor | None = field(default=None, compare=False, repr=False, metadata={"saved": False})

    def __post_init__(self) -> None:
        for path in (self.curve, self.line):
            if any(values and len(values) != len(self.t) for values in asdict(path).values()):
                raise InputError(f"a path was evaluated at {len(self.t)} points; values differ")

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

    def frame(self) -> pd.DataFrame:
        """Return one row for each point of each path."""
        import pandas as pd

        parts = []
        for name, path in (("curve", self.curve), ("line", self.line)):
            columns = {key: values for key, values in asdict(path).items() if values}
            parts.append(pd.DataFrame({"path": name, "t": self.t, **columns}))
        return pd.concat(parts, ignore_index=True)
