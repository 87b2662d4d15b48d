"""Twins: two networks with the same start, one trained well and one with a planted fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from eigenscape.errors import InputError
from eigenscape.models import Recipe, TrainingLog, build
from eigenscape.runs import single_thread
from eigenscape.zoo._classifiers import MLP
from eigenscape.zoo._digits import digits
from eigenscape.zoo._training import accuracy, train

# A usual recipe at a moderate learning rate; it serves as a demonstration, and its test accuracy is
# no benchmark. Hotter ones (0.05 over 40 epochs) are as accurate, with tails heavier than the
# published range of good layers: BENCHMARKS.md has the figures.
HEALTHY_RECIPE = Recipe(epochs=20, batch_size=32, learning_rate=0.02, weight_decay=1e-3)


@dataclass(frozen=True)
class PlantedFault:
    """A fault whose cause is known, because it was introduced on purpose.

    Attributes:
        description: what is wrong, in a sentence.
        recipe: the hyper-parameters of the faulty training.
        label_noise: the share of training labels that are made wrong.
    """

    description: str
    recipe: Recipe
    label_noise: float = 0.0


PLANTED_FAULTS: Mapping[str, PlantedFault] = MappingProxyType(
    {
        "tiny_learning_rate": PlantedFault(
            "The learning rate is 10,000 times too small: "
            "the weights hardly leave their random start.",
            replace(HEALTHY_RECIPE, learning_rate=HEALTHY_RECIPE.learning_rate * 1e-4),
        ),
        "too_large_learning_rate": PlantedFault(
            "The learning rate is 50 times too large: the weights are thrown about.",
            replace(HEALTHY_RECIPE, learning_rate=HEALTHY_RECIPE.learning_rate * 50),
        ),
        "label_noise": PlantedFault(
            "Of the training labels, 40 % are wrong.", HEALTHY_RECIPE, label_noise=0.4
        ),
    }
)


def noisy_labels(labels: Tensor, fraction: float, *, classes: int = 10, seed: int = 0) -> Tensor:
    """Return the labels with a share of them made wrong, each to another class at random.

    Exactly ``round(fraction * len(labels))`` labels change (symmetric noise).

    Args:
        labels: int64 class numbers, ``(n,)``, in ``[0, classes)``; not changed in place.
        fraction: the share that is made wrong.
        classes: the number of classes, at least 2.
        seed: seeds which labels change, and to what.

    Raises:
        InputError: the fraction lies outside [0, 1], or there are fewer than two classes.

    >>> labels = torch.zeros(10, dtype=torch.int64)
    >>> int((noisy_labels(labels, 0.4) != labels).sum())
    4
    """
    problems = []
    if not 0 <= fraction <= 1:
        problems.append(f"fraction={fraction}, but a share lies between 0 and 1")
    if classes < 2:
        problems.append(f"classes={classes}, but a label can only be wrong with 2 or more")
    if problems:
        raise InputError("noisy_labels: " + "; ".join(problems))
    generator = torch.Generator().manual_seed(seed)
    count = round(fraction * len(labels))
    chosen = torch.randperm(len(labels), generator=generator)[:count]
    shift = torch.randint(1, classes, (count,), generator=generator)
    noisy = labels.clone()
    noisy[chosen] = (labels[chosen] + shift.to(labels.device)) % classes
    return noisy


_HEALTHY = PlantedFault(
    "Trained with a recipe that suits the network and the data.", HEALTHY_RECIPE
)


@dataclass(frozen=True, eq=False)
class Twin:
    """A trained network, and how it was trained.

    Attributes:
        name: "healthy", or the planted fault's name.
        model: the network, in evaluation mode.
        description: how it was trained, in a sentence.
        train_accuracy: on the training labels as they were trained on, wrong ones included.
        test_accuracy: on held-out digits with their true labels.
        log: what happened in the training.
        recipe: the hyper-parameters of the training, the label noise among them.
        train: what it was trained on: inputs and labels, wrong ones included.
    """

    name: str
    model: nn.Module
    description: str
    train_accuracy: float
    test_accuracy: float
    log: TrainingLog
    recipe: Mapping[str, Any]
    train: tuple[Tensor, Tensor]


def trained_twin(planted_fault: str | None = None, *, seed: int = 0) -> Twin:
    """Train an MLP of widths 64-256-256-256-10 with batch norm on the digits.

    Twins of one seed share their initial weights (see :class:`MLP`), their data split and the order
    of their batches; they differ in the planted fault alone. They are trained in float64 and then
    rounded to float32: training amplifies the last bits, in which processors differ, and in float32
    two instruction sets end at networks whose exponents differ by 0.26.

    Args:
        planted_fault: a key of ``PLANTED_FAULTS``, or None for a healthy training.
        seed: seeds the initial weights, the split, the order of the batches and the label noise.

    Raises:
        InputError: no fault has this name.
    """
    if planted_fault is not None and planted_fault not in PLANTED_FAULTS:
        raise InputError(
            f"planted_fault={planted_fault!r}, expected one of "
            f"{', '.join(map(repr, PLANTED_FAULTS))}, or None for a healthy twin"
        )
    plan = _HEALTHY if planted_fault is None else PLANTED_FAULTS[planted_fault]
    data = digits(seed=seed)
    labels = noisy_labels(data.train_labels, plan.label_noise, seed=seed)
    model = build(lambda: MLP(64, (256, 256, 256), 10), seed)
    hyper_parameters = asdict(plan.recipe)
    with single_thread():
        inputs = data.train_inputs.double()
        log = train(model.double(), inputs, labels, seed=seed, **hyper_parameters)
    model.float()
    return Twin(
        name=planted_fault or "healthy",
        model=model.eval(),
        description=plan.description,
        train_accuracy=accuracy(model, data.train_inputs, labels),
        test_accuracy=accuracy(model, data.test_inputs, data.test_labels),
        log=log,
        recipe={**hyper_parameters, "label_noise": plan.label_noise},
        train=(data.train_inputs, labels),
    )


def healthy_and_sick(
    seed: int = 0, *, planted_fault: str = "tiny_learning_rate"
) -> tuple[Twin, Twin]:
    """Train a healthy network and its twin with a planted fault: a few seconds on two cores.

    Args:
        seed: as in :func:`trained_twin`.
        planted_fault: a key of ``PLANTED_FAULTS``.

    Raises:
        InputError: no fault has this name.
    """
    sick = trained_twin(planted_fault, seed=seed)
    return trained_twin(seed=seed), sick
