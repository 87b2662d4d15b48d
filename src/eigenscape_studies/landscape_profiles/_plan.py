"""Which networks the study trains and examines, at which size."""

from __future__ import annotations

from dataclasses import dataclass

from eigenscape.runs import Task
from eigenscape_studies.landscape_profiles._tasks import cube_task, unet_task

#: The speeds around the transition from success to failure, where most seeds are run.
BETAS = (1.0, 5.0, 10.0, 14.0, 20.0, 30.0)


@dataclass(frozen=True)
class Scale:
    """Sizes of a scale.

    Args:
        betas: speeds of the convection problem.
        seeds: networks for each speed and for each learning rate.
        steps: dimension to samples along each direction (41 in the paper).
        deep_betas: speeds examined in 3 and 4 dimensions, too.
        rates: learning rates of the segmentation network.
        epochs: of its training.
        unet_steps: samples along each direction around it.
        pictures: that the segmentation network is trained and tested on.
        iterations: of the PINNs' L-BFGS, at most.
    """

    betas: tuple[float, ...]
    seeds: int
    steps: dict[int, int]
    deep_betas: tuple[float, ...]
    rates: tuple[float, ...]
    epochs: int
    unet_steps: int
    pictures: int = 320
    iterations: int = 2500

    def tasks(self, seeds: int | None = None) -> list[Task]:
        """Return every task."""
        count = seeds or self.seeds
        tasks = []
        for beta in self.betas:
            for seed in range(count):
                deep = beta in self.deep_betas and seed == 0
                dims = [dim for dim in self.steps if dim == 2 or deep]
                arguments = {
                    "beta": beta, "seed": seed, "dims": dims,
                    "steps": [self.steps[dim] for dim in dims], "iterations": self.iterations,
                }  # fmt: skip
                tasks.append(Task(f"convection {beta:g} seed {seed}", cube_task, arguments))
        for rate in self.rates:
            for seed in range(count):
                arguments = {
                    "rate": rate, "seed": seed, "epochs": self.epochs, "steps": self.unet_steps,
                    "pictures": self.pictures,
                }  # fmt: skip
                tasks.append(Task(f"unet rate {rate:g} seed {seed}", unet_task, arguments))
        return tasks


#: "small" takes minutes on two cores; "full" has the paper's 41 samples in 2-D and 3-D.
PLANS = {
    "small": Scale(
        betas=BETAS, seeds=3, steps={2: 41, 3: 15, 4: 9}, deep_betas=(1.0, 10.0, 30.0),
        rates=(1e-4, 1e-3, 1e-2), epochs=12, unet_steps=21,
    ),
    "full": Scale(
        betas=BETAS, seeds=6, steps={2: 41, 3: 41, 4: 17}, deep_betas=BETAS,
        rates=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1), epochs=30, unet_steps=41,
    ),
}  # fmt: skip
