"""Training of networks that map functions to functions, and the error they are judged by."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from eigenscape.errors import InputError
from eigenscape.models import Callback, Fit, Recipe, TrainingLog, fit, mode_restored


def _relative_errors(predictions: Tensor, targets: Tensor) -> Tensor:
    """Return ``|p - t| / |t|`` of every example, ``(n,)``."""
    if predictions.shape != targets.shape:
        raise InputError(
            f"the model gave predictions of shape {tuple(predictions.shape)} for targets of shape "
            f"{tuple(targets.shape)}; expected the same shape"
        )
    misfit = (predictions - targets).flatten(1)
    ratios: Tensor = misfit.norm(dim=1) / targets.flatten(1).norm(dim=1)
    return ratios


def _check_pairs(caller: str, inputs: Tensor, targets: Tensor) -> None:
    """Refuse data of which no relative error can be had.

    Raises:
        InputError: none, not one target an input, or a target that is 0 everywhere.
    """
    if len(inputs) != len(targets) or len(targets) == 0:
        raise InputError(
            f"{caller} has {len(inputs)} inputs and {len(targets)} targets; "
            "give one target an input, and at least one"
        )
    empty = (targets.flatten(1) == 0).all(dim=1).nonzero().flatten().tolist()
    if empty:
        raise InputError(
            f"{caller} has targets that are 0 everywhere, the first at {empty[0]}: their relative "
            "error is not defined; leave them out"
        )


def relative_error(
    model: nn.Module, inputs: Tensor, targets: Tensor, *, batch_size: int = 256
) -> float:
    """Return the nRMSE: ``|prediction - target|_2 / |target|_2``, averaged over the examples.

    The measure of Li et al. (ICLR 2021, section 5) and of PDEBench. A model that always says 0 has
    1. Computed in evaluation mode; the mode of every module is
    restored afterwards.

    Args:
        model: maps inputs to predictions of the targets' shape.
        inputs: one example a row; moved to the model's device a batch at a time.
        targets: one example a row; the norm is taken over all its other dimensions.
        batch_size: how many examples are evaluated at once.

    Raises:
        InputError: there are no examples, not as many targets as inputs, a target that is 0
            everywhere, or a prediction of another shape.

    >>> targets = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    >>> guess = torch.tensor([[3.0, 3.0], [0.0, 1.0]])
    >>> round(relative_error(nn.Identity(), guess, targets), 6)
    0.35
    """
    _check_pairs("relative_error", inputs, targets)
    device = next((weight.device for weight in model.parameters()), torch.device("cpu"))
    total = 0.0
    with mode_restored(model), torch.no_grad():
        model.eval()
        for some, theirs in zip(
            torch.split(inputs, batch_size), torch.split(targets, batch_size), strict=True
        ):
            errors = _relative_errors(model(some.to(device)), theirs.to(device))
            total += errors.double().sum().item()
    return total / len(targets)


def train_operator(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float = 0.0,
    halvings: int = 5,
    seed: int = 0,
    callbacks: Sequence[Callback] = (),
) -> TrainingLog:
    """Train a network in place to map functions to functions, and return what happened.

    Adam on the mean of ``|prediction - target|_2 / |target|_2``, with a rate that is halved at
    equal intervals, as in Li et al., "Fourier Neural Operator for Parametric Partial Differential
    Equations" (ICLR 2021, section 5: five times, every 100 of 500 epochs). Shuffling and dropout
    follow ``seed`` alone, and the global random state is not changed; a run repeats to the bit on
    the same machine with the same number of threads. A loss or a weight that stops being finite
    ends the training, without an exception: see :attr:`TrainingLog.diverged_at`.

    Args:
        model: maps inputs to predictions of the targets' shape; the mode of its modules is
            restored afterwards.
        inputs: one example a row; moved to the model's device.
        targets: one example a row.
        epochs: passes over the examples.
        batch_size: examples a step; a last batch of one joins its neighbour.
        learning_rate: at the start.
        weight_decay: times a weight, is added to its gradient; for every parameter.
        halvings: how often the rate is halved: after each of ``halvings + 1`` equal parts of the
            epochs, but the last. It takes at least one epoch a part.
        seed: seeds shuffling and dropout, not the initial weights.
        callbacks: of the training, such as ``BalanceCallback(every=20)`` of
            :mod:`eigenscape.balancing`.

    Raises:
        InputError: an argument is out of its range, there is not one target an input, a target
            that is 0 everywhere, or a prediction of another shape.

    >>> inputs = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    >>> model = nn.Linear(3, 3, bias=False)
    >>> log = train_operator(model, inputs, -inputs, epochs=300, batch_size=8, learning_rate=0.1)
    >>> relative_error(model, inputs, -inputs) < 0.01, log.learning_rates[::50]
    (True, (0.1, 0.05, 0.025, 0.0125, 0.00625, 0.003125))
    """
    recipe = Recipe(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        optimizer="adam",
        schedule="constant",
    )
    if not 0 <= halvings < epochs:
        raise InputError(
            f"train_operator has halvings={halvings} and epochs={epochs}; expected 0 or more "
            "halvings, and fewer than epochs"
        )
    _check_pairs("train_operator", inputs, targets)
    ends = [math.ceil(epochs * (i + 1) / (halvings + 1)) for i in range(halvings)]

    def rate(base: float, state: Fit) -> float:
        return base * 0.5 ** sum(state.epoch >= end for end in ends)

    options = {**recipe.options(), "schedule": rate, "seed": seed, "callbacks": callbacks}
    return fit(model, _relative_errors, (inputs, targets), **options).log()
