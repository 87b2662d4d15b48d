"""The quadratic Bezier curve between two points: where its bend starts, how it is trained."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from eigenscape.errors import InputError
from eigenscape.models import Batch, Objective, build, evaluating

_CONSTANT_UNTIL, _FALLEN_AT, _LAST_RATE = 0.5, 0.9, 0.01


def bezier_point(start: Tensor, bend: Tensor, end: Tensor, t: float | Tensor) -> Tensor:
    """Return ``(1 - t)^2 start + 2 t (1 - t) bend + t^2 end`` (Garipov et al. 2018, section 3.3).

    Args:
        start: the point at t = 0, of any shape.
        bend: the control point, of the same shape. The curve passes it at a distance.
        end: the point at t = 1, of the same shape.
        t: between 0 and 1; a tensor that broadcasts gives each of a stack of curves its own.

    >>> import torch
    >>> zero, one = torch.zeros(2), torch.ones(2)
    >>> bezier_point(zero, torch.tensor([0.5, 2.5]), one, 0.5)     # the middle of a line; a detour
    tensor([0.5000, 1.5000])
    """
    return (1 - t) ** 2 * start + bend_share(t) * bend + t**2 * end


def bend_share(t: float | Tensor) -> float | Tensor:
    """Return ``2 t (1 - t)``: what the bend counts at t, and the slope of the point in the bend.

    >>> bend_share(0.5)
    0.5
    """
    return 2 * t * (1 - t)


def bend_rate(progress: float) -> float:
    """Return the learning rate of a bend, as a share of the first one.

    Constant for half of the training, then linear down to 1 % at 90 %, then 1 %: the schedule of
    the curves of Garipov et al. (2018), kept by Yang et al. (2021).

    Args:
        progress: the share of the training that is over, between 0 and 1.

    >>> [round(bend_rate(progress), 4) for progress in (0, 0.5, 0.7, 0.9, 1)]
    [1.0, 1.0, 0.505, 0.01, 0.01]
    """
    fallen = (progress - _CONSTANT_UNTIL) / (_FALLEN_AT - _CONSTANT_UNTIL)
    return 1 - (1 - _LAST_RATE) * min(max(fallen, 0.0), 1.0)


def train_curves(
    objective: Objective,
    ends: tuple[Tensor, Tensor],
    bends: Tensor,
    steps: Iterable[tuple[float, Batch]],
    generator: torch.Generator,
    *,
    learning_rate: float,
    momentum: float,
    weight_decay: float,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Train the bends of k curves side by side; yield them, and the losses, after every step.

    Stochastic gradient descent on the loss at one t ~ U(0, 1) a batch (Garipov et al. 2018), the
    same t for all curves. Batch norm takes the statistics of the batch; dropout is off. A curve
    that diverges goes on as NaN, and the others do not notice.

    Args:
        objective: of the k networks at t = 0.
        ends: the points at t = 0 and t = 1, ``(k, P)``.
        bends: where they start, ``(k, P)``.
        steps: for each step the share of the training that is over, and the batch.
        generator: draws t.
        learning_rate: at the start; :func:`bend_rate` says how it falls.
        momentum: of gradient descent.
        weight_decay: the loss has a term ``weight_decay / 2 * ||theta(t)||^2``.

    Yields:
        The bends ``(k, P)`` and the losses ``(k,)`` of the step, without weight decay.
    """
    velocity = torch.zeros_like(bends)
    with evaluating(objective.model, train_norms=True):
        for progress, batch in steps:
            t = float(torch.rand((), generator=generator))
            points = bezier_point(ends[0], bends, ends[1], t)
            losses, slopes = objective.slopes(points, batch)
            slopes = slopes + weight_decay * points
            velocity = momentum * velocity + bend_share(t) * slopes
            bends = bends - learning_rate * bend_rate(progress) * velocity
            yield bends, losses


def first_bend(
    objective: Objective, start: Tensor, end: Tensor, init: str | nn.Module, seed: int
) -> Tensor:
    """Return where the bend starts: the middle of the line, new random weights, or a model's.

    Raises:
        InputError: a model that does not fit, or a module that cannot be initialised anew.
    """
    if init == "midpoint":
        return (start + end) / 2
    chosen = init if isinstance(init, nn.Module) else build(lambda: _anew(objective.model), seed)
    bend = objective.space.join(dict(chosen.named_parameters()), objective.dtype)
    return bend.to(objective.device)


def _anew(model: nn.Module) -> nn.Module:
    """Return a copy with new initial weights: every module's own ``reset_parameters``."""
    model = copy.deepcopy(model).cpu()
    unknown = []
    for name, module in model.named_modules():
        reset = getattr(module, "reset_parameters", getattr(module, "_reset_parameters", None))
        if callable(reset):
            reset()
        elif any(True for _ in module.parameters(recurse=False)):
            unknown.append(f"{name or 'the model itself'} ({type(module).__name__})")
    if unknown:
        raise InputError(
            f"no reset_parameters() in {', '.join(unknown[:5])}, so init='random' cannot draw new "
            "weights. Try: init=a newly constructed model"
        )
    return model
