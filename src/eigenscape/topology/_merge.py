"""From samples to their merge tree: grids, scattered points, graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenscape.errors import InputError
from eigenscape.topology._graph import EdgeGraph, Graph, GridGraph, Neighborhood
from eigenscape.topology._plateaus import join_plateaus, plateau_ranks, plateaus
from eigenscape.topology._simplify import cancel
from eigenscape.topology._sweep import sweep
from eigenscape.topology._tree import MergeTree, pair_heights


def merge_tree(
    values: ArrayLike,
    connectivity: Neighborhood = "full",
    *,
    superlevel: bool = False,
    keep_ties: bool = False,
) -> MergeTree:
    """Return the merge tree of an n-dimensional grid.

    Samples are taken in the order of (value, flat row-major index), so that ties are never equal
    (simulation of simplicity, Edelsbrunner and Muecke 1990). Where components meet, the one with
    the lower minimum continues (the elder rule). Exact, with no loop over samples: each sample is
    labelled by steepest descent, and the graph of labels is merged instead.

    Breaking ties splits a plateau into minima and saddles of one value. They are left out: a
    connected plateau is one minimum (named by its first sample), one saddle (named by the first at
    which basins meet) or neither.

    Args:
        values: any shape of one or more axes; +inf is the top of everything, and never a minimum
            of its own where anything finite is connected to it.
        connectivity: ``"full"`` (all 3^n - 1 neighbours; valleys that run diagonally stay
            whole), ``"freudenthal"`` (as TTK triangulates a grid) or ``"cross"`` (2 n).
        superlevel: follow superlevel sets, from the maxima down.
        keep_ties: keep the pairs of persistence 0 and the saddles that breaking ties makes.

    Raises:
        InputError: no sample, NaN or -inf (+inf for superlevel), or values that are not real
            numbers.

    >>> tree = merge_tree([5, 1, 3, 0, 4, 2, 6])
    >>> tree.minima.tolist(), tree.saddles.tolist(), tree.persistence.tolist()
    ([3, 1, 5], [2, 4], [2.0, 2.0])
    >>> dict(zip(tree.node_index.tolist(), tree.samples.tolist()))
    {3: 1, 1: 1, 5: 1, 2: 1, 4: 3}
    >>> stairs = [1.0, 1.0, 0.0]
    >>> merge_tree(stairs).n_minima, merge_tree(stairs, keep_ties=True).n_minima
    (1, 2)
    """
    grid = real_values(values, superlevel=superlevel)
    return _tree(grid, GridGraph(grid.shape, connectivity), connectivity, superlevel, keep_ties)


def merge_tree_of_graph(
    values: ArrayLike, edges: ArrayLike, *, superlevel: bool = False, keep_ties: bool = False
) -> MergeTree:
    """Return the merge tree of a function on the vertices of a graph.

    Args:
        values: ``(N,)``.
        edges: ``(m, 2)`` numbers of vertices, each edge once or more.
        superlevel: follow superlevel sets.
        keep_ties: as for :func:`merge_tree`.

    Raises:
        InputError: edges of another shape or beyond the vertices, or values that
            :func:`merge_tree` refuses.

    >>> merge_tree_of_graph([0, 5, 1], [[0, 1], [1, 2]]).persistence.tolist()
    [4.0]
    """
    heights = real_values(values, superlevel=superlevel).reshape(-1)
    pairs = np.asarray(edges)
    if pairs.size == 0:
        pairs = np.empty((0, 2), dtype=np.int64)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        raise InputError(
            f"edges have the shape {pairs.shape} and dtype {pairs.dtype}; expected (m, 2) integers"
        )
    if len(pairs) and not 0 <= pairs.min() <= pairs.max() < len(heights):
        raise InputError(
            f"edges name vertices {pairs.min()} to {pairs.max()}; there are {len(heights)}, "
            "counted from 0"
        )
    return _tree(heights, EdgeGraph(pairs.astype(np.int64)), "graph", superlevel, keep_ties)


def real_values(values: ArrayLike, *, superlevel: bool = False) -> NDArray[np.float64]:
    """Return samples as float64.

    Raises:
        InputError: no sample, no axis, NaN, an infinite lowest value, or no real numbers.
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise InputError(
            f"{int(values.mask.sum())} values are masked. Try: values.filled(np.inf) "
            "keeps them above everything finite"
        )
    try:
        given = np.asarray(values)
    except ValueError as error:
        raise InputError(f"values are ragged: {error}. Try: give a full grid") from error
    if given.dtype.kind not in "iufb":
        raise InputError(f"values have the dtype {given.dtype}; expected real numbers")
    if given.ndim == 0 or given.size == 0:
        raise InputError(
            f"values have the shape {given.shape}; expected one axis or more and one sample or more"
        )
    with np.errstate(over="ignore"):
        found = given.astype(np.float64)
    if given.dtype.kind in "iu" and (found.astype(given.dtype) != given).any():
        raise InputError(
            f"values of dtype {given.dtype} beyond 2^53 are not exact in float64, so that unequal "
            "ones would tie. Try: subtract a constant first"
        )
    bottom, top = (np.inf, "-np.inf") if superlevel else (-np.inf, "np.inf")
    lost = np.isnan(found)
    if lost.any():
        first = np.unravel_index(int(lost.argmax()), found.shape)
        raise InputError(
            f"{int(lost.sum())} of {found.size} values are NaN, the first at index "
            f"{tuple(map(int, first))}. Try: np.where(np.isnan(values), {top}, values) keeps "
            "them out of every component"
        )
    if (found == bottom).any():
        raise InputError(
            f"{int((found == bottom).sum())} values are {bottom}; such a sample would be "
            f"{'above' if superlevel else 'below'} everything. Try: clip them to a finite value"
        )
    return found


def _tree(
    values: NDArray[np.float64],
    graph: Graph,
    connectivity: str,
    superlevel: bool,
    keep_ties: bool,
) -> MergeTree:
    flat = values.reshape(-1)
    heights = -flat if superlevel else flat
    plateau = None if keep_ties else plateaus(heights, graph)
    found = sweep(heights if plateau is None else plateau_ranks(heights, plateau), graph)
    order = by_persistence(flat, found.births, found.deaths)
    arrays: dict[str, Any] = {
        "node_index": found.node,
        "parent": found.parent,
        "samples": np.bincount(found.arc_of, minlength=len(found.node)),
        "arc_of": found.arc_of,
        "basin_of": found.basin_of,
        "minima": found.node[: found.minima],
        "birth_index": found.births[order],
        "death_index": found.deaths[order],
        "essential": found.essential,
    }
    tree = MergeTree(values=values, connectivity=connectivity, superlevel=superlevel, **arrays)
    stays = np.isfinite(tree.births)  # a patch of infinite samples is no basin
    if plateau is None:
        return cancel(tree, stays)
    return join_plateaus(cancel(tree, stays & (tree.persistence > 0)), plateau)


def by_persistence(
    flat: NDArray[np.float64], births: NDArray[np.int64], deaths: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the order of pairs: the most persistent first, ties by the sample of the minimum."""
    return np.lexsort((births, -pair_heights(flat[births], flat[deaths])))
