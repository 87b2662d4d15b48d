"""Spectral-norm regularization: the penalty on the largest singular value of every matrix."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from eigenscape.balancing._groups import check_optimizer
from eigenscape.errors import InputError


class SpectralNormRegularizer:
    r"""Adds the gradient of a penalty on spectral norms to every matrix at each optimizer step.

    .. math:: \nabla_W \; \frac{s}{2} \sigma_1(W)^2 = s\, \sigma_1 u_1 v_1^T

    for every parameter with more than one dimension, viewed as (first dimension, all others)
    (Yoshida and Miyato 2017, equation 6). The leading singular pair comes from power iteration.
    It acts on the gradients and :class:`TempBalance` on the rates, so both can be used at once;
    the rates then multiply the penalty too, as in TempBalance with SNR (Zhou et al. 2023).
    Gradients are changed within ``optimizer.step()``: after clipping and unscaling.

    Args:
        optimizer: the optimizer, or accelerate's wrapper of it.
        strength: s; TempBalance's runs take 1e-4 to 1.5e-2 by network and data set.
        power_iterations: from a random vector at each step; 5 as in the published runs.
        seed: of those vectors; the global random state is not used.

    Raises:
        InputError: a negative strength, no iterations, or no optimizer.

    >>> W = torch.nn.Parameter(torch.diag(torch.tensor([3.0, 1.0])))
    >>> optimizer = torch.optim.SGD([W], lr=1.0)
    >>> penalty = SpectralNormRegularizer(optimizer, strength=0.1, power_iterations=50)
    >>> W.grad = torch.zeros(2, 2)
    >>> optimizer.step()                                    # 3 - 0.1 * 3
    >>> [round(float(x), 4) for x in W.detach().diag()]
    [2.7, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        strength: float,
        *,
        power_iterations: int = 5,
        seed: int = 0,
    ) -> None:
        if not 0 <= strength < math.inf or power_iterations < 1:
            raise InputError(
                "strength must be a number of at least 0 and power_iterations at least 1; got "
                f"{strength!r} and {power_iterations!r}"
            )
        self.strength, self.power_iterations = strength, power_iterations
        self._generator = torch.Generator().manual_seed(seed)
        inside = check_optimizer(optimizer, ())
        self._handle = inside.register_step_pre_hook(self._penalize)

    def remove(self) -> None:
        """Detach from the optimizer."""
        self._handle.remove()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the random vectors."""
        return {"generator": self._generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with the random vectors of a saved run.

        Raises:
            InputError: not such a state.
        """
        saved = state.get("generator")
        if not isinstance(saved, Tensor):
            raise InputError(f"expected the state of a generator; got {sorted(state)}")
        self._generator.set_state(saved.cpu())

    @torch.no_grad()
    def _penalize(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:  # noqa: ARG002
        # A fused optimizer divides by the scale of mixed precision itself, later than here.
        scale = getattr(optimizer, "grad_scale", None)
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.ndim < 2 or parameter.grad is None or not parameter.numel():
                    continue
                term = self._term(parameter.detach())
                if not bool(torch.isfinite(torch.linalg.vector_norm(term))):
                    continue  # NaN weights: nothing to penalize, and no new NaN
                if isinstance(scale, Tensor):
                    term = term * scale.to(term.device)
                parameter.grad.add_(term.view_as(parameter).to(parameter.grad.dtype), alpha=1.0)

    def _term(self, W: Tensor) -> Tensor:
        flat = W.reshape(len(W), -1)
        work = flat if flat.dtype.itemsize > 2 else flat.float()
        # Drawn on the CPU, so that every device sees the same vectors.
        u = torch.randn(len(work), generator=self._generator).to(work)
        v = work.mH @ u
        for _ in range(self.power_iterations):
            u = torch.nn.functional.normalize(work @ v, dim=0)
            v = work.mH @ u  # sigma v
        return self.strength * torch.outer(u, v.conj())
