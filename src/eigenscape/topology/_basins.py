"""The basin of each minimum: how large, how deep, where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

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
