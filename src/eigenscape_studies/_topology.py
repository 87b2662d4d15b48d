"""The topology of a landscape, as a row of a study's table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigenscape.topology import CONNECTIVITIES, MergeTree, bottleneck_distance, merge_tree

#: Minima shallower than this share of the range of the loss are merged away where noted.
SIMPLIFY = 1e-3


def topology_row(values: NDArray[np.float64]) -> dict[str, Any]:
    """Return the topology of a grid under each connectivity, and after simplification."""
    row: dict[str, Any] = {}
    for connectivity in CONNECTIVITIES:
        tree = merge_tree(values, connectivity)
        metrics = tree.metrics()
        row |= {
            f"minima_{connectivity}": tree.n_minima,
            f"saddles_{connectivity}": tree.n_saddles,
            f"persistence_{connectivity}": metrics.average_persistence,
            f"persistence_essential_{connectivity}": metrics.average_persistence_with_essential,
            f"significant_{connectivity}": tree.simplify(SIMPLIFY, relative=True).n_minima,
        }
    return row


def simplified(values: NDArray[np.float64]) -> MergeTree:
    """Return the merge tree that pictures and distances use."""
    return merge_tree(values, "full").simplify(SIMPLIFY, relative=True)


def diagram_distance(first: MergeTree, second: MergeTree) -> float:
    """Return the bottleneck distance of two trees, each scaled to the range [0, 1]."""
    return bottleneck_distance(first, second, normalize="range")
