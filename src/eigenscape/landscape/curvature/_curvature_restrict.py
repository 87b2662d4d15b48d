"""An objective over fewer of its parameters, the others held fixed."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from eigenscape.errors import InputError
from eigenscape.models._parameters import ParameterSpace

if TYPE_CHECKING:
    from eigenscape.models._objective import Objective


def restricted(objective: Objective, patterns: Sequence[str]) -> Objective:
    """Return the same objective over those of its parameters that match a glob.

    Its Hessian is the diagonal block of the whole one.

    Args:
        objective: left as it is.
        patterns: globs over parameter names, such as ``"layers.0.*"``.

    Raises:
        InputError: a pattern that matches nothing, or parameters that the objective holds fixed.
    """
    space = ParameterSpace.of(objective.model, patterns)
    fixed = sorted(set(space.names) - set(objective.space.names))
    if fixed:
        raise InputError(
            f"the objective holds fixed what the globs name: {', '.join(fixed[:5])}. Mend: name "
            "parameters that it moves"
        )
    smaller = copy.copy(objective)
    parts = objective.space.split(objective.center)
    smaller.space = space
    smaller.center = space.join(parts, torch.float64).to(objective.device, objective.dtype)
    moved = set(space.names)
    smaller.fixed = {
        **objective.fixed,
        **{f"model.{name}": part for name, part in parts.items() if name not in moved},
    }
    return smaller
