"""The sweep: from values and neighbours to minima, saddles, pairs and arcs.

Every vertex has a rank: its place in the order of (value, index), so that no two are equal. Each
vertex runs down to its lowest neighbour until it reaches a minimum, whose label it takes. A vertex
is joined to its own minimum below itself, so the sublevel sets of the whole graph merge exactly as
those of the graph of labels, in which two labels are joined at the lowest edge between them. That
graph has as many vertices as there are minima.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError
from eigenscape.topology._compiled import stable_order, sweep_grid
from eigenscape.topology._graph import Graph, GridGraph, Ints

Longs = NDArray[np.int64]
#: Edges that are gathered before each sort: bounds the memory of a large grid.
_AT_ONCE = 2**22
#: Samples from which a compiled sweep pays for loading it.
_COMPILED_FROM = 2**14


@dataclass(frozen=True)
class Sweep:
    """What the sweep finds; vertices are flat indices, nodes count minima first, then saddles.

    Args:
        node: ``(A,)`` vertices of the nodes.
        parent: ``(A,)`` node above each, -1 for a root.
        minima: how many nodes are minima.
        births: ``(p,)`` vertices of the minima that die.
        deaths: ``(p,)`` vertices of the saddles where they do.
        essential: vertices of the minima that never die.
        arc_of: ``(N,)`` node whose arc each vertex lies on.
        basin_of: ``(N,)`` node (a minimum) that each vertex runs down to.
    """

    node: Longs
    parent: Longs
    minima: int
    births: Longs
    deaths: Longs
    essential: Longs
    arc_of: Ints
    basin_of: Ints


def sweep(values: NDArray[np.float64], graph: Graph) -> Sweep:
    """Return the merge tree of the sublevel sets.

    Grids of 2^14 samples or more go through a compiled sweep where numba is installed; what it
    returns is the same to the bit.

    Args:
        values: ``(N,)``, no NaN.
        graph: over the same vertices.
    """
    if len(values) >= _COMPILED_FROM and isinstance(graph, GridGraph) and numba_is_there():
        return in_one_pass(values, graph, *_compiled())
    return by_labels(values, graph)


@lru_cache(maxsize=1)
def numba_is_there() -> bool:
    """Return whether the compiled sweep can be used."""
    return find_spec("numba") is not None


@lru_cache(maxsize=1)
def _compiled() -> tuple[Callable[..., Any], Callable[..., Any]]:
    import numba

    compiled = numba.njit(cache=True)
    return compiled(stable_order), compiled(sweep_grid)


def in_one_pass(
    values: NDArray[np.float64],
    graph: GridGraph,
    order_of: Callable[..., Any] = stable_order,
    run: Callable[..., Any] = sweep_grid,
) -> Sweep:
    """Return the merge tree of a grid by one pass from the lowest sample to the highest."""
    order = order_of(values)
    lows, saddles, low_parent, saddle_parent, births, deaths, roots, arc, basin = run(
        order, *graph.padded()
    )
    above = np.concatenate((low_parent, saddle_parent))
    arc_of, basin_of = np.empty_like(arc), np.empty_like(basin)
    arc_of[order] = np.where(arc < 0, len(lows) - 1 - arc, arc)
    basin_of[order] = basin
    return Sweep(
        node=order[np.concatenate((lows, saddles))],
        parent=np.where(above < 0, -1, above + len(lows)),
        minima=len(lows),
        births=order[births],
        deaths=order[deaths],
        essential=order[lows[roots]],
        arc_of=arc_of,
        basin_of=basin_of,
    )


def by_labels(values: NDArray[np.float64], graph: Graph) -> Sweep:
    """Return the merge tree from labels by steepest descent and the graph of labels."""
    order = np.argsort(values, kind="stable")  # ties by index: simulation of simplicity
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    basin_of, lows = _basins(graph.lowest(rank), order, rank)
    tree = _merge(*_lowest_edges(graph, basin_of, rank, len(lows)), lows)
    arc_of = _climb(basin_of, rank, tree.parent, tree.rank)
    return Sweep(
        node=order[tree.rank],
        parent=tree.parent,
        minima=len(lows),
        births=order[tree.births],
        deaths=order[tree.deaths],
        essential=order[tree.essential],
        arc_of=arc_of,
        basin_of=basin_of,
    )


def _basins(lowest: Ints, order: Longs, rank: Ints) -> tuple[Ints, Longs]:
    """Return the number of the minimum that each vertex runs down to, and the minima's ranks."""
    down = lowest[order]  # from rank to rank
    while True:
        further = down[down]
        if np.array_equal(further, down):
            break
        down = further
    lows = np.flatnonzero(down == np.arange(len(down), dtype=np.int32))
    number = np.zeros(len(down), dtype=np.int32)
    number[lows] = np.arange(len(lows), dtype=np.int32)
    return number[down][rank], lows


def _lowest_edges(graph: Graph, label: Ints, rank: Ints, count: int) -> tuple[Longs, Longs, Longs]:
    """Return the lowest edge between every two labels that touch: labels and its height."""
    heights = len(rank)
    if count * count * heights >= 2**63:
        raise InputError(
            f"{count} minima on {heights} samples are more than the sweep can count. "
            "Try: smooth or coarsen the grid"
        )
    found = np.empty(0, dtype=np.int64)
    waiting: list[Longs] = []
    for here, there, height in graph.crossings(label, rank):
        # One number for labels and height, so that one plain sort orders both.
        edges = np.minimum(here, there).astype(np.int64)
        edges *= count
        edges += np.maximum(here, there)
        edges *= heights
        edges += height
        waiting.append(edges)
        if sum(map(len, waiting)) > _AT_ONCE:
            found, waiting = _first_of_each(np.concatenate((found, *waiting)), heights), []
    found = _first_of_each(np.concatenate((found, *waiting)), heights)
    keys = found // heights
    return keys // count, keys % count, found % heights


def _first_of_each(edges: Longs, heights: int) -> Longs:
    """Return the lowest edge of each pair of labels."""
    edges.sort()
    keys = edges // heights
    first = np.ones(len(edges), dtype=bool)
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    return edges[first]


@dataclass(frozen=True)
class _Merged:
    rank: Longs
    parent: Longs
    births: Longs
    deaths: Longs
    essential: Longs


def _merge(here: Longs, there: Longs, heights: Longs, lows: Longs) -> _Merged:
    """Merge components from the lowest edge up; the one with the lower minimum lives on."""
    by_height = _spanning(here, there, heights, len(lows))
    union = list(range(len(lows)))  # by label: the root of a component is its lowest minimum
    top = list(range(len(lows)))  # by root: the node on top of the component
    ranks, parent = lows.tolist(), [-1] * len(lows)
    births, deaths = [], []
    for a, b, height in zip(
        here[by_height].tolist(),
        there[by_height].tolist(),
        heights[by_height].tolist(),
        strict=True,
    ):
        elder, younger = sorted((_root(union, a), _root(union, b)))
        if elder == younger:
            continue
        if len(ranks) == len(lows) or ranks[-1] != height:  # heights ascend: a saddle of its own
            ranks.append(height)
            parent.append(-1)
        saddle = len(ranks) - 1
        for node in (top[elder], top[younger]):
            if node != saddle:
                parent[node] = saddle
        union[younger], top[elder] = elder, saddle
        births.append(int(lows[younger]))
        deaths.append(height)
    roots = [label for label in range(len(lows)) if union[label] == label]
    return _Merged(
        rank=np.array(ranks, dtype=np.int64),
        parent=np.array(parent, dtype=np.int64),
        births=np.array(births, dtype=np.int64),
        deaths=np.array(deaths, dtype=np.int64),
        essential=lows[roots],
    )


def _spanning(here: Longs, there: Longs, heights: Longs, count: int) -> Longs:
    """Return the edges of a minimum spanning forest, lowest first."""
    if len(heights) < 2 * count or len(heights) < 1000:
        return np.argsort(heights, kind="stable")
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    # SciPy takes a weight of 0 for no edge; places in the order of heights are unique weights.
    order = np.argsort(heights, kind="stable")
    place = np.empty(len(order), dtype=np.float64)
    place[order] = np.arange(1, len(order) + 1)
    forest = minimum_spanning_tree(coo_array((place, (here, there)), shape=(count, count)).tocsr())
    kept: Longs = order[np.sort(forest.data.astype(np.int64)) - 1]
    return kept


def _root(union: list[int], label: int) -> int:
    while union[label] != label:
        union[label] = union[union[label]]
        label = union[label]
    return label


def _climb(start: Ints, rank: Ints, parent: Longs, node_rank: Longs) -> Ints:
    """Return the arc of each vertex: from its leaf up while the next node is not above it.

    By doubling: first the largest jumps (2^k nodes) that stay at or below the vertex, then smaller.
    """
    count = len(parent)
    jump = np.where(parent < 0, count, parent)  # one more node, above everything
    jump = np.append(jump, count).astype(np.int32)
    reached = np.append(node_rank, len(rank)).astype(np.int32)
    jumps = [jump]
    while (jump[:-1] != count).any():
        jump = jump[jump]
        jumps.append(jump)
    arc = start.copy()
    for jump in reversed(jumps):
        ahead = jump[arc]
        np.copyto(arc, ahead, where=reached[ahead] <= rank)
    return arc
