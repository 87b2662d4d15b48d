"""Training of a classifier, with the cross entropy and a recipe; and its accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from eigenscape.errors import InputError
from eigenscape.models import Callback, Recipe, TrainingLog, device_of, fit, mode_restored


def train(
    model: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    *,
    seed: int = 0,
    callbacks: Sequence[Callback] = (),
    **recipe: Any,
) -> TrainingLog:
    """Train a classifier in place with the cross-entropy loss, and return what happened.

    It is :func:`eigenscape.models.fit` with a :class:`eigenscape.models.Recipe`. The defaults of
    momentum and weight decay are those of wide residual networks on CIFAR (Zagoruyko and Komodakis,
    2016, section 3).

    Args:
        model: maps inputs to logits; the mode of its modules is restored afterwards.
        inputs: one example a row; moved to the model's device.
        labels: int64, ``(n,)``.
        seed: seeds shuffling and dropout, not the initial weights.
        callbacks: see :class:`eigenscape.models.Callback`.
        **recipe: fields of :class:`eigenscape.models.Recipe`: ``epochs``, ``batch_size`` and
            ``learning_rate``, and by choice ``momentum``, ``weight_decay``, ``optimizer``,
            ``schedule``.

    Raises:
        InputError: an argument is out of its range, or there is not one label an input.

    >>> import torch
    >>> inputs, labels = torch.eye(3), torch.arange(3)
    >>> model = nn.Linear(3, 3)
    >>> log = train(model, inputs, labels, epochs=50, batch_size=3, learning_rate=1.0)
    >>> model(inputs).argmax(dim=1), log.steps, log.diverged_at
    (tensor([0, 1, 2]), 50, None)
    """
    options = Recipe(**recipe).options()
    if len(inputs) != len(labels) or len(labels) == 0:
        raise InputError(
            f"train has {len(inputs)} inputs and {len(labels)} labels; "
            "give one label an input, and at least one"
        )
    done = fit(
        model, functional.cross_entropy, (inputs, labels), seed=seed, callbacks=callbacks, **options
    )
    return done.log()


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
