"""Layers with a metric: one by one, and in the groups that share a budget."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from eigenscape.checkpoints import Checkpoint
from eigenscape.errors import InputError
from eigenscape.results import ContentHash, content_hash

GROUPINGS = ("matrix", "block", "kind")
_SHOWN = 8


@dataclass(frozen=True)
class LayerMetric:
    """The metric of one layer.

    Args:
        name: the layer.
        value: the metric.
        parameters: entries of its weight; None if unknown.
        block: the repeated unit that it belongs to; None outside every block.
        kind: what it is; empty if unknown.
        error: the standard error of ``value``; None if unknown.
        tensors: the checkpoint's tensors behind it.
        full_rank: the largest rank that its matrix can have; None if unknown.
    """

    name: str
    value: float
    parameters: int | None = None
    block: str | None = None
    kind: str = ""
    error: float | None = None
    tensors: tuple[str, ...] = ()
    full_rank: int | None = None


@dataclass(frozen=True)
class Group:
    """Layers with one budget.

    Args:
        name: of the group; the layer's own where it stands alone.
        members: the layers.
    """

    name: str
    members: tuple[LayerMetric, ...]

    @property
    def value(self) -> float:
        """The mean of the metrics, as AlphaPruning takes it (Lu et al. 2024, section 3)."""
        return math.fsum(layer.value for layer in self.members) / len(self.members)

    @property
    def error(self) -> float | None:
        """The standard error of that mean; None if that of a member is unknown."""
        errors = [layer.error for layer in self.members if layer.error is not None]
        count = len(self.members)
        return math.hypot(*errors) / count if len(errors) == count else None

    @property
    def parameters(self) -> int | None:
        """Entries of all members; None if unknown."""
        sizes = [layer.parameters for layer in self.members if layer.parameters is not None]
        return sum(sizes) if len(sizes) == len(self.members) else None

    @property
    def full_rank(self) -> int | None:
        """The largest rank that every member can have; None if that of none is known."""
        known = [layer.full_rank for layer in self.members if layer.full_rank is not None]
        return min(known, default=None)


def group_layers(layers: tuple[LayerMetric, ...], by: str) -> tuple[list[Group], list[str]]:
    """Return the groups in the order of their first layers, and notes on layers without a group.

    Raises:
        InputError: an unknown grouping, or layers of unknown kind grouped by kind.

    >>> groups, _ = group_layers((LayerMetric("b.0.x", 2.0, block="b.0"),
    ...                           LayerMetric("b.0.y", 4.0, block="b.0")), "block")
    >>> [(group.name, group.value) for group in groups]
    [('b.0', 3.0)]
    """
    if by not in GROUPINGS:
        raise_all([f"group must be one of {', '.join(GROUPINGS)}; got {by!r}"])
    if by == "kind":
        raise_all([f"{layer.name} has no kind to group by" for layer in layers if not layer.kind])
    found: dict[str, list[LayerMetric]] = {}
    for layer in layers:
        shared = {"matrix": None, "block": layer.block, "kind": layer.kind}[by]
        found.setdefault(shared or layer.name, []).append(layer)
    groups = [Group(name, tuple(members)) for name, members in found.items()]
    alone = [layer.name for layer in layers if by == "block" and layer.block is None]
    notes = []
    if alone and len(alone) < len(layers):
        notes.append(
            f"outside every block, each with a budget of its own: {', '.join(alone[:4])}"
            f"{' ...' if len(alone) > 4 else ''}; leave them out if they are to have none"
        )
    return groups, notes


def metric_digest(layers: Sequence[LayerMetric]) -> str:
    """Return the hash of names, metrics, errors, parameters and blocks, in any order of layers.

    >>> a, b = LayerMetric("a", 2.0), LayerMetric("b", 3.0)
    >>> metric_digest([a, b]) == metric_digest([b, a]) != metric_digest([a])
    True
    """
    rows = sorted(
        [layer.name, layer.value.hex(), layer.error, layer.parameters, layer.block, layer.kind]
        for layer in layers
    )
    return content_hash(rows)


def weights_digest(checkpoint: Checkpoint) -> str:
    """Return the hash of every tensor's name, type, shape and bytes, reading one at a time.

    The same for the same weights in any file or module; about 1 GB a second.

    >>> import torch
    >>> from eigenscape.checkpoints import open_checkpoint
    >>> one, two = (open_checkpoint({"w": torch.full((2, 2), x)}) for x in (1.0, 2.0))
    >>> weights_digest(one) == weights_digest(two)
    False
    """
    state = ContentHash()
    for name in sorted(checkpoint):
        state.add((name, checkpoint[name]))
    return state.hexdigest()


def raise_all(problems: list[str]) -> None:
    """Raise one :class:`InputError` that names every problem, or return.

    Raises:
        InputError: there is at least one.
    """
    if problems:
        more = len(problems) - _SHOWN
        tail = f"; and {more} more" if more > 0 else ""
        raise InputError("; ".join(problems[:_SHOWN]) + tail)
