"""Which networks the study trains and examines, at which size."""

from __future__ import annotations

from dataclasses import dataclass

from eigenscape.runs import Task
from eigenscape_studies.landscape_topology._tasks import network_task, pinn_task


@dataclass(frozen=True)
class Scale:
    """Sizes of a scale.

    Args:
        betas: speeds of the convection problem, the paper's knob of difficulty.
        pinn_seeds: networks for each speed.
        network_seeds: pairs of a residual and a plain network for each depth.
        depths: hidden layers of these.
        steps: samples along each direction (41 in the paper).
        iterations: of L-BFGS, at most.
    """

    betas: tuple[float, ...]
    pinn_seeds: int
    network_seeds: int
    depths: tuple[int, ...]
    steps: int = 41
    iterations: int = 2500

    def tasks(self, seeds: int | None = None) -> list[Task]:
        """Return every task: physics-informed networks first, then pairs of classifiers."""
        tasks = []
        for beta in self.betas:
            for seed in range(seeds or self.pinn_seeds):
                arguments = {
                    "beta": beta, "seed": seed, "steps": self.steps,
                    "iterations": self.iterations,
                }  # fmt: skip
                tasks.append(Task(f"convection {beta:g} seed {seed}", pinn_task, arguments))
        for depth in self.depths:
            for seed in range(seeds or self.network_seeds):
                for residual in (True, False):
                    kind = "residual" if residual else "plain"
                    named = f"{kind} depth {depth} seed {seed}"
                    arguments = {
                        "residual": residual, "depth": depth, "seed": seed, "steps": self.steps,
                    }  # fmt: skip
                    tasks.append(Task(named, network_task, arguments))
        return tasks


#: "small" takes minutes on two cores; "full" has every speed that the paper shows, and beyond.
PLANS = {
    "small": Scale((1.0, 5.0, 10.0, 20.0, 30.0), 3, 5, (16,)),
    "full": Scale((1.0, 3.0, 5.0, 7.0, 9.0, 10.0, 14.0, 20.0, 30.0), 6, 10, (16, 24, 32)),
}
