"""The topology of one grid as a result: counts, pairs, arcs, and their sensitivity."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenscape.results import Environment, Result
from eigenscape.topology._graph import Neighborhood, countable
from eigenscape.topology._grid import Grid, grid_values, measured
from eigenscape.topology._merge import merge_tree
from eigenscape.topology._metrics import PersistenceMetrics
from eigenscape.topology._topology_findings import topology_answer, topology_findings
from eigenscape.topology._tree import Arc, MergeTree, Pair

if TYPE_CHECKING:
    import pandas as pd

    from eigenscape.results import Finding

#: Larger grids are left out of result files: 200,000 samples are about 4 MB of JSON.
LARGEST_STORED = 200_000


@dataclass(frozen=True)
class Sensitivity:
    """Counts under another connectivity.

    Args:
        connectivity: which samples are neighbours.
        n_minima: minima.
        n_saddles: distinct saddles.
        n_pairs: finite pairs.
        n_minima_simplified: minima after the same simplification.
        average_persistence: mean of the pairs.
    """

    connectivity: Neighborhood
    n_minima: int
    n_saddles: int
    n_pairs: int
    n_minima_simplified: int
    average_persistence: float

    @classmethod
    def of(cls, connectivity: Neighborhood, tree: MergeTree, threshold: float) -> Sensitivity:
        """Return the counts of a tree, and those after simplification."""
        simplified = tree.simplify(threshold).n_minima
        average = tree.metrics().average_persistence
        return cls(connectivity, tree.n_minima, tree.n_saddles, tree.n_pairs, simplified, average)


@dataclass(frozen=True, kw_only=True)
class TopologyResult(PersistenceMetrics, Result):
    """The topology of a grid of losses: its :class:`PersistenceMetrics`, and what they are of.

    Args:
        source: where the grid came from.
        shape: samples along each axis.
        names: of the axes.
        connectivity: which samples are neighbours: "cross", "freudenthal" or "full".
        superlevel: True for maxima instead of minima.
        simplified: pairs that persist less than this were cancelled, in units of the loss.
        unsimplified_minima: number of minima before that.
        sensitivity: counts under each connectivity; empty where the grid was too large for it.
        notes: remarks on the result.
        minima: their samples, by value.
        saddles: the samples at which components merge.
        essential: one minimum for each connected component, which never dies.
        pairs: the finite pairs, the most persistent first.
        arcs: of the tree.
        axes: coordinates, where the grid has them.
        values: the losses; None where a reloaded result was too large to hold them.
    """

    schema: ClassVar[str] = "eigenscape.topology/1"
    source: str
    shape: tuple[int, ...]
    names: tuple[str, ...]
    connectivity: Neighborhood
    superlevel: bool
    simplified: float
    unsimplified_minima: int
    sensitivity: tuple[Sensitivity, ...] = ()
    notes: tuple[str, ...] = ()
    minima: tuple[int, ...] = field(repr=False)
    saddles: tuple[int, ...] = field(repr=False)
    essential: tuple[int, ...] = field(repr=False)
    pairs: tuple[Pair, ...] = field(repr=False)
    arcs: tuple[Arc, ...] = field(repr=False)
    axes: tuple[tuple[float, ...], ...] | None = field(default=None, repr=False)
    values: NDArray[np.float64] | None = field(
        default=None, repr=False, metadata={"largest": LARGEST_STORED}
    )

    @cached_property
    def tree(self) -> MergeTree | None:
        """The merge tree; None where there are no values."""
        if self.values is None:
            return None
        tree = merge_tree(self.values, self.connectivity, superlevel=self.superlevel)
        return tree.simplify(self.simplified)

    @property
    def answer(self) -> str:
        """Minima, saddles and their persistence, and how they were counted."""
        return topology_answer(self)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Samples that are not finite, other counts under other neighbours, shallow pairs."""
        return topology_findings(self)

    def frame(self) -> pd.DataFrame:
        """Return one row for each finite pair, the most persistent first."""
        import pandas as pd

        columns = list(Pair.__dataclass_fields__)
        return pd.DataFrame([asdict(pair) for pair in self.pairs], columns=columns)


def examine_topology(
    grid: Grid | ArrayLike,
    connectivity: Neighborhood = "full",
    *,
    superlevel: bool = False,
    simplify: float = 0.0,
    relative: bool = False,
    sensitivity: bool | None = None,
) -> TopologyResult:
    """Measure the topology of a grid.

    Args:
        grid: from :func:`read_grid`, or an array of losses.
        connectivity: "full" (all 3^n - 1 neighbours: diagonal valleys stay whole), "freudenthal" or
            "cross".
        superlevel: look for maxima instead of minima.
        simplify: cancel pairs that persist less than this.
        relative: ``simplify`` is a fraction of the range of the finite losses.
        sensitivity: count under all three connectivities too; by default up to 200,000 samples.

    Raises:
        InputError: no grid, an unknown connectivity or an invalid threshold.

    >>> examine_topology([5.0, 1, 3, 0, 4, 2, 6]).average_persistence
    2.0
    """
    if not isinstance(grid, Grid):
        values = grid_values(grid)
        grid = Grid(values=values, names=tuple(f"axis {k}" for k in range(values.ndim)))
    values = measured(grid.values, superlevel=superlevel)
    whole = merge_tree(values, connectivity, superlevel=superlevel)
    tree = whole.simplify(simplify, relative=relative)
    notes = list(grid.notes)
    lost = int(np.isinf(values).sum())
    if lost:
        where = "below" if superlevel else "above"
        verb = "is" if lost == 1 else "are"
        notes.append(
            f"{lost} of {values.size:,} samples {verb} NaN or infinite: taken as {where} all others"
        )
    if sensitivity is None and grid.values.size > LARGEST_STORED:
        notes.append(
            f"{grid.values.size:,} samples: the other connectivities were not counted "
            "(--sensitivity counts them)"
        )
        sensitivity = False
    rows: tuple[Sensitivity, ...] = ()
    if sensitivity is not False:
        rows = tuple(
            Sensitivity.of(
                name,
                whole if name == connectivity else merge_tree(values, name, superlevel=superlevel),
                tree.simplified,
            )
            for name in countable(values.ndim)
        )
    fitting = grid.coordinates
    result = TopologyResult(
        environment=Environment.capture(),
        source=grid.source,
        shape=grid.shape,
        names=grid.names,
        connectivity=connectivity,
        superlevel=superlevel,
        simplified=tree.simplified,
        unsimplified_minima=whole.n_minima,
        **asdict(tree.metrics()),
        sensitivity=rows,
        notes=tuple(notes),
        minima=tuple(tree.minima.tolist()),
        saddles=tuple(tree.saddles.tolist()),
        essential=tuple(tree.essential.tolist()),
        pairs=tree.pairs(),
        arcs=tree.arcs(),
        axes=tuple(tuple(axis.tolist()) for axis in fitting) if fitting else None,
        values=values,
    )
    vars(result)["tree"] = tree  # as the property would make it again
    return result
