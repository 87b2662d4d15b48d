"""The protocol of joining two models, and its result."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.landscape.paths._path_findings import path_answer, path_findings
from eigenscape.landscape.paths._path_metrics import (
    mode_connectivity,
    mode_connectivity_peak,
    path_barrier,
)
from eigenscape.models import Data, Objective, evaluating
from eigenscape.results import Result

if TYPE_CHECKING:
    import pandas as pd

    from eigenscape.results import Finding

ErrorMeasure = Callable[[Any, Any], float | Tensor]


@dataclass(frozen=True)
class PathValues:
    """What was measured along one path; one value for each point.

    Args:
        train_loss: the mean over the training samples.
        train_error: the same of the error; in per cent for a classifier.
        test_loss: empty without test data.
        test_error: empty without test data.
    """

    train_loss: tuple[float, ...]
    train_error: tuple[float, ...]
    test_loss: tuple[float, ...] = ()
    test_error: tuple[float, ...] = ()

    @classmethod
    def of(cls, rows: Sequence[tuple[float, ...]]) -> PathValues:
        """Gather the points: rows of (train loss, train error[, test loss, test error])."""
        return cls(*zip(*rows, strict=True))


def measure_point(
    objective: Objective, point: Tensor, test: Data | None, error: ErrorMeasure
) -> tuple[float, ...]:
    """Return train loss and error at a point, then those on test data where there are any.

    Batch norm's statistics are those of the training data at this very point: a cumulative mean
    over the batches (Garipov et al. 2018).

    Raises:
        InputError: a value is not finite, or the model, the loss or the error failed.
    """
    with torch.no_grad(), evaluating(objective.model):
        tensors = objective.tensors(point)
        if objective.norm_statistics:
            tensors = objective.renormed(tensors)
        values = _loss_and_error(objective, tensors, objective.data, error)
        if test is not None:
            values += _loss_and_error(objective, tensors, test, error)
    if not all(math.isfinite(value) for value in values):
        raise InputError(
            f"losses and errors at a point of a path are {values}; expected finite numbers. "
            "Try: look for nan in the models and in the data"
        )
    return values


def _loss_and_error(
    objective: Objective,
    tensors: dict[str, Tensor],
    data: Data,
    error: ErrorMeasure,
) -> tuple[float, ...]:
    loss_sum = error_sum = 0.0
    for index, (batch, weight) in enumerate(data):
        outcome = objective.answer(tensors, batch, index)
        if not (isinstance(outcome, tuple) and len(outcome) == 2):
            raise InputError(
                f"forward returned a {type(outcome).__name__}; a curve needs (outputs, targets), "
                "for the error as well as the loss"
            )
        loss = objective.scalar_loss(outcome, index, exact=True)
        loss_sum += float(loss) * weight
        error_sum += float(error(*outcome)) * weight
    return loss_sum / data.count, error_sum / data.count


@dataclass(frozen=True, kw_only=True)
class CurveOptions:
    """The protocol of a mode connectivity curve. Values are comparable under one protocol only.

    Defaults are those of Yang et al. (2021) and Zhou et al. (2024), for the full training set.

    Args:
        init: where the bend starts. ``"midpoint"``: on the straight line, as Garipov et al. (2018)
            describe. ``"random"``: at new initial weights, as the code of Yang et al. (2021) does;
            it needs more epochs. ``"model"`` in a result: at a model that was given.
        epochs: passes over the training data; the papers keep the number of steps, and so divide 50
            by the share of the full data.
        batch_size: samples a step, where the data are tensors.
        learning_rate: at the start; :func:`bend_rate` says how it falls.
        momentum: of gradient descent.
        weight_decay: the loss has a term ``weight_decay / 2 * ||theta(t)||^2``.
        points: how many equally spaced t from 0 to 1 are evaluated.
        seed: seeds the shuffling, t, and a random bend.

    Raises:
        InputError: all that is wrong, at once.

    >>> CurveOptions().learning_rate
    0.01
    """

    init: str = "midpoint"
    epochs: int = 50
    batch_size: int = 128
    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 5e-4
    points: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = [
            f"{name} is {getattr(self, name)!r}; expected a whole number of {least} or more"
            for name, least in {"epochs": 1, "batch_size": 1, "points": 3, "seed": 0}.items()
            if not isinstance(getattr(self, name), int) or getattr(self, name) < least
        ]
        if self.init not in ("midpoint", "random", "model"):
            wrong.append(f"init is {self.init!r}; expected 'midpoint', 'random', or a model")
        if not 0 < self.learning_rate < math.inf:
            wrong.append(f"learning_rate is {self.learning_rate}; expected a number above 0")
        if not 0 <= self.momentum < 1:
            wrong.append(f"momentum is {self.momentum}; expected 0 or more, and below 1")
        if not 0 <= self.weight_decay < math.inf:
            wrong.append(f"weight_decay is {self.weight_decay}; expected 0 or more")
        if wrong:
            raise InputError("; ".join(wrong))


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

    @property
    def answer(self) -> str:
        """How far the error rises along the line and along the curve."""
        return path_answer(self)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """A curve that is no better than the line, the test data, ends above the curve."""
        return path_findings(self)

    def frame(self) -> pd.DataFrame:
        """Return one row for each point of each path."""
        import pandas as pd

        parts = []
        for name, path in (("curve", self.curve), ("line", self.line)):
            columns = {key: values for key, values in asdict(path).items() if values}
            parts.append(pd.DataFrame({"path": name, "t": self.t, **columns}))
        return pd.concat(parts, ignore_index=True)
