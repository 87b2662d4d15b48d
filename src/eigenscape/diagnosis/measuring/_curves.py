"""Curves between pairs of networks, many at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from eigenscape.diagnosis.measuring._options import MeasureOptions
from eigenscape.errors import InputError
from eigenscape.landscape import bezier_point, train_curves
from eigenscape.models import Batch, NetworkData, Objective


def curve_errors(starts: Objective, ends: Objective, options: MeasureOptions) -> Tensor:
    """Return the training error along a trained curve between each pair, ``(pairs, points)``, in %.

    The curve of :func:`eigenscape.landscape.connect`, trained for ``curve_steps`` steps; batch
    norm's statistics are computed again at every point, the ends included. NaN where a curve
    diverged.

    Args:
        starts: the networks at t = 0, on the training data of each pair.
        ends: those at t = 1.
        options: the protocol.
    """
    bends, (first, last) = train_bends(starts, ends, options), _ends(starts, ends)
    renormed = starts.with_batch_norm("recompute")
    columns = []
    for t in torch.linspace(0, 1, options.curve_points, dtype=torch.float64).tolist():
        points = bezier_point(first, bends, last, t)
        columns.append(error_of(renormed, points))
    return torch.stack(columns, dim=1)


def train_bends(starts: Objective, ends: Objective, options: MeasureOptions) -> Tensor:
    """Return the trained bend of the quadratic Bezier curve between each pair, ``(pairs, P)``.

    All curves take the same places of their samples and the same t, so that none depends on the
    others.
    """
    generator = torch.Generator().manual_seed(options.seed)
    first, last = _ends(starts, ends)

    def steps() -> Iterator[tuple[float, Batch]]:
        done = 0
        while True:
            for batch, _ in starts.data.epoch(options.curve_batch, generator):
                if done == options.curve_steps:
                    return
                yield done / options.curve_steps, batch
                done += 1

    trained = train_curves(
        starts,
        (first, last),
        (first + last) / 2,
        steps(),
        generator,
        learning_rate=options.curve_rate,
        momentum=options.curve_momentum,
        weight_decay=options.curve_decay,
    )
    *_, (bends, _) = trained
    return bends


def error_of(networks: Objective, points: Tensor | None = None) -> Tensor:
    """Return the classification error of every network in evaluation mode, ``(k,)``, in %.

    NaN where the outputs are not finite: a network with such outputs has no error, rather than that
    of its first class.
    """
    outputs = logits_of(networks, points)
    wrong = (outputs.argmax(dim=2) != targets_of(networks)).double().mean(dim=1)
    broken = ~outputs.isfinite().all(dim=2).all(dim=1)
    return (100 * wrong).masked_fill(broken, float("nan")).cpu()


def logits_of(networks: Objective, points: Tensor | None = None) -> Tensor:
    """Return the logits of every network for all its samples, ``(k, n, classes)``.

    Raises:
        InputError: outputs that are not logits.
    """
    outputs = torch.cat(networks.outputs(points), dim=1)
    if outputs.ndim != 3 or outputs.shape[-1] < 2:
        raise InputError(
            f"{type(networks.model).__name__} returns {tuple(outputs.shape[1:])} for its samples; "
            "the MD tree is of classifiers, whose models return logits (n, classes)"
        )
    return outputs


def targets_of(networks: Objective) -> Tensor:
    """Return the labels of every network's samples, ``(k, n)``."""
    assert isinstance(networks.data, NetworkData)
    return networks.data.targets


def _ends(starts: Objective, ends: Objective) -> tuple[Tensor, Tensor]:
    count = starts.space.count
    return starts.center.view(-1, count), ends.center.view(-1, count)
