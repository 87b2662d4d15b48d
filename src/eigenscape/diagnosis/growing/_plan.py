"""What is trained: widths, amounts of data, temperatures, seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from eigenscape.diagnosis.growing._classification import check_task, pair_of
from eigenscape.diagnosis.measuring._options import MeasureOptions
from eigenscape.errors import InputError

if TYPE_CHECKING:
    from eigenscape.models import Task

#: Shares of the task's own learning rate, and of its data. Three times a step brackets the
#: optimum in few temperatures; a population of small parts diagnoses the whole (Zhou et al., ICML
#: 2024, transfer of scale).
RATES = (1 / 9, 1 / 3, 1.0, 3.0, 9.0)
DATA = (1 / 8, 1 / 4, 1 / 2)


@dataclass(frozen=True, kw_only=True)
class GrowPlan:
    """The grid of a population, and the recipe of its networks.

    The recipe is that of the published populations but for the batch size: SGD with momentum, a
    constant learning rate, no augmentation, an incomplete last batch left out. The temperature is
    learning rate over batch size; the learning rate is what varies.

    Args:
        widths: of the networks.
        data: training samples: the first so many of one shuffled order, so that a smaller amount is
            part of a larger one.
        rates: learning rates.
        seeds: of the networks of each configuration, 2 or more: curve and similarity need a pair.
            The first one also decides the shuffled order of the data.
        epochs: passes over the data.
        batch_size: samples a step.
        momentum: of SGD.
        weight_decay: times a weight, is added to its gradient.
        label_noise: share of the training labels that is made wrong, each to another class.
        measuring: how the networks are measured.

    Raises:
        InputError: all that is wrong, at once.

    >>> GrowPlan(widths=(4, 8), data=(250,), rates=(0.1, 0.3)).networks
    8
    """

    widths: tuple[int, ...]
    data: tuple[int, ...]
    rates: tuple[float, ...]
    seeds: tuple[int, ...] = (0, 1)
    epochs: int = 80
    batch_size: int = 64
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_noise: float = 0.0
    measuring: MeasureOptions = field(default_factory=MeasureOptions)

    def __post_init__(self) -> None:
        wrong = []
        for name, least in (("widths", 1), ("data", 2), ("rates", 0.0)):
            values = tuple(sorted(set(getattr(self, name))))
            object.__setattr__(self, name, values)
            if not values or not all(math.isfinite(v) and v >= least and v > 0 for v in values):
                wrong.append(f"{name} are {values}; expected one or more, each {least:g} or more")
        for name, least in (("epochs", 1), ("batch_size", 2)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                wrong.append(f"{name} is {value!r}; expected a whole number of {least} or more")
        wrong += _wrong_seeds(self.seeds)
        if self.data and isinstance(self.batch_size, int) and min(self.data) < self.batch_size:
            wrong.append(
                f"{min(self.data)} samples are fewer than a batch of {self.batch_size}, so that "
                "their temperature would be another; expected no less. Try: a smaller batch size, "
                "or more data"
            )
        if not 0 <= self.momentum < 1:
            wrong.append(f"momentum is {self.momentum}; expected 0 or more, below 1")
        if not 0 <= self.weight_decay < math.inf:
            wrong.append(f"weight_decay is {self.weight_decay}; expected 0 or more")
        if not 0 <= self.label_noise <= 1:
            wrong.append(f"label_noise is {self.label_noise}; expected a share from 0 to 1")
        if wrong:
            raise InputError("; ".join(wrong))

    @classmethod
    def of(
        cls,
        task: Task,
        *,
        widths: Sequence[int] | None = None,
        data: Sequence[int] | None = None,
        rates: Sequence[float] | None = None,
        **recipe: Any,
    ) -> Self:
        """Return a plan around the task's own recipe, at constant rates.

        Args:
            task: what is trained.
            widths: None for the task's.
            data: None for 1/8, 1/4 and 1/2 of its training data.
            rates: None for 1/9, 1/3, 1, 3 and 9 times its learning rate.
            **recipe: other fields.

        Raises:
            InputError: an option out of its range, or more data than there are.
        """
        count = len(pair_of(check_task(task), "train")[1])
        if data is None:
            data = [max(2, round(share * count)) for share in DATA]
        if not len(data):
            raise InputError("data is empty; expected one amount of training samples or more")
        if max(data) > count:
            raise InputError(
                f"data of {max(data)} asked for, and the task has {count} training samples"
            )
        if rates is None:
            rates = [float(f"{share * task.recipe.learning_rate:.6g}") for share in RATES]
        names = ("epochs", "batch_size", "momentum", "weight_decay")
        own = {name: getattr(task.recipe, name) for name in names}
        return cls(
            widths=tuple(widths or task.widths),
            data=tuple(data),
            rates=tuple(rates),
            **{**own, **recipe},
        )

    @property
    def configurations(self) -> int:
        """How many there are: each is one row of the population, and one curve."""
        return len(self.widths) * len(self.data) * len(self.rates)

    @property
    def networks(self) -> int:
        """How many networks are trained."""
        return self.configurations * len(self.seeds)

    def steps(self, data: int) -> int:
        """Return the steps of gradient descent of one network."""
        return self.epochs * max(1, data // self.batch_size)


def _wrong_seeds(seeds: tuple[int, ...]) -> list[str]:
    if len(set(seeds)) < max(2, len(seeds)) or min(seeds) < 0:
        return [f"seeds are {seeds}; expected two or more different ones, from 0 on"]
    return []
