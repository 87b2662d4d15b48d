"""The loss of each sample, so that two networks can be compared on the same samples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import vmap

from eigenscape.errors import EigenscapeError
from eigenscape.models._modes import evaluating
from eigenscape.models._nested import IGNORED

if TYPE_CHECKING:
    from eigenscape.models._objective import Objective

Unit = Literal["token", "sample", "batch"]
_AT_ONCE = 2**23  # numbers of outputs whose losses are taken at a time: 64 MB of float64
_SAME = 1e-5  # relative: how far the mean over samples may be from the loss of the batch


@dataclass(frozen=True)
class SampleLosses:
    """The terms that an objective is the mean of.

    Args:
        values: ``(N,)``: the loss of each.
        weights: ``(N,)``: ``sum(weights * values) / sum(weights)`` is the objective's value.
        unit: what each is: a token that is scored, a sample, or a whole batch where the loss does
            not split.
    """

    values: NDArray[np.float64]
    weights: NDArray[np.float64]
    unit: Unit

    @property
    def mean(self) -> float:
        """The objective's value."""
        return float(np.average(self.values, weights=self.weights))


def sample_losses(
    objective: Objective, tensors: Mapping[str, Tensor] | None = None, *, unit: Unit | None = None
) -> SampleLosses:
    """Return the loss of each sample of an objective of one network, in the order of the data.

    A loss splits where the mean over the losses of single rows is the loss of the batch, which is
    tested: of cross-entropy and squared error it is, of a contrastive loss it is not.

    Args:
        objective: of one network.
        tensors: as :meth:`Objective.tensors` names them; None for the model as it is.
        unit: of earlier losses to compare with: ``"batch"`` does not try to split, another one does
            not test again.

    Raises:
        InputError: the model or its loss failed.

    >>> from torch import nn
    >>> from eigenscape.models import Objective
    >>> inputs, targets = torch.eye(2), torch.tensor([[1.0], [3.0]])
    >>> model = nn.Linear(2, 1)
    >>> for parameter in model.parameters():
    ...     _ = nn.init.zeros_(parameter)
    >>> found = sample_losses(Objective(model, nn.functional.mse_loss, (inputs, targets)))
    >>> found.values.tolist(), found.mean, found.unit
    ([1.0, 9.0], 5.0, 'sample')
    """
    own = objective.tensors(objective.center) if tensors is None else dict(tensors)
    if objective.batch_norm == "recompute" and objective.norm_statistics:
        own = objective.renormed(own)
    train_norms = objective.batch_norm == "batch"
    with objective.grad_mode(), evaluating(objective.model, train_norms=train_norms):
        found = None
        if unit != "batch":
            found = _by_sample(objective, own, tested=unit is not None)
        return found or _by_batch(objective, own)


def _by_sample(
    objective: Objective, tensors: Mapping[str, Tensor], *, tested: bool
) -> SampleLosses | None:
    """Return the losses of single rows; None where they are not what the loss is a mean of."""
    parts, weights = [], []
    for index, (batch, weight) in enumerate(objective.data):
        answer = objective.answer(objective._fresh_for_a_batch(tensors), batch, index)
        rows = _rows(objective, answer)
        if rows is None or not len(rows):
            return None
        if not tested:
            whole = float(objective.scalar_loss(answer, index, exact=True).detach())
            if not math.isclose(float(rows.mean()), whole, rel_tol=_SAME, abs_tol=1e-12):
                return None
        parts.append(rows)
        weights.append(np.full(len(rows), weight / len(rows)))
    unit: Unit = "token" if objective.data.of_tokens else "sample"
    return SampleLosses(np.concatenate(parts), np.concatenate(weights), unit)


def _by_batch(objective: Objective, tensors: Mapping[str, Tensor]) -> SampleLosses:
    values, weights = [], []
    for index, (batch, weight) in enumerate(objective.data):
        answer = objective.answer(objective._fresh_for_a_batch(tensors), batch, index)
        values.append(float(objective.scalar_loss(answer, index, exact=True).detach()))
        weights.append(float(weight))
    return SampleLosses(np.array(values), np.array(weights), "batch")


def _rows(objective: Objective, answer: Any) -> NDArray[np.float64] | None:
    """Return the loss of each row of ``(outputs, targets)``, without targets of -100."""
    pair = isinstance(answer, tuple) and len(answer) == 2
    if objective._loss is None or not pair or not all(isinstance(x, Tensor) for x in answer):
        return None
    outputs, targets = (part.detach() for part in answer)
    if not outputs.ndim or not targets.ndim or len(outputs) != len(targets):
        return None
    if targets.ndim == 1 and not (targets.is_floating_point() or targets.is_complex()):
        counted = targets != IGNORED
        outputs, targets = outputs[counted], targets[counted]
    size = max(1, _AT_ONCE // max(1, outputs[:1].numel()))
    one = vmap(lambda output, target: objective.loss_of(output[None], target[None], exact=True))
    try:
        terms = [
            one(some, target).double().cpu()
            for some, target in zip(outputs.split(size), targets.split(size), strict=True)
        ]
        return torch.cat(terms).numpy() if all(term.ndim == 1 for term in terms) else None
    except (RuntimeError, ValueError, TypeError, NotImplementedError, EigenscapeError):
        return None  # a loss of whole batches alone
