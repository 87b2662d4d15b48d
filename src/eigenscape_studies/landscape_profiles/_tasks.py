"""One network each: train it, sample the loss around it in two, three and four dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from eigenscape.landscape import sample
from eigenscape.models import Objective
from eigenscape.runs import Task
from eigenscape_studies import Found
from eigenscape_studies._topology import topology_row
from eigenscape_studies.landscape_profiles._numbers import Numbers
from eigenscape_studies.landscape_profiles._plan import ProfilesPlan

#: Half-widths as a share of the norm of the parameters; the second is the paper's for its U-Net.
_PINN_RADIUS, _UNET_RADIUS = 0.1, 0.01
#: Training pictures that the landscape is measured on.
_LOOKED_AT = 16


def tasks(plan: ProfilesPlan, _: Found) -> list[Task]:
    """Return every network; the first seed of some speeds is examined in 3 and 4 dimensions."""
    made = []
    for beta in plan.betas:
        for seed in plan.seeds:
            deep = beta in plan.deep_betas and seed == plan.seeds[0]
            dims = [dim for dim in plan.steps if dim == 2 or deep]
            arguments: dict[str, Any] = {"beta": beta, "seed": seed, "iterations": plan.iterations}
            arguments |= {"dims": dims, "steps": [plan.steps[dim] for dim in dims]}
            made.append(Task(f"convection {beta:g} seed {seed}", cube_task, arguments))
    for rate in plan.rates:
        for seed in plan.seeds:
            arguments = {"rate": rate, "seed": seed, "epochs": plan.epochs}
            arguments |= {"steps": plan.unet_steps, "pictures": plan.pictures}
            made.append(Task(f"unet rate {rate:g} seed {seed}", unet_task, arguments))
    return made


def collect(_: ProfilesPlan, found: Found) -> Numbers:
    """Gather every landscape."""
    return Numbers.gather(found["networks"].values())


def cube_task(
    beta: float, seed: int, dims: list[int], steps: list[int], iterations: int
) -> dict[str, Any]:
    """Train one PINN on convection and return its landscape in each of several dimensions."""
    from eigenscape_studies.networks import convection, train_pinn

    problem = convection(beta)
    model, log = train_pinn(problem, seed=seed, max_iterations=iterations, tolerance=1e-9)
    objective = Objective(model, None, problem.batch(), forward=problem.loss_of)
    rows, values = [], []
    for dim, count in zip(dims, steps, strict=True):
        landscape = sample(
            objective, "hessian", dim=dim, steps=count, radius=_PINN_RADIUS, unit="relative"
        )
        place = {"family": "convection", "beta": beta, "seed": seed, "dim": dim, "steps": count}
        row = {**place, "train_seconds": log.seconds, **problem.errors(model)}
        rows.append(row | _shape(landscape.values, objective.loss_at_center))
        values.append(landscape.values)
    return {"rows": rows, "values": values}


def unet_task(rate: float, seed: int, epochs: int, steps: int, pictures: int) -> dict[str, Any]:
    """Train a segmentation network; return its landscape early, half-way and at the end."""
    from eigenscape.models import Callback, Fit, build
    from eigenscape.zoo import train
    from eigenscape_studies.networks import UNet, mean_iou, shapes

    split = shapes(pictures, seed=0)
    inputs, masks = split.train_inputs, split.train_labels
    looked_at = sorted({1, max(1, epochs // 2), epochs})
    rows: list[dict[str, Any]] = []
    values: list[NDArray[np.float64]] = []

    def look(epoch: int) -> None:
        data = inputs[:_LOOKED_AT], masks[:_LOOKED_AT]
        objective = Objective(model, cross_entropy, data)
        landscape = sample(
            objective, "hessian", dim=2, steps=steps, radius=_UNET_RADIUS, unit="relative"
        )
        place = {"family": "unet", "rate": rate, "seed": seed, "dim": 2, "steps": steps}
        moment = {"epoch": epoch, "last": epoch == epochs}
        row = place | moment | {"iou": mean_iou(model, split.test_inputs, split.test_labels)}
        rows.append(row | _shape(landscape.values, objective.loss_at_center))
        values.append(landscape.values)

    class Look(Callback):
        def on_epoch(self, fit: Fit) -> None:
            if fit.epoch in looked_at:
                look(fit.epoch)

    model = build(UNet, seed)
    constant = {"optimizer": "adam", "schedule": "constant", "weight_decay": 0.0, "batch_size": 16}
    recipe: dict[str, Any] = {**constant, "epochs": epochs, "learning_rate": rate}
    train(model, inputs, masks, **recipe, seed=seed, callbacks=[Look()])
    return {"rows": rows, "values": values}


def _shape(values: NDArray[np.float64], loss: float) -> dict[str, Any]:
    """Return topology, depth and roughness of one landscape."""
    finite = values[np.isfinite(values)]
    center = tuple(size // 2 for size in values.shape)
    row = topology_row(values)
    depth = float(finite.max() - finite.min())
    return row | {
        "loss": loss,
        "lowest": float(finite.min()),
        "depth": depth,
        "off_center": float(values[center] - finite.min()) / depth if depth else 0.0,
        "not_finite": int(values.size - finite.size),
    }
