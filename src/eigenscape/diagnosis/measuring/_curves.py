"""Curves between pairs of networks, many at a time."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import grad_and_value
from torch.nn import functional

from eigenscape.diagnosis.measuring._options import MeasureOptions
from eigenscape.diagnosis.measuring._samples import Samples
from eigenscape.diagnosis.measuring._stack import Stack
from eigenscape.landscape import bend_rate, bend_share, bezier_point
from eigenscape.landscape.paths._curve_data import _split
from eigenscape.models._modes import evaluating


def curve_errors(starts: Stack, ends: Stack, samples: Samples, options: MeasureOptions) -> Tensor:
    """Return the training error along a trained curve between each pair, ``(pairs, points)``, in %.

    The curve of :func:`eigenscape.landscape.connect`, trained for ``curve_steps`` steps; batch
    norm's statistics are gathered anew at every point, the ends included. NaN where a curve
    diverged.

    Args:
        starts: the networks at t = 0.
        ends: those at t = 1.
        samples: the training data of each pair.
        options: the protocol.
    """
    bends = train_bends(starts, ends, samples, options)
    columns = []
    for t in torch.linspace(0, 1, options.curve_points, dtype=torch.float64).tolist():
        points = bezier_point(starts.points, bends, ends.points, t)
        columns.append(error_of(starts.at(points).renormed(samples), samples))
    return torch.stack(columns, dim=1)


def train_bends(starts: Stack, ends: Stack, samples: Samples, options: MeasureOptions) -> Tensor:
    """Return the trained bend of the quadratic Bezier curve between each pair, ``(pairs, P)``.

    Stochastic gradient descent on the loss at one t ~ U(0, 1) a batch (Garipov et al.
    2018). All curves take the same places of their samples and the same t, so that none
    depends on the others.
    """
    generator = torch.Generator().manual_seed(options.seed)
    bends = (starts.points + ends.points) / 2
    velocity = torch.zeros_like(bends)
    # batch norm gathers statistics in place: into copies, which are thrown away
    spare = {name: tensor.clone() for name, tensor in starts.fixed.items()}

    def loss(point: Tensor, fixed: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(starts.call(point, fixed, x), y)

    slope_of = grad_and_value(loss)
    batches: list[Tensor] = []
    with evaluating(starts.model, train_norms=True):
        for step in range(options.curve_steps):
            if not batches:
                order = torch.randperm(len(samples), generator=generator)
                batches = list(reversed(_split(order, options.curve_batch)))
            inputs, labels = samples.batch(batches.pop())
            t = float(torch.rand((), generator=generator))
            points = bezier_point(starts.points, bends, ends.points, t)
            slopes, _ = starts.map(slope_of, points, spare, inputs, labels)
            slopes = slopes + options.curve_decay * points
            velocity = options.curve_momentum * velocity + bend_share(t) * slopes
            rate = options.curve_rate * bend_rate(step / options.curve_steps)
            bends = bends - rate * velocity
    return bends


def error_of(stack: Stack, samples: Samples) -> Tensor:
    """Return the classification error of every network in evaluation mode, ``(k,)``, in %.

    NaN where the outputs are not finite: a broken network has no error, rather than that of its
    first class.
    """
    outputs = stack.outputs(samples)
    wrong = (outputs.argmax(dim=2) != samples.labels).double().mean(dim=1)
    broken = ~outputs.isfinite().all(dim=2).all(dim=1)
    return (100 * wrong).masked_fill(broken, float("nan")).cpu()
