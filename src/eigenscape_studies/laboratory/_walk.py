"""The training itself: one state for each step, until the end or until numbers overflow."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from eigenscape.errors import InputError
from eigenscape_studies.laboratory._optimizers import make_optimizer
from eigenscape_studies.laboratory._options import LabOptions
from eigenscape_studies.laboratory._student import gradient
from eigenscape_studies.laboratory._world import World


@dataclass(frozen=True)
class State:
    """The student after some steps.

    Args:
        step: how many; 0 is the start.
        W: the hidden weights, (h, d), as the forward pass sees them. Not a copy: the next step
            changes it.
        update: the change of W by the last step, or None where nobody asked for it.
        loss: the mean squared error on the training set; NaN where the walk stopped.
        stopped: why the walk ends here, or empty.
    """

    step: int
    W: torch.Tensor
    update: torch.Tensor | None
    loss: float
    stopped: str = ""


def walk(world: World, options: LabOptions, *, updates: bool = False) -> Iterator[State]:
    """Yield the student at step 0, 1, ... ``options.steps``.

    A learning rate that overflows ends the walk with a last state that says so in ``stopped``; that
    state's weights are not finite.

    Args:
        world: teacher, data and student; left as it is.
        options: the settings.
        updates: keep the last change of W, at the price of two copies.

    Raises:
        InputError: weights or data of the world that are not finite.

    >>> from eigenscape_studies.laboratory import draw_world
    >>> options = LabOptions(n=40, d=20, h=30, steps=2)
    >>> [state.step for state in walk(draw_world(options), options)]
    [0, 1, 2]
    """
    for name, tensor in (
        ("W", world.W),
        ("a", world.a),
        ("X", world.train.X),
        ("y", world.train.y),
    ):
        if bad := int((~torch.isfinite(tensor)).sum()):
            raise InputError(
                f"{bad} of {tensor.numel()} entries of {name} are not finite; expected finite "
                "numbers to start from. Mend: draw_world(options) makes such a world"
            )
    W = world.W.clone()
    if options.weight_norm:
        normalise(W)
    optimizer = make_optimizer(options)
    loss, G = gradient(W, world.a, world.train)
    yield State(0, W, None, loss)
    for step in range(1, options.steps + 1):
        before = W.clone() if updates else None
        optimizer.step(W, G, options.learning_rate_at(step))
        if options.weight_norm:
            normalise(W)
        reason = _overflow(W, optimizer.finite(), step, options)
        if not reason:
            loss, G = gradient(W, world.a, world.train)
            if not (math.isfinite(loss) and bool(torch.isfinite(G).all())):
                reason = _sentence("the loss or its gradient", step, options)
        if reason:
            yield State(step, W, None, math.nan, reason)
            return
        yield State(step, W, None if before is None else W - before, loss)


def normalise(W: torch.Tensor) -> None:
    """Rescale W in place to the Frobenius norm sqrt(h d) that unit entries have.

    >>> W = torch.full((2, 3), 5.0)
    >>> normalise(W)
    >>> bool(torch.allclose(W, torch.ones(2, 3)))
    True
    """
    W.mul_(math.sqrt(W.numel()) / float(torch.linalg.vector_norm(W)))


def _overflow(W: torch.Tensor, memory: bool, step: int, options: LabOptions) -> str:
    if not memory:
        return _sentence("Adam's second moment", step, options)
    bad = int((~torch.isfinite(W)).sum())
    # Beyond the root of the largest number the Gram matrix overflows in any later use.
    limit = math.sqrt(torch.finfo(W.dtype).max)
    if bad:
        return _sentence(f"{bad} of {W.numel()} weights", step, options)
    return _sentence("the weights", step, options) if float(W.abs().max()) > limit else ""


def _sentence(what: str, step: int, options: LabOptions) -> str:
    return (
        f"stopped at step {step}: {what} overflowed {options.dtype} at learning rate "
        f"{options.learning_rate_at(step):g} ({options.optimizer}); the steps before are kept. "
        "Mend: a smaller learning_rate, or decay below 1"
    )
