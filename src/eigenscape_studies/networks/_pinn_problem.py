"""The equations that physics-informed networks are tested on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.models import mode_restored
from eigenscape_studies.networks._pinn import PINN

Initial = Literal["sine", "gaussian"]

_POINTS, _TIMES = 256, 100
_INTERIOR = (_POINTS - 1) * (_TIMES - 1)
_WIDTH = math.pi / 4


@dataclass(frozen=True, kw_only=True)
class PINNProblem:
    """``u_t + beta u_x - nu u_xx - rho u (1 - u) = 0`` for x in [0, 2 pi), periodic, t in [0, 1].

    The set-up of Krishnapriyan et al., "Characterizing possible failure modes in physics-informed
    neural networks" (NeurIPS 2021): 256 places, x = 2 pi left out, and 100 times, 0 and 1 among
    them. Made by :func:`convection`, :func:`reaction` and :func:`reaction_diffusion`. A problem can
    be pickled, and so can its methods.

    Args:
        beta: the speed of the convection; a negative one runs to the left.
        nu: the diffusion, 0 or more.
        rho: the rate of the reaction.
        initial: u at t = 0. "sine" is sin x; "gaussian" is exp(-(x - pi)^2 / (2 (pi / 4)^2)).
        n_collocation: how many interior grid points (x > 0, t > 0) the equation is asked to hold
            at, drawn without replacement; 1000 in the paper.
        collocation_seed: seeds that draw; it has nothing to do with the seed of the weights.
        residual_weight: the weight of the equation in the loss; 1 in the paper's comparisons.

    Raises:
        InputError: a number is out of its range (all problems are listed).
    """

    beta: float = 0.0
    nu: float = 0.0
    rho: float = 0.0
    initial: Initial = "sine"
    n_collocation: int = 1000
    collocation_seed: int = 0
    residual_weight: float = 1.0

    def __post_init__(self) -> None:
        problems = [
            f"{name}={value}; expected a finite number{' of 0 or more' if positive else ''}"
            for name, value, positive in (
                ("beta", self.beta, False),
                ("nu", self.nu, True),
                ("rho", self.rho, False),
                ("residual_weight", self.residual_weight, True),
            )
            if not math.isfinite(value) or (positive and value < 0)
        ]
        if not 1 <= self.n_collocation <= _INTERIOR:
            problems.append(
                f"n_collocation={self.n_collocation}; expected 1 to {_INTERIOR}, the interior "
                "points of the grid"
            )
        if self.initial not in get_args(Initial):
            problems.append(f"initial={self.initial!r}; expected 'sine' or 'gaussian'")
        elif self.initial == "sine" and self.rho:
            problems.append(
                f"initial='sine' with rho={self.rho}: the reaction blows up where u is negative; "
                "expected 'gaussian'"
            )
        if problems:
            raise InputError("the PINN problem has " + "; ".join(problems))

    # ------------------------------------------------------------------ the solution

    @property
    def x(self) -> Tensor:
        """The 256 places, float64."""
        return torch.arange(_POINTS, dtype=torch.float64) * (2 * math.pi / _POINTS)

    @property
    def t(self) -> Tensor:
        """The 100 times, float64."""
        return torch.linspace(0, 1, _TIMES, dtype=torch.float64)

    def grid(self) -> Tensor:
        """Return every point of the grid, ``(25600, 2)`` with columns x and t; x runs fastest."""
        return _pairs(self.x, self.t)

    def reference(self, substeps: int = 10) -> Tensor:
        """Return the solution on the grid, ``(100, 256)``: one row a time, float64.

        Split after Lie: the reaction alone, which is logistic, then convection and diffusion alone,
        by FFT. Each of the two is exact, so the whole is exact when ``rho`` is 0 and when ``beta``
        and ``nu`` are; otherwise its error is of the order of the step.

        The step is that of the grid, 1 / 99, over ``substeps``. The code that was published with
        the paper takes steps of 1 / 100 between rows that are 1 / 99 apart, so that its last row is
        the solution at t = 0.99; its solution was split once a row (``substeps=1``).

        Args:
            substeps: splitting steps from one row to the next.

        Raises:
            InputError: there is not one step a row.

        >>> convection(5.0).reference()[-1, 0].item() - math.sin(-5.0) < 1e-12
        True
        """
        if substeps < 1:
            raise InputError(f"substeps={substeps}; expected 1 or more")
        step = 1 / (_TIMES - 1) / substeps
        waves = np.arange(_POINTS // 2 + 1)
        transport = np.exp((-1j * self.beta * waves - self.nu * waves**2) * step)
        decay = math.exp(-self.rho * step)
        rows = [self._initial_values().numpy()]
        for _ in range(_TIMES - 1):
            u = rows[-1]
            for _ in range(substeps):
                if self.rho:
                    u = u / (u + (1 - u) * decay)
                if self.beta or self.nu:
                    u = np.fft.irfft(np.fft.rfft(u) * transport, _POINTS)
            rows.append(u)
        return torch.from_numpy(np.stack(rows))

    def errors(self, model: PINN) -> dict[str, float]:
        """Return how far a model is from the reference, on the whole grid.

        Args:
            model: any :class:`PINN`.

        Returns:
            ``relative_l2``, ``|e|_2 / |u|_2``; ``mean_absolute``, the mean of ``|e|``;
            ``max_ratio``, ``max |e| / max |u|``. A model that always says 0 has 1 for the first
            and the last.
        """
        weight = next(model.parameters())
        with mode_restored(model), torch.no_grad():
            guess = model.eval()(self.grid().to(weight.device, weight.dtype))
        truth = self.reference().flatten()
        error = guess.double().cpu() - truth
        return {
            "relative_l2": (error.norm() / truth.norm()).item(),
            "mean_absolute": error.abs().mean().item(),
            "max_ratio": (error.abs().max() / truth.abs().max()).item(),
        }

    # ------------------------------------------------------------------ the loss

    def batch(self) -> dict[str, Tensor]:
        """Return the points that the loss uses, float64.

        Returns:
            ``interior``, ``(n_collocation, 2)``; ``initial``, ``(256, 2)`` at t = 0, and
            ``initial_values``, ``(256,)``; ``left`` and ``right``, ``(100, 2)`` at x = 0 and 2 pi.
        """
        interior = _pairs(self.x[1:], self.t[1:])
        chosen = np.random.default_rng(self.collocation_seed).choice(
            _INTERIOR, self.n_collocation, replace=False
        )
        return {
            "interior": interior[torch.from_numpy(chosen)],
            "initial": _pairs(self.x, self.t[:1]),
            "initial_values": self._initial_values(),
            "left": _pairs(self.x[:1], self.t),
            "right": _pairs(torch.full((1,), 2 * math.pi, dtype=torch.float64), self.t),
        }

    def loss_of(self, model: PINN, batch: dict[str, Tensor]) -> Tensor:
        """Return the loss of a model on a batch: a scalar, a pure function of both.

        The mean squares of three misfits are added: of u at t = 0; of u (and of u_x, where there is
        diffusion) between the two ends; and, times ``residual_weight``, of the equation. An
        ``Objective`` takes it as its ``forward``.

        Args:
            model: a :class:`PINN`.
            batch: as :meth:`batch` gives it, in the model's dtype.
        """
        ends = torch.cat([batch["left"], batch["right"]])
        if self.nu:
            start = model(batch["initial"])
            value, slope = model.jet(ends, (1.0, 0.0))
            left, right = torch.stack([value, slope], dim=1).chunk(2)
        else:
            count = len(batch["initial"])
            start, value = model(torch.cat([batch["initial"], ends])).tensor_split([count])
            left, right = value.chunk(2)
        misfit = (left - right).square().sum() / len(batch["left"])
        u, change = model.jet(batch["interior"], (self.beta, 1.0), self.nu)
        residual = change - self.rho * u * (1 - u) if self.rho else change
        fit = (start - batch["initial_values"]).square().mean()
        loss: Tensor = fit + misfit + self.residual_weight * residual.square().mean()
        return loss

    def loss(self, model: PINN) -> Tensor:
        """Return the loss of a model on :meth:`batch`.

        Args:
            model: a :class:`PINN` of any dtype, on any device.
        """
        weight = next(model.parameters())
        batch = {
            name: points.to(weight.device, weight.dtype) for name, points in self.batch().items()
        }
        return self.loss_of(model, batch)

    def _initial_values(self) -> Tensor:
        if self.initial == "sine":
            return self.x.sin()
        return torch.exp(-((self.x - math.pi) ** 2) / (2 * _WIDTH**2))


def _pairs(x: Tensor, t: Tensor) -> Tensor:
    """Return every (x, t), x running fastest."""
    return torch.stack([x.repeat(len(t)), t.repeat_interleave(len(x))], dim=1)


def convection(beta: float, *, n_collocation: int = 1000) -> PINNProblem:
    """Return ``u_t + beta u_x = 0`` from sin x: the solution is sin(x - beta t).

    A network of the usual size learns it for a small ``beta`` and fails from about 20 on.

    Args:
        beta: the speed.
        n_collocation: interior points; see :class:`PINNProblem`.

    Raises:
        InputError: a number is out of its range.

    >>> problem = convection(2.0)
    >>> x, t = problem.grid().T
    >>> torch.allclose(problem.reference().flatten(), torch.sin(x - 2 * t), atol=1e-12)
    True
    """
    return PINNProblem(beta=beta, n_collocation=n_collocation)


def reaction(rho: float, *, n_collocation: int = 1000) -> PINNProblem:
    """Return ``u_t = rho u (1 - u)`` from a Gaussian: at each x the logistic curve of its start.

    Args:
        rho: the rate.
        n_collocation: interior points; see :class:`PINNProblem`.

    Raises:
        InputError: a number is out of its range.

    >>> u = reaction(5.0).reference()
    >>> h = u[0, 64].item()                     # x = pi / 2, two standard deviations out
    >>> round(h, 4), round(u[-1, 64].item(), 4), round(h / (h + (1 - h) * math.exp(-5.0)), 4)
    (0.1353, 0.9587, 0.9587)
    """
    return PINNProblem(rho=rho, initial="gaussian", n_collocation=n_collocation)


def reaction_diffusion(nu: float, rho: float, *, n_collocation: int = 1000) -> PINNProblem:
    """Return ``u_t - nu u_xx = rho u (1 - u)`` from a Gaussian.

    The loss also asks for the same u_x at both ends. Its reference solution is computed, not known
    in closed form: see :meth:`PINNProblem.reference`.

    Args:
        nu: the diffusion, 0 or more.
        rho: the rate of the reaction.
        n_collocation: interior points; see :class:`PINNProblem`.

    Raises:
        InputError: a number is out of its range.
    """
    return PINNProblem(nu=nu, rho=rho, initial="gaussian", n_collocation=n_collocation)
