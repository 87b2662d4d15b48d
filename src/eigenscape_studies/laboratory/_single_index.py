"""The single-index problem: a teacher, three sets of its labels, and its two-layer student."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import nn

from eigenscape_studies.laboratory._links import link
from eigenscape_studies.laboratory._options import LabOptions


class Samples(NamedTuple):
    """Inputs (n, d) and labels (n,)."""

    X: torch.Tensor
    y: torch.Tensor


@dataclass(frozen=True)
class SingleIndex:
    """A teacher of one direction, its data, and a student at its start: all that is random.

    Args:
        beta: the teacher's direction, (d,), of norm 1.
        train: the set that the student is trained on.
        probe: a set for alignment and for fitting the read-out.
        test: a set for the read-out's test loss.
        W: the student's hidden weights at the start, (h, d).
        a: its read-out, (h,), never trained.
    """

    beta: torch.Tensor
    train: Samples
    probe: Samples
    test: Samples
    W: torch.Tensor
    a: torch.Tensor

    @classmethod
    def draw(cls, options: LabOptions) -> Self:
        r"""Draw teacher, data and student.

        .. math:: y = \sigma_*(\beta_*^T x) + \rho\,\epsilon, \qquad x \sim N(0, I_d),
                  \quad W_{ij}, a_j \sim N(0, 1)

        Each part has a random stream of its own: another n does not change teacher and student.

        >>> problem = SingleIndex.draw(LabOptions(n=8, d=4, h=6))
        >>> tuple(problem.W.shape), round(float(problem.beta.norm()), 6)
        ((6, 4), 1.0)
        """
        dtype = torch.float64 if options.dtype == "float64" else torch.float32
        states = np.random.SeedSequence(options.seed).generate_state(6)
        streams = [torch.Generator().manual_seed(int(state)) for state in states]

        def normal(stream: torch.Generator, *shape: int) -> torch.Tensor:
            return torch.randn(*shape, generator=stream, dtype=dtype)

        direction = normal(streams[0], options.d)
        beta = direction / direction.norm()
        curve = link(options.link)

        def samples(stream: torch.Generator, count: int) -> Samples:
            X = normal(stream, count, options.d)
            return Samples(X, curve(X @ beta) + options.noise * normal(stream, count))

        return cls(
            beta=beta,
            train=samples(streams[1], options.n),
            probe=samples(streams[2], options.n),
            test=samples(streams[3], options.n_test),
            W=normal(streams[4], options.h, options.d),
            a=normal(streams[5], options.h),
        )


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

    Loss and gradient of one W are computed once.

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
