"""Checks of an objective: finite, a mean, repeatable, and a function of its point."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.models._modes import evaluating
from eigenscape.models._nested import IGNORED, labels_of, row_count, shifted_term_count, taken

if TYPE_CHECKING:
    from eigenscape.models._objective import Objective


def check(objective: Objective, *, weigh: bool) -> None:
    """Evaluate each network twice at its center, and record the results.

    Args:
        objective: new.
        weigh: find out whether the loss is a mean over labels but the first of each row.

    Raises:
        InputError: a loss that is not finite, not a mean over samples, not repeatable, or no
            function of the parameters.
    """
    singles = [objective.network(place) for place in range(objective.networks)]
    if weigh and not objective.data.networks and _is_causal(singles[0]):
        objective.data = objective.data.weighted(shifted_term_count)
        objective._said += (
            "batches are weighted by their labels that are not -100, without the first of each "
            "row, on which the loss does not depend: a causal language model",
        )
    losses: list[float] = []
    for single in singles:
        single.data = (
            objective.data.network(len(losses)) if objective.data.networks else (objective.data)
        )
        _check_one(single, sums=weigh)
        losses.append(single.loss_at_center)
        objective.noise = max(objective.noise, single.noise)
    first = singles[0]
    objective._losses = torch.tensor(losses, dtype=torch.float64)
    objective._graph, objective._live = first._graph, first._live
    objective._exact_loss = first._exact_loss
    if objective.networks > 1:
        for name in first._live:
            objective.fixed[name] = torch.stack([single.fixed[name] for single in singles])


def _is_causal(objective: Objective) -> bool:
    """Whether the loss stays the same when the first label of each row is left out."""
    for batch, _ in objective.data:
        labels = labels_of(batch)
        if labels is None or labels.ndim != 2 or labels.shape[1] < 2:
            return False
        if not bool((labels[:, 0] != IGNORED).any()):
            continue
        fewer = labels.clone()
        fewer[:, 0] = IGNORED
        if not bool((fewer != IGNORED).any()):
            continue
        both = [_loss(objective, some) for some in (batch, {**batch, "labels": fewer})]
        return both[0] == both[1]
    return False


def _loss(objective: Objective, batch: Any) -> float:
    train_norms = objective.batch_norm == "batch"
    with objective.grad_mode(), evaluating(objective.model, train_norms=train_norms):
        tensors = objective.tensors(objective.center)
        return float(objective.batch_loss(tensors, batch, exact=True).detach())


def _check_one(objective: Objective, *, sums: bool) -> None:
    if not math.isfinite(objective.loss_at_center):
        parts = objective.space.split(objective.center)
        broken = [name for name, tensor in parts.items() if not tensor.isfinite().all()]
        because = (
            f"parameters that are not finite: {', '.join(broken[:5])}"
            if broken
            else "all parameters are finite; the outputs, or the data, are not"
        )
        raise InputError(
            f"the loss of the model as it is is {objective.loss_at_center}; {because}. Try: give a "
            "model with a finite loss"
        )
    _check_tensors(objective)
    _check_mean(objective, sums=sums)
    again = objective.value()
    objective.noise = abs(again - objective.loss_at_center)
    if objective.noise > 1e-5 * max(abs(objective.loss_at_center), 1e-30):
        raise InputError(
            f"the loss is not repeatable: {objective.loss_at_center:.9g}, then {again:.9g} on the "
            "same parameters and data. Try: dropout or noise that is drawn inside the forward "
            "pass must respect model.eval()"
        )


def _check_tensors(objective: Objective) -> None:
    """Look for what the forward pass wrote to."""
    model = objective.models[0]
    owned = dict(model.named_parameters())
    if not torch.equal(objective.center, objective.space.join(owned, objective.dtype)):
        raise InputError(
            "the forward pass changes parameters in place (an Embedding with max_norm does), "
            "so the loss at a point is not a function of the point. Try: max_norm=None"
        )
    own = {**owned, **dict(model.named_buffers())}
    found = []
    for name, tensor in objective.fixed.items():
        value = own[name.removeprefix("model.")].detach()
        kind = objective.dtype if value.is_floating_point() else value.dtype
        fresh = value.to(objective.device, kind, copy=True)
        if not torch.equal(tensor, fresh):
            objective.fixed[name] = fresh
            found.append(name)
    objective._live = tuple(found)
    if found:
        objective._losses = None


def _check_mean(objective: Objective, *, sums: bool) -> None:
    """Give every sample of the first batch twice: a mean stays, a sum doubles."""
    batch, _ = next(iter(objective.data))
    train_norms = objective.batch_norm == "batch"
    with objective.grad_mode(), evaluating(objective.model, train_norms=train_norms):
        outcome = objective.answer(objective.tensors(objective.center), batch)
    pair = isinstance(outcome, tuple) and len(outcome) == 2
    try:
        if (
            objective._loss is not None
            and pair
            and all(isinstance(part, Tensor) and part.ndim for part in outcome)
        ):
            with torch.no_grad():
                once = float(objective.loss_of(*outcome, exact=True))
                doubled = (torch.cat((part, part)) for part in outcome)
                twice = float(objective.loss_of(*doubled, exact=True))
        elif sums and row_count(batch) > 1:  # one row alone does not tell
            order = torch.arange(row_count(batch))
            once = _loss(objective, batch)
            twice = _loss(objective, taken(batch, torch.cat((order, order))))
        else:
            return
    except InputError:  # a loss for batches of one size, or a batch that cannot be doubled
        return
    if once and abs(twice / once - 2) < 1e-3:
        raise InputError(
            "the loss doubles when every sample is given twice: it is a sum, so that its value "
            "would depend on how the data are cut. Try: reduction='mean'"
        )
