"""Planted faults: a healthy recipe, and the ways to spoil it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from eigenscape.zoo._recipe import Recipe

# Picked by test accuracy on the digits, among learning rates 0.01 to 1 and weight decays 5e-4 and
# 5e-3: it serves as a demonstration, and its test accuracy is no benchmark.
HEALTHY_RECIPE = Recipe(epochs=40, batch_size=32, learning_rate=0.05, weight_decay=5e-3)


@dataclass(frozen=True)
class PlantedFault:
    """A fault whose cause is known, because it was put there.

    Attributes:
        description: what is wrong, in a sentence.
        recipe: the hyper-parameters of the spoilt training.
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
            "The learning rate is 20 times too large: the weights are thrown about.",
            replace(HEALTHY_RECIPE, learning_rate=HEALTHY_RECIPE.learning_rate * 20),
        ),
        "label_noise": PlantedFault(
            "Of the training labels, 40 % are wrong.", HEALTHY_RECIPE, label_noise=0.4
        ),
    }
)
