"""Which populations are trained, and what is compared."""

from __future__ import annotations

from dataclasses import dataclass, replace

from eigenscape.diagnosis import GrowPlan
from eigenscape.models import Task
from eigenscape_studies import Plan

CLEAN, NOISY = "clean", "noisy"
NOISE = 0.1
_APART = 100  # between the first seeds of two repeats

TREE, PAPER, ONE = "MD tree", "MD tree, paper search", "MD tree of one checkpoint"
VALIDATION = "validation"
BASELINES = (VALIDATION, "free landscape", "one checkpoint", "temperature (cheats)")
PERMUTED, CARRIED = "permuted metrics", "published thresholds"
#: Fitted to the paper's whole table with clean labels (ResNet18 on CIFAR-10), by its own search.
PUBLISHED = (0.146, -4.422, 6.138)


@dataclass(frozen=True, kw_only=True)
class PopulationPlan(Plan):
    """The sizes of a scale; each seed is a repeat with data, networks and noise of its own.

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


PLANS = {
    "small": PopulationPlan(
        seeds=tuple(range(4)),
        widths=(3, 6, 10, 20, 50),
        data=(250, 500, 1000),
        cells=(1, 2, 4, 8, 15),
    ),
    "full": PopulationPlan(
        seeds=tuple(range(8)),
        widths=(3, 4, 6, 10, 20, 50),
        data=(250, 500, 1000, 2500),
        cells=(1, 2, 4, 8, 16, 24),
    ),
}
#: From far below to far above the best; at twice the last one networks of this kind collapse.
RATES = (0.004, 0.0125, 0.04, 0.125, 0.3, 0.5)


def plans_of(family: Task, plan: PopulationPlan) -> dict[str, GrowPlan]:
    """Return a plan for each repeat, with clean and with noisy labels."""
    base = GrowPlan.of(family, widths=plan.widths, data=plan.data, rates=RATES)
    return {
        f"{name} {repeat}": replace(
            base, seeds=tuple(_APART * repeat + seed for seed in base.seeds), label_noise=noise
        )
        for repeat in plan.seeds
        for name, noise in ((CLEAN, 0.0), (NOISY, NOISE))
    }
