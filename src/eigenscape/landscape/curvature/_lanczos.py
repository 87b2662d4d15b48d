"""An orthonormal basis that grows by one product at a time, and the projected matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from eigenscape.landscape.curvature._curvature import Curvature


class Lanczos:
    """The Lanczos process with full reorthogonalisation.

    Each step multiplies the newest basis vector and orthogonalises the product against the whole
    basis, twice ("twice is enough", Giraud et al. 2005). All inner products are kept, so that
    ``projected`` is V^T H V also after a restart or an injected vector.

    Args:
        curvature: the matrix, by its products.
        room: basis vectors at most.
        start: the first vector, of any length above zero.

    Attributes:
        size: basis vectors that have been multiplied.
        beta: the length of the part of the last product that lies outside the basis.
    """

    def __init__(self, curvature: Curvature, room: int, start: Tensor) -> None:
        self._curvature = curvature
        self._basis = torch.zeros(
            (min(room, curvature.count), curvature.count),
            dtype=torch.float64,
            device=curvature.device,
        )
        self._projected = torch.zeros((len(self._basis),) * 2, dtype=torch.float64)
        self._next: Tensor | None = start / start.norm()
        self.size = 0
        self.beta = 0.0

    @property
    def projected(self) -> Tensor:
        """The matrix in the basis, ``(size, size)``, on the CPU."""
        return self._projected[: self.size, : self.size]

    @property
    def full(self) -> bool:
        """Whether the basis is full."""
        return self.size == len(self._basis)

    @property
    def complete(self) -> bool:
        """Whether the basis spans the whole space, so that there is no next vector."""
        return self.size == self._curvature.count

    @property
    def broken(self) -> bool:
        """Whether the basis spans an invariant subspace, to rounding."""
        scale = float(self.projected.abs().max()) if self.size else 0.0
        return self.beta <= 10 * self._curvature.precision * scale or self._next is None

    def step(self) -> None:
        """Add the next vector to the basis: one product."""
        assert self._next is not None
        at, self.size = self.size, self.size + 1
        self._basis[at] = self._next
        product = self._curvature(self._next)
        known = self._basis[: self.size]
        inner = known @ product
        product = product - inner @ known
        product = product - (known @ product) @ known
        self._projected[: self.size, at] = self._projected[at, : self.size] = inner.cpu()
        self.beta = float(product.norm())
        self._next = product / self.beta if self.beta > 0 else None

    def inject(self, vector: Tensor) -> bool:
        """Continue from another vector; False if it lies in the basis already."""
        known = self._basis[: self.size]
        length = float(vector.norm())
        for _ in range(2):
            vector = vector - (known @ vector) @ known
        rest = float(vector.norm())
        if self.complete or rest <= 1e-10 * length:
            return False
        self._next = vector / rest
        return True

    def restart(self, combinations: Tensor, values: Tensor) -> None:
        """Keep some Ritz vectors only, and continue from the same next vector (thick restart).

        Args:
            combinations: (size, kept), orthonormal columns: eigenvectors of ``projected``.
            values: their eigenvalues.
        """
        kept = combinations.shape[1]
        self._basis[:kept] = self.vectors(combinations).T
        self.size = kept
        self._projected.zero_()
        self._projected[range(kept), range(kept)] = values

    def vectors(self, combinations: Tensor) -> Tensor:
        """Return combinations ``(size, k)`` of the basis as columns ``(P, k)``."""
        return self._basis[: self.size].T @ combinations.to(self._basis.device)
