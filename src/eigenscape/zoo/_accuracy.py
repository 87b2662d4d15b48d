"""Accuracy."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eigenscape.errors import InputError
from eigenscape.models import device_of, mode_restored


def accuracy(model: nn.Module, inputs: Tensor, labels: Tensor, *, batch_size: int = 1024) -> float:
    """Return the share of examples whose largest logit is at their label.

    Computed in evaluation mode; the mode of every module is restored afterwards.

    Args:
        model: maps ``(n, ...)`` inputs to ``(n, classes)`` logits.
        inputs: one example a row; moved to the model's device a batch at a time.
        labels: int64, ``(n,)``.
        batch_size: how many examples are evaluated at once.

    Raises:
        InputError: there are no examples, or not as many labels as inputs.

    >>> accuracy(nn.Identity(), torch.eye(4), torch.tensor([0, 1, 2, 0]))
    0.75
    """
    if len(inputs) != len(labels) or len(labels) == 0:
        raise InputError(
            f"accuracy has {len(inputs)} inputs and {len(labels)} labels; "
            "give one label an input, and at least one"
        )
    device = device_of(model)
    right = 0
    with mode_restored(model), torch.no_grad():
        model.eval()
        for some, theirs in zip(
            torch.split(inputs, batch_size), torch.split(labels, batch_size), strict=True
        ):
            guesses = model(some.to(device)).argmax(dim=1)
            right += int((guesses == theirs.to(device)).sum())
    return right / len(labels)
