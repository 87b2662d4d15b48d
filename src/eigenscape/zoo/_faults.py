"""Planted faults: a healthy recipe, and faulty variants of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from eigenscape.models import Recipe

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
