"""Which networks the study trains and examines, at which size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from eigenscape_studies import Plan


@dataclass(frozen=True, kw_only=True)
class TopologyPlan(Plan):
    """Sizes of a scale; the seeds are those of the networks for each speed.

    Args:
        betas: speeds of the convection problem, the paper's measure of difficulty.
        pairs: seeds of the pairs of a residual and a plain network for each depth.
        depths: hidden layers of these.
        steps: samples along each direction (41 in the paper).
        iterations: of L-BFGS, at most.
    """

    betas: tuple[float, ...]
    pairs: tuple[int, ...]
    depths: tuple[int, ...]
    steps: int = 41
    iterations: int = 2500

    def with_seeds(self, seeds: tuple[int, ...]) -> Self:
        """Return the plan with the same seeds for networks and for pairs."""
        return replace(self, seeds=seeds, pairs=seeds)


#: "small" takes minutes on two cores; "full" has every speed that the paper shows, and beyond.
PLANS = {
    "small": TopologyPlan(
        seeds=tuple(range(3)),
        pairs=tuple(range(5)),
        betas=(1.0, 5.0, 10.0, 20.0, 30.0),
        depths=(16,),
    ),
    "full": TopologyPlan(
        seeds=tuple(range(6)),
        pairs=tuple(range(10)),
        betas=(1.0, 3.0, 5.0, 7.0, 9.0, 10.0, 14.0, 20.0, 30.0),
        depths=(16, 24, 32),
    ),
}
