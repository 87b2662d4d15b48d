"""Landscapes as a study keeps them: rows of measures and topology, and the samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from eigenscape.topology import NEIGHBORHOODS, MergeTree, bottleneck_distance, merge_tree
from eigenscape_studies._tables import Rows

if TYPE_CHECKING:
    import pandas as pd

#: A relative error above this counts as a failure: the network explains less than half of the norm.
FAILED = 0.5
#: Minima shallower than this share of the range of the loss are merged away where noted.
SIMPLIFY = 1e-3


def topology_row(values: NDArray[np.float64]) -> dict[str, Any]:
    """Return the topology of a grid under each connectivity, and after simplification."""
    row: dict[str, Any] = {}
    for connectivity in NEIGHBORHOODS:
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


@dataclass(frozen=True)
class Landscapes:
    """Every landscape of a study.

    Args:
        rows: one for each landscape.
        values: its samples, in the same order.
    """

    rows: Rows
    values: list[NDArray[np.float64]]

    @classmethod
    def gather(cls, found: Iterable[Mapping[str, Any]]) -> Self:
        """Gather what tasks returned: each brings rows and as many landscapes."""
        items = list(found)
        rows = [dict(row) for item in items for row in item["rows"]]
        return cls(rows, [values for item in items for values in item["values"]])

    def frame(self, *families: str, **where: Any) -> pd.DataFrame:
        """Return the rows of some families that match; the index counts the landscapes."""
        import pandas as pd

        table = pd.DataFrame(self.rows)
        table = table[table["family"].isin(families)]
        for name, value in where.items():
            table = table[table[name] == value]
        return table
