"""Gradients, Hessian and Gauss-Newton products of an objective, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.models._modes import evaluating, twice_differentiable

if TYPE_CHECKING:
    from eigenscape.models._batches import Batch
    from eigenscape.models._objective import Objective

# What one batch adds: from the leaf (P,), the model's tensors, the batch and its number.
_Piece = Callable[[Tensor, Mapping[str, Tensor], "Batch", int], Tensor]


def gradient(objective: Objective, point: Tensor) -> Tensor:
    """Return the gradient ``(P,)`` in float64."""

    def piece(leaf: Tensor, tensors: Mapping[str, Tensor], batch: Batch, index: int) -> Tensor:
        return _backward(attached(objective.batch_loss(tensors, batch, index)), leaf)

    return _mean(objective, point, piece)


def hessian_product(objective: Objective, vectors: Tensor, point: Tensor) -> Tensor:
    """Return the Hessian times ``vectors`` ``(P,)`` or ``(P, k)``, in float64."""
    columns = _columns(objective, vectors)

    def piece(leaf: Tensor, tensors: Mapping[str, Tensor], batch: Batch, index: int) -> Tensor:
        loss = attached(objective.batch_loss(tensors, batch, index))
        slope = _backward(loss, leaf, create=True)
        return torch.stack([_backward(slope, leaf, v, retain=True) for v in columns], dim=1)

    return _mean(objective, point, piece).reshape(vectors.shape)


def ggn_product(objective: Objective, vectors: Tensor, point: Tensor) -> Tensor:
    """Return the Gauss-Newton matrix times ``vectors`` ``(P,)`` or ``(P, k)``, in float64."""
    columns = _columns(objective, vectors)

    def piece(leaf: Tensor, tensors: Mapping[str, Tensor], batch: Batch, index: int) -> Tensor:
        outputs, targets = _outputs(objective, tensors, batch, index)
        knob = torch.zeros_like(outputs, requires_grad=True)
        pulled = _backward(outputs, leaf, knob, create=True)  # J^T knob, linear in knob
        free = outputs.detach().requires_grad_()
        slope = _backward(objective.loss_of(free, targets), free, create=True)
        products = []
        for vector in columns:
            pushed = _backward(pulled, knob, vector, retain=True)  # J v
            bent = _backward(slope, free, pushed, retain=True)  # H_out J v
            products.append(_backward(outputs, leaf, bent, retain=True))
        return torch.stack(products, dim=1)

    return _mean(objective, point, piece).reshape(vectors.shape)


def attached(loss: Tensor) -> Tensor:
    """Return a loss that autograd can follow to the parameters.

    Raises:
        InputError: it cannot.
    """
    if not loss.requires_grad:
        raise InputError(
            "the loss has no gradient in the parameters: the forward pass or the loss detaches "
            "(torch.no_grad, .detach(), .item(), numpy). Mend: leave them out; evaluation needs no "
            "no_grad of yours"
        )
    return loss


def _outputs(
    objective: Objective, tensors: Mapping[str, Tensor], batch: Batch, index: int
) -> tuple[Tensor, object]:
    outcome = objective.outputs(tensors, batch, index)
    if not (isinstance(outcome, tuple) and len(outcome) == 2 and isinstance(outcome[0], Tensor)):
        raise InputError(
            "Gauss-Newton products need the outputs of the model, but forward returns the loss "
            "alone. Mend: let forward return (outputs, targets), and give the loss as loss="
        )
    return outcome


def _columns(objective: Objective, vectors: Tensor) -> list[Tensor]:
    count = objective.space.count
    if vectors.ndim not in (1, 2) or vectors.shape[0] != count:
        raise InputError(
            f"vectors have the shape {tuple(vectors.shape)}; expected ({count},) or ({count}, k)"
        )
    return list(vectors.reshape(count, -1).to(objective.device, objective.dtype).T)


def _mean(objective: Objective, point: Tensor, piece: _Piece) -> Tensor:
    """Add up the batches' pieces, weighted by their samples, in float64."""
    if objective.batch_norm == "recompute":
        raise InputError(
            "derivatives through recomputed batch norm statistics are not defined batch by batch. "
            "Mend: Objective(..., batch_norm='frozen') or 'batch'"
        )
    total = torch.zeros((), dtype=torch.float64, device=objective.device)
    train_norms = objective.batch_norm == "batch"
    with twice_differentiable(), evaluating(objective.model, train_norms=train_norms):
        for index, (batch, count) in enumerate(objective.data):
            with torch.enable_grad():
                leaf = point.detach().to(objective.device, objective.dtype, copy=True)
                leaf.requires_grad_()
                part = piece(leaf, objective.tensors(leaf), batch, index)
            total = total + part.detach().double() * (count / objective.data.count)
    return total


def _backward(
    output: Tensor,
    source: Tensor,
    vector: Tensor | None = None,
    *,
    create: bool = False,
    retain: bool = False,
) -> Tensor:
    """Return ``vector^T d output / d source``; zero where output does not depend on source."""
    if not output.requires_grad:
        return torch.zeros_like(source)
    (answer,) = torch.autograd.grad(
        output,
        source,
        vector,
        create_graph=create,
        retain_graph=create or retain,
        allow_unused=True,
    )
    return torch.zeros_like(source) if answer is None else answer
