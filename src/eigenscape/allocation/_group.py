"""Layers that share one budget: each alone, the layers of a block, or the layers of a kind."""

from __future__ import annotations

import math
from dataclasses import dataclass

from eigenscape.allocation._metric import LayerMetric, raise_all

GROUPINGS = ("matrix", "block", "kind")


@dataclass(frozen=True)
class Group:
    """Layers with one budget.

    Args:
        name: of the group; the layer's own where it stands alone.
        members: the layers.
        value: the mean of their metrics, as AlphaPruning takes it (Lu et al. 2024, section 3).
        error: the standard error of that mean; None where a member has none.
        parameters: entries of all members; None where nobody said.
    """

    name: str
    members: tuple[LayerMetric, ...]
    value: float
    error: float | None
    parameters: int | None


def group_layers(layers: tuple[LayerMetric, ...], by: str) -> tuple[list[Group], list[str]]:
    """Return the groups in the order of their first layers, and notes on those that fit in none.

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
    groups = [_group(name, tuple(members)) for name, members in found.items()]
    alone = [layer.name for layer in layers if by == "block" and layer.block is None]
    notes = []
    if alone and len(alone) < len(layers):
        notes.append(
            f"outside every block, each with a budget of its own: {', '.join(alone[:4])}"
            f"{' ...' if len(alone) > 4 else ''}; leave them out if they shall have none"
        )
    return groups, notes


def _group(name: str, members: tuple[LayerMetric, ...]) -> Group:
    count = len(members)
    errors = [layer.error for layer in members if layer.error is not None]
    sizes = [layer.parameters for layer in members if layer.parameters is not None]
    return Group(
        name=name,
        members=members,
        value=math.fsum(layer.value for layer in members) / count,
        error=math.hypot(*errors) / count if len(errors) == count else None,
        parameters=sum(sizes) if len(sizes) == count else None,
    )
