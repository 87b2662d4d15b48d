"""The faults, and the populations that they are diagnosed by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from torch import nn

from eigenscape.diagnosis import GrowPlan
from eigenscape.errors import InputError
from eigenscape.models import Recipe, Task
from eigenscape.zoo import MLP, digits
from eigenscape_studies import Plan
from eigenscape_studies._data import mnist_family

SEEDS = 3  # of each faulty network; measured on the first two, judged on all
FIRST_SEED = 900  # no network of a population has such a seed
#: By how much each knob is turned to see what could be gained: near the ratios that are advised.
TURNS = {"raise temperature": 8.0, "lower temperature": 0.125, "widen": 4.0, "add data": 4.0}
#: The knob that each fault is made with, turned back.
TURNED_BY = {
    "small": "raise temperature",
    "large": "lower temperature",
    "width": "widen",
    "data": "add data",
}


@dataclass(frozen=True)
class Fault:
    """A network that was trained wrongly on purpose.

    No width, amount of data or learning rate of it occurs in the population.

    Args:
        data_set: ``digits`` or ``mnist``.
        truth: what is wrong: ``small`` or ``large`` (the temperature), ``width``, ``data``, or
            ``none``.
        width: of the hidden layers.
        data: training samples.
        rate: learning rate.
    """

    data_set: str
    truth: str
    width: int
    data: int
    rate: float

    @property
    def name(self) -> str:
        """A handle."""
        return f"{self.data_set}: {WORDS[self.truth]}"


WORDS = {
    "small": "temperature too small",
    "large": "temperature too large",
    "width": "too narrow",
    "data": "too little data",
    "none": "nothing",
}
FAULTS = (
    Fault("digits", "small", 14, 380, 0.001),
    Fault("digits", "large", 14, 380, 0.4),
    Fault("digits", "width", 4, 700, 0.06),
    Fault("digits", "data", 36, 70, 0.06),
    Fault("digits", "none", 36, 800, 0.06),
    Fault("mnist", "small", 14, 700, 0.001),
    Fault("mnist", "large", 14, 700, 0.4),
    Fault("mnist", "width", 4, 700, 0.06),
    Fault("mnist", "data", 36, 150, 0.06),
    Fault("mnist", "none", 36, 900, 0.06),
)


@dataclass(frozen=True, kw_only=True)
class FaultsPlan(Plan):
    """What is planted.

    Args:
        faults: the networks that are trained wrongly.
    """

    seeds: tuple[int, ...] = tuple(range(FIRST_SEED, FIRST_SEED + SEEDS))
    faults: tuple[Fault, ...] = FAULTS

    def with_seeds(self, seeds: tuple[int, ...]) -> Self:
        """Refuse: the seeds are fixed.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"planted_faults has {SEEDS} seeds for each network, from {FIRST_SEED} on; it was "
            f"asked for {len(seeds)}. Try: leave --seeds and --seed-list out"
        )


PLANS = {"small": FaultsPlan()}
#: Learning rates of the populations: from a hundredth of the best to ten times.
RATES = (0.0005, 0.0025, 0.0125, 0.05, 0.2, 0.5)


def network(width: int) -> nn.Module:
    """Return an MLP of two hidden layers with batch norm, for the digits."""
    return MLP(64, [width, width], 10)


@lru_cache(maxsize=1)
def digits_family() -> Task:
    """Return the digits, half to train on, half to test on."""
    split = digits(test_fraction=0.5)
    return Task(
        make=network,
        train=(split.train_inputs, split.train_labels),
        test=(split.test_inputs, split.test_labels),
        widths=(3, 6, 10, 20, 50),
        recipe=Recipe(epochs=80, batch_size=32, learning_rate=0.04, schedule="constant"),
    )


FAMILIES: Mapping[str, Callable[[], Task]] = {"digits": digits_family, "mnist": mnist_family}
_GRIDS = {
    "digits": ((3, 6, 10, 20, 50), (100, 200, 450, 898)),
    "mnist": ((3, 6, 10, 20, 50), (100, 250, 500, 1000)),
}


def population_plan(data_set: str) -> GrowPlan:
    """Return the grid of the population that faults of a data set are diagnosed by."""
    widths, data = _GRIDS[data_set]
    return GrowPlan.of(FAMILIES[data_set](), widths=widths, data=data, rates=RATES)


def network_plan(fault: Fault, width: int, data: int, rate: float) -> GrowPlan:
    """Return the plan of one network of the fault's family, from its seeds."""
    return GrowPlan.of(
        FAMILIES[fault.data_set](),
        widths=(width,),
        data=(data,),
        rates=(rate,),
        seeds=tuple(range(FIRST_SEED, FIRST_SEED + SEEDS)),
    )
