"""The merge tree of a landscape."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from eigenscape.topology._metrics import Basin, PersistenceMetrics, basins, measure
from eigenscape.topology._simplify import simplify

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Pair:
    """A minimum and the saddle at which it dies.

    Args:
        birth_index: the sample of the minimum.
        death_index: that of the saddle.
        birth: the value there.
        death: the value there.
        persistence: their difference.
    """

    birth_index: int
    death_index: int
    birth: float
    death: float
    persistence: float


@dataclass(frozen=True)
class Arc:
    """An arc of the tree.

    Args:
        node_index: the sample of the node at its lower end.
        parent_index: that of the node above, -1 for a root.
        samples: on the arc.
    """

    node_index: int
    parent_index: int
    samples: int


@dataclass(frozen=True, eq=False)
class MergeTree:
    """How the sublevel sets of a function on samples merge as the level rises.

    Nodes are minima and saddles; the arc of a node runs from it up to the node above, which it
    leaves out, and every sample lies on exactly one arc. Samples are named by their flat row-major
    index. Of a superlevel tree, ``minima`` are maxima, found with falling level; a persistence is
    never negative.

    Args:
        values: the samples, in the array's own shape.
        connectivity: which samples are neighbours: a :data:`Neighborhood`, or the name of a graph.
        superlevel: whether superlevel sets were followed.
        node_index: ``(A,)`` sample of the node at the lower end of each arc, minima first.
        parent: ``(A,)`` position of the arc above, -1 for a root.
        samples: ``(A,)`` samples on each arc; they sum to N.
        arc_of: ``(N,)`` position of the arc that each sample lies on.
        basin_of: ``(N,)`` position of the minimum that steepest descent reaches from each sample.
        minima: ``(m,)`` samples, by value and index.
        birth_index: ``(p,)`` minima that die, the most persistent first.
        death_index: ``(p,)`` saddles at which they do.
        essential: one minimum for each connected component, which never dies.
        simplified: the threshold below which pairs were cancelled, in units of the values.
    """

    values: Floats = field(repr=False)
    connectivity: str
    superlevel: bool
    node_index: Indices = field(repr=False)
    parent: Indices = field(repr=False)
    samples: Indices = field(repr=False)
    arc_of: NDArray[np.int32] = field(repr=False)
    basin_of: NDArray[np.int32] = field(repr=False)
    minima: Indices
    birth_index: Indices = field(repr=False)
    death_index: Indices = field(repr=False)
    essential: Indices
    simplified: float = 0.0

    # ------------------------------------------------------------------ nodes

    @property
    def saddles(self) -> Indices:
        """``(s,)`` samples at which components merge; one that merges three counts once."""
        return self.node_index[self.n_minima :]

    @property
    def n_minima(self) -> int:
        """Number of minima."""
        return len(self.minima)

    @property
    def n_saddles(self) -> int:
        """Number of distinct saddles."""
        return len(self.node_index) - len(self.minima)

    @property
    def n_pairs(self) -> int:
        """Number of finite pairs: minima less components."""
        return len(self.birth_index)

    @property
    def components(self) -> int:
        """Number of connected components of the graph."""
        return len(self.essential)

    @property
    def parent_index(self) -> Indices:
        """``(A,)`` sample of the node above each arc, -1 for a root."""
        return np.where(self.parent < 0, -1, self.node_index[self.parent])

    def children(self, position: int) -> Indices:
        """Return the positions of the arcs that end at a node."""
        return np.flatnonzero(self.parent == position)

    # ------------------------------------------------------------------ pairs

    @property
    def births(self) -> Floats:
        """``(p,)`` values at which the pairs' minima appear."""
        return self.values.reshape(-1)[self.birth_index]

    @property
    def deaths(self) -> Floats:
        """``(p,)`` values at which they merge into an older component."""
        return self.values.reshape(-1)[self.death_index]

    @property
    def persistence(self) -> Floats:
        """``(p,)`` height of each pair, descending; never negative."""
        return pair_heights(self.births, self.deaths)

    # ------------------------------------------------------------------ what follows from it

    def metrics(self) -> PersistenceMetrics:
        """Return counts and persistence statistics."""
        return measure(self)

    def simplify(self, threshold: float, *, relative: bool = False) -> MergeTree:
        """Cancel every pair whose persistence is below a threshold.

        The younger minimum's branch joins the arc through its saddle; samples stay counted.

        Args:
            threshold: in units of the values.
            relative: as a fraction of the range of the finite values instead.

        Raises:
            InputError: a negative threshold, or NaN.
        """
        return simplify(self, threshold, relative=relative)

    def basins(self) -> list[Basin]:
        """Return the basin of each minimum, the deepest first."""
        return basins(self)

    def pairs(self) -> tuple[Pair, ...]:
        """Return the finite pairs, the most persistent first."""
        columns = (self.birth_index, self.death_index, self.births, self.deaths, self.persistence)
        return tuple(map(Pair, *(column.tolist() for column in columns)))

    def arcs(self) -> tuple[Arc, ...]:
        """Return the arcs, those of the minima first."""
        columns = (self.node_index, self.parent_index, self.samples)
        return tuple(map(Arc, *(column.tolist() for column in columns)))


def pair_heights(births: Floats, deaths: Floats) -> Floats:
    """Return ``|death - birth|``; a pair of two infinite values has none."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.nan_to_num(np.abs(deaths - births), nan=0.0, posinf=np.inf)
