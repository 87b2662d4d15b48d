"""How the bend of a curve is found: the protocol that its numbers depend on."""

from __future__ import annotations

import math
from dataclasses import dataclass

from eigenscape.errors import InputError


@dataclass(frozen=True, kw_only=True)
class CurveOptions:
    """The protocol of a mode connectivity curve. Values are comparable under one protocol only.

    Defaults are those of Yang et al. (2021) and Zhou et al. (2024), for the full training set.

    Args:
        init: where the bend starts. ``"midpoint"``: on the straight line, as Garipov et al. (2018)
            describe. ``"random"``: at new initial weights, as the code of Yang et al. (2021) does;
            it needs more epochs. ``"model"`` in a result: at a model that was given.
        epochs: passes over the training data; the papers keep the number of steps, and so divide 50
            by the share of the full data.
        batch_size: samples a step, where the data are tensors.
        learning_rate: at the start; :func:`bend_rate` says how it falls.
        momentum: of gradient descent.
        weight_decay: the loss has a term ``weight_decay / 2 * ||theta(t)||^2``.
        points: how many equally spaced t from 0 to 1 are evaluated.
        seed: seeds the shuffling, t, and a random bend.

    Raises:
        InputError: all that is wrong, at once.

    >>> CurveOptions().learning_rate
    0.01
    """

    init: str = "midpoint"
    epochs: int = 50
    batch_size: int = 128
    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 5e-4
    points: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = [
            f"{name} is {getattr(self, name)!r}; expected a whole number of {least} or more"
            for name, least in {"epochs": 1, "batch_size": 1, "points": 3, "seed": 0}.items()
            if not isinstance(getattr(self, name), int) or getattr(self, name) < least
        ]
        if self.init not in ("midpoint", "random", "model"):
            wrong.append(f"init is {self.init!r}; expected 'midpoint', 'random', or a model")
        if not 0 < self.learning_rate < math.inf:
            wrong.append(f"learning_rate is {self.learning_rate}; expected a number above 0")
        if not 0 <= self.momentum < 1:
            wrong.append(f"momentum is {self.momentum}; expected 0 or more, and below 1")
        if not 0 <= self.weight_decay < math.inf:
            wrong.append(f"weight_decay is {self.weight_decay}; expected 0 or more")
        if wrong:
            raise InputError("; ".join(wrong))
