"""The error of a classifier."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from eigenscape.errors import InputError


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
