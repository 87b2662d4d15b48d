"""What is trained: networks, amounts of data, seeds, and ways to set the learning rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from eigenscape.errors import InputError
from eigenscape_studies import Plan

BASE, SIGMOID, LINEAR = "base", "TB-sigmoid", "TB-linear"
INVERSE, PERMUTED = "inverse", "permuted"
STRONG = "TB-sigmoid, s 2, tau 40"

_PAPER = {"s": 1.0, "tau": 10.0}  # Liu et al. 2024, section 3.3
_SIGMOID = {"rule": "tb_sigmoid", **_PAPER}
#: What each way asks of TempBalance. The first only measures.
METHODS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        BASE: {**_SIGMOID, "dry_run": True},
        SIGMOID: _SIGMOID,
        LINEAR: {"rule": "tb_linear"},
        INVERSE: {"rule": "reversed", "of": "tb_sigmoid", **_PAPER},
        PERMUTED: {"rule": "shuffled", "of": "tb_sigmoid", **_PAPER},
        STRONG: {"rule": "tb_sigmoid", "s": 2.0, "tau": 40.0},
    }
)
#: The ways that are judged in every cell with the fewest examples, on the same data, initial
#: weights and batches.
JUDGED = (BASE, SIGMOID, LINEAR, INVERSE, PERMUTED)
#: The ways that are judged with more examples, and shown at the other rates of the main cell.
FEWER = (BASE, SIGMOID, INVERSE)
#: Every cell, at each amount, is trained at the one that is best for base on the tuning seeds.
RATES = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032)
#: No judged seed is as large.
FIRST_TUNING_SEED = 1000
#: Smaller ones were looked at while the study was made (BENCHMARKS.md).
FIRST_JUDGED_SEED = 100


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A network, its data and its training.

    Args:
        name: a handle.
        network: ``FNO1d``, ``FNO2d``, ``UNet`` or ``GPT``.
        data: ``burgers``, ``darcy`` or ``sentences``.
        epochs: of the training.
        batch_size: examples a step.
        test: examples that it is judged on.
        grid: points of a function in each direction.
        every: of TempBalance: epochs of an operator, steps of a fine-tuning.
        extra: ways that are judged in this cell alone, with the fewest examples.
        sentences: that a language model is pretrained on.
        width: of a language model.
    """

    name: str
    network: str
    data: str
    epochs: int
    batch_size: int
    test: int
    every: int
    grid: int = 0
    extra: tuple[str, ...] = ()
    sentences: int = 0
    width: int = 0

    @property
    def tuned_text(self) -> bool:
        """Whether a pretrained language model is fine-tuned."""
        return self.network == "GPT"

    @property
    def measure(self) -> str:
        """What it is judged by."""
        return "accuracy" if self.tuned_text else "nRMSE"


@dataclass(frozen=True)
class Sweep:
    """A cell at several amounts of data.

    Args:
        cell: what is trained.
        seeds: amount of training examples to the number of judged seeds, at most.
        tuning: seeds that the rate is tuned on, at each amount.
    """

    cell: Cell
    seeds: Mapping[int, int]
    tuning: int = 3

    @property
    def fewest(self) -> int:
        """The smallest amount."""
        return min(self.seeds)

    def methods(self, amount: int) -> tuple[str, ...]:
        """Return the ways that are judged at an amount."""
        return (*JUDGED, *self.cell.extra) if amount == self.fewest else FEWER


@dataclass(frozen=True, kw_only=True)
class TempBalancePlan(Plan):
    """The sizes of a scale; its seeds are those of the main cell.

    Args:
        sweeps: the first one, at its smallest amount, is the main cell.
        curve: judged seeds of the main cell, at most, that are trained at every other rate.
    """

    sweeps: tuple[Sweep, ...]
    curve: int

    def __post_init__(self) -> None:
        if max(self.seeds) >= FIRST_TUNING_SEED:
            raise InputError(
                f"seed {max(self.seeds)}: from {FIRST_TUNING_SEED} on seeds are for tuning rates. "
                f"Try: seeds below {FIRST_TUNING_SEED}"
            )

    def first_seeds(self, count: int) -> tuple[int, ...]:
        """Return the first judged seeds."""
        return tuple(range(FIRST_JUDGED_SEED, FIRST_JUDGED_SEED + count))

    def judged(self, sweep: Sweep, amount: int) -> tuple[int, ...]:
        """Return the judged seeds: all in the main cell, the first few elsewhere."""
        main = sweep is self.sweeps[0] and amount == sweep.fewest
        return self.seeds if main else self.seeds[: sweep.seeds[amount]]

    def tuned_on(self, sweep: Sweep) -> tuple[int, ...]:
        """Return the seeds that a sweep's rate is tuned on."""
        count = min(sweep.tuning, len(self.seeds))
        return tuple(range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + count))

    @property
    def pretrained(self) -> tuple[int, ...]:
        """Seeds of the language models: every judged seed has one of its own."""
        own = [
            self.judged(sweep, amount)
            for sweep in self.sweeps
            if sweep.cell.tuned_text
            for amount in sweep.seeds
        ]
        return max(own, key=len, default=())


FNO_BURGERS = Cell(
    name="FNO, Burgers",
    network="FNO1d",
    data="burgers",
    epochs=150,
    batch_size=20,
    test=100,
    every=5,
    grid=64,
)
UNET_DARCY = Cell(
    name="U-Net, Darcy",
    network="UNet",
    data="darcy",
    epochs=100,
    batch_size=20,
    test=100,
    every=5,
    grid=16,
)
FNO_DARCY = replace(UNET_DARCY, name="FNO, Darcy", network="FNO2d")
GPT_DIALECTS = Cell(
    name="GPT, dialects",
    network="GPT",
    data="sentences",
    epochs=10,
    batch_size=16,
    test=500,
    every=4,
    extra=(STRONG,),
    sentences=4096,
    width=64,
)

#: "small" takes 22 minutes of processor time; "full" is several times as much work.
PLANS = {
    "small": TempBalancePlan(
        seeds=tuple(range(FIRST_JUDGED_SEED, FIRST_JUDGED_SEED + 24)),
        sweeps=(
            Sweep(FNO_BURGERS, {20: 24, 40: 10, 80: 6}, tuning=4),
            Sweep(UNET_DARCY, {10: 8, 20: 8, 40: 6}),
            Sweep(GPT_DIALECTS, {16: 8, 32: 8, 64: 8, 128: 8}),
        ),
        curve=4,
    ),
    "full": TempBalancePlan(
        seeds=tuple(range(FIRST_JUDGED_SEED, FIRST_JUDGED_SEED + 48)),
        sweeps=(
            Sweep(FNO_BURGERS, {20: 48, 40: 24, 80: 24, 160: 16}, tuning=8),
            Sweep(UNET_DARCY, {10: 24, 20: 24, 40: 24, 80: 16}, tuning=8),
            Sweep(FNO_DARCY, {10: 24, 20: 24, 40: 16}, tuning=4),
            Sweep(GPT_DIALECTS, {16: 24, 32: 24, 64: 24, 128: 24, 512: 12}, tuning=8),
        ),
        curve=16,
    ),
}
