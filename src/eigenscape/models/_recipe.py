"""The recipe of a training: its hyper-parameters, and the schedule of the learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor
from torch.optim import Optimizer

from eigenscape.errors import InputError

if TYPE_CHECKING:
    from eigenscape.models._fit_state import Fit

OptimizerName = Literal["sgd", "adam", "adamw"]
ScheduleName = Literal["constant", "cosine", "linear"]
#: From a list of parameters to the optimizer that changes them.
OptimizerFactory = Callable[[list[Tensor]], Optimizer]
#: From the base rate of a parameter group and the state of the training to the rate of a step.
ScheduleFunction = Callable[[float, "Fit"], float]


@dataclass(frozen=True)
class Schedule:
    """The learning rate of each step, as a share of the base rate of its parameter group.

    After a warm-up, in which the rate rises in a line, ``"cosine"`` falls to 0 (SGDR without
    restarts: Loshchilov and Hutter, 2017, equation 5), ``"linear"`` falls to 0 in a line, and
    ``"constant"`` stays. The first step of a warm-up has a rate above 0.

    Args:
        shape: what the rate does after the warm-up.
        warmup: the share of the steps in which the rate rises, 0 or more and below 1.

    Raises:
        InputError: an unknown shape, or a warm-up out of its range.

    >>> from types import SimpleNamespace
    >>> fall = Schedule("linear", warmup=0.5)
    >>> [fall(1.0, SimpleNamespace(progress=step / 4, steps=4)) for step in range(4)]
    [0.5, 1.0, 1.0, 0.5]
    """

    shape: ScheduleName = "constant"
    warmup: float = 0.0

    def __post_init__(self) -> None:
        wrong = []
        if self.shape not in get_args(ScheduleName):
            wrong.append(f"schedule={self.shape!r}, expected {_either(ScheduleName)}")
        if not 0 <= self.warmup < 1:
            wrong.append(f"warmup={self.warmup}, expected a share of 0 or more, below 1")
        if wrong:
            raise InputError("; ".join(wrong))

    def __call__(self, base: float, fit: Fit) -> float:
        """Return the rate of the next step.

        Args:
            base: the rate that the parameter group was made with.
            fit: the training; of it ``progress`` and ``steps`` are used.
        """
        since = fit.progress
        if self.warmup:
            step, rising = round(since * fit.steps), math.ceil(self.warmup * fit.steps)
            if step < rising:
                return base * (step + 1) / rising
            since = (step - rising) / (fit.steps - rising)
        if self.shape == "cosine":
            return base * (1 + math.cos(math.pi * since)) / 2
        return base * (1 - since) if self.shape == "linear" else base


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The hyper-parameters of a training; checked when made.

    Args:
        epochs: passes over the examples.
        batch_size: examples a step.
        learning_rate: at the start of the schedule.
        momentum: of "sgd"; "adam" and "adamw" keep torch's betas.
        weight_decay: times a weight, is added to its gradient ("adamw": is taken from the weight,
            times the rate); for every parameter.
        optimizer: "sgd", "adam" or "adamw".
        schedule: "cosine", "linear" or "constant", see :class:`Schedule`.

    Raises:
        InputError: a hyper-parameter is out of its range (all problems are listed).

    >>> from eigenscape.models import fit
    >>> recipe = Recipe(epochs=2, batch_size=2, learning_rate=0.2, schedule="constant")
    >>> model, eye = torch.nn.Linear(4, 4), torch.eye(4)
    >>> fit(model, torch.nn.functional.mse_loss, (eye, eye), **recipe.options()).step
    4
    """

    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float = 0.9
    weight_decay: float = 5e-4
    optimizer: OptimizerName = "sgd"
    schedule: ScheduleName = "cosine"

    def __post_init__(self) -> None:
        numbers: Sequence[tuple[str, str, bool]] = (
            ("epochs", "1 or more", self.epochs >= 1),
            ("batch_size", "1 or more", self.batch_size >= 1),
            ("learning_rate", "a finite number above 0", 0 < self.learning_rate < math.inf),
            ("momentum", "0 or more, below 1", 0 <= self.momentum < 1),
            ("weight_decay", "a finite number, 0 or more", 0 <= self.weight_decay < math.inf),
        )
        problems = [
            f"{name}={getattr(self, name)}, expected {expected}"
            for name, expected, fits in numbers
            if not fits
        ]
        for name, known in (("optimizer", OptimizerName), ("schedule", ScheduleName)):
            if (value := getattr(self, name)) not in get_args(known):
                problems.append(f"{name}={value!r}, expected {_either(known)}")
        if problems:
            raise InputError("the recipe of a training has " + "; ".join(problems))

    def make_optimizer(self, parameters: Iterable[Tensor]) -> Optimizer:
        """Return a fresh optimizer.

        Args:
            parameters: what it will change.
        """
        common: dict[str, Any] = {"lr": self.learning_rate, "weight_decay": self.weight_decay}
        if self.optimizer == "adam":
            return torch.optim.Adam(parameters, **common)
        if self.optimizer == "adamw":
            return torch.optim.AdamW(parameters, **common)
        return torch.optim.SGD(parameters, momentum=self.momentum, **common)

    def options(self) -> dict[str, Any]:
        """Return the recipe as options of :func:`fit`."""
        return {
            "optimizer": self.make_optimizer,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "schedule": self.schedule,
        }


def clipped(optimizer: OptimizerFactory, norm: float) -> OptimizerFactory:
    """Return an optimizer that scales gradients down to a norm, taken over all of them together.

    Args:
        optimizer: from a list of parameters to an optimizer.
        norm: the largest that gradients may have.

    >>> weight = torch.nn.Parameter(torch.zeros(2))
    >>> weight.grad = torch.tensor([30.0, 40.0])
    >>> clipped(lambda weights: torch.optim.SGD(weights, lr=1.0), 0.5)([weight]).step()
    >>> weight.data
    tensor([-0.3000, -0.4000])
    """

    def make(parameters: list[Tensor]) -> Optimizer:
        made = optimizer(parameters)

        def clip(*_: object) -> None:
            torch.nn.utils.clip_grad_norm_(parameters, norm)

        made.register_step_pre_hook(clip)
        return made

    return make


def _either(known: Any) -> str:
    return " or ".join(map(repr, get_args(known)))
