"""Training a stack of networks side by side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import grad
from torch.nn import functional

from eigenscape.diagnosis.growing._plan import GrowPlan
from eigenscape.diagnosis.measuring._samples import Samples
from eigenscape.diagnosis.measuring._stack import Stack
from eigenscape.models import mode_restored, seeded
from eigenscape.models._modes import twice_differentiable


def train_stack(
    stack: Stack,
    samples: Samples,
    *,
    rates: Sequence[float],
    seeds: Sequence[int],
    plan: GrowPlan,
) -> Stack:
    """Return the networks after training; those given stay as they are.

    Each network sees the batches that its seed alone decides, whatever else is in the stack. One
    that diverges goes on as NaN, and the others do not notice.

    Args:
        stack: the networks at their start.
        samples: the training data of each.
        rates: the learning rate of each network.
        seeds: of the order of its batches.
        plan: the recipe.
    """
    count = len(samples)
    size = min(plan.batch_size, count)
    points, fixed = stack.points.clone(), {n: t.clone() for n, t in stack.fixed.items()}
    rate = torch.tensor(list(rates), dtype=points.dtype, device=points.device)[:, None]
    velocity = torch.zeros_like(points)
    orders = {seed: torch.Generator().manual_seed(seed) for seed in seeds}

    def loss(point: Tensor, others: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(stack.call(point, others, x), y)

    slope_of = grad(loss)
    with mode_restored(stack.model), seeded(plan.first_seed, stack.device), twice_differentiable():
        stack.model.train()
        for _ in range(plan.epochs):
            drawn = {s: torch.randperm(count, generator=g) for s, g in orders.items()}
            order = torch.stack([drawn[seed] for seed in seeds])
            for part in torch.split(order[:, : count // size * size], size, dim=1):
                slopes = stack.map(slope_of, points, fixed, *samples.batch(part))
                velocity.mul_(plan.momentum).add_(slopes).add_(points, alpha=plan.weight_decay)
                points.addcmul_(rate, velocity, value=-1)
    return stack.at(points, fixed)
