"""The quadratic Bezier curve between two points, and the rate at which its bend is trained."""

from __future__ import annotations

from torch import Tensor

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
