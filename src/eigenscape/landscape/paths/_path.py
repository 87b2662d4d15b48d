"""The loss and the error at points of a path, with batch norm's statistics computed again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.models import Data, Objective, evaluating

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
