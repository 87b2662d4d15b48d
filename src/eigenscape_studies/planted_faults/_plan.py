"""The faults, and the populations that they are diagnosed by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from torch import nn

from eigenscape.diagnosis import GrowPlan, MeasureOptions
from eigenscape.errors import InputError
from eigenscape.models import Recipe, Task
from eigenscape.zoo import MLP, digits
from eigenscape_studies import Plan
from eigenscape_studies._data import mnist_family

#: Seeds of each network, two by two, as a user with two networks of one recipe has them. No
#: network of a population has such a seed.
PAIRS = ((900, 901), (910, 911), (920, 921))
#: A network of which only the accuracy is asked is measured as cheaply as can be.
UNMEASURED = MeasureOptions(
    hessian_samples=2, probes=2, curve_steps=1, curve_points=3, cka_samples=4
)
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
    """A network that was trained wrongly on purpose, or a control that was not.

    No width, learning rate or seed of it occurs in the population, nor an amount of data but the
    controls': they have as much as the population has at most, so that nothing is known to help.

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
        if self.truth == "none":
            return (
                f"{self.data_set}: nothing (width {self.width}, data {self.data}, rate "
                f"{self.rate:g})"
            )
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
#: Further networks with nothing planted.
CONTROLS = tuple(
    Fault(data_set, "none", width, most, rate)
    for data_set, most in (("digits", 898), ("mnist", 1000))
    for width in (28, 44)
    for rate in (0.03, 0.1)
)


@dataclass(frozen=True, kw_only=True)
class FaultsPlan(Plan):
    """What is planted.

    Args:
        faults: the networks that are trained wrongly, and two that are not; with every knob turned
            to see what could be gained.
        controls: further networks with nothing planted.
    """

    seeds: tuple[int, ...] = tuple(seed for pair in PAIRS for seed in pair)
    faults: tuple[Fault, ...] = FAULTS
    controls: tuple[Fault, ...] = CONTROLS

    def with_seeds(self, seeds: tuple[int, ...]) -> Self:
        """Refuse: the seeds are fixed.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"planted_faults has {len(PAIRS)} pairs of seeds for each network, from "
            f"{PAIRS[0][0]} on; it was asked for {len(seeds)} seeds. Try: leave --seeds and "
            "--seed-list out"
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


def network_plans(
    fault: Fault, width: int, data: int, rate: float, *, measured: bool
) -> dict[str, GrowPlan]:
    """Return the plans of one network of the fault's family: one for each pair of seeds.

    Args:
        fault: what is planted.
        width: of the network.
        data: training samples.
        rate: learning rate.
        measured: under the population's protocol; else only the accuracy counts.
    """
    measuring = MeasureOptions() if measured else UNMEASURED
    return {
        f"seeds {first}, {second}": GrowPlan.of(
            FAMILIES[fault.data_set](),
            widths=(width,),
            data=(data,),
            rates=(rate,),
            seeds=(first, second),
            measuring=measuring,
        )
        for first, second in PAIRS
    }
