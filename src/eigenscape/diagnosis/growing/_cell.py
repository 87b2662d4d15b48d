"""One cell of a population: every temperature and seed of one width and one amount of data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eigenscape.diagnosis.growing._classification import classes_of, pair_of
from eigenscape.diagnosis.growing._plan import GrowPlan
from eigenscape.diagnosis.growing._training import train_networks
from eigenscape.diagnosis.measuring._curves import error_of
from eigenscape.diagnosis.measuring._metrics import measure_groups
from eigenscape.models import NetworkData, Objective, Task
from eigenscape.runs import single_thread
from eigenscape.zoo import noisy_labels

Row = dict[str, float]
_NOISE = 1_000_003  # apart from the seed of the order: else the first samples are the noisy ones


def train_cell(
    task: Task, plans: Sequence[GrowPlan], width: int, data: int
) -> list[dict[str, Any]]:
    """Train and measure the configurations of one cell; a task of :mod:`eigenscape.runs`.

    Args:
        task: the networks and the data.
        plans: they differ in label noise and seeds alone; all are trained side by side.
        width: of the networks.
        data: samples of each.

    Returns:
        For each plan ``rows``, one for each configuration that is finite, and ``failed``, a
        sentence for each that did not.
    """
    with single_thread():  # many small tensors; and sums that are the same bit for bit
        networks = trained_cell(task, plans, width, data)
        seeds = len(plans[0].seeds)
        groups = [range(start, start + seeds) for start in range(0, networks.networks, seeds)]
        held_out = NetworkData.shared(*pair_of(task, "test"), networks.networks)
        found = measure_groups(networks, groups, held_out, plans[0].measuring)
        accuracy = (100 - error_of(networks.on(held_out))).view(-1, seeds).numpy()
    rows = [
        _row(plan, width, data, rate, networks.space.count) for plan in plans for rate in plan.rates
    ]
    for row, measured, each in zip(rows, found, accuracy, strict=True):
        row |= {"test_acc": float(each.mean()), "test_acc_sd": float(each.std(ddof=1))}
        row |= measured.metrics
    count = len(plans[0].rates)
    return [_sorted(rows[start : start + count]) for start in range(0, len(rows), count)]


def trained_cell(task: Task, plans: Sequence[GrowPlan], width: int, data: int) -> Objective:
    """Return the trained networks of a cell, ordered by plan, rate and seed, on their data."""
    order = [(plan, rate, s) for plan in plans for rate in plan.rates for s in plan.seeds]
    data_of = {plan: training_rows(task, plan, data) for plan in plans}
    rows, labels = (torch.stack([data_of[plan][i] for plan, _, _ in order]) for i in (0, 1))
    return train_networks(
        [task.build(seed, width) for _, _, seed in order],
        NetworkData(pair_of(task, "train")[0], rows, labels),
        rates=[rate for _, rate, _ in order],
        seeds=[seed for _, _, seed in order],
        plan=plans[0],
    )


def training_rows(task: Task, plan: GrowPlan, data: int) -> tuple[Tensor, Tensor]:
    """Return the first ``data`` places of the plan's shuffled order, and their labels.

    Labels are noisy where the plan asks for it.
    """
    generator = torch.Generator().manual_seed(plan.seeds[0])
    _, true = pair_of(task, "train")
    order = torch.randperm(len(true), generator=generator)[:data]
    labels = noisy_labels(
        true, plan.label_noise, classes=classes_of(task), seed=_NOISE + plan.seeds[0]
    )
    return order, labels[order]


def _row(plan: GrowPlan, width: int, data: int, rate: float, parameters: int) -> Row:
    return {
        "width": float(width),
        "data": float(data),
        "lr": rate,
        "bs": float(plan.batch_size),
        "para_amount": float(parameters),
        "data_amount": float(data),
    }


def _sorted(rows: list[Row]) -> dict[str, Any]:
    """Part the configurations that came out finite from the others.

    The similarity is undefined where outputs do not vary; such a collapsed network is kept.
    """
    kept, failed = [], []
    for row in rows:
        broken = [name for name, value in row.items() if not np.isfinite(value)]
        if set(broken) - {"CKA"}:
            failed.append(
                f"width {row['width']:g}, data {row['data']:g}, learning rate {row['lr']:g}: not "
                f"finite: {', '.join(broken)}"
            )
        else:
            kept.append(row)
    return {"rows": kept, "failed": failed}
