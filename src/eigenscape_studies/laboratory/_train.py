"""The training of the student: one state for each step, until the end or until numbers overflow."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from eigenscape.errors import InputError
from eigenscape.models import Callback, Fit, fit
from eigenscape_studies.laboratory._optimizers import make_optimizer, memory_is_finite, normalise
from eigenscape_studies.laboratory._options import LabOptions
from eigenscape_studies.laboratory._single_index import SingleIndex, Student


@dataclass(frozen=True)
class State:
    """The student after some steps.

    Args:
        step: how many; 0 is the start.
        W: the hidden weights, (h, d), as the forward pass sees them. Not a copy: the next step
            changes it.
        update: the change of W by the last step, or None if it was not asked for.
        loss: the mean squared error on the training set; NaN where the training stopped.
        stopped: why the training ends here, or empty.
    """

    step: int
    W: torch.Tensor
    update: torch.Tensor | None
    loss: float
    stopped: str = ""


def train(
    problem: SingleIndex,
    options: LabOptions,
    look: Callable[[State], object] | None = None,
    *,
    updates: bool = False,
) -> State:
    """Train the student, and return its last state.

    A learning rate that overflows ends the training with a last state that says so in ``stopped``;
    that state's weights are not finite.

    Args:
        problem: teacher, data and student; not changed.
        options: the settings.
        look: called with every state, from step 0 on; no gradients are recorded meanwhile.
        updates: keep the last change of W, which costs two copies.

    Raises:
        InputError: weights or data of the problem that are not finite.

    >>> options, seen = LabOptions(n=40, d=20, h=30, steps=2), []
    >>> last = train(SingleIndex.draw(options), options, lambda state: seen.append(state.step))
    >>> seen, last.stopped
    ([0, 1, 2], '')
    """
    _check(problem)
    student = Student(problem.W, problem.a, problem.train)
    if options.weight_norm:
        normalise(student.W)
    states = _States(student, options, look or (lambda _: None), updates)
    states.show(0, None)
    if options.steps:
        done = fit(
            student,
            None,
            [problem.train],
            optimizer=partial(make_optimizer, options=options),
            steps=options.steps,
            schedule=lambda _, state: options.learning_rate_at(state.step + 1),
            forward=Student.forward,
            callbacks=[states],
        )
        if done.diverged[0] is not None and not states.last.stopped:
            states.end(done.step + 1, "the loss")
    return states.last


class _States(Callback):
    """Shows every state, and stops where numbers overflow."""

    def __init__(
        self,
        student: Student,
        options: LabOptions,
        look: Callable[[State], object],
        updates: bool,
    ) -> None:
        self.student, self.options, self.look, self.updates = student, options, look, updates
        self.last: State
        self._before: torch.Tensor | None = None

    @torch.no_grad()
    def on_step(self, fit: Fit) -> None:
        W = self.student.W.detach()
        if found := self._overflow(fit):
            fit.stop(self.end(fit.step, found))
            return
        update = None if self._before is None else W - self._before
        self.show(fit.step, update)

    @torch.no_grad()
    def show(self, step: int, update: torch.Tensor | None) -> None:
        W = self.student.W.detach()
        self.last = State(step, W, update, self.student.at_present()[0])
        self.look(self.last)
        self._before = W.clone() if self.updates else None

    def end(self, step: int, what: str) -> str:
        """Build the last state, and return why it is the last."""
        options = self.options
        reason = (
            f"stopped at step {step}: {what} overflowed {options.dtype} at learning rate "
            f"{options.learning_rate_at(step):g} ({options.optimizer}); the steps before are kept. "
            "Try: a smaller learning_rate, or decay below 1"
        )
        self.last = State(step, self.student.W.detach(), None, math.nan, reason)
        self.look(self.last)
        return reason

    def _overflow(self, fit: Fit) -> str:
        W = self.student.W.detach()
        if not memory_is_finite(fit.optimizer):
            return "Adam's second moment"
        if bad := int((~torch.isfinite(W)).sum()):
            return f"{bad} of {W.numel()} weights"
        # Beyond the root of the largest number the Gram matrix overflows in any later use.
        if float(W.abs().max()) > math.sqrt(torch.finfo(W.dtype).max):
            return "the weights"
        loss, G = self.student.at_present()
        fine = math.isfinite(loss) and bool(torch.isfinite(G).all())
        return "" if fine else "the loss or its gradient"


def _check(problem: SingleIndex) -> None:
    for name, tensor in (
        ("W", problem.W),
        ("a", problem.a),
        ("X", problem.train.X),
        ("y", problem.train.y),
    ):
        if bad := int((~torch.isfinite(tensor)).sum()):
            raise InputError(
                f"{bad} of {tensor.numel()} entries of {name} are not finite; expected finite "
                "numbers to start from. Try: SingleIndex.draw(options), which makes such a problem"
            )
