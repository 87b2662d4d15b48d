"""What the inputs of a layer look like over the calibration data: norms of columns, Gram matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from eigenscape.errors import InputError


class InputStatistics:
    """Sums over all rows that a layer is given; the order of the batches does not matter.

    Args:
        columns: n, the width of the layer's input.
        gram: keep the Gram matrix ``X^T X`` as well, ``(n, n)`` float32.
        device: where the sums are kept.

    >>> one = InputStatistics(2)
    >>> one.add(torch.tensor([[3.0, 1.0], [4.0, 0.0]]))
    >>> one.norms.tolist(), one.rows
    ([5.0, 1.0], 2)
    """

    def __init__(
        self, columns: int, *, gram: bool = False, device: str | torch.device = "cpu"
    ) -> None:
        self.rows = 0
        self.squares = torch.zeros(columns, dtype=torch.float64, device=device)
        self._gram = torch.zeros(columns, columns, device=device) if gram else None

    def add(self, inputs: Tensor) -> None:
        """Add rows of inputs.

        Args:
            inputs: ``(..., n)``.

        Raises:
            InputError: inputs that are not finite.
        """
        rows = inputs.detach().reshape(-1, inputs.shape[-1]).float()
        squares = rows.square().sum(dim=0, dtype=torch.float64)
        if not bool(torch.isfinite(squares).all()):
            bad = int((~torch.isfinite(squares)).sum())
            raise InputError(
                f"{bad} of {len(squares)} input columns hold numbers that are not finite. "
                "Try: --dtype float32, or look at the weights with eigenscape spectra"
            )
        self.rows += len(rows)
        self.squares += squares
        if self._gram is not None:
            self._gram.addmm_(rows.T, rows)

    @property
    def norms(self) -> Tensor:
        """The Euclidean norm of each input column, float32 ``(n,)``."""
        return self.squares.sqrt().float()

    @property
    def gram(self) -> Tensor:
        """``X^T X``, float32 ``(n, n)``.

        Raises:
            InputError: it was not kept.
        """
        if self._gram is None:
            raise InputError("the Gram matrix was not kept. Try: InputStatistics(n, gram=True)")
        return self._gram
