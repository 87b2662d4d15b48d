"""One network each: train it, sample the loss around it in two, three and four dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from eigenscape.landscape import sample
from eigenscape.models import Objective
from eigenscape_studies._topology import topology_row

#: Half-widths as a share of the norm of the parameters; the second is the paper's for its U-Net.
_PINN_RADIUS, _UNET_RADIUS = 0.1, 0.01
#: Training pictures that the landscape is measured on.
_LOOKED_AT = 16


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
        row = {
            "family": "convection", "beta": beta, "seed": seed, "dim": dim, "steps": count,
            "train_seconds": log.seconds, **problem.errors(model),
        }  # fmt: skip
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
        row = {
            "family": "unet", "rate": rate, "seed": seed, "dim": 2, "steps": steps,
            "epoch": epoch, "last": epoch == epochs,
            "iou": mean_iou(model, split.test_inputs, split.test_labels),
        }  # fmt: skip
        rows.append(row | _shape(landscape.values, objective.loss_at_center))
        values.append(landscape.values)

    class Look(Callback):
        def on_epoch(self, fit: Fit) -> None:
            if fit.epoch in looked_at:
                look(fit.epoch)

    model = build(UNet, seed)
    train(
        model, inputs, masks, epochs=epochs, batch_size=16, learning_rate=rate, weight_decay=0.0,
        optimizer="adam", schedule="constant", seed=seed, callbacks=[Look()],
    )  # fmt: skip
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
