"""Numbers of a merge tree: counts, persistence, entropy, SMAD."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eigenscape.topology._simplify import finite_values

if TYPE_CHECKING:
    from eigenscape.topology._tree import MergeTree


@dataclass(frozen=True)
class Basin:
    """The samples from which steepest descent leads to one minimum.

    Args:
        minimum: flat index of the minimum.
        position: its coordinates on the grid.
        value: the loss there.
        depth: its persistence; of an essential minimum, the range up to the largest finite value.
        volume: share of all samples.
        mean: mean of the finite values in the basin.
    """

    minimum: int
    position: tuple[int, ...]
    value: float
    depth: float
    volume: float
    mean: float


def basins(tree: MergeTree) -> list[Basin]:
    """Return the basin of each minimum, the deepest first."""
    flat = tree.values.reshape(-1)
    known = np.isfinite(flat)
    counts = np.bincount(tree.basin_of, minlength=tree.n_minima)
    finite = np.bincount(tree.basin_of[known], minlength=tree.n_minima)
    sums = np.bincount(tree.basin_of[known], flat[known], minlength=tree.n_minima)
    depth = dict(zip(tree.birth_index.tolist(), tree.persistence.tolist(), strict=True))
    top = (flat[known].min() if tree.superlevel else flat[known].max()) if known.any() else np.inf
    found = []
    for i, vertex in enumerate(tree.minima.tolist()):
        place = tuple(int(c) for c in np.unravel_index(vertex, tree.values.shape))
        own = depth.get(vertex, abs(float(top - flat[vertex])) if known[vertex] else 0.0)
        mean = float(sums[i] / finite[i]) if finite[i] else float("inf")
        found.append(
            Basin(vertex, place, float(flat[vertex]), own, float(counts[i] / len(flat)), mean)
        )
    return sorted(found, key=lambda basin: -basin.depth)


#: Shares of the range above which pairs are counted.
LEVELS = (1e-4, 1e-3, 1e-2, 1e-1)


@dataclass(frozen=True, kw_only=True)
class PersistenceMetrics:
    """Counts and statistics of the finite pairs, unless said otherwise.

    Where there is no pair, averages and totals are 0.

    Args:
        n_minima: minima.
        n_saddles: distinct saddles.
        n_pairs: minima less components.
        components: connected components of the graph.
        infinite_pairs: pairs that die at an infinite value; they are in no average and no total.
        range: largest minus smallest finite value.
        average_persistence: mean of the pairs.
        median_persistence: median.
        max_persistence: largest.
        total_persistence: sum P.
        l2_total: sum of squares.
        average_persistence_with_essential: the mean with one more pair, from the lowest minimum to
            the largest finite value, as TTK writes it into its diagrams. With a single minimum it
            is the range.
        entropy: ``-sum p/P ln(p/P)`` (Chintakunta et al. 2015), nat.
        normalized_entropy: over ``ln n``; 0 for one pair.
        smad: mean over leaves of saddle minus minimum, each leaf with its own parent saddle and no
            elder rule (the "saddle-minimum average distance" of Landscaper); 0 for one minimum.
        smad_normalized: over the range.
        smad_weighted: each leaf times its basin's share of samples, before the mean.
        counts_above: pairs above each share of the range in :data:`LEVELS`.
    """

    n_minima: int
    n_saddles: int
    n_pairs: int
    components: int
    infinite_pairs: int
    range: float
    average_persistence: float
    median_persistence: float
    max_persistence: float
    total_persistence: float
    l2_total: float
    average_persistence_with_essential: float
    entropy: float
    normalized_entropy: float
    smad: float
    smad_normalized: float
    smad_weighted: float
    counts_above: dict[str, int]


def measure(tree: MergeTree) -> PersistenceMetrics:
    """Return counts and statistics of a tree."""
    heights = tree.persistence
    pairs = heights[np.isfinite(heights)]
    finite = finite_values(tree)
    span = float(np.ptp(finite)) if len(finite) else 0.0
    with np.errstate(over="ignore"):  # sums of huge values are inf, and say so
        total, squares = float(pairs.sum()), float((pairs**2).sum())
    entropy = _entropy(pairs)
    smad, weighted = _smad(tree)
    return PersistenceMetrics(
        n_minima=tree.n_minima,
        n_saddles=tree.n_saddles,
        n_pairs=tree.n_pairs,
        components=tree.components,
        infinite_pairs=len(heights) - len(pairs),
        range=span,
        average_persistence=total / len(pairs) if len(pairs) else 0.0,
        median_persistence=float(np.median(pairs)) if len(pairs) else 0.0,
        max_persistence=float(pairs.max()) if len(pairs) else 0.0,
        total_persistence=total,
        l2_total=squares,
        average_persistence_with_essential=(total + span) / (len(pairs) + 1),
        entropy=entropy,
        normalized_entropy=entropy / math.log(len(pairs)) if len(pairs) > 1 else 0.0,
        smad=smad,
        smad_normalized=smad / span if span else 0.0,
        smad_weighted=weighted,
        counts_above=dict(
            zip((f"{level:g}" for level in LEVELS), counts_above(tree, LEVELS), strict=True)
        ),
    )


def _entropy(pairs: NDArray[np.float64]) -> float:
    shares = pairs[pairs > 0] / (pairs.sum() or 1.0)
    return float(-(shares * np.log(shares)).sum()) + 0.0


def _smad(tree: MergeTree) -> tuple[float, float]:
    parent = tree.parent[: tree.n_minima]
    leaves = np.flatnonzero(parent >= 0)
    if not len(leaves):
        return 0.0, 0.0
    flat = tree.values.reshape(-1)
    gaps = np.abs(flat[tree.node_index[parent[leaves]]] - flat[tree.minima[leaves]])
    shares = np.bincount(tree.basin_of, minlength=tree.n_minima)[leaves] / len(flat)
    known = np.isfinite(gaps)
    if not known.any():
        return 0.0, 0.0
    return float(gaps[known].mean()), float((gaps * shares)[known].mean())


def counts_above(tree: MergeTree, levels: Sequence[float]) -> list[int]:
    """Return how many finite pairs persist more than each share of the range.

    >>> from eigenscape.topology import merge_tree
    >>> counts_above(merge_tree([5, 1, 3, 0, 4, 2, 6]), (0.1, 0.5))
    [2, 0]
    """
    finite = finite_values(tree)
    span = float(np.ptp(finite)) if len(finite) else 0.0
    heights = tree.persistence
    return [int((np.isfinite(heights) & (heights > level * span)).sum()) for level in levels]
