"""The matrix whose spectrum is asked for, known by its products alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.models._derivatives import attached
from eigenscape.models._modes import evaluating, twice_differentiable

if TYPE_CHECKING:
    from eigenscape.models._objective import Objective

Matrix = Literal["hessian", "ggn"]
MATRICES: tuple[Matrix, ...] = get_args(Matrix)


class Curvature:
    """Products with the Hessian, or the Gauss-Newton matrix, at the center of an objective.

    Args:
        objective: whose curvature.
        matrix: ``"hessian"``, or ``"ggn"`` for the generalised Gauss-Newton matrix.

    Attributes:
        count: the number of rows P.
        products: matrix-vector products so far.

    Raises:
        InputError: another word for the matrix.
    """

    def __init__(self, objective: Objective, matrix: Matrix = "hessian") -> None:
        if matrix not in MATRICES:
            raise InputError(f"matrix is {matrix!r}; expected one of {', '.join(MATRICES)}")
        self._product: Callable[[Tensor], Tensor] = (
            objective.hvp if matrix == "hessian" else objective.ggn_product
        )
        single = objective.data.batches == 1 and objective.batch_norm != "recompute"
        if matrix == "hessian" and single:
            self._product = _OneBatch(objective)
        self.count, self.device = objective.space.count, objective.device
        self.precision = torch.finfo(objective.dtype).eps
        self.products = 0

    def __call__(self, vectors: Tensor) -> Tensor:
        """Return the products with ``vectors`` ``(P,)`` or ``(P, k)``, in float64.

        Raises:
            InputError: a product that is not finite.
        """
        answer = self._product(vectors)
        self.products += 1 if vectors.ndim == 1 else vectors.shape[1]
        if not bool(torch.isfinite(answer).all()):
            raise InputError(
                "a Hessian-vector product is not finite: the loss has no second derivative here. "
                "Mend: look for square roots of zero, norms at zero or an overflow; "
                "Objective(..., dtype=torch.float64)"
            )
        return answer

    def dense(self) -> Tensor:
        """Return the whole matrix ``(P, P)``, symmetric to rounding; P products."""
        whole = self(torch.eye(self.count, dtype=torch.float64, device=self.device))
        return (whole + whole.T) / 2

    def random(self, generator: torch.Generator) -> Tensor:
        """Draw a Gaussian vector ``(P,)`` on the CPU, so that every device gets the same."""
        drawn = torch.randn(self.count, generator=generator, dtype=torch.float64)
        return drawn.to(self.device)


class _OneBatch:
    """Hessian products on a single batch, all from one forward and one first backward pass.

    The graph that every product needs is held between the products, at no higher peak of memory.
    """

    def __init__(self, objective: Objective) -> None:
        batch, _ = next(iter(objective.data))
        train_norms = objective.batch_norm == "batch"
        evaluation = evaluating(objective.model, train_norms=train_norms)
        with twice_differentiable(), evaluation, torch.enable_grad():
            self._leaf = objective.center.detach().clone().requires_grad_()
            loss = objective.batch_loss(objective.tensors(self._leaf), batch)
            self._slope = self._backward(attached(loss), None, create=True)

    def __call__(self, vectors: Tensor) -> Tensor:
        columns = vectors.reshape(self._leaf.shape[0], -1).to(self._leaf.dtype).T
        products = [self._backward(self._slope, column) for column in columns]
        return torch.stack(products, dim=1).double().reshape(vectors.shape)

    def _backward(self, output: Tensor, vector: Tensor | None, *, create: bool = False) -> Tensor:
        answer = None
        if output.requires_grad:
            (answer,) = torch.autograd.grad(
                output, self._leaf, vector, create_graph=create, retain_graph=True,
                allow_unused=True,
            )  # fmt: skip
        return torch.zeros_like(self._leaf) if answer is None else answer


def whole_number(name: str, value: object, lowest: int) -> list[str]:
    """Return the complaint, if any, about a number that must be whole and not too small."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= lowest:
        return []
    return [f"{name} is {value!r}; expected a whole number of {lowest} or more"]
