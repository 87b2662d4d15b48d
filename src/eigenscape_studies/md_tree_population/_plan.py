"""What is grown, and what is compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from eigenscape.diagnosis import Family, GrowPlan

CLEAN, NOISY = "clean", "noisy"
NOISE = 0.1
_APART = 100  # between the first seeds of two repeats


@dataclass(frozen=True)
class Scale:
    """The sizes of a scale.

    Args:
        repeats: populations with data, networks and noise of their own.
        widths: of both hidden layers.
        data: training images.
        cells: how many cells the few-shot curve is fitted to.
        draws: of cells, for each repeat.
    """

    repeats: int
    widths: tuple[int, ...]
    data: tuple[int, ...]
    cells: tuple[int, ...]
    draws: int = 5


SCALES: Mapping[str, Scale] = {
    "small": Scale(4, (3, 6, 10, 20, 50), (250, 500, 1000), (1, 2, 4, 8, 15)),
    "full": Scale(8, (3, 4, 6, 10, 20, 50), (250, 500, 1000, 2500), (1, 2, 4, 8, 16, 24)),
}
#: From far below to far above the best; at twice the last one networks of this kind collapse.
RATES = (0.004, 0.0125, 0.04, 0.125, 0.3, 0.5)


def plans_of(family: Family, scale: Scale) -> dict[str, GrowPlan]:
    """Return a plan for each repeat, with clean and with noisy labels."""
    base = GrowPlan.of(family, widths=scale.widths, data=scale.data, rates=RATES)
    return {
        f"{name} {repeat}": replace(base, first_seed=_APART * repeat, label_noise=noise)
        for repeat in range(scale.repeats)
        for name, noise in ((CLEAN, 0.0), (NOISY, NOISE))
    }
