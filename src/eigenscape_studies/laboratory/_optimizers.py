"""Full-batch gradient descent and Adam, as torch has them, on one matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.optim import Optimizer

from eigenscape_studies.laboratory._options import LabOptions


class GradientDescent(Optimizer):
    """W <- W - eta B, with B <- momentum B + G."""

    def __init__(self, parameters: Sequence[torch.Tensor], options: LabOptions) -> None:
        super().__init__(parameters, {"lr": options.learning_rate})
        self._momentum, self._decay = options.momentum, options.weight_decay

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:  # noqa: ARG002
        """Change W in place."""
        for W, rate in _weights(self):
            G, memory = _decayed(W, self._decay), self.state[W]
            if self._momentum:
                buffer = memory.get("buffer")
                memory["buffer"] = (
                    G.clone() if buffer is None else buffer.mul_(self._momentum).add_(G)
                )
                G = memory["buffer"]
            W.sub_(G, alpha=rate)


class Adam(Optimizer):
    r"""Adam with bias correction (Kingma and Ba 2015, algorithm 1).

    The first step is :math:`-\eta\,G / (|G| + \epsilon)`: the sign of the gradient wherever the
    gradient is not of the size of eps.
    """

    def __init__(self, parameters: Sequence[torch.Tensor], options: LabOptions) -> None:
        super().__init__(parameters, {"lr": options.learning_rate})
        self._betas, self._eps, self._decay = options.betas, options.eps, options.weight_decay

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:  # noqa: ARG002
        """Change W in place."""
        first, second = self._betas
        for W, rate in _weights(self):
            G, memory = _decayed(W, self._decay), self.state[W]
            if not memory:
                memory.update(m=torch.zeros_like(G), v=torch.zeros_like(G), count=0)
            memory["count"] += 1
            m, v, count = memory["m"], memory["v"], memory["count"]
            m.mul_(first).add_(G, alpha=1 - first)
            v.mul_(second).addcmul_(G, G, value=1 - second)
            root = v.sqrt().div_(math.sqrt(1 - second**count)).add_(self._eps)
            W.addcdiv_(m, root, value=-rate / (1 - first**count))


def make_optimizer(parameters: Sequence[torch.Tensor], options: LabOptions) -> Optimizer:
    """Return the optimizer that the options name; it rescales W if they ask for it."""
    kind = Adam if options.optimizer == "adam" else GradientDescent
    optimizer = kind(parameters, options)
    if options.weight_norm:

        def rescale(*_: object) -> None:
            for W in parameters:
                normalise(W)

        optimizer.register_step_post_hook(rescale)
    return optimizer


def memory_is_finite(optimizer: Optimizer) -> bool:
    """Tell whether Adam's second moment is finite: an infinite one freezes an entry silently.

    A buffer of gradient descent that overflows takes W along, so W alone is looked at.
    """
    return all(bool(kept["v"].isfinite().all()) for kept in optimizer.state.values() if "v" in kept)


@torch.no_grad()
def normalise(W: torch.Tensor) -> None:
    """Rescale W in place to the Frobenius norm sqrt(h d) that unit entries have.

    >>> W = torch.full((2, 3), 5.0)
    >>> normalise(W)
    >>> bool(torch.allclose(W, torch.ones(2, 3)))
    True
    """
    W.mul_(math.sqrt(W.numel()) / float(torch.linalg.vector_norm(W)))


def _weights(optimizer: Optimizer) -> list[tuple[torch.Tensor, float]]:
    return [(W, group["lr"]) for group in optimizer.param_groups for W in group["params"]]


def _decayed(W: torch.Tensor, decay: float) -> torch.Tensor:
    assert W.grad is not None
    return W.grad.add(W, alpha=decay) if decay else W.grad
