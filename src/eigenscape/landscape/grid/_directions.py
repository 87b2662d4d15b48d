"""Directions in the space of parameters, and the unit of their coordinates."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

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


Unit = Literal["absolute", "relative", "direction"]
UNITS: tuple[Unit, ...] = get_args(Unit)


@dataclass(frozen=True, kw_only=True, eq=False)
class Directions:
    """Some directions ``d_1 ... d_n`` around the center of an objective.

    Args:
        vectors: ``(P, n)``, float64, one column each; of any length.
        names: one for each.
        kind: ``"random"``, ``"hessian"``, ``"trajectory"``, ``"difference"`` or ``"given"``.
        normalization: what was done to the lengths: ``"filter"``, ``"layer"``, ``"model"`` or
            ``"none"``.
        unit: the unit of a coordinate, unless :func:`sample` is told another one. ``"absolute"``:
            lengths in parameter space, ``"relative"``: shares of the length of the center,
            ``"direction"``: multiples of the direction as it is.
        radius: the half-width of a landscape in that unit, unless told another one.
        rayleigh: ``(n,)`` curvatures ``d^T H d / d^T d`` at the center, where they are known.
        extra: further results of its function: eigenvalues, explained variance, coordinates ...

    Raises:
        InputError: no direction, one that is zero or not finite, or fields of other lengths.

    >>> import torch
    >>> plane = Directions(vectors=torch.tensor([[3.0, 0.0], [0.0, 2.0]]), names=("a", "b"))
    >>> plane.norms, plane.gram.tolist()
    ((3.0, 2.0), [[1.0, 0.0], [0.0, 1.0]])
    """

    vectors: Tensor = field(repr=False)
    names: tuple[str, ...]
    kind: str = "given"
    normalization: str = "none"
    unit: Unit = "direction"
    radius: float = 1.0
    rayleigh: tuple[float, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        shape, n = tuple(self.vectors.shape), len(self.names)
        if len(shape) != 2 or shape[1] != n or not n:
            raise InputError(
                f"directions have the shape {shape} and {n} names; expected (P, n), one column "
                "and one name for each direction"
            )
        check_unit(self.unit)
        object.__setattr__(self, "vectors", self.vectors.detach().double())
        wrong = [
            f"{name} has the norm {norm:g}"
            for name, norm in zip(self.names, self.norms, strict=True)
            if not (math.isfinite(norm) and norm > 0)
        ]
        if wrong:
            raise InputError(
                f"directions without length: {', '.join(wrong)}; expected a finite norm above "
                "0. Try: models that differ, or parameters that the normalisation leaves free: "
                "'filter' and 'layer' hold 1-D parameters fixed and scale by the weights' norms; "
                "normalize='none' moves everything"
            )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def norms(self) -> tuple[float, ...]:
        """The length of each direction."""
        return tuple(self.vectors.norm(dim=0).tolist())

    @property
    def gram(self) -> Tensor:
        """Return the cosines between the directions, ``(n, n)``."""
        scaled = self.vectors / self.vectors.norm(dim=0)
        cosines: Tensor = (scaled.T @ scaled).clamp(-1.0, 1.0).fill_diagonal_(1.0).cpu()
        return cosines

    def scaled(self, unit: Unit, length: float) -> Tensor:
        """Return the vectors ``(P, n)`` that one step of length 1 in a unit is.

        Args:
            unit: see above.
            length: of the center, for ``"relative"``.

        Raises:
            InputError: a relative unit around a center of length 0.
        """
        check_unit(unit)
        if unit == "direction":
            return self.vectors
        if unit == "relative" and not length > 0:
            raise InputError(
                "unit 'relative' is a share of the parameters' norm, which is 0. "
                "Try: unit='absolute'"
            )
        unity: Tensor = self.vectors / self.vectors.norm(dim=0)
        return unity * length if unit == "relative" else unity


def check_unit(unit: str) -> None:
    """Raise an error for an unknown unit.

    Raises:
        InputError: naming the known ones.
    """
    if unit not in UNITS:
        raise InputError(f"unit is {unit!r}; expected one of {', '.join(UNITS)}")


def check_count(n: int, space: int) -> None:
    """Raise an error for a number of directions that the space does not have.

    Raises:
        InputError: not a whole number from 1 to the number of parameters.
    """
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= space:
        raise InputError(
            f"{n!r} directions; expected a whole number from 1 to the {space} parameters moved"
        )
