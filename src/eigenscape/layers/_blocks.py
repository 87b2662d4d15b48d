"""Repeated blocks of a network, recognised by the types of its modules or by the names of tensors.

This is the one place that decides what a block is: the layer table, allocations, the balancing of
learning rates and everything that goes through a network block by block ask here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

from torch import nn

from eigenscape.checkpoints import named_modules, named_tensors

#: The last parts of tensor names that are not a module's own: what is left is the module.
_LEAVES = frozenset(
    ("weight", "bias", "running_mean", "running_var", "num_batches_tracked", "weight_g", "weight_v")
)
_NUMBERED = re.compile(r"^(.*?)(\d+)$")
_CONTAINERS = (nn.ModuleList, nn.Sequential)


@dataclass(frozen=True)
class Block:
    """One of the repeated units of a network, such as a transformer's layer.

    Args:
        name: the path that its members share.
        members: the names in it, in the order in which they were given.
    """

    name: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class _Level:
    """One part of a name that can be a repeated unit.

    Args:
        stem: what it shares with its siblings.
        unit: the path up to it.
        rest: the path after it.
        whole: whether the part is a whole number.
    """

    stem: str
    unit: str
    rest: str
    whole: bool


def blocks(source: nn.Module | Iterable[str]) -> tuple[Block, ...]:
    """Return the repeated blocks in the order of the network.

    A block is a numbered unit with modules of its own inside: ``model.layers.3`` with
    ``self_attn.q_proj`` and ``mlp.up_proj``, ``layer1.0`` with ``conv1`` and ``conv2``. Where
    several parts of a name are numbered (the experts of a layer, the blocks of a stage), the
    outermost list counts whose units repeat: more than half of them have the same names inside
    and, where a module is given, the same type. Where no list repeats in this strict sense, as in
    a ResNet whose first block of each stage has a shortcut, the outermost one counts; but a stage
    that holds a list of repeated units is no block itself. Where no part is a whole number, units
    of several layers count that are all alike: numbered at the end of their names
    (``encoder_layer_3``), or listed in a Sequential or ModuleList. The linear layers of a plain MLP
    are layers, not blocks.

    Args:
        source: a module, whose parameters and buffers are the members; or names of tensors or of
            layers.

    >>> names = ["wte.weight", "h.0.attn.c_attn.weight", "h.0.mlp.c_fc.weight",
    ...          "h.1.attn.c_attn.weight", "h.1.mlp.c_fc.weight", "ln_f.weight"]
    >>> [(block.name, len(block.members)) for block in blocks(names)]
    [('h.0', 2), ('h.1', 2)]
    >>> blocks(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8)))
    ()
    """
    types: Mapping[str, type[nn.Module]] = {}
    if isinstance(source, nn.Module):
        names = list(named_tensors(source))
        types = {path: type(module) for path, module in named_modules(source).items()}
    else:
        names = list(source)
    levels = {name: _levels(_module(name), types) for name in names}
    regular = _regular(levels, types)
    found: dict[str, list[str]] = {}
    for name, numbered in levels.items():
        unit = _unit(numbered, regular)
        if unit is not None:
            found.setdefault(unit, []).append(name)
    return tuple(Block(unit, tuple(members)) for unit, members in found.items())


def _module(name: str) -> str:
    """The path of the module behind the name of a tensor or of a layer."""
    path, _, leaf = name.split("[")[0].rpartition(".")
    return path if leaf in _LEAVES else f"{path}.{leaf}" if path else leaf


def _levels(path: str, types: Mapping[str, type[nn.Module]]) -> list[_Level]:
    """The parts of a path that number a unit, or name one in a container; outermost first."""
    parts = path.split(".")
    found = []
    for at, part in enumerate(parts[:-1]):
        above = ".".join(parts[:at])
        listed = issubclass(types.get(above, nn.Module), _CONTAINERS)
        match = _NUMBERED.match(part)
        if match is None and not listed:
            continue
        whole = match is not None and not match[1]
        stem = "" if listed or match is None else match[1]
        found.append(
            _Level(
                stem=f"{above}.{stem}",
                unit=".".join(parts[: at + 1]),
                rest=".".join(parts[at + 1 :]),
                whole=whole,
            )
        )
    return found


def _regular(
    levels: Mapping[str, list[_Level]], types: Mapping[str, type[nn.Module]]
) -> dict[str, float]:
    """The share of the units under each stem that look the same, where it is more than half."""
    inside: dict[str, dict[str, set[str]]] = {}
    for numbered in levels.values():
        for level in numbered:
            inside.setdefault(level.stem, {}).setdefault(level.unit, set()).add(level.rest)
    shares = {}
    for stem, units in inside.items():
        looks: Counter[Hashable] = Counter(
            (types.get(unit), frozenset(rest)) for unit, rest in units.items()
        )
        most = looks.most_common(1)[0][1]
        several = any(len(rest) > 1 for rest in units.values())
        if several and most > 1 and 2 * most > len(units):
            shares[stem] = most / len(units)
    return shares


def _unit(levels: list[_Level], regular: Mapping[str, float]) -> str | None:
    whole = [level for level in levels if level.whole]
    if whole:
        repeated = [level for level in whole if level.stem in regular]
        if repeated:
            return repeated[0].unit
        stage = any(stem.startswith(f"{whole[0].unit}.") for stem in regular)
        return None if stage else whole[0].unit  # a stage holds blocks, and is none itself
    alike = [level for level in levels if regular.get(level.stem) == 1]
    return alike[0].unit if alike else None
