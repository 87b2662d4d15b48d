"""Plateaus: connected samples of one value, which are one place in the merge tree."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from eigenscape.topology._graph import Graph
    from eigenscape.topology._tree import MergeTree

Longs = NDArray[np.int64]


def plateaus(heights: NDArray[np.float64], graph: Graph) -> Longs | None:
    """Return the first sample of each sample's plateau, ``(N,)``; None where no neighbours tie.

    Args:
        heights: ``(N,)``, no NaN.
        graph: over the same vertices.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(heights)
    label: Longs | None = None
    for here, there in graph.level(heights):
        known = np.arange(count) if label is None else label
        a, b = known[here], known[there]
        apart = a != b
        if apart.any():
            edges = coo_array((apart[apart], (a[apart], b[apart])), shape=(count, count))
            label = connected_components(edges, directed=False)[1][known]
    if label is None:
        return None
    first = np.empty(count, dtype=np.int64)
    first[label[::-1]] = np.arange(count)[::-1]  # the last one written is the first sample
    return first[label]


def plateau_ranks(heights: NDArray[np.float64], plateau: Longs) -> NDArray[np.float64]:
    """Return heights in the same order, of which only those of one plateau are equal."""
    order = np.lexsort((plateau, heights))
    sorted_plateau = plateau[order]
    rank = np.empty(len(order))
    rank[order] = np.cumsum(np.append(False, sorted_plateau[1:] != sorted_plateau[:-1]))
    return rank


def join_plateaus(tree: MergeTree, plateau: Longs) -> MergeTree:
    """Return the tree with the saddles of one plateau as one: the first at which basins meet.

    Plateaus were swept one after the other, so that saddles of one lie right above each other.
    """
    own = plateau[tree.node_index]
    above = np.arange(len(own))
    level = np.flatnonzero((tree.parent >= 0) & (own[tree.parent] == own))
    if not len(level):
        return tree
    above[level] = tree.parent[level]
    while not np.array_equal(above[above], above):
        above = above[above]  # the highest saddle of each plateau
    first = np.full(len(own), len(own))
    np.minimum.at(first, above, np.arange(len(own)))  # nodes are numbered from low to high
    first = first[above]
    kept = np.flatnonzero(first == np.arange(len(own)))
    number = np.full(len(own), -1)
    number[kept] = np.arange(len(kept))
    parent = tree.parent[above[kept]]
    arc_of = number[first][tree.arc_of].astype(np.int32)
    named = dict(zip(tree.node_index.tolist(), tree.node_index[first].tolist(), strict=True))
    return replace(
        tree,
        node_index=tree.node_index[kept],
        parent=np.where(parent < 0, -1, number[first[parent]]),
        samples=np.bincount(arc_of, minlength=len(kept)),
        arc_of=arc_of,
        death_index=np.array([named[at] for at in tree.death_index.tolist()], dtype=np.int64),
    )
