"""The student: features, output, loss, and the gradient written out."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from eigenscape_studies.laboratory._single_index import Samples


def features(W: torch.Tensor, X: torch.Tensor, *, scale: str = "paper") -> torch.Tensor:
    r"""Return the hidden features of each sample, (n, h).

    Args:
        W: (h, d).
        X: (n, d).
        scale: ``"paper"``: :math:`\tanh(W x / \sqrt d)`; ``"reference_code"``:
            :math:`\tanh(W x / d)`.

    >>> W, X = torch.ones(1, 4), torch.ones(1, 4)
    >>> [round(float(features(W, X, scale=s)), 4) for s in ("paper", "reference_code")]
    [0.964, 0.7616]
    """
    d = X.shape[1]
    divisor = math.sqrt(d) if scale == "paper" else d
    return torch.tanh_((X @ W.T).div_(divisor))


def gradient(W: torch.Tensor, a: torch.Tensor, data: Samples) -> tuple[float, torch.Tensor]:
    r"""Return the mean squared error and its gradient with respect to W, without autograd.

    With :math:`Z = \tanh(X W^T / \sqrt d)` and the residual :math:`r = Z a / \sqrt h - y`:

    .. math:: L = \|r\|^2 / n, \qquad
              G = \frac{2}{n \sqrt{h d}} \left[(r 1^T) \circ (1 - Z^2) \circ (1 a^T)\right]^T X

    Two matrix products, and no more memory than Z.

    Returns:
        L and G, (h, d).

    >>> W, a = torch.zeros(2, 1), torch.ones(2)
    >>> loss, G = gradient(W, a, Samples(torch.ones(1, 1), torch.ones(1)))
    >>> loss, [round(float(g), 4) for g in G]              # -2 / sqrt(2) for each hidden unit
    (1.0, [-1.4142, -1.4142])
    """
    n, d = data.X.shape
    h = W.shape[0]
    Z = features(W, data.X)  # (n, h)
    r = (Z @ a).div_(math.sqrt(h)).sub_(data.y)
    loss = float(r.square().mean())
    slope = Z.square_().neg_().add_(1)  # Z itself is not needed any more
    slope.mul_(r.mul_(2 / (n * math.sqrt(h * d)))[:, None])
    G = (slope.T @ data.X).mul_(a[:, None])
    return loss, G


class Student(nn.Module):
    """The student as a module whose forward pass is its loss, with the gradient written out.

    Loss and gradient of one W are computed once, whoever asks.

    Args:
        W: the hidden weights at the start, (h, d); copied.
        a: the read-out, (h,).
        data: what it is trained on.
    """

    def __init__(self, W: torch.Tensor, a: torch.Tensor, data: Samples) -> None:
        super().__init__()
        self.W = nn.Parameter(W.clone())
        self._a, self._data = a, data
        self._seen: tuple[int, float, torch.Tensor] | None = None

    def at_present(self) -> tuple[float, torch.Tensor]:
        """Return loss and gradient."""
        if self._seen is None or self._seen[0] != self.W._version:
            self._seen = (self.W._version, *gradient(self.W.detach(), self._a, self._data))
        return self._seen[1:]

    def forward(self, *_: object) -> torch.Tensor:
        """Return the loss."""
        loss: torch.Tensor = _Loss.apply(self.W, self)  # type: ignore[no-untyped-call]
        return loss


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, W: torch.Tensor, student: Student) -> torch.Tensor:
        loss, ctx.slope = student.at_present()
        return W.new_tensor(loss)

    @staticmethod
    def backward(ctx: Any, *slopes: torch.Tensor) -> tuple[torch.Tensor, None]:
        return ctx.slope * slopes[0], None
