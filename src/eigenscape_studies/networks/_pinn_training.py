"""Training of a physics-informed network."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.models import build, fit
from eigenscape.runs import single_thread
from eigenscape_studies.networks._pinn import PINN
from eigenscape_studies.networks._pinn_problem import PINNProblem

_HISTORY = 50


@dataclass(frozen=True)
class PINNLog:
    """What happened during the training of a PINN.

    Two logs are equal when everything but their ``seconds`` is.

    Attributes:
        losses: the loss at every evaluation, those of the line searches included; the last one is
            not finite when the training diverged.
        iterations: steps of L-BFGS.
        converged: a tolerance was met before the iterations ran out.
        diverged: the loss stopped being finite, and the training was stopped; the model then has
            the weights of its lowest loss.
        final_loss: the loss of the returned model.
        seconds: the wall-clock time that it took.
    """

    losses: tuple[float, ...]
    iterations: int
    converged: bool
    diverged: bool
    final_loss: float
    seconds: float = field(default=0.0, compare=False)


class _Evaluations:
    """The loss, which remembers what it was asked for: L-BFGS asks often within its one step."""

    def __init__(
        self, problem: PINNProblem, model: PINN, progress: Callable[[int, float], object] | None
    ) -> None:
        self.model, self.problem, self.progress = model, problem, progress
        dtype = next(model.parameters()).dtype
        self.batch = {name: part.to(dtype) for name, part in problem.batch().items()}
        self.losses: list[float] = []
        self.best = math.inf
        self.best_state: dict[str, Tensor] = {}

    def loss(self) -> Tensor:
        return self.problem.loss_of(self.model, self.batch)

    def __call__(self, *_: object) -> Tensor:
        loss = self.loss()
        value = loss.item()
        self.losses.append(value)
        if value < self.best:
            self.best = value
            self.best_state = {
                name: weight.clone() for name, weight in self.model.state_dict().items()
            }
        if self.progress is not None and math.isfinite(value):
            self.progress(len(self.losses), value)
        return loss


def train_pinn(
    problem: PINNProblem,
    *,
    seed: int = 0,
    hidden: Sequence[int] = (50, 50, 50, 50),
    max_iterations: int = 2500,
    tolerance: float = 1e-7,
    dtype: torch.dtype = torch.float64,
    progress: Callable[[int, float], object] | None = None,
) -> tuple[PINN, PINNLog]:
    """Train a PINN with L-BFGS on one thread of the CPU: 3 to 25 seconds with the defaults.

    The optimizer is that of Krishnapriyan et al. (NeurIPS 2021) and its code: learning rate 1, a
    history of 50, strong Wolfe line search, tolerance 1e-7. The same arguments give the same
    weights on the same machine. Whether the solution was learned does not show in the loss, which
    can be small for a wrong one: see :meth:`PINNProblem.errors`.

    Args:
        problem: what to solve; it also says at how many points.
        seed: seeds the initial weights.
        hidden: the widths of the hidden layers.
        max_iterations: of L-BFGS, at most; it also stops after 1.25 times as many evaluations.
        tolerance: training ends when no entry of the gradient, or no step or change of the loss, is
            larger; 1e-9 takes a slow convection (beta = 1) three times as long, to less than half
            the error.
        dtype: of weights and points.
        progress: called after each evaluation with its number, from 1, and its loss.

    Returns:
        The model, in evaluation mode, and what happened.

    Raises:
        InputError: an argument is out of its range, or the loss is not finite at the start.

    >>> from eigenscape_studies.networks import convection
    >>> model, log = train_pinn(convection(1.0, n_collocation=50), hidden=[8], max_iterations=20)
    >>> log.losses[0] > 3 * log.final_loss, log.diverged
    (True, False)
    """
    wrong = []
    if max_iterations < 1:
        wrong.append(f"max_iterations={max_iterations}; expected 1 or more")
    if not 0 <= tolerance < math.inf:
        wrong.append(f"tolerance={tolerance}; expected a finite number of 0 or more")
    if dtype not in (torch.float32, torch.float64):
        wrong.append(f"dtype is {dtype}; expected torch.float32 or torch.float64")
    if wrong:
        raise InputError("train_pinn has " + "; ".join(wrong))
    model = build(lambda: PINN(hidden), seed).to(dtype)
    optimizer = partial(
        torch.optim.LBFGS,
        lr=1.0,
        max_iter=max_iterations,
        tolerance_grad=tolerance,
        tolerance_change=tolerance,
        history_size=_HISTORY,
        line_search_fn="strong_wolfe",
    )
    evaluations, started = _Evaluations(problem, model, progress), time.perf_counter()
    with single_thread():
        done = fit(
            model, None, [evaluations.batch], optimizer=optimizer, steps=1, forward=evaluations
        )
        diverged = not math.isfinite(evaluations.losses[-1])
        if diverged:
            _restore_best(evaluations)
        with torch.no_grad():
            final = evaluations.loss().item()
    iterations = int(next(iter(done.optimizer.state.values()))["n_iter"])
    spent = iterations >= max_iterations or len(evaluations.losses) >= max_iterations * 5 // 4
    log = PINNLog(
        losses=tuple(evaluations.losses),
        iterations=iterations,
        converged=not (diverged or spent),
        diverged=diverged,
        final_loss=final,
        seconds=time.perf_counter() - started,
    )
    return model.eval(), log


def _restore_best(evaluations: _Evaluations) -> None:
    """Give the model the weights of its lowest loss.

    Raises:
        InputError: no loss was finite.
    """
    if not evaluations.best_state:
        raise InputError(
            f"the loss of the PINN is {evaluations.losses[0]} at its initial weights for "
            f"{evaluations.problem}; expected a finite number. Try: smaller coefficients, or "
            "dtype=torch.float64"
        )
    evaluations.model.load_state_dict(evaluations.best_state)
