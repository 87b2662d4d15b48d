"""Training networks side by side."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from eigenscape.diagnosis.growing._plan import GrowPlan
from eigenscape.models import NetworkData, Objective, mode_restored, seeded


def train_stack(
    networks: Objective,
    *,
    rates: Sequence[float],
    seeds: Sequence[int],
    plan: GrowPlan,
) -> Objective:
    """Return the networks after training; those given stay as they are.

    Each network sees the batches that its seed alone decides, whatever others there are. One that
    diverges goes on as NaN, and the others do not notice.

    Args:
        networks: at their start, each on its training data.
        rates: the learning rate of each network.
        seeds: of the order of its batches.
        plan: the recipe.
    """
    samples, several = networks.data, networks.networks > 1
    assert isinstance(samples, NetworkData)
    count = samples.examples
    size = min(plan.batch_size, count)
    points = networks.center.clone().view(-1, networks.space.count)
    fixed = {n: t.clone() for n, t in networks.fixed.items()}
    rate = torch.tensor(list(rates), dtype=points.dtype, device=points.device)[:, None]
    velocity = torch.zeros_like(points)
    orders = {seed: torch.Generator().manual_seed(seed) for seed in seeds}
    with mode_restored(networks.model), seeded(plan.first_seed, networks.device):
        networks.model.train()
        for _ in range(plan.epochs):
            drawn = {s: torch.randperm(count, generator=g) for s, g in orders.items()}
            order = torch.stack([drawn[seed] for seed in seeds])
            for part in torch.split(order[:, : count // size * size], size, dim=1):
                batch = samples.batch(part)
                _, slopes = networks.slopes(points, batch, fixed)
                velocity.mul_(plan.momentum).add_(slopes).add_(points, alpha=plan.weight_decay)
                points.addcmul_(rate, velocity, value=-1)
    return networks.at(points if several else points[0], fixed)
