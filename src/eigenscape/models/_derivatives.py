"""Gradients, Hessian and Gauss-Newton products of an objective, batch by batch.

A leaf is ``(P,)`` for one network and ``(k, P)`` for k side by side: the gradient of the sum of k
losses is that of each, because no network's loss depends on another's parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.func import grad_and_value

from eigenscape.errors import InputError
from eigenscape.models._known_outputs import known_outputs
from eigenscape.models._modes import evaluating, twice_differentiable
from eigenscape.models._side_by_side import says_vmap, side_by_side

if TYPE_CHECKING:
    from eigenscape.models._nested import Batch
    from eigenscape.models._objective import Matrix, Objective

# What one batch adds: from the leaves, the model's tensors, the batch and its number.
_Piece = Callable[[list[Tensor], Mapping[str, Tensor], "Batch", int], Tensor]
#: What torch says of operations that cannot be differentiated (again).
_UNDIFFERENTIABLE = ("derivative for", "not implemented", "double backward", "differentiable twice")


@dataclass(frozen=True)
class _Graph:
    """The graph of one batch: its products and its gradient, each in the parts of the point."""

    product: Callable[[Sequence[Tensor]], list[Tensor]]
    slope: Callable[[], list[Tensor]]


def gradient(objective: Objective, point: Tensor) -> Tensor:
    """Return the gradient in float64, in the shape of the point."""

    def piece(
        leaves: list[Tensor], tensors: Mapping[str, Tensor], batch: Batch, index: int
    ) -> Tensor:
        losses = attached(objective.batch_losses(tensors, batch, index))
        return torch.cat(_pulled([losses.sum()], leaves), dim=-1)

    return _mean(objective, point, piece)


def products(
    objective: Objective, columns: Sequence[Tensor], point: Tensor, kind: Matrix = "hessian"
) -> Tensor:
    """Return products with vectors shaped like the point, stacked on axis 1, in float64."""

    def piece(
        leaves: list[Tensor], tensors: Mapping[str, Tensor], batch: Batch, index: int
    ) -> Tensor:
        graph = _GRAPHS[kind](objective, leaves, tensors, batch, index)
        found = [torch.cat(graph.product(_parts(objective, v)), dim=-1) for v in columns]
        return torch.stack(found, dim=1)

    return _mean(objective, point, piece)


def _hessian(
    objective: Objective,
    leaves: list[Tensor],
    tensors: Mapping[str, Tensor],
    batch: Batch,
    index: int,
) -> _Graph:
    """Return the graph for products with the Hessian: a forward and a first backward pass."""
    loss = attached(objective.batch_losses(tensors, batch, index)).sum()
    slopes = _ends(_pulled([loss], leaves, create=True))
    return _Graph(
        lambda vector: _pulled(slopes, leaves, vector, retain=True),
        lambda: _pulled([loss], leaves, retain=True),  # once more: cheaper than to keep it
    )


def _gauss_newton(
    objective: Objective,
    leaves: list[Tensor],
    tensors: Mapping[str, Tensor],
    batch: Batch,
    index: int,
) -> _Graph:
    """Return the graph for products with ``J^T H_out J``."""
    outputs, losses_of = known_outputs(objective, tensors, batch, index)
    knob = torch.zeros_like(outputs, requires_grad=True)
    pulled = _ends(_pulled([outputs], leaves, [knob], create=True))  # J^T knob, linear in knob
    free = outputs.detach().requires_grad_()
    slope = _pulled([losses_of(free).sum()], [free], create=True)

    def product(vector: Sequence[Tensor]) -> list[Tensor]:
        pushed = _pulled(pulled, [knob], vector, retain=True)  # J v
        bent = _pulled(slope, [free], pushed, retain=True)  # H_out J v
        return _pulled([outputs], leaves, bent, retain=True)

    return _Graph(product, lambda: _pulled([outputs], leaves, slope, retain=True))


_GRAPHS = {"hessian": _hessian, "ggn": _gauss_newton}


def slope(
    objective: Objective, point: Tensor, batch: Batch, fixed: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """Return one network's loss on a batch and its gradient ``(P,)``, in the mode it is in."""
    leaf = point.detach().requires_grad_()
    with torch.enable_grad():
        loss = objective.training_loss({**fixed, **objective.named(leaf)}, batch)
        return loss.detach(), _pulled([attached(loss)], [leaf])[0]


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


class Operator:
    """Products of one network at its center.

    On a single batch all of them share one forward and one first backward pass, whose graph is
    held.

    Args:
        objective: of one network.
        kind: ``"hessian"`` or ``"ggn"``.
    """

    def __init__(self, objective: Objective, kind: Matrix = "hessian") -> None:
        self._objective, self._kind = objective, kind
        self._graph: _Graph | None = None
        if objective.data.batches == 1 and objective.batch_norm != "recompute":
            batch, _ = next(iter(objective.data))
            with _differentiating(objective), torch.enable_grad():
                leaves, tensors = _leaves(objective, objective.center)
                self._graph = _GRAPHS[kind](objective, leaves, tensors, batch, 0)

    def __call__(self, vectors: Tensor) -> Tensor:
        """Return the products with ``(P,)`` or ``(P, m)`` in float64."""
        if self._graph is None:
            return self._objective.hvp(vectors, kind=self._kind)
        columns = vectors.reshape(len(vectors), -1).to(self._objective.dtype).T
        found = [torch.cat(self.parts(column)) for column in columns]
        return torch.stack(found, dim=1).double().reshape(vectors.shape)

    def parts(self, vector: Tensor) -> list[Tensor]:
        """Return one product ``(P,)`` in pieces, in the precision of the model: no copy is made."""
        if self._graph is None:
            return [self(vector).to(self._objective.dtype)]
        return self._graph.product(_parts(self._objective, vector))

    def slope(self) -> list[Tensor]:
        """Return the gradient in such pieces."""
        if self._graph is None:
            return [self._objective.gradient().to(self._objective.dtype)]
        return self._graph.slope()


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


@contextmanager
def _differentiating(objective: Objective) -> Iterator[None]:
    """Hold the model in evaluation mode, on kernels that have second derivatives."""
    train_norms = objective.batch_norm == "batch"
    with (
        twice_differentiable(objective.model),
        evaluating(objective.model, train_norms=train_norms),
    ):
        yield


def _parts(objective: Objective, vector: Tensor) -> tuple[Tensor, ...]:
    return torch.split(vector, list(objective.space.sizes), dim=-1)


def _leaves(objective: Objective, point: Tensor) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Return a point's parts, to be differentiated by, and the model's tensors made of them."""
    point = point.detach().to(objective.device, objective.dtype)
    leaves = [part.detach().requires_grad_() for part in _parts(objective, point)]
    return leaves, objective.tensors_of(leaves)


def _mean(objective: Objective, point: Tensor, piece: _Piece) -> Tensor:
    """Add up the batches' pieces, weighted by their samples, in float64."""
    if objective.batch_norm == "recompute":
        raise InputError(
            "derivatives through recomputed batch norm statistics are not defined batch by batch. "
            "Try: Objective(..., batch_norm='frozen') or 'batch'"
        )
    total: Tensor | None = None
    with _differentiating(objective):
        for index, (batch, weight) in enumerate(objective.data):
            with torch.enable_grad():
                leaves, tensors = _leaves(objective, point)
                found = piece(leaves, tensors, batch, index).detach()
            part = found.to(torch.float64, copy=True).mul_(weight / objective.data.count)
            del leaves, tensors, found
            total = part if total is None else total.add_(part)
    assert total is not None  # data hold a batch
    return total


def _ends(tensors: Sequence[Tensor]) -> list[GradientEdge | None]:
    """Return where tensors lie in the graph, so that their values need not be kept."""
    return [get_gradient_edge(one) if one.requires_grad else None for one in tensors]


def _pulled(
    outputs: Sequence[Tensor | GradientEdge | None],
    sources: list[Tensor],
    vectors: Sequence[Tensor] | None = None,
    *,
    create: bool = False,
    retain: bool = False,
) -> list[Tensor]:
    """Return ``sum_i vectors_i^T d outputs_i / d source`` for each source; zero without a path."""
    given = [None] * len(outputs) if vectors is None else vectors
    bound = [pair for pair in zip(outputs, given, strict=True) if _in_graph(pair[0])]
    if not bound:
        return [torch.zeros_like(source) for source in sources]
    ends: Any = [output for output, _ in bound]  # tensors, or places in the graph
    try:
        found = torch.autograd.grad(
            ends,
            sources,
            [vector for _, vector in bound],
            create_graph=create,
            retain_graph=create or retain,
            allow_unused=True,
        )
    except RuntimeError as error:  # NotImplementedError too
        raise _no_derivative(error) or error from error
    return [
        torch.zeros_like(source) if answer is None else answer
        for source, answer in zip(sources, found, strict=True)
    ]


def _in_graph(output: Tensor | GradientEdge | None) -> bool:
    return output.requires_grad if isinstance(output, Tensor) else output is not None


def _no_derivative(error: RuntimeError) -> InputError | None:
    """Return a sentence on an operation without a derivative; None for any other error."""
    said = " ".join(str(error).split())
    if "use_reentrant" in said:
        return InputError(
            "the model recomputes activations by torch.utils.checkpoint with use_reentrant=True, "
            "which gives no gradient of chosen parameters. Try: use_reentrant=False, or "
            "gradient_checkpointing_disable() of transformers' models"
        )
    if says_vmap(error) or not any(word in said for word in _UNDIFFERENTIABLE):
        return None
    return InputError(
        f"an operation of the model or the loss has no second derivative in torch: {said[:200]}. "
        "Try: write it out in operations that have one (nn.Embedding and a mean for "
        "nn.EmbeddingBag, differences and a norm for torch.cdist), or hold its parameters fixed "
        "by exclude="
    )
