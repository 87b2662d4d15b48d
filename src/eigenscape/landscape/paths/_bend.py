"""The bend of a curve: where it starts, and how it is trained."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from eigenscape.errors import InputError
from eigenscape.landscape.paths._bezier import bend_rate, bend_share, bezier_point
from eigenscape.landscape.paths._curve_options import CurveOptions
from eigenscape.models import build
from eigenscape.models._batches import Batch
from eigenscape.models._modes import evaluating
from eigenscape.models._objective import Objective

Epoch = Callable[[torch.Generator], Iterable[Batch]]


def first_bend(
    objective: Objective, start: Tensor, end: Tensor, init: str | nn.Module, seed: int
) -> Tensor:
    """Return where the bend starts: the middle of the line, new random weights, or a model's.

    Raises:
        InputError: a model that does not fit, or a module that cannot be initialised anew.
    """
    if init == "midpoint":
        return (start + end) / 2
    chosen = init if isinstance(init, nn.Module) else build(lambda: _anew(objective.model), seed)
    bend = objective.space.join(dict(chosen.named_parameters()), objective.dtype)
    return bend.to(objective.device)


def _anew(model: nn.Module) -> nn.Module:
    """Return a copy with new initial weights: every module's own ``reset_parameters``."""
    model = copy.deepcopy(model).cpu()
    unknown = []
    for name, module in model.named_modules():
        reset = getattr(module, "reset_parameters", getattr(module, "_reset_parameters", None))
        if callable(reset):
            reset()
        elif any(True for _ in module.parameters(recurse=False)):
            unknown.append(f"{name or 'the model itself'} ({type(module).__name__})")
    if unknown:
        raise InputError(
            f"no reset_parameters() in {', '.join(unknown[:5])}, so init='random' cannot draw new "
            "weights. Mend: init=a newly constructed model"
        )
    return model


def train_bend(
    objective: Objective,
    ends: tuple[Tensor, Tensor],
    bend: Tensor,
    epoch_of: Epoch,
    options: CurveOptions,
    on_epoch: Callable[[int], object],
) -> tuple[Tensor, tuple[float, ...]]:
    """Return the trained bend ``(P,)`` and the mean loss of each epoch, without weight decay.

    Stochastic gradient descent on the loss at one t ~ U(0, 1) a batch (Garipov et al. 2018). Batch
    norm takes the statistics of the batch; dropout is off.

    Raises:
        InputError: the loss or the bend stops being finite.
    """
    generator = torch.Generator().manual_seed(options.seed)
    velocity, losses = torch.zeros_like(bend), []
    with evaluating(objective.model, train_norms=True):
        for epoch in range(options.epochs):
            total, batches = 0.0, list(epoch_of(generator))
            for step, batch in enumerate(batches):
                t = float(torch.rand((), generator=generator))
                point = bezier_point(ends[0], bend, ends[1], t)
                loss, slope = _loss_and_slope(objective, point, batch)
                slope += options.weight_decay * point
                velocity = options.momentum * velocity + bend_share(t) * slope
                progress = (epoch + step / len(batches)) / options.epochs
                bend = bend - options.learning_rate * bend_rate(progress) * velocity
                total += loss
            if not (math.isfinite(total) and bool(bend.isfinite().all())):
                raise InputError(
                    f"the curve diverged in epoch {epoch + 1}, at a learning rate of "
                    f"{options.learning_rate:g}. Mend: learning_rate={options.learning_rate / 10:g}"
                )
            losses.append(total / len(batches))
            on_epoch(epoch)
    return bend, tuple(losses)


def _loss_and_slope(objective: Objective, point: Tensor, batch: Batch) -> tuple[float, Tensor]:
    point = point.detach().requires_grad_()
    tensors = objective.tensors(point)
    # Batch norm gathers statistics in place: into copies, which are thrown away.
    spare = {name: tensors[name].clone() for name in objective.norm_statistics}
    with torch.enable_grad():
        loss = objective.batch_loss({**tensors, **spare}, batch)
        (slope,) = torch.autograd.grad(loss, point)
    return float(loss.detach()), slope
