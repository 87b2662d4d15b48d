"""Errors along a path between two models, and the connectivity that is computed from them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from eigenscape.errors import InputError


def mode_connectivity(errors: ArrayLike) -> float:
    """Return the mode connectivity of Yang et al. (2021, section 3.1).

    ``mc = (e(0) + e(1)) / 2 - e(t*)`` with t* where ``|(e(0) + e(1)) / 2 - e(t)|`` is largest.
    Below 0: a barrier, the models are poorly connected. Near 0: well connected. Above 0: the curve
    is better than its ends, which have not converged.

    The gaps of the two ends are equal and opposite. Where they are the largest, the first end
    counts, whatever the rounding: the sign then says only which end is the better one.

    Args:
        errors: along the path, both ends included; the papers take the training error in per cent
            at t = 0, 1/4, 1/2, 3/4, 1 of a trained curve.

    Raises:
        InputError: not three or more finite numbers in a row.

    >>> mode_connectivity([1, 5, 30, 4, 3]), mode_connectivity([20, 12, 9, 11, 22])
    (-28.0, 12.0)
    """
    values = _path(errors)
    gaps = (values[0] + values[-1]) / 2 - values
    sizes = np.abs(gaps)
    rounding = 8 * np.finfo(np.float64).eps * np.abs(values).max()
    return float(gaps[np.argmax(sizes >= sizes.max() - rounding)])


def mode_connectivity_peak(errors: ArrayLike) -> float:
    """Return minus the largest error between the ends (Zhou et al. 2024).

    0 is perfect. The errors of the ends themselves are the floor of what a curve can reach, so the
    value mixes connectivity with training error; :func:`path_barrier` does not.

    Args:
        errors: as for :func:`mode_connectivity`.

    Raises:
        InputError: not three or more finite numbers in a row.

    >>> mode_connectivity_peak([50, 5, 30, 4, 50])
    -30.0
    """
    return -float(_path(errors)[1:-1].max())


def path_barrier(errors: ArrayLike) -> float:
    """Return by how much a path rises above the chord between its ends (Entezari et al. 2022).

    ``max over t of e(t) - (1 - t) e(0) - t e(1)``, at least 0 because the ends count.

    Args:
        errors: or losses, at equal steps of t from 0 to 1.

    Raises:
        InputError: not three or more finite numbers in a row.

    >>> path_barrier([1, 5, 30, 4, 3]), path_barrier([20, 12, 9, 11, 22])
    (28.0, 0.0)
    """
    values = _path(errors)
    chord = np.linspace(values[0], values[-1], len(values))
    return float(max((values - chord).max(), 0.0))


def _path(errors: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(errors, dtype=np.float64)
    if values.ndim != 1 or len(values) < 3 or not np.isfinite(values).all():
        raise InputError(
            f"the errors along a path are {values.tolist()}; expected three or more finite numbers "
            "in a row, from one end to the other"
        )
    return values


def classification_error(outputs: Any, targets: Any) -> float:
    """Return how many of the largest outputs are not at their label, in per cent.

    Args:
        outputs: scores; the classes lie on the last axis when all others are those of the targets,
            ``(..., classes)``, else on the second, ``(n, classes, ...)``, as for cross-entropy.
        targets: int64 labels, one axis less; -100 is left out, as cross-entropy does.

    Raises:
        InputError: outputs and targets are not those of a classifier, or every label is left out.

    >>> import torch
    >>> classification_error(torch.eye(4), torch.tensor([0, 1, 2, 0]))
    25.0
    """
    axis = _class_axis(outputs, targets)
    counted = targets != -100
    total = int(counted.sum())
    if total == 0:
        raise InputError("every label of a batch is -100, so there is no error to take")
    wrong = (outputs.argmax(dim=axis) != targets) & counted
    return 100 * int(wrong.sum()) / total


def _class_axis(outputs: Any, targets: Any) -> int:
    if isinstance(outputs, Tensor) and isinstance(targets, Tensor):
        shapes, whole = (outputs.shape, targets.shape), not targets.is_floating_point()
        for axis in (-1, 1):
            if whole and outputs.ndim == targets.ndim + 1 and outputs.shape[axis] > 1:
                others = list(outputs.shape)
                others.pop(axis)
                if others == list(targets.shape):
                    return axis
        seen = f"outputs of shape {tuple(shapes[0])}, {targets.dtype} targets {tuple(shapes[1])}"
    else:
        seen = f"outputs of type {type(outputs).__name__}, targets of {type(targets).__name__}"
    raise InputError(
        f"the error of a classifier needs scores (n, classes) and labels (n,); seen: {seen}. "
        "Try: give error=f with f(outputs, targets) the mean error over a batch"
    )
