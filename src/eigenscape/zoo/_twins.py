"""Twins: two networks with the same start, one trained well and one with a planted fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor, nn

from eigenscape.errors import InputError
from eigenscape.models import TrainingLog, build
from eigenscape.runs import single_thread
from eigenscape.zoo._accuracy import accuracy
from eigenscape.zoo._digits import digits
from eigenscape.zoo._faults import HEALTHY_RECIPE, PLANTED_FAULTS, PlantedFault
from eigenscape.zoo._label_noise import noisy_labels
from eigenscape.zoo._mlp import MLP
from eigenscape.zoo._training import train

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
    of their batches; they differ in the planted fault alone.

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
        log = train(model, data.train_inputs, labels, seed=seed, **hyper_parameters)
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
