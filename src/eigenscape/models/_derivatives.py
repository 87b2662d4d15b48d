"""Gradients, Hessian and Gauss-Newton products of an objective, batch by batch.

A leaf is ``(P,)`` for one network and ``(k, P)`` for k side by side: the gradient of the sum of k
losses is that of each, because no network's loss depends on another's parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.func import grad_and_value

from eigenscape.errors import InputError
from eigenscape.models._modes import evaluating, twice_differentiable
from eigenscape.models._side_by_side import says_vmap, side_by_side

if TYPE_CHECKING:
    from eigenscape.models._nested import Batch
    from eigenscape.models._objective import Objective

# What one batch adds: from the leaf, the model's tensors, the batch and its number.
_Piece = Callable[[Tensor, Mapping[str, Tensor], "Batch", int], Tensor]
#: What torch says of operations that cannot be differentiated (again).
_UNDIFFERENTIABLE = ("derivative for", "not implemented", "double backward", "differentiable twice")


def gradient(objective: Objective, point: Tensor) -> Tensor:
    """Return the gradient in float64, in the shape of the point."""

    def piece(leaf: Tensor, tensors: Mapping[str, Tensor], batch: Batch, index: int) -> Tensor:
        return _backward(attached(objective.batch_losses(tensors, batch, index)).sum(), leaf)

    return _mean(objective, point, piece)


def hessian_products(objective: Objective, columns: Sequence[Tensor], point: Tensor) -> Tensor:
    """Return the Hessian times vectors shaped like the point, stacked on axis 1, in float64."""

    def piece(leaf: Tensor, tensors: Mapping[str, Tensor], batch: Batch, index: int) -> Tensor:
        losses = attached(objective.batch_losses(tensors, batch, index))
        slope = _backward(losses.sum(), leaf, create=True)
        return torch.stack([_backward(slope, leaf, v, retain=True) for v in columns], dim=1)

    return _mean(objective, point, piece)


def ggn_products(objective: Objective, columns: Sequence[Tensor], point: Tensor) -> Tensor:
    """Return the Gauss-Newton matrix times vectors, as :func:`hessian_products` does."""

    def piece(leaf: Tensor, tensors: Mapping[str, Tensor], batch: Batch, index: int) -> Tensor:
        product = _gauss_newton(objective, leaf, tensors, batch, index)
        return torch.stack([product(vector) for vector in columns], dim=1)

    return _mean(objective, point, piece)


def _gauss_newton(
    objective: Objective, leaf: Tensor, tensors: Mapping[str, Tensor], batch: Batch, index: int
) -> Callable[[Tensor], Tensor]:
    """Return the product with ``J^T H_out J`` of one batch, from one forward pass."""
    outputs, targets = _outputs(objective, tensors, batch, index)
    knob = torch.zeros_like(outputs, requires_grad=True)
    pulled = _backward(outputs, leaf, knob, create=True)  # J^T knob, linear in knob
    free = outputs.detach().requires_grad_()
    slope = _backward(_losses_of(objective, free, targets).sum(), free, create=True)

    def product(vector: Tensor) -> Tensor:
        pushed = _backward(pulled, knob, vector, retain=True)  # J v
        bent = _backward(slope, free, pushed, retain=True)  # H_out J v
        return _backward(outputs, leaf, bent, retain=True)

    return product


PRODUCTS = {"hessian": hessian_products, "ggn": ggn_products}


def slope(
    objective: Objective, point: Tensor, batch: Batch, fixed: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """Return one network's loss on a batch and its gradient ``(P,)``, in the mode it is in."""
    leaf = point.detach().requires_grad_()
    with torch.enable_grad():
        loss = objective.training_loss({**fixed, **objective.named(leaf)}, batch)
        return loss.detach(), _backward(attached(loss), leaf)


def slopes_side_by_side(
    objective: Objective, points: Tensor, batch: Batch, fixed: dict[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """Return every network's loss on a batch ``(k,)`` and its gradient ``(k, P)``."""

    def loss(point: Tensor, others: Mapping[str, Tensor], some: Batch) -> Tensor:
        return objective.training_loss({**others, **objective.named(point)}, some)

    with twice_differentiable():  # kernels that vmap knows
        slopes, losses = side_by_side(
            grad_and_value(loss), (points, fixed), batch, each=bool(objective.data.networks)
        )
    return losses.detach(), slopes


class HeldGraph:
    """Products of one network on a single batch, all from one first backward pass.

    Args:
        objective: of one network.
        kind: ``"hessian"`` or ``"ggn"``.
    """

    def __init__(self, objective: Objective, kind: str = "hessian") -> None:
        batch, _ = next(iter(objective.data))
        train_norms = objective.batch_norm == "batch"
        evaluation = evaluating(objective.model, train_norms=train_norms)
        with twice_differentiable(objective.model), evaluation, torch.enable_grad():
            leaf = self._leaf = objective.center.detach().clone().requires_grad_()
            if kind == "ggn":
                self._held = _gauss_newton(objective, leaf, objective.tensors(leaf), batch, 0)
                return
            loss = objective.batch_loss(objective.tensors(leaf), batch)
            slope = _backward(attached(loss), leaf, create=True)
            self._held = lambda vector: _backward(slope, leaf, vector, retain=True)

    def __call__(self, vectors: Tensor) -> Tensor:
        """Return the products with ``(P,)`` or ``(P, m)`` in float64."""
        columns = vectors.reshape(self._leaf.shape[0], -1).to(self._leaf.dtype).T
        products = [self.plain(column) for column in columns]
        return torch.stack(products, dim=1).double().reshape(vectors.shape)

    def plain(self, vector: Tensor) -> Tensor:
        """Return one product ``(P,)`` in the precision of the model, and no copy of it."""
        return self._held(vector)


def attached(loss: Tensor) -> Tensor:
    """Return a loss that autograd can follow to the parameters.

    Raises:
        InputError: it cannot.
    """
    if not loss.requires_grad:
        raise InputError(
            "the loss has no gradient in the parameters: the forward pass or the loss detaches "
            "(torch.no_grad, .detach(), .item(), numpy). Try: leave them out; evaluation needs no "
            "no_grad of yours"
        )
    return loss


def _outputs(
    objective: Objective, tensors: Mapping[str, Tensor], batch: Batch, index: int
) -> tuple[Tensor, object]:
    outcome = objective.batch_answers(tensors, batch, index)
    if not (isinstance(outcome, tuple) and len(outcome) == 2 and isinstance(outcome[0], Tensor)):
        pair = isinstance(outcome, tuple) and len(outcome) == 2
        seen = f"outputs of type {type(outcome[0]).__name__}" if pair else "the loss alone"
        raise InputError(
            "Gauss-Newton products need the outputs of the model as one tensor, but forward "
            f"returns {seen}. Try: let forward return (outputs, targets), outputs a tensor, and "
            "give the loss as loss="
        )
    return outcome


def _losses_of(objective: Objective, outputs: Tensor, targets: object) -> Tensor:
    if objective.networks == 1:
        return objective.loss_of(outputs, targets)
    own = isinstance(targets, Tensor)  # each network's, as they came out side by side
    found: Tensor = side_by_side(objective.loss_of, (outputs,), targets, each=own)
    return found


def _mean(objective: Objective, point: Tensor, piece: _Piece) -> Tensor:
    """Add up the batches' pieces, weighted by their samples, in float64."""
    if objective.batch_norm == "recompute":
        raise InputError(
            "derivatives through recomputed batch norm statistics are not defined batch by batch. "
            "Try: Objective(..., batch_norm='frozen') or 'batch'"
        )
    total = torch.zeros((), dtype=torch.float64, device=objective.device)
    train_norms = objective.batch_norm == "batch"
    with (
        twice_differentiable(objective.model),
        evaluating(objective.model, train_norms=train_norms),
    ):
        for index, (batch, weight) in enumerate(objective.data):
            with torch.enable_grad():
                leaf = point.detach().to(objective.device, objective.dtype, copy=True)
                leaf.requires_grad_()
                part = piece(leaf, objective.tensors(leaf), batch, index)
            total = total + part.detach().double() * (weight / objective.data.count)
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
    try:
        (answer,) = torch.autograd.grad(
            output,
            source,
            vector,
            create_graph=create,
            retain_graph=create or retain,
            allow_unused=True,
        )
    except RuntimeError as error:  # NotImplementedError too
        raise _no_derivative(error) or error from error
    return torch.zeros_like(source) if answer is None else answer


def _no_derivative(error: RuntimeError) -> InputError | None:
    """Return a sentence on an operation without a derivative; None for any other error."""
    said = " ".join(str(error).split())
    if says_vmap(error) or not any(word in said for word in _UNDIFFERENTIABLE):
        return None
    return InputError(
        f"an operation of the model or the loss has no second derivative in torch: {said[:200]}. "
        "Try: write it out in operations that have one (nn.Embedding and a mean for "
        "nn.EmbeddingBag, differences and a norm for torch.cdist), or hold its parameters fixed "
        "by exclude="
    )
