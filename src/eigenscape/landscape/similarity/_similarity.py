"""How alike trained models are, in their parameters."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from torch import nn

from eigenscape.errors import InputError
from eigenscape.models import ParameterSpace


def parameter_distance(model_a: nn.Module, model_b: nn.Module) -> float:
    """Return the L2 distance between the trainable parameters of two models.

    Args:
        model_a: says which parameters are trainable.
        model_b: has parameters of the same names and shapes.

    Raises:
        InputError: parameters that do not fit, or none.

    >>> a, b = nn.Linear(3, 1, bias=False), nn.Linear(3, 1, bias=False)
    >>> _ = nn.init.zeros_(a.weight), nn.init.constant_(b.weight, 2.0)
    >>> round(parameter_distance(a, b) ** 2, 9)
    12.0
    """
    space = ParameterSpace.of(model_a)
    total, theirs = 0.0, dict(model_b.named_parameters())
    for name, shape in zip(space.names, space.shapes, strict=True):
        if name not in theirs or tuple(theirs[name].shape) != shape:
            seen = tuple(theirs[name].shape) if name in theirs else "missing"
            raise InputError(f"{name} has the shape {shape} in model_a; in model_b: {seen}")
        mine = model_a.get_parameter(name).detach().cpu()
        gap = mine - theirs[name].detach().cpu()
        total += float(gap.abs().double().square().sum())
    return math.sqrt(total)


def mean_over_pairs(matrix: ArrayLike) -> float:
    """Return the mean over ordered pairs of different models: the diagonal is left out.

    Args:
        matrix: ``(k, k)``, such as that of :func:`cka_matrix`.

    Raises:
        InputError: not a square matrix of 2 or more.

    >>> mean_over_pairs([[1.0, 0.2], [0.4, 1.0]])
    0.30000000000000004
    """
    values = np.asarray(matrix, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] != values.shape[1] or len(values) < 2:
        raise InputError(f"a matrix of pairs has the shape {values.shape}; expected (k, k), k >= 2")
    return float(values[~np.eye(len(values), dtype=bool)].mean())
