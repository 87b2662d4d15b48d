"""Simplification: cancelling pairs of low persistence."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError

if TYPE_CHECKING:
    from eigenscape.topology._tree import MergeTree

#: A fraction of the range below which a pair is rarely of interest, and the multiple of the noise
#: of one evaluation below which it may be noise: a pair needs twice the largest error of a value
#: (the stability of diagrams, Cohen-Steiner et al. 2007), four times that for a margin.
_RANGE_SHARE, _NOISE_FACTOR = 1e-3, 8


def suggested_threshold(tree: MergeTree, noise: float = 0.0) -> float:
    """Return a threshold for :meth:`MergeTree.simplify`: above rounding, noise and the negligible.

    ``max(range / 1000, 8 max(noise, ulp))``, with ulp the spacing of float32 at the largest value:
    most losses are computed in float32.

    Args:
        tree: a merge tree.
        noise: how much a repeated evaluation of one sample differs, in units of the values.

    Raises:
        InputError: noise that is negative or not finite.

    >>> from eigenscape.topology import merge_tree
    >>> suggested_threshold(merge_tree([0.0, 2.0, 1.0]))
    0.002
    """
    if not 0 <= noise < math.inf:
        raise InputError(f"noise is {noise}; expected a finite number of 0 or more")
    finite = finite_values(tree)
    largest = float(np.abs(finite).max()) if len(finite) else 0.0
    ulp = float(np.spacing(np.float32(min(largest, 1e38))))
    return max(
        _RANGE_SHARE * float(np.ptp(finite)) if len(finite) else 0.0,
        _NOISE_FACTOR * max(noise, ulp),
    )


def finite_values(tree: MergeTree) -> NDArray[np.float64]:
    """Return the finite samples."""
    flat = tree.values.reshape(-1)
    finite: NDArray[np.float64] = flat[np.isfinite(flat)]
    return finite


def simplify(tree: MergeTree, threshold: float, *, relative: bool = False) -> MergeTree:
    """Return the tree without the pairs whose persistence is below a threshold."""
    if not isinstance(threshold, int | float | np.number) or not threshold >= 0:
        raise InputError(f"the threshold is {threshold}; expected 0 or more")
    if relative:
        finite = finite_values(tree)
        threshold = threshold * (float(np.ptp(finite)) if len(finite) else 0.0)
    shorter = cancel(tree, tree.persistence >= threshold)
    return replace(shorter, simplified=max(threshold, tree.simplified))


def cancel(tree: MergeTree, stays: NDArray[np.bool_]) -> MergeTree:
    """Return the tree with only some of its pairs.

    Args:
        tree: a merge tree.
        stays: ``(p,)`` which pairs stay; with each its elders'.
    """
    if stays.all():
        return tree
    alive, target = _contracted(tree, tree.birth_index[~stays])
    number = np.cumsum(alive) - 1  # from old positions to new
    arc_of = number[target][tree.arc_of].astype(np.int32)
    parent = _parents(tree.parent, alive)
    kept = np.flatnonzero(alive)
    minima = tree.node_index[kept[kept < tree.n_minima]]
    return replace(
        tree,
        node_index=tree.node_index[kept],
        parent=np.where(parent[kept] < 0, -1, number[parent[kept]]),
        samples=np.bincount(arc_of, minlength=len(kept)),
        arc_of=arc_of,
        basin_of=number[_elders(tree, stays)][tree.basin_of].astype(np.int32),
        minima=minima,
        birth_index=tree.birth_index[stays],
        death_index=tree.death_index[stays],
    )


def _contracted(
    tree: MergeTree, dying: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return which nodes stay, and the node whose arc takes over each node's samples."""
    count = len(tree.parent)
    parent = tree.parent.tolist()
    living = np.zeros(count, dtype=np.int64)  # branches with a minimum that stays, below each node
    living[: tree.n_minima] = ~np.isin(tree.minima, dying)
    heir = list(range(count))  # the last living branch below a node
    below = living.tolist()
    for node in range(count):  # children come before parents: saddles are numbered from low to high
        above = parent[node]
        if above >= 0 and below[node]:
            below[above] += 1
            heir[above] = node
    branches = np.array(below)
    alive = branches >= 1
    alive[tree.n_minima :] = branches[tree.n_minima :] >= 2
    target = list(range(count))
    for node in range(count):  # a saddle with one living branch becomes a part of its arc
        if not alive[node] and below[node]:
            target[node] = target[heir[node]]
    for node in reversed(range(count)):  # a dead branch goes to the arc through its saddle
        if not below[node]:
            target[node] = target[parent[node]]
    return alive, np.array(target)


def _parents(parent: NDArray[np.int64], alive: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the next node that stays, above each node."""
    found = parent.tolist()
    for node in reversed(range(len(found))):
        above = found[node]
        if above >= 0 and not alive[above]:
            found[node] = found[above]
    return np.array(found)


def _elders(tree: MergeTree, stays: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return, for each minimum, the minimum that stays and takes over its basin.

    A minimum that dies goes to the oldest one below its saddle that is still alive there.
    """
    place = {int(vertex): i for i, vertex in enumerate(tree.node_index)}
    oldest = list(range(len(tree.parent)))  # the lowest minimum below each node
    parent = tree.parent.tolist()
    for node in range(tree.n_minima, len(parent)):
        oldest[node] = len(parent)
    for node in range(len(parent)):
        above = parent[node]
        if above >= 0:
            oldest[above] = min(oldest[above], oldest[node])
    elder = list(range(len(parent)))
    for birth, death in zip(
        tree.birth_index[~stays].tolist(), tree.death_index[~stays].tolist(), strict=True
    ):
        elder[place[birth]] = oldest[place[death]]
    for minimum in range(tree.n_minima):  # elders are numbered before those they take over
        elder[minimum] = elder[elder[minimum]]
    return np.array(elder[: tree.n_minima])
