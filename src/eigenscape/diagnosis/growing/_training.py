"""Training networks side by side, each at its own rate."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from eigenscape.diagnosis.growing._plan import GrowPlan
from eigenscape.models import NetworkData, Objective, fit


def train_networks(
    models: Sequence[nn.Module],
    samples: NetworkData,
    *,
    rates: Sequence[float],
    seeds: Sequence[int],
    plan: GrowPlan,
) -> Objective:
    """Train networks in place, and return them on their training data.

    Each network sees the batches that its seed alone decides, whatever others there are. One that
    diverges continues as NaN, without effect on the others.

    Args:
        models: at their start.
        samples: the training data of each.
        rates: the learning rate of each network.
        seeds: of the order of its batches.
        plan: the recipe.
    """
    like = next(models[0].parameters())
    count = samples.examples
    size = min(plan.batch_size, count)
    orders = {seed: torch.Generator().manual_seed(seed) for seed in seeds}

    def order(_: int) -> Sequence[Tensor]:
        drawn = {seed: torch.randperm(count, generator=g) for seed, g in orders.items()}
        whole = torch.stack([drawn[seed] for seed in seeds])
        return torch.split(whole[:, : count // size * size], size, dim=1)

    fit(
        models,
        functional.cross_entropy,
        samples.to(like.device, like.dtype),
        optimizer=partial(RowSGD, rates=rates, plan=plan),
        epochs=plan.epochs,
        order=order,
        seed=plan.seeds[0],
    )
    return Objective(models, functional.cross_entropy, samples, check=False)


class RowSGD(Optimizer):
    """SGD with momentum and decay, and a learning rate for each row of its one parameter.

    Args:
        parameters: one, ``(k, P)``.
        rates: k of them.
        plan: says momentum and decay.
    """

    elementwise = True

    def __init__(self, parameters: list[Tensor], *, rates: Sequence[float], plan: GrowPlan) -> None:
        super().__init__(parameters, {"momentum": plan.momentum, "decay": plan.weight_decay})
        (points,) = parameters
        self._rate = torch.tensor(list(rates), dtype=points.dtype, device=points.device)[:, None]

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:  # noqa: ARG002
        """Change the rows in place."""
        (group,) = self.param_groups
        (points,) = group["params"]
        velocity = self.state[points].setdefault("velocity", torch.zeros_like(points))
        velocity.mul_(group["momentum"]).add_(points.grad).add_(points, alpha=group["decay"])
        points.addcmul_(self._rate, velocity, value=-1)
