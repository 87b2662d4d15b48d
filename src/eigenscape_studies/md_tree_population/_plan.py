"""Which populations are trained, and what is compared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from eigenscape.diagnosis import GrowPlan
from eigenscape.errors import InputError
from eigenscape.models import Task
from eigenscape_studies import Plan
from eigenscape_studies._data import mnist_part

CLEAN, NOISY = "clean", "noisy"
NOISE = 0.1
_APART = 100  # between the first seeds of two repeats
#: Repeats that share no image: each has 1,000 to train on and 1,500 to test on, of 10,000.
PARTS, TRAIN = 4, 1000

TREE, PAPER, ONE = "MD tree", "MD tree, paper search", "MD tree of one checkpoint"
VALIDATION = "validation"
BASELINES = (VALIDATION, "free landscape", "one checkpoint", "temperature (cheats)")
PERMUTED, CARRIED = "permuted metrics", "published thresholds"
#: Fitted to the paper's whole table with clean labels (ResNet18 on CIFAR-10), by its own search.
PUBLISHED = (0.146, -4.422, 6.138)


@dataclass(frozen=True, kw_only=True)
class PopulationPlan(Plan):
    """The sizes of a scale; each seed is a repeat with images, networks and noise of its own.

    Args:
        widths: of both hidden layers.
        data: training images.
        cells: how many cells the few-shot curve is fitted to.
        draws: of cells, for each repeat.
    """

    widths: tuple[int, ...]
    data: tuple[int, ...]
    cells: tuple[int, ...]
    draws: int = 5

    def with_seeds(self, seeds: tuple[int, ...]) -> Self:
        """Return the plan with other seeds.

        Raises:
            InputError: more than there are parts of the images.
        """
        if len(seeds) > PARTS:
            raise InputError(
                f"{len(seeds)} repeats asked for; the images are enough for {PARTS} that share "
                f"none. Try: --seeds {PARTS}"
            )
        return replace(self, seeds=seeds)


PLANS = {
    "small": PopulationPlan(
        seeds=tuple(range(4)),
        widths=(3, 6, 10, 20, 50),
        data=(250, 500, 1000),
        cells=(1, 2, 4, 8, 15),
    ),
    "full": PopulationPlan(
        seeds=tuple(range(4)),
        widths=(3, 4, 6, 10, 20, 50),
        data=(125, 250, 500, 1000),
        cells=(1, 2, 4, 8, 16, 24),
    ),
}
#: From far below to far above the best; at twice the last one networks of this kind collapse.
RATES = (0.004, 0.0125, 0.04, 0.125, 0.3, 0.5)


def family_of(plan: PopulationPlan, repeat: int) -> Task:
    """Return the family of a repeat, on images of its own."""
    return mnist_part(plan.seeds.index(repeat), PARTS, train=TRAIN)


def plans_of(family: Task, plan: PopulationPlan, repeat: int) -> dict[str, GrowPlan]:
    """Return the plans of a repeat, with clean and with noisy labels."""
    base = GrowPlan.of(family, widths=plan.widths, data=plan.data, rates=RATES)
    seeds = tuple(_APART * repeat + seed for seed in base.seeds)
    return {
        f"{name} {repeat}": replace(base, seeds=seeds, label_noise=noise)
        for name, noise in ((CLEAN, 0.0), (NOISY, NOISE))
    }
