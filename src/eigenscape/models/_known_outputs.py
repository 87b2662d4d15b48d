"""The outputs that a loss is a known function of: what Gauss-Newton products need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from eigenscape.errors import InputError
from eigenscape.models._nested import IGNORED, labels_of
from eigenscape.models._side_by_side import NotBatchedError, side_by_side

if TYPE_CHECKING:
    from eigenscape.models._nested import Batch
    from eigenscape.models._objective import Objective

#: A loss of its own counts as the mean cross-entropy within this of it, value and slope: some
#: hundred roundings in float32.
_SAME = 1e-4


def known_outputs(
    objective: Objective, tensors: Mapping[str, Tensor], batch: Batch, index: int
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Return the outputs of one batch, in the graph, and the loss as a function of them.

    Raises:
        InputError: the loss is no known function of one tensor of outputs.
    """
    if objective.answers_itself:
        return _own_outputs(objective, tensors, batch, index)
    outcome = objective.batch_answers(tensors, batch, index)
    if not (isinstance(outcome, tuple) and len(outcome) == 2 and isinstance(outcome[0], Tensor)):
        pair = isinstance(outcome, tuple) and len(outcome) == 2
        seen = f"outputs of type {type(outcome[0]).__name__}" if pair else "the loss alone"
        raise InputError(
            "Gauss-Newton products need the outputs of the model as one tensor, but forward "
            f"returns {seen}. Try: let forward return (outputs, targets), outputs a tensor, and "
            "give the loss as loss="
        )
    outputs, targets = outcome

    def losses_of(some: Tensor) -> Tensor:
        if objective.networks == 1:
            return objective.loss_of(some, targets)
        own = isinstance(targets, Tensor)  # each network's, as they came out side by side
        found: Tensor = side_by_side(objective.loss_of, (some,), targets, each=own)
        return found

    return outputs, losses_of


def _own_outputs(
    objective: Objective, tensors: Mapping[str, Tensor], batch: Batch, index: int
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Return the logits of a model that answers with its loss, and the loss as they give it.

    The loss must be the mean cross-entropy of the labels, of the next tokens or at each place. That
    is compared at the point itself: the value, and the slope in every logit.
    """
    if objective.networks > 1:
        raise NotBatchedError("each model's own loss is compared with its logits")
    loss, logits = objective.own_answer(tensors, batch, index)
    labels, why = labels_of(batch), "the model answers with no logits (n, ..., classes)"
    if isinstance(logits, Tensor) and labels is not None:
        fits = logits.shape[:-1] == labels.shape and logits.requires_grad
        slope = _slope(loss, logits) if fits else None
        for measure in _MEASURES if slope is not None else ():
            guess = measure(logits, labels)
            if _same(loss, guess) and _same(slope, _slope(guess, logits)):
                return logits, partial(measure, labels=labels)
        why = (
            f"the model's own loss, {float(loss.detach()):.6g}, is not the mean cross-entropy of "
            "its labels, neither of the next ones nor at each place"
        )
    raise InputError(
        f"Gauss-Newton products need the loss as a function of the outputs, and {why}. Try: give "
        "loss=, and let forward return (outputs, targets)"
    )


def _next_ones(logits: Tensor, labels: Tensor) -> Tensor:
    """The loss of a causal language model: ``labels[:, 1:]`` from what stands before them."""
    return _each_place(logits[..., :-1, :], labels[..., 1:])


def _each_place(logits: Tensor, labels: Tensor) -> Tensor:
    return cross_entropy(logits.flatten(0, -2), labels.flatten(), ignore_index=IGNORED)


_MEASURES = (_next_ones, _each_place)


def _slope(loss: Tensor, logits: Tensor) -> Tensor | None:
    (found,) = torch.autograd.grad(loss, logits, retain_graph=True, allow_unused=True)
    return found


def _same(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return False
    return float((one - other).detach().norm()) <= _SAME * float(one.detach().norm())
