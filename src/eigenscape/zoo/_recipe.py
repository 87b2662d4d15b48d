"""The recipe of a training: its hyper-parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import nn

from eigenscape.errors import InputError

OptimizerName = Literal["sgd", "adam"]
ScheduleName = Literal["cosine", "constant"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The hyper-parameters of :func:`train`, which says what each means; checked when made.

    Raises:
        InputError: a hyper-parameter is out of its range (all problems are listed).

    >>> recipe = Recipe(epochs=10, batch_size=64, learning_rate=0.2)
    >>> recipe.rate(0.0), recipe.rate(0.5), recipe.rate(1.0)
    (0.2, 0.1, 0.0)
    """

    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float = 0.9
    weight_decay: float = 5e-4
    optimizer: OptimizerName = "sgd"
    schedule: ScheduleName = "cosine"

    def __post_init__(self) -> None:
        problems = [
            f"{name}={value}, expected {expected}"
            for name, expected, value, fits in (
                ("epochs", "1 or more", self.epochs, self.epochs >= 1),
                ("batch_size", "1 or more", self.batch_size, self.batch_size >= 1),
                (
                    "learning_rate",
                    "a finite number above 0",
                    self.learning_rate,
                    0 < self.learning_rate < math.inf,
                ),
                ("momentum", "0 or more, below 1", self.momentum, 0 <= self.momentum < 1),
                (
                    "weight_decay",
                    "a finite number, 0 or more",
                    self.weight_decay,
                    0 <= self.weight_decay < math.inf,
                ),
            )
            if not fits
        ]
        for name, known in (("optimizer", OptimizerName), ("schedule", ScheduleName)):
            if (value := getattr(self, name)) not in get_args(known):
                expected = " or ".join(map(repr, get_args(known)))
                problems.append(f"{name}={value!r}, expected {expected}")
        if problems:
            raise InputError("the recipe of a training has " + "; ".join(problems))

    def rate(self, progress: float) -> float:
        """Return the learning rate at a share of the training, in [0, 1].

        The cosine is that of SGDR without restarts (Loshchilov and Hutter, 2017, equation 5).

        Args:
            progress: the steps taken over all steps.
        """
        if self.schedule == "constant":
            return self.learning_rate
        return self.learning_rate * (1 + math.cos(math.pi * progress)) / 2

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return a fresh optimizer of every parameter of the model.

        Args:
            model: whose parameters it will change.
        """
        if self.optimizer == "adam":
            return torch.optim.Adam(
                model.parameters(), self.learning_rate, weight_decay=self.weight_decay
            )
        return torch.optim.SGD(
            model.parameters(),
            self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
        )
