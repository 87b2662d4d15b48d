"""Training of networks that map functions to functions, and the error they are judged by."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import MultiStepLR

from eigenscape.errors import InputError
from eigenscape.models._random import seeded
from eigenscape.zoo._accuracy import device_of, mode_restored
from eigenscape.zoo._recipe import Recipe
from eigenscape.zoo._training import Watch, _batches
from eigenscape.zoo._training_log import TrainingLog


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
    1. Computed in evaluation mode; every module is put back into the mode it was found in.

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
    device, total = device_of(model), 0.0
    with mode_restored(model), torch.no_grad():
        model.eval()
        for some, theirs in zip(
            torch.split(inputs, batch_size), torch.split(targets, batch_size), strict=True
        ):
            errors = _relative_errors(model(some.to(device)), theirs.to(device))
            total += errors.double().sum().item()
    return total / len(targets)


def _run_epoch(
    model: nn.Module,
    optimizer: Optimizer,
    batches: list[tuple[Tensor, Tensor]],
    after_step: Callable[[], object],
) -> tuple[float, int]:
    """Return the mean loss over the examples (nan: diverged), and the steps that were taken."""
    total = 0.0
    for step, (inputs, targets) in enumerate(batches):
        loss = _relative_errors(model(inputs), targets).mean()
        if not math.isfinite(value := loss.item()):
            return math.nan, step
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        after_step()
        total += value * len(targets)
    if not all(bool(weight.isfinite().all()) for weight in model.parameters()):
        return math.nan, len(batches)
    return total / sum(len(targets) for _, targets in batches), len(batches)


def _follow(
    recipe: Recipe,
    halvings: int,
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    seed: int,
    watch: Watch | None,
) -> TrainingLog:
    device, generator = inputs.device, torch.Generator().manual_seed(seed)
    optimizer = recipe.make_optimizer(model)
    ends = [math.ceil(recipe.epochs * (i + 1) / (halvings + 1)) for i in range(halvings)]
    scheduler = MultiStepLR(optimizer, ends, gamma=0.5)
    after_step = watch(optimizer) if watch is not None else lambda: None
    losses: list[float] = []
    rates: list[float] = []
    steps, diverged_at, started = 0, None, time.perf_counter()
    for epoch in range(recipe.epochs):
        model.train()
        rate = scheduler.get_last_lr()[0]
        parts = [part.to(device) for part in _batches(len(targets), recipe.batch_size, generator)]
        with seeded(int(torch.randint(2**62, (), generator=generator)), device):
            batches = [(inputs[part], targets[part]) for part in parts]
            loss, taken = _run_epoch(model, optimizer, batches, after_step)
        steps += taken
        if math.isnan(loss):
            diverged_at = epoch
            break
        losses.append(loss)
        rates.append(float(rate))
        scheduler.step()
    optimizer.zero_grad()
    seconds = time.perf_counter() - started
    return TrainingLog(tuple(losses), tuple(rates), steps, diverged_at, seconds)


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
    watch: Watch | None = None,
) -> TrainingLog:
    """Train a network in place to map functions to functions, and return what happened.

    Adam on the mean of ``|prediction - target|_2 / |target|_2``, with a rate that is halved at
    equal intervals, as in Li et al., "Fourier Neural Operator for Parametric Partial Differential
    Equations" (ICLR 2021, section 5: five times, every 100 of 500 epochs). Shuffling and dropout
    follow ``seed`` alone, and the global random state is left as found; a run repeats to the bit on
    the same machine with the same number of threads. A loss or a weight that stops being finite
    ends the training, without an exception: see :attr:`TrainingLog.diverged_at`.

    Args:
        model: maps inputs to predictions of the targets' shape; its modules are put back into the
            mode they were found in.
        inputs: one example a row; moved to the model's device.
        targets: one example a row.
        epochs: passes over the examples.
        batch_size: examples a step; a last batch of one joins its neighbour.
        learning_rate: at the start.
        weight_decay: times a weight, is added to its gradient; for every parameter.
        halvings: how often the rate is halved: after each of ``halvings + 1`` equal parts of the
            epochs, but the last. It takes at least one epoch a part.
        seed: seeds shuffling and dropout, not the initial weights.
        watch: called once with the optimizer, when its scheduler has been made; what it returns is
            called, without arguments, after every step of the optimizer. A method that changes
            learning rates comes in this way::

                watch=lambda optimizer: TempBalance(optimizer, model, every=20).step

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
    device = device_of(model)
    with mode_restored(model):
        return _follow(recipe, halvings, model, inputs.to(device), targets.to(device), seed, watch)
