"""Which samples are neighbours: grids with three connectivities, and lists of edges."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError

Neighborhood = Literal["cross", "freudenthal", "full"]
#: The connectivities of a grid.
NEIGHBORHOODS: tuple[Neighborhood, ...] = get_args(Neighborhood)

#: Axes up to which all 3^n - 1 neighbours are followed; 2^12 samples would take a minute.
MOST_FULL_AXES = 11

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]


class Graph(Protocol):
    """The graph that the sweep needs; ranks and labels are one number per vertex."""

    def lowest(self, rank: Ints) -> Ints:
        """Return, for each vertex, the lowest rank among itself and its neighbours."""

    def crossings(self, label: Ints, rank: Ints) -> Iterator[tuple[Ints, Ints, Ints]]:
        """Yield the edges between different labels: both labels and the higher rank."""

    def level(self, heights: NDArray[np.float64]) -> Iterator[tuple[Longs, Longs]]:
        """Yield the edges between equal heights: both vertices."""


def offsets(connectivity: str, dim: int) -> list[tuple[int, ...]]:
    """Return the steps to half of a sample's neighbours; the other half are their negatives.

    ``cross``: the 2 n samples one step along an axis. ``full``: all ``3^n - 1``. ``freudenthal``:
    the ``2^(n+1) - 2`` of the Freudenthal (Kuhn) triangulation, as in TTK's implicit grids (Tierny
    et al. 2018): steps of 0 or 1 along every axis at once, the first axis running against the
    others, so that the diagonals of a plane are (row + 1, column - 1) and (row - 1, column + 1).

    Args:
        connectivity: one of the three.
        dim: axes of the grid.

    Raises:
        InputError: another connectivity, or ``full`` beyond 11 axes.

    >>> offsets("freudenthal", 2)
    [(0, 1), (1, 0), (1, -1)]
    >>> [2 * len(offsets(name, 3)) for name in NEIGHBORHOODS]
    [6, 14, 26]
    """
    if connectivity == "cross":
        return [tuple(int(i == axis) for i in range(dim)) for axis in range(dim)]
    if connectivity == "freudenthal":
        return [_turned(step) for step in product((0, 1), repeat=dim) if any(step)]
    if connectivity == "full":
        if dim > MOST_FULL_AXES:
            raise InputError(
                f"the grid has {dim} axes: {3.0**dim - 1:,.0f} neighbours of each sample under "
                f"full connectivity, which is followed up to {MOST_FULL_AXES} axes. "
                "Try: connectivity=freudenthal"
            )
        steps = list(product((-1, 0, 1), repeat=dim))
        return steps[len(steps) // 2 + 1 :]
    raise InputError(
        f"connectivity is {connectivity!r}; expected one of {', '.join(NEIGHBORHOODS)}"
    )


def countable(dim: int) -> list[Neighborhood]:
    """Return the connectivities that a grid of so many axes can be examined with.

    >>> countable(2), countable(12)
    (['cross', 'freudenthal', 'full'], ['cross', 'freudenthal'])
    """
    return [name for name in NEIGHBORHOODS if name != "full" or dim <= MOST_FULL_AXES]


def _turned(step: tuple[int, ...]) -> tuple[int, ...]:
    """Let the first axis run against the others; the first step that is not 0 is positive."""
    if step[0]:
        return (1, *(-width for width in step[1:]))
    return step


class GridGraph:
    """The graph of a grid; edges are never stored.

    Args:
        shape: of the grid.
        connectivity: which samples are neighbours.
    """

    def __init__(self, shape: Sequence[int], connectivity: str) -> None:
        self._shape = tuple(shape)
        self._steps = offsets(connectivity, len(self._shape))
        self._sides = [_sides(step) for step in self._steps]

    def padded(self) -> tuple[Ints, int, Longs]:
        """Return each sample's place in the grid with a margin, its size, and neighbours' steps.

        Steps lead from a place to the places of all neighbours; the margin is one sample wide.
        """
        wide = tuple(side + 2 for side in self._shape)
        inner = (slice(1, -1),) * len(wide)
        places = np.arange(math.prod(wide), dtype=np.int32).reshape(wide)[inner].reshape(-1)
        strides = np.array([math.prod(wide[axis + 1 :]) for axis in range(len(wide))])
        half = np.array(self._steps) @ strides
        return places, math.prod(wide), np.concatenate((half, -half))

    def lowest(self, rank: Ints) -> Ints:
        """Return, for each vertex, the lowest rank among itself and its neighbours."""
        grid = rank.reshape(self._shape)
        found = grid.copy()
        for here, there in self._sides:
            np.minimum(found[here], grid[there], out=found[here])
            np.minimum(found[there], grid[here], out=found[there])
        return found.reshape(-1)

    def crossings(self, label: Ints, rank: Ints) -> Iterator[tuple[Ints, Ints, Ints]]:
        """Yield, for each sample, the other labels among its lower neighbours.

        Neighbours in many directions mostly share one label: it is kept once for each sample.
        """
        labels, ranks = label.reshape(self._shape), rank.reshape(self._shape)
        first = labels.copy()
        for side in self._sides:
            for here, there in (side, side[::-1]):
                news = labels[there] != first[here]
                news &= ranks[there] < ranks[here]
                news &= labels[there] != labels[here]
                if not news.any():
                    continue
                fresh = first[here] == labels[here]
                fresh &= news
                np.copyto(first[here], labels[there], where=fresh)
                news ^= fresh
                if news.any():
                    yield labels[here][news], labels[there][news], ranks[here][news]
        apart = first != labels
        yield labels[apart], first[apart], ranks[apart]

    def level(self, heights: NDArray[np.float64]) -> Iterator[tuple[Longs, Longs]]:
        """Yield the edges between equal heights, those along one step at a time."""
        grid = heights.reshape(self._shape)
        for here, there in self._sides:
            equal = grid[here] == grid[there]
            if equal.any():
                index = np.arange(grid.size).reshape(self._shape)
                yield index[here][equal], index[there][equal]


def _sides(step: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the slices that lay a grid over itself, moved by a step."""
    spans = {
        0: (slice(None), slice(None)),
        1: (slice(None, -1), slice(1, None)),
        -1: (slice(1, None), slice(None, -1)),
    }
    return tuple(spans[width][0] for width in step), tuple(spans[width][1] for width in step)


class EdgeGraph:
    """A graph given by its edges.

    Args:
        edges: ``(m, 2)`` numbers of vertices.
    """

    def __init__(self, edges: NDArray[np.int64]) -> None:
        self._here, self._there = edges[:, 0], edges[:, 1]

    def lowest(self, rank: Ints) -> Ints:
        """Return, for each vertex, the lowest rank among itself and its neighbours."""
        found = rank.copy()
        np.minimum.at(found, self._here, rank[self._there])
        np.minimum.at(found, self._there, rank[self._here])
        return found

    def crossings(self, label: Ints, rank: Ints) -> Iterator[tuple[Ints, Ints, Ints]]:
        """Yield the edges between different labels."""
        here, there = label[self._here], label[self._there]
        apart = here != there
        heights = np.maximum(rank[self._here], rank[self._there])
        yield here[apart], there[apart], heights[apart]

    def level(self, heights: NDArray[np.float64]) -> Iterator[tuple[Longs, Longs]]:
        """Yield the edges between equal heights."""
        equal = heights[self._here] == heights[self._there]
        if equal.any():
            yield self._here[equal], self._there[equal]
