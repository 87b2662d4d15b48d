"""The matrix whose spectrum is computed, given by its products; and its diagonal blocks."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args
from weakref import WeakSet

import torch
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.models import Matrix

if TYPE_CHECKING:
    from eigenscape.models import Objective, ParameterSpace

Grouping = Literal["layer", "block"]
GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)
_SYMMETRIC: dict[str, WeakSet[Objective]] = {"hessian": WeakSet(), "ggn": WeakSet()}


class Curvature:
    """Products with the Hessian, or the Gauss-Newton matrix, at the center of an objective.

    Args:
        objective: the loss around its center.
        matrix: ``"hessian"``, or ``"ggn"`` for the generalised Gauss-Newton matrix.
        checked: find out, once for each objective, by two products that are not counted, whether
            the matrix is symmetric. False for callers that see it by themselves.

    Attributes:
        count: the number of rows P.
        dtype: in which the model is evaluated.
        batches: how many there are.
        products: matrix-vector products so far.

    Raises:
        InputError: another word for the matrix, or products that are not symmetric: a wrong second
            derivative.
    """

    def __init__(
        self, objective: Objective, matrix: Matrix = "hessian", *, checked: bool = True
    ) -> None:
        self._product = objective.operator(matrix)
        self.count, self.device, self.dtype = (
            objective.space.count,
            objective.device,
            objective.dtype,
        )
        self.precision = torch.finfo(objective.dtype).eps
        self.batches = objective.data.batches
        self.products = 0
        if checked and objective not in _SYMMETRIC[matrix]:
            generator = torch.Generator().manual_seed(0)
            v, w = self.random(generator), self.random(generator)
            on_v, on_w = self._product(torch.stack((v, w), dim=1)).T
            longer = max(float(on_v.norm()), float(on_w.norm()))
            asymmetric(float(v @ on_w), float(w @ on_v), longer, self)
            _SYMMETRIC[matrix].add(objective)

    def __call__(self, vectors: Tensor) -> Tensor:
        """Return the products with ``vectors`` ``(P,)`` or ``(P, k)``, in float64.

        Raises:
            InputError: a product that is not finite.
        """
        answer = self._product(vectors)
        self.products += 1 if vectors.ndim == 1 else vectors.shape[1]
        return _finite(answer)

    def parts(self, vector: Tensor) -> list[Tensor]:
        """Return the product with one vector ``(P,)`` in pieces, in the precision of the model.

        Raises:
            InputError: a product that is not finite.
        """
        self.products += 1
        return [_finite(part) for part in self._product.parts(vector)]

    def slope(self) -> list[Tensor]:
        """Return the gradient at the center in such pieces; it is not counted."""
        return self._product.slope()

    def dense(self) -> Tensor:
        """Return the whole matrix ``(P, P)``, symmetric to rounding; P products."""
        whole = self(torch.eye(self.count, dtype=torch.float64, device=self.device))
        return (whole + whole.T) / 2

    def random(self, generator: torch.Generator) -> Tensor:
        """Draw a Gaussian vector ``(P,)`` on the CPU, so that every device gets the same."""
        drawn = torch.randn(self.count, generator=generator, dtype=torch.float64)
        return drawn.to(self.device)


def _finite(answer: Tensor) -> Tensor:
    low, high = torch.aminmax(answer)  # NaN comes through; no copy of P numbers is made
    if not (math.isfinite(float(low)) and math.isfinite(float(high))):
        raise InputError(
            "a Hessian-vector product is not finite: the loss has no second derivative here. "
            "Try: look for square roots of zero, norms at zero or an overflow; "
            "Objective(..., dtype=torch.float64)"
        )
    return answer


def asymmetric(one: float, other: float, scale: float, curvature: Curvature) -> None:
    """Refuse a matrix for which v'Hw and w'Hv differ by more than rounding can explain.

    Args:
        one: v'Hw.
        other: w'Hv.
        scale: of both; ``||Hw||`` for Gaussian v.
        curvature: in whose precision they were taken. Allowed are 30 of its square roots: rounding
            of deep models stays below a tenth of it, a wrong derivative does not.

    Raises:
        InputError: with both figures.
    """
    if math.isfinite(scale) and abs(one - other) > 30 * curvature.precision**0.5 * scale:
        raise InputError(
            f"the matrix is not symmetric: v'Hw = {one:.6g}, w'Hv = {other:.6g} for two vectors. "
            "An operation of the model or the loss has a wrong second derivative (the fused weight "
            "norm of torch on the CPU has; so may a torch.autograd.Function). Try: write it out in "
            "other operations, or hold its parameters fixed by exclude="
        )


def free_memory(device: torch.device) -> int:
    """Return the bytes that are free for programs, 0 where the system does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def whole_number(name: str, value: object, lowest: int) -> list[str]:
    """Return an error message if a number is not whole or too small, else None."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= lowest:
        return []
    return [f"{name} is {value!r}; expected a whole number of {lowest} or more"]


class Groups:
    """Which coordinates of the parameter vector lie in which layer or block.

    Args:
        space: the parameters.
        by: ``"layer"``: the module that owns the parameter; ``"block"``: the name up to its first
            number, such as ``layer1.0`` of ``layer1.0.conv1.weight``; None: no groups.

    Raises:
        InputError: another name.
    """

    def __init__(self, space: ParameterSpace, by: Grouping | None) -> None:
        if by is not None and by not in GROUPINGS:
            raise InputError(f"groups is {by!r}; expected one of {', '.join(GROUPINGS)}, or None")
        owners = [] if by is None else [group_of(name, by) for name in space.names]
        self.names = tuple(dict.fromkeys(owners))
        places = torch.tensor([self.names.index(owner) for owner in owners], dtype=torch.int64)
        self._member = places.repeat_interleave(torch.tensor(space.sizes)) if owners else None
        self.sizes = [
            sum(size for size, owner in zip(space.sizes, owners, strict=True) if owner == name)
            for name in self.names
        ]

    def sums(self, entries: Tensor) -> Tensor:
        """Add up ``entries`` ``(P, k)`` within each group: ``(k, groups)`` on the CPU."""
        if self._member is None:
            return torch.zeros(entries.shape[1], 0, dtype=entries.dtype)
        total = entries.new_zeros(len(self.names), entries.shape[1])
        return total.index_add_(0, self._member.to(entries.device), entries).T.cpu()


def group_of(name: str, by: Grouping) -> str:
    """Return the layer or the block of a parameter.

    >>> group_of("layer1.0.conv1.weight", "layer"), group_of("layer1.0.conv1.weight", "block")
    ('layer1.0.conv1', 'layer1.0')
    >>> group_of("head.weight", "block"), group_of("scale", "layer")
    ('head', 'scale')
    """
    return ".".join(_up_to_number(name) if by == "block" else _owner(name))


def _owner(name: str) -> list[str]:
    parts = name.split(".")
    return parts[:-1] or parts


def _up_to_number(name: str) -> Iterator[str]:
    for part in _owner(name):
        yield part
        if part.isdigit():
            return
