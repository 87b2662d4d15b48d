"""Training: a plain classifier on tensors, repeatable under its seed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from eigenscape.errors import InputError
from eigenscape.models._random import seeded
from eigenscape.zoo._accuracy import device_of, mode_restored
from eigenscape.zoo._recipe import OptimizerName, Recipe, ScheduleName
from eigenscape.zoo._training_log import TrainingLog

#: Called once with the optimizer; what it returns is called after every step.
Watch = Callable[[torch.optim.Optimizer], Callable[[], object]]


def _batches(count: int, size: int, generator: torch.Generator) -> list[Tensor]:
    """Return shuffled index batches; a last batch of one joins its neighbour (for batch norm)."""
    parts = list(torch.split(torch.randperm(count, generator=generator), size))
    if len(parts) > 1 and len(parts[-1]) == 1 < size:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def _run_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: list[tuple[Tensor, Tensor]],
    rates: list[float],
) -> tuple[float, int]:
    """Return the mean loss over the examples (nan: diverged), and the steps that were taken."""
    total = 0.0
    for step, ((inputs, labels), rate) in enumerate(zip(batches, rates, strict=True)):
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = functional.cross_entropy(model(inputs), labels)
        if not math.isfinite(value := loss.item()):
            return math.nan, step
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += value * len(labels)
    if not all(bool(weight.isfinite().all()) for weight in model.parameters()):
        return math.nan, len(batches)
    return total / sum(len(labels) for _, labels in batches), len(batches)


def _follow(
    recipe: Recipe,
    model: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    seed: int,
    on_epoch: Callable[[int, float], object] | None,
) -> TrainingLog:
    device, generator = device_of(model), torch.Generator().manual_seed(seed)
    optimizer = recipe.make_optimizer(model)
    losses: list[float] = []
    first_rates: list[float] = []
    steps, diverged_at, started = 0, None, time.perf_counter()
    for epoch in range(recipe.epochs):
        model.train()
        parts = [part.to(device) for part in _batches(len(labels), recipe.batch_size, generator)]
        rates = [recipe.rate((epoch + i / len(parts)) / recipe.epochs) for i in range(len(parts))]
        epoch_seed = int(torch.randint(2**62, (), generator=generator))
        with seeded(epoch_seed, device):
            batches = [(inputs[part], labels[part]) for part in parts]
            loss, taken = _run_epoch(model, optimizer, batches, rates)
        steps += taken
        if math.isnan(loss):
            diverged_at = epoch
            break
        losses.append(loss)
        first_rates.append(rates[0])
        if on_epoch is not None:
            on_epoch(epoch, loss)
    optimizer.zero_grad()
    seconds = time.perf_counter() - started
    return TrainingLog(tuple(losses), tuple(first_rates), steps, diverged_at, seconds)


def train(
    model: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    optimizer: OptimizerName = "sgd",
    schedule: ScheduleName = "cosine",
    seed: int = 0,
    on_epoch: Callable[[int, float], object] | None = None,
) -> TrainingLog:
    """Train a classifier in place with the cross-entropy loss, and return what happened.

    The defaults of momentum and weight decay are those of wide residual networks on CIFAR
    (Zagoruyko and Komodakis, 2016, section 3). Shuffling and dropout follow ``seed`` alone, and the
    global random state is left as found; a run repeats to the bit on the same machine with the same
    number of threads, as torch's sums do. A loss or a weight that stops being finite ends the
    training, without an exception: see :attr:`TrainingLog.diverged_at`.

    Args:
        model: maps inputs to logits; its modules are put back into the mode they were found in.
        inputs: one example a row; moved to the model's device.
        labels: int64, ``(n,)``.
        epochs: passes over the examples.
        batch_size: examples a step; a last batch of one joins its neighbour.
        learning_rate: at the start of the schedule.
        momentum: of "sgd"; "adam" keeps torch's betas.
        weight_decay: times a weight, is added to its gradient; for every parameter.
        optimizer: "sgd" or "adam".
        schedule: "cosine" falls to 0 over the training, step by step; "constant" stays.
        seed: seeds shuffling and dropout, not the initial weights.
        on_epoch: called after an epoch with its number, from 0, and its loss; the model is then
            still in training mode.

    Raises:
        InputError: an argument is out of its range, or there is not one label an input.

    >>> inputs, labels = torch.eye(3), torch.arange(3)
    >>> model = nn.Linear(3, 3)
    >>> log = train(model, inputs, labels, epochs=50, batch_size=3, learning_rate=1.0)
    >>> model(inputs).argmax(dim=1), log.steps, log.diverged_at
    (tensor([0, 1, 2]), 50, None)
    """
    recipe = Recipe(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        momentum=momentum,
        weight_decay=weight_decay,
        optimizer=optimizer,
        schedule=schedule,
    )
    if len(inputs) != len(labels) or len(labels) == 0:
        raise InputError(
            f"train has {len(inputs)} inputs and {len(labels)} labels; "
            "give one label an input, and at least one"
        )
    device = device_of(model)
    with mode_restored(model):
        return _follow(recipe, model, inputs.to(device), labels.to(device), seed, on_epoch)
