"""Full-batch gradient descent and Adam, as torch has them, on one matrix."""

from __future__ import annotations

import math
from typing import Protocol

import torch

from eigenscape_studies.laboratory._options import LabOptions


class Optimizer(Protocol):
    """What turns a gradient into a change of W."""

    def step(self, W: torch.Tensor, G: torch.Tensor, learning_rate: float) -> None:
        """Change W in place."""

    def finite(self) -> bool:
        """Whether the optimizer's own memory is still finite."""


class GradientDescent:
    """W <- W - eta B, with B <- momentum B + G."""

    def __init__(self, options: LabOptions) -> None:
        self._momentum, self._decay = options.momentum, options.weight_decay
        self._buffer: torch.Tensor | None = None

    def step(self, W: torch.Tensor, G: torch.Tensor, learning_rate: float) -> None:
        """Change W in place."""
        G = _decayed(G, W, self._decay)
        if self._momentum:
            self._buffer = (
                G.clone() if self._buffer is None else self._buffer.mul_(self._momentum).add_(G)
            )
            G = self._buffer
        W.sub_(G, alpha=learning_rate)

    def finite(self) -> bool:
        """A buffer that overflows takes W along, so W alone is looked at."""
        return True


class Adam:
    r"""Adam with bias correction (Kingma and Ba 2015, algorithm 1).

    The first step is :math:`-\eta\,G / (|G| + \epsilon)`: the sign of the gradient wherever the
    gradient is not of the size of eps.
    """

    def __init__(self, options: LabOptions) -> None:
        self._betas, self._eps, self._decay = options.betas, options.eps, options.weight_decay
        self._m: torch.Tensor | None = None
        self._v: torch.Tensor | None = None
        self._count = 0

    def step(self, W: torch.Tensor, G: torch.Tensor, learning_rate: float) -> None:
        """Change W in place."""
        first, second = self._betas
        G = _decayed(G, W, self._decay)
        if self._m is None or self._v is None:
            self._m, self._v = torch.zeros_like(G), torch.zeros_like(G)
        self._count += 1
        self._m.mul_(first).add_(G, alpha=1 - first)
        self._v.mul_(second).addcmul_(G, G, value=1 - second)
        root = self._v.sqrt().div_(math.sqrt(1 - second**self._count)).add_(self._eps)
        W.addcdiv_(self._m, root, value=-learning_rate / (1 - first**self._count))

    def finite(self) -> bool:
        """An infinite second moment freezes an entry silently; so it is looked at."""
        return self._v is None or bool(torch.isfinite(self._v).all())


def make_optimizer(options: LabOptions) -> Optimizer:
    """Return the optimizer that the options name."""
    return Adam(options) if options.optimizer == "adam" else GradientDescent(options)


def _decayed(G: torch.Tensor, W: torch.Tensor, decay: float) -> torch.Tensor:
    return G.add(W, alpha=decay) if decay else G
