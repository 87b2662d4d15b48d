"""Parameters by the layer, or the block, that they belong to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor

from eigenscape.errors import InputError

if TYPE_CHECKING:
    from eigenscape.models._parameters import ParameterSpace

Grouping = Literal["layer", "block"]
GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)


class Groups:
    """Which coordinates of the parameter vector lie in which layer or block.

    Args:
        space: the parameters.
        by: ``"layer"``: the module that owns the parameter; ``"block"``: the name up to its first
            number, such as ``layer1.0`` of ``layer1.0.conv1.weight``; None: no groups.

    Raises:
        InputError: another word.
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
