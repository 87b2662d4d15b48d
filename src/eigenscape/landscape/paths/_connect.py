"""Joining two models by a curve of low loss."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from eigenscape.errors import InputError
from eigenscape.landscape.paths._bend import bezier_point, first_bend, train_curves
from eigenscape.landscape.paths._path_metrics import classification_error
from eigenscape.landscape.paths._path_result import (
    CurveOptions,
    ErrorMeasure,
    PathResult,
    PathValues,
    measure_point,
)
from eigenscape.landscape.paths._twin_check import check_twins
from eigenscape.models import Batch, Data, Forward, Loss, Objective, ParameterSpace
from eigenscape.results import Environment
from eigenscape.runs import Progress, ProgressCallback


def connect(
    model_a: nn.Module,
    model_b: nn.Module,
    loss: Loss,
    data: Batch | Iterable[Batch],
    *,
    test: Batch | Iterable[Batch] | None = None,
    error: ErrorMeasure | None = None,
    forward: Forward | None = None,
    bend: nn.Module | None = None,
    options: CurveOptions | None = None,
    progress: ProgressCallback | None = None,
) -> PathResult:
    """Train a quadratic Bezier curve between two models, and measure how well it joins them.

    ``theta(t) = (1 - t)^2 a + 2 t (1 - t) bend + t^2 b`` runs through the trainable parameters of
    any module; the ends stay (Garipov et al. 2018). The bend minimises the mean loss over t plus
    ``weight_decay / 2 * ||theta(t)||^2``. Then loss and error are taken along the curve, and along
    the straight line, at equally spaced t; batch norm's statistics are gathered anew at each of
    them, on the training data. Both models, their modes and the global random state stay as found.

    Args:
        model_a: the end at t = 0. Its forward pass is used along the whole path.
        model_b: the end at t = 1; the same architecture with other parameters.
        loss: from outputs and targets to a scalar, the mean over the samples of the batch.
        data: training data: tensors ``(inputs, targets)``, shuffled into new batches every epoch,
            or an iterable of batches that is the same at every pass, whose order is shuffled. It is
            held in memory.
        test: data of either kind on which the paths are evaluated as well.
        error: from outputs and targets to the mean error over the batch; None for
            :func:`classification_error`, in per cent.
        forward: from model and batch to ``(outputs, targets)``; by default a batch is a pair
            ``(inputs, targets)``.
        bend: a third model, where the bend starts in place of ``options.init``.
        options: the protocol of training and evaluation; None for the published one.
        progress: called after every epoch and every evaluated point.

    Raises:
        InputError: models of different architectures, data that cannot be used, an option out of
            its range, or values that are not finite.

    >>> a, b = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.constant_(a.weight, 1.0), nn.init.constant_(b.weight, 3.0)
    >>> data = torch.ones(4, 1), 2 * torch.ones(4, 1)
    >>> found = connect(a, b, nn.functional.mse_loss, data, options=CurveOptions(epochs=1),
    ...                 error=lambda outputs, targets: (outputs - targets).abs().mean())
    >>> found.line.train_error, found.line_barrier
    ((1.0, 0.5, 0.0, 0.5, 1.0), 0.0)
    """
    options = options or CurveOptions()
    if bend is not None:
        options = replace(options, init="model")
    batch_size = options.batch_size
    check_twins(model_a, model_b, ParameterSpace.of(model_a))
    whole = Data.of(data)
    objective = Objective(
        model_a, loss, whole.cut(batch_size), forward=forward, batch_norm="recompute"
    )
    held_out = None
    if test is not None:
        held_out = objective.on(Data.of(test).cut(batch_size)).data
    start = objective.center
    end = objective.space.join(dict(model_b.named_parameters()), start.dtype).to(start.device)
    first = first_bend(objective, start, end, bend or options.init, options.seed)

    def measure(point: Tensor) -> tuple[float, ...]:
        return measure_point(objective, point, held_out, error or classification_error)

    ends = measure(start), measure(end)  # before the training: bad data should not cost it
    tell = _teller(options.epochs + 2 * (options.points - 2), progress)
    trained, losses = _train(
        objective, (start, end), first, whole, options, lambda epoch: tell(f"epoch {epoch + 1}")
    )
    ts = torch.linspace(0, 1, options.points, dtype=torch.float64).tolist()
    paths = []
    for name, control in (("curve", trained), ("line", (start + end) / 2)):
        rows = [ends[0]]
        for t in ts[1:-1]:
            rows.append(measure(bezier_point(start, control, end, t)))
            tell(f"{name} at t = {t:g}")
        paths.append(PathValues.of([*rows, ends[1]]))
    return PathResult(
        environment=Environment.capture(device=str(objective.device), seed=options.seed),
        options=options,
        t=tuple(ts),
        curve=paths[0],
        line=paths[1],
        error_name=_error_name(error),
        training_loss=losses,
        distance=math.sqrt(float((start.double() - end.double()).square().sum())),
        samples=round(objective.data.count),
        data_hash=objective.data.hash,
        bend=trained,
    )


def _train(
    objective: Objective,
    ends: tuple[Tensor, Tensor],
    bend: Tensor,
    data: Data,
    options: CurveOptions,
    on_epoch: Callable[[int], object],
) -> tuple[Tensor, tuple[float, ...]]:
    """Return the trained bend ``(P,)`` and the mean loss of each epoch, without weight decay.

    Raises:
        InputError: the loss or the bend stops being finite.
    """
    generator = torch.Generator().manual_seed(options.seed)
    data = data.to(objective.device, objective.dtype)

    def steps() -> Iterator[tuple[float, Batch]]:
        for epoch in range(options.epochs):
            batches = list(data.epoch(options.batch_size, generator))
            for step, (batch, _) in enumerate(batches):
                yield (epoch + step / len(batches)) / options.epochs, batch

    trained = train_curves(
        objective,
        (ends[0][None], ends[1][None]),
        bend[None],
        steps(),
        generator,
        learning_rate=options.learning_rate,
        momentum=options.momentum,
        weight_decay=options.weight_decay,
    )
    losses = []
    for epoch in range(options.epochs):
        total = 0.0
        for bends, loss in islice(trained, objective.data.batches):
            bend, total = bends[0], total + float(loss)
        if not (math.isfinite(total) and bool(bend.isfinite().all())):
            raise InputError(
                f"the curve diverged in epoch {epoch + 1}, at a learning rate of "
                f"{options.learning_rate:g}. Try: learning_rate={options.learning_rate / 10:g}"
            )
        losses.append(total / objective.data.batches)
        on_epoch(epoch)
    return bend, tuple(losses)


def _error_name(error: Any) -> str:
    return "classification error (%)" if error is None else getattr(error, "__name__", "error")


def _teller(total: int, progress: ProgressCallback | None) -> Callable[[str], None]:
    """Return what counts the steps, and tells of each."""
    started, done = time.monotonic(), 0

    def tell(name: str) -> None:
        nonlocal done
        done += 1
        elapsed = time.monotonic() - started
        if progress is not None:
            rest = elapsed / done * (total - done)  # the steps differ in what they cost
            progress(Progress(done, total, 0, 0, elapsed, (rest / 2, 2 * rest), name))

    return tell
