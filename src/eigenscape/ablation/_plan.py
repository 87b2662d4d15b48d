"""What is measured within a budget: all layers, or some of every kind and depth."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from eigenscape.ablation._changes import CHANGES
from eigenscape.errors import InputError
from eigenscape.layers import LayerMatrix, role
from eigenscape.runs import time_span

_SLOWER = 2.0  # few evaluations are timed, and they had the machine alone


@dataclass(frozen=True)
class AblationEstimate:
    """What an ablation is about to do, and what that costs.

    Args:
        layers: how many are measured, or are known already.
        layers_in_all: how many there are.
        changes: which of the changes.
        evaluations: of the loss that are still to be done.
        seconds: that they take, from timed ones.
        bytes: memory for a copy of the weights and for what is kept of the network's outputs.
    """

    layers: int
    layers_in_all: int
    changes: tuple[str, ...]
    evaluations: int
    seconds: float
    bytes: int

    def __str__(self) -> str:
        layers = (
            f"all {self.layers} layers"
            if self.layers == self.layers_in_all
            else f"{self.layers} of {self.layers_in_all} layers"
        )
        return (
            f"{layers} ({', '.join(self.changes)}), {self.evaluations:,} evaluations, "
            f"{time_span(self.seconds, _SLOWER * self.seconds)}, {self.bytes / 2**20:,.0f} MiB "
            "beside the model"
        )


#: One measurement: layer, change, draw.
Key = tuple[str, str, int]


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Args:
        layers: their names, in the order in which they are wanted.
        changes: names.
        draws: of each change that draws random numbers.
    """

    layers: tuple[str, ...]
    changes: tuple[str, ...]
    draws: int

    @property
    def keys(self) -> list[Key]:
        """Every measurement."""
        return [
            (layer, change, draw)
            for layer in self.layers
            for change in self.changes
            for draw in range(self.draws if CHANGES[change].drawn else 1)
        ]


def plan(wanted: Plan, costs: Mapping[Key, float], budget: float | None) -> Plan:
    """Return what fits into a budget: the last changes are given up, then draws, then layers.

    Args:
        wanted: everything, the most wanted layers and changes first.
        costs: seconds of each measurement; 0 of one that is finished.
        budget: seconds; None for all.

    Raises:
        InputError: not even one layer fits.

    >>> everything = Plan(("a", "b", "c"), ("shuffled", "random"), draws=2)
    >>> costs = dict.fromkeys(everything.keys, 1.0)
    >>> plan(everything, costs, 8.0)
    Plan(layers=('a', 'b', 'c'), changes=('shuffled',), draws=2)
    >>> plan(everything, costs, 3.0)
    Plan(layers=('a', 'b', 'c'), changes=('shuffled',), draws=1)
    >>> plan(everything, costs, 2.5).layers
    ('a', 'b')
    """
    fewer = [replace(wanted, changes=wanted.changes[:n]) for n in range(len(wanted.changes), 0, -1)]
    fewer += [replace(fewer[-1], draws=n) for n in range(wanted.draws - 1, 0, -1)]
    for some in fewer:
        if budget is None or sum(costs[key] for key in some.keys) <= budget:
            return some
    assert budget is not None
    least = fewer[-1]
    chosen: list[str] = []
    spent = 0.0
    for layer, change, draw in least.keys:
        cost = costs[layer, change, draw]
        if spent + cost <= budget:
            chosen.append(layer)
            spent += cost
    if not chosen:
        raise InputError(
            f"one change of one layer takes about {min(costs[key] for key in least.keys):.1f} s, "
            f"and the time budget is {budget:g} s. Try: a larger time budget, or fewer tokens or "
            "samples"
        )
    return replace(least, layers=tuple(chosen))


def by_kind_and_depth(layers: Sequence[LayerMatrix], first: Collection[str] = ()) -> list[str]:
    """Return the names so that any number from the start holds all kinds, at depths far apart.

    One layer of each role after the other; within a role, the layers in ``first`` and the others by
    turns, each by bisection of the depth.

    >>> names = [f"h.{n}.{part}" for n in range(3) for part in ("wq", "wv")]
    >>> layers = [
    ...     LayerMatrix(name=name, kind="linear", shape=(8, 8), stack=(1, 8, 8), tensors=(name,),
    ...                 dtype="float32", block=name[:3]) for name in names
    ... ]
    >>> by_kind_and_depth(layers, ["h.2.wv"])
    ['h.2.wv', 'h.0.wq', 'h.0.wv', 'h.2.wq', 'h.1.wv', 'h.1.wq']
    """
    roles: dict[str, list[str]] = {}
    for layer in layers:
        roles.setdefault(role(layer), []).append(layer.name)
    queues = []
    for names in roles.values():
        wanted = [name for name in names if name in first]
        others = [name for name in names if name not in first]
        turns = zip_longest(_bisected(wanted), _bisected(others))
        queues.append([name for pair in turns for name in pair if name is not None])
    queues.sort(key=lambda queue: queue[0] not in first)  # roles with wanted layers come first
    return [name for row in zip_longest(*queues) for name in row if name is not None]


def _bisected(names: Sequence[str]) -> Iterator[str]:
    """Yield the first, the last, the middle, then the middles of what lies between."""
    if not names:
        return
    yield names[0]
    if len(names) > 1:
        yield names[-1]
    gaps = [(0, len(names) - 1)]
    while gaps:
        low, high = gaps.pop(0)
        if high - low > 1:
            middle = (low + high) // 2
            yield names[middle]
            gaps += [(low, middle), (middle, high)]
