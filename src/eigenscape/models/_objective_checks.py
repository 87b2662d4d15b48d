"""Checks of an objective: finite, a mean, repeatable, and a function of its point."""

from __future__ import annotations

import math
from itertools import islice
from operator import mul
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from eigenscape.errors import InputError
from eigenscape.models._modes import evaluating
from eigenscape.models._nested import (
    IGNORED,
    joined,
    labels_of,
    row_count,
    shifted_term_count,
    taken,
    targets_of,
)

if TYPE_CHECKING:
    from eigenscape.models._data import Data
    from eigenscape.models._objective import Objective

#: Losses of the same samples in other batches differ by rounding in float32; by more, they differ.
_SAME = 1e-5


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


def weighing(loss: Any, data: Data) -> Data:
    """Return data weighted as a loss module of torch weighs its targets.

    A module with class weights takes the mean by these, one with an ``ignore_index`` leaves such
    targets out. Weights add up to the number of targets that count.
    """
    if not isinstance(loss, nn.CrossEntropyLoss | nn.NLLLoss) or loss.reduction != "mean":
        return data
    by_class, ignored = loss.weight, loss.ignore_index
    whole = all(targets_of(batch) is not None for batch, _ in data)
    if not whole or data.networks or (by_class is None and ignored == IGNORED):
        return data

    def kept(batch: Any) -> Tensor:
        targets = targets_of(batch)
        assert targets is not None
        return targets[targets != ignored].long().cpu()

    terms = data.weighted(lambda batch: float(len(kept(batch))))
    if by_class is None:
        return terms
    known = by_class.detach().double().cpu()
    by_weight = data.weighted(lambda batch: float(known[kept(batch)].sum()))
    factor = terms.count / by_weight.count
    return data.weighted(lambda batch: factor * float(known[kept(batch)].sum()))


def _is_causal(objective: Objective) -> bool:
    """Whether the loss stays the same when the first label of each row is left out."""
    for batch, _ in objective.data:
        labels = labels_of(batch)
        if labels is None or labels.ndim != 2 or labels.shape[1] < 2 or "labels" not in batch:
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
    _say_coupled(objective)
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


def _say_coupled(objective: Objective) -> None:
    """Say it where the loss of two batches together is not the mean that their weights give."""
    if objective.data.batches < 2 or objective.batch_norm == "batch":
        return
    pieces = [batch for batch, _ in islice(objective.data, 2)]
    weigh = objective.data.weight_of
    try:
        halves = [taken(one, torch.arange(-(-row_count(one) // 2))) for one in pieces]
        both = joined(halves)
        weights, losses = [weigh(one) for one in halves], [_loss(objective, one) for one in halves]
        whole, total = _loss(objective, both), weigh(both)
    except (InputError, RuntimeError, TypeError, ValueError):  # batches that cannot be joined
        return
    if not all(map(math.isfinite, (whole, *losses))):  # a half without a term that counts
        return
    mean = sum(map(mul, weights, losses)) / sum(weights)
    alike = math.isclose(whole, mean, rel_tol=_SAME, abs_tol=_SAME * max(map(abs, losses)))
    if not alike or not math.isclose(total, sum(weights)):
        objective._said += (
            f"the loss of samples of two batches together is {whole:.6g}, the mean of the two by "
            f"their samples {mean:.6g}: it is no mean over samples (class weights, masked terms, "
            "samples that are compared with each other), so it depends on how the data are cut; "
            "give one batch, or size=",
        )
