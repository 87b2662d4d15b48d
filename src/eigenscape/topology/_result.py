"""The topology of one grid as a result: counts, pairs, arcs, and how far to trust them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from eigenscape.errors import InputError
from eigenscape.results import Environment, Result
from eigenscape.topology._draw_topology import draw_topology
from eigenscape.topology._graph import Connectivity, countable
from eigenscape.topology._grid import Grid, grid_values, measured
from eigenscape.topology._grid_store import LARGEST_STORED, stored, unstored
from eigenscape.topology._merge import merge_tree

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from eigenscape.topology._tree import MergeTree


@dataclass(frozen=True, kw_only=True)
class TopologyResult(Result):
    """The topology of a grid of losses.

    Args:
        source: where the grid came from.
        shape: samples along each axis.
        names: of the axes.
        connectivity: which samples are neighbours: "cross", "freudenthal" or "full".
        superlevel: True for maxima instead of minima.
        simplified: pairs that persist less than this were cancelled, in units of the loss.
        unsimplified_minima: number of minima before that.
        numbers: counts, metrics, pairs and arcs, as they are written (:meth:`MergeTree.to_dict`).
        sensitivity: counts under each connectivity; empty where the grid was too large for it.
        notes: what a reader should know.
        axes: coordinates, where the grid has them.
        tree: the merge tree; None where a reloaded result was too large to hold the values.
    """

    schema: ClassVar[str] = "eigenscape.topology/1"
    source: str
    shape: tuple[int, ...]
    names: tuple[str, ...]
    connectivity: Connectivity
    superlevel: bool
    simplified: float
    unsimplified_minima: int
    numbers: dict[str, Any] = field(repr=False)
    sensitivity: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    axes: tuple[tuple[float, ...], ...] | None = field(default=None, repr=False)
    tree: MergeTree | None = field(default=None, repr=False)

    def payload(self) -> dict[str, Any]:
        """Return everything but schema and environment; the numbers stand at the top level."""
        own = {
            "source": self.source,
            "shape": self.shape,
            "names": self.names,
            "connectivity": self.connectivity,
            "superlevel": self.superlevel,
            "simplified": self.simplified,
            "unsimplified_minima": self.unsimplified_minima,
            "sensitivity": self.sensitivity,
            "notes": self.notes,
        }
        grid = {
            "axes": self.axes,
            "values": stored(self.tree.values) if self.tree is not None else None,
        }
        return {**own, **{k: v for k, v in self.numbers.items() if k not in own}, **grid}

    @classmethod
    def from_payload(cls, data: dict[str, Any], environment: Environment) -> Self:
        """Rebuild from :meth:`payload`; the tree is computed again from the values."""
        shape = tuple(data["shape"])
        values = unstored(data["values"], shape)
        tree = None
        if values is not None:
            values = measured(values, superlevel=data["superlevel"])
            tree = merge_tree(values, data["connectivity"], superlevel=data["superlevel"])
            tree = tree.simplify(data["simplified"])
        own = ("schema", "environment", "values", *cls.__dataclass_fields__)
        return cls(
            environment=environment,
            source=data["source"],
            shape=shape,
            names=tuple(data["names"]),
            connectivity=data["connectivity"],
            superlevel=data["superlevel"],
            simplified=data["simplified"],
            unsimplified_minima=data["unsimplified_minima"],
            numbers={key: value for key, value in data.items() if key not in own},
            sensitivity=tuple(data["sensitivity"]),
            notes=tuple(data["notes"]),
            axes=tuple(map(tuple, data["axes"])) if data["axes"] else None,
            tree=tree,
        )

    def frame(self) -> pd.DataFrame:
        """Return one row for each finite pair, the most persistent first."""
        import pandas as pd

        columns = ["birth_index", "death_index", "birth", "death", "persistence"]
        return pd.DataFrame(self.numbers["pairs"], columns=columns)

    def plot(self) -> Figure:
        """Draw contour, profile, diagram and barcode.

        Raises:
            InputError: reloaded from a file that was too large to hold the values.
        """
        if self.tree is None:
            raise InputError(
                f"{self.source} has {int(np.prod(self.shape)):,} samples; values are kept in a "
                f"result file up to {LARGEST_STORED:,}. Mend: examine the grid again and plot that"
            )
        title = self.source if len(self.source) < 80 else "…" + self.source[-79:]
        if self.simplified > 0:
            title += (
                f"\npairs below {self.simplified:.3g} cancelled: {self.unsimplified_minima} -> "
            )
            title += f"{self.tree.n_minima} minima"
        return draw_topology(self.tree, coordinates=self.axes, names=self.names, title=title)


def examine_topology(
    grid: Grid | ArrayLike,
    connectivity: Connectivity = "full",
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
        InputError: no grid, an unknown connectivity or a threshold that is none.

    >>> examine_topology([5.0, 1, 3, 0, 4, 2, 6]).numbers["average_persistence"]
    2.0
    """
    if not isinstance(grid, Grid):
        values = grid_values(grid)
        grid = Grid(values=values, names=tuple(f"axis {k}" for k in range(values.ndim)))
    values = measured(grid.values, superlevel=superlevel)
    whole = merge_tree(values, connectivity, superlevel=superlevel)
    tree = whole.simplify(simplify, relative=relative)
    notes = list(grid.notes)
    if sensitivity is None and grid.values.size > LARGEST_STORED:
        notes.append(
            f"{grid.values.size:,} samples: the other connectivities were not counted "
            "(--sensitivity counts them)"
        )
        sensitivity = False
    rows: tuple[dict[str, Any], ...] = ()
    if sensitivity is not False:
        trees = (
            whole if name == connectivity else merge_tree(values, name, superlevel=superlevel)
            for name in countable(values.ndim)
        )
        rows = tuple(_row(one, tree.simplified) for one in trees)
    fitting = grid.coordinates
    return TopologyResult(
        environment=Environment.capture(),
        source=grid.source,
        shape=grid.shape,
        names=grid.names,
        connectivity=connectivity,
        superlevel=superlevel,
        simplified=tree.simplified,
        unsimplified_minima=whole.n_minima,
        numbers=tree.to_dict(),
        sensitivity=rows,
        notes=tuple(notes),
        axes=tuple(tuple(axis.tolist()) for axis in fitting) if fitting else None,
        tree=tree,
    )


def _row(tree: MergeTree, threshold: float) -> dict[str, Any]:
    return {
        "connectivity": tree.connectivity,
        "n_minima": tree.n_minima,
        "n_saddles": tree.n_saddles,
        "n_pairs": tree.n_pairs,
        "n_minima_simplified": tree.simplify(threshold).n_minima,
        "average_persistence": tree.metrics().average_persistence,
    }
