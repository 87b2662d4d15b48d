"""Other models as points of an objective's space."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from eigenscape.checkpoints import Checkpoint, open_checkpoint
from eigenscape.errors import InputError

if TYPE_CHECKING:
    from eigenscape.models import Objective

ModelPoint = nn.Module | Mapping[str, Tensor] | str | os.PathLike[str] | Checkpoint | Tensor


def point_of(objective: Objective, model: ModelPoint) -> Tensor:
    """Return the parameters of a model as a point ``(P,)`` in float64, on the objective's device.

    Args:
        objective: says which parameters, in which order.
        model: a module, a state dict, a checkpoint or its path; or a point already.

    Raises:
        InputError: parameters that are missing or of other shapes, or not finite.
        CheckpointError: nothing that can be read.
    """
    space = objective.space
    if isinstance(model, Tensor):
        space.split(model)  # refuses another length
        point = model.double()
    else:
        found = open_checkpoint(cast("Mapping[str, Tensor]", model))
        named = {name: found[name] for name in space.names if name in found}
        point = space.join(named, torch.float64)
    if not bool(point.isfinite().all()):
        raise InputError("a model has parameters that are not finite; expected numbers")
    return point.detach().to(objective.device)
