"""The landscape profile: a merge tree of any dimension as nested shapes in the plane."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError

if TYPE_CHECKING:
    from eigenscape.topology._tree import MergeTree

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ORDERS = ("volume", "persistence", "position")
MEANS = ("branch", "arc")


@dataclass(frozen=True)
class Profile:
    """Where every arc of a merge tree lies in the plane; x counts samples, y is the loss.

    All arrays have one entry for each of the A arcs, unless said otherwise.

    Args:
        node_index: flat index of the arc's lower node, a minimum or a saddle.
        parent: position of the parent arc, -1 for a root.
        is_minimum: True where the lower node is a minimum.
        samples: number of samples on the arc itself.
        volume: number of samples in the branch: the arc and everything below it.
        left: left end of the interval, in samples; ``right - left == volume``.
        right: right end of the interval.
        block_left: left end of the block in which the children lie side by side.
        block_right: right end of that block.
        bottom: loss at the lower node.
        top: loss at the parent's node; for a root the largest finite loss of the grid.
        lowest: loss at the deepest minimum of the branch.
        mean_loss: mean of the finite losses of the branch, or of the arc alone.
        traversal: arc positions, parents before children: the order of drawing.
        start: shape (A + 1,): arc ``a`` owns ``heights[start[a]:start[a + 1]]``.
        heights: shape (N,): the losses of all samples, by arc, from its bottom upward.
        order: how siblings are sorted.
        mean: what ``mean_loss`` is a mean of.
        superlevel: True when "up" means a smaller value (the tree of hills).
        simplified: the threshold below which pairs were cancelled, in units of the loss.
    """

    node_index: IntArray = field(repr=False)
    parent: IntArray = field(repr=False)
    is_minimum: NDArray[np.bool_] = field(repr=False)
    samples: IntArray = field(repr=False)
    volume: IntArray = field(repr=False)
    left: FloatArray = field(repr=False)
    right: FloatArray = field(repr=False)
    block_left: FloatArray = field(repr=False)
    block_right: FloatArray = field(repr=False)
    bottom: FloatArray = field(repr=False)
    top: FloatArray = field(repr=False)
    lowest: FloatArray = field(repr=False)
    mean_loss: FloatArray = field(repr=False)
    traversal: IntArray = field(repr=False)
    start: IntArray = field(repr=False)
    heights: FloatArray = field(repr=False)
    order: str = "volume"
    mean: str = "branch"
    superlevel: bool = False
    simplified: float = 0.0

    @property
    def n_arcs(self) -> int:
        """Number of arcs."""
        return len(self.node_index)

    @property
    def n_samples(self) -> int:
        """Number of samples: the width of the whole profile."""
        return len(self.heights)

    @property
    def depth(self) -> FloatArray:
        """How far each branch reaches below its parent's saddle, shape (A,), >= 0."""
        return np.abs(self.top - self.lowest)

    @property
    def centre(self) -> FloatArray:
        """X of each arc's marker, shape (A,): the middle of its children block.

        An arc's own samples lie evenly on both sides, so this is the middle of its interval too.
        """
        return (self.block_left + self.block_right) / 2

    def outline(self, arc: int, points: int | None = None) -> tuple[FloatArray, FloatArray]:
        """Return the right-hand half of one arc's outline, from the bottom to the top.

        Without ``points`` it is the exact step curve: twice the half-width at a height is the
        number of samples of the branch with a loss up to that height.

        Args:
            arc: position of the arc.
            points: thin a longer curve to about this many points, joined by straight lines; every
                point that is kept is exact, and both end points are kept.

        Returns:
            heights and half-widths (in samples), equally long, both ascending (heights descend in
            the profile of a superlevel tree).
        """
        own = self.heights[self.start[arc] : self.start[arc + 1]]
        below = int(self.volume[arc] - self.samples[arc])
        # A cancelled side basin may reach below the node that is left: its samples start there.
        clip = np.minimum if self.superlevel else np.maximum
        own = clip(own, self.bottom[arc])
        last = np.flatnonzero(np.append(own[1:] != own[:-1], True))  # the last of equal losses
        levels, widths = own[last], below + last + 1.0
        if points is None or 2 * len(levels) + 1 <= points:
            y = np.append(np.repeat(levels, 2), self.top[arc])
            return y, np.repeat(np.append(below, widths), 2)[1:] / 2
        pick = _thin(levels, points - 2)
        y = np.concatenate(([self.bottom[arc]], levels[pick], [self.top[arc]]))
        return y, np.concatenate(([below], widths[pick], [widths[-1]])) / 2

    def polygon(self, arc: int, points: int | None = None) -> FloatArray:
        """Return the corners of one arc's shape, shape (K, 2): x in samples, y in loss."""
        y, half = self.outline(arc, points)
        middle = (self.left[arc] + self.right[arc]) / 2
        right = np.column_stack((middle + half, y))
        left = np.column_stack((middle - half, y))
        return np.concatenate((right, left[::-1]))

    def width(self, arc: int, height: float) -> int:
        """Return the number of samples of the branch with a loss up to ``height``.

        Between the arc's bottom and top this is the size of one connected component of the
        sublevel set at ``height``.
        """
        own = self.heights[self.start[arc] : self.start[arc + 1]]
        if self.superlevel:
            own, height = -own, -height
        inside = int(np.searchsorted(own, height, side="right"))
        return int(self.volume[arc] - self.samples[arc]) + inside


def landscape_profile(tree: MergeTree, *, order: str = "volume", mean: str = "branch") -> Profile:
    """Return the landscape profile of a merge tree.

    Each arc gets an interval as wide as the number of samples in its branch. Its own samples are
    split evenly to both sides; between them lies the block of its children, side by side. At a
    height y the shape of an arc is as wide as the number of samples in that component of the
    sublevel set at y: shapes nest without overlap, areas are conserved, and only losses and
    neighbours count, never the dimension of the grid.

    Args:
        tree: the merge tree; a forest is laid out root beside root.
        order: siblings from left to right by "volume" (largest first; ties: the lower minimum),
            "persistence" (deepest first) or "position" (by the first grid coordinate of the deepest
            minimum).
        mean: what colours a shape: the mean loss of the whole "branch" (Geniesse et al. 2024) or of
            the "arc" alone.

    Raises:
        InputError: an unknown order or mean.

    Sources: Geniesse et al. 2024 (arXiv 2411.12136), after the landscape profiles of Oesterling,
    Heine, Weber and Scheuermann 2013 (IEEE TVCG 19(3)), turned upside down: basins, not hills.

    >>> from eigenscape.topology import merge_tree
    >>> profile = landscape_profile(merge_tree([5.0, 1, 3, 0, 4, 2, 6]))
    >>> for arc in profile.traversal:
    ...     print(profile.node_index[arc], profile.left[arc], profile.right[arc])
    4 0.0 7.0
    2 1.5 4.5
    3 2.0 3.0
    1 3.0 4.0
    5 4.5 5.5
    """
    problems = []
    if order not in ORDERS:
        problems.append(f"order is one of {', '.join(ORDERS)}; got {order!r}")
    if mean not in MEANS:
        problems.append(f"mean is one of {', '.join(MEANS)}; got {mean!r}")
    if problems:
        raise InputError("; ".join(problems))
    flat = tree.values.ravel()
    sign = -1.0 if tree.superlevel else 1.0
    signed = sign * flat
    parent = np.asarray(tree.parent, dtype=np.int64)
    node = np.asarray(tree.node_index, dtype=np.int64)
    samples = np.asarray(tree.samples, dtype=np.int64)
    arc_of = np.asarray(tree.arc_of, dtype=np.int64)
    upward = np.lexsort((node, signed[node]))  # every arc before its parent

    volume, deepest = _gather(upward, parent, samples, node, signed)
    start, heights = _group(arc_of, signed, len(node))
    finite = signed[np.isfinite(signed)]
    ceiling = float(finite.max()) if len(finite) else 0.0
    top = np.where(parent >= 0, signed[node[np.maximum(parent, 0)]], ceiling)
    key = _sort_keys(order, volume, top - signed[deepest], deepest, tree.values.shape)
    left, traversal = _place(parent, samples, volume, key, signed[deepest], node)
    own = samples / 2
    return Profile(
        node_index=node,
        parent=parent,
        is_minimum=np.bincount(parent[parent >= 0], minlength=len(node)) == 0,
        samples=samples,
        volume=volume,
        left=left,
        right=left + volume,
        block_left=left + own,
        block_right=left + volume - own,
        bottom=flat[node],
        top=sign * top,
        lowest=flat[deepest],
        mean_loss=_mean_loss(upward, parent, arc_of, flat, mean),
        traversal=traversal,
        start=start,
        heights=sign * heights,
        order=order,
        mean=mean,
        superlevel=tree.superlevel,
        simplified=tree.simplified,
    )


def _gather(
    upward: IntArray, parent: IntArray, samples: IntArray, node: IntArray, signed: FloatArray
) -> tuple[IntArray, IntArray]:
    """Return for every branch its number of samples and the flat index of its deepest minimum."""
    volume, deepest = samples.tolist(), node.tolist()
    above, loss = parent.tolist(), signed[node].tolist()
    least = list(loss)
    for arc in upward.tolist():
        up = above[arc]
        if up >= 0:
            volume[up] += volume[arc]
            if (least[arc], deepest[arc]) < (least[up], deepest[up]):
                least[up], deepest[up] = least[arc], deepest[arc]
    return np.array(volume, dtype=np.int64), np.array(deepest, dtype=np.int64)


def _group(arc_of: IntArray, signed: FloatArray, arcs: int) -> tuple[IntArray, FloatArray]:
    """Sort the losses within each arc; return where each arc starts, and the losses."""
    rank = np.argsort(signed, kind="stable")
    rank = rank[np.argsort(arc_of[rank], kind="stable")]
    counts = np.bincount(arc_of, minlength=arcs)
    return np.concatenate(([0], np.cumsum(counts))), signed[rank]


def _sort_keys(
    order: str, volume: IntArray, depth: FloatArray, deepest: IntArray, shape: tuple[int, ...]
) -> FloatArray:
    if order == "volume":
        return -volume.astype(np.float64)
    if order == "persistence":
        return -depth
    return np.asarray(np.unravel_index(deepest, shape)[0], dtype=np.float64)


def _place(
    parent: IntArray,
    samples: IntArray,
    volume: IntArray,
    key: FloatArray,
    lowest: FloatArray,
    node: IntArray,
) -> tuple[FloatArray, IntArray]:
    """Return the left end of every interval, and the arcs with parents before children."""
    order = np.lexsort((node, lowest, key, parent))  # siblings next to each other, as drawn
    widths = volume[order].astype(np.float64)
    before = np.cumsum(widths) - widths
    first = np.flatnonzero(np.append(True, parent[order][1:] != parent[order][:-1]))
    group = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(order))))
    offset = np.empty(len(order))
    offset[order] = before - before[first][group]

    children: dict[int, list[int]] = {}
    for arc, up in zip(order.tolist(), parent[order].tolist(), strict=True):
        children.setdefault(up, []).append(arc)
    left = np.zeros(len(parent))
    traversal, waiting = [], children.get(-1, [])[::-1]
    while waiting:
        arc = waiting.pop()
        up = int(parent[arc])
        left[arc] = offset[arc] + (left[up] + samples[up] / 2 if up >= 0 else 0.0)
        traversal.append(arc)
        waiting.extend(children.get(arc, [])[::-1])
    return left, np.array(traversal, dtype=np.int64)


def _mean_loss(
    upward: IntArray, parent: IntArray, arc_of: IntArray, flat: FloatArray, mean: str
) -> FloatArray:
    """Return the mean finite loss of every arc, or of every branch; NaN where there is none."""
    finite = np.isfinite(flat)
    total = np.bincount(arc_of, np.where(finite, flat, 0.0), minlength=len(parent)).tolist()
    count = np.bincount(arc_of, finite, minlength=len(parent)).tolist()
    if mean == "branch":
        above = parent.tolist()
        for arc in upward.tolist():
            if above[arc] >= 0:
                total[above[arc]] += total[arc]
                count[above[arc]] += count[arc]
    sums, counts = np.array(total), np.array(count)
    means: FloatArray = np.full(len(sums), np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means


def _thin(levels: FloatArray, points: int) -> IntArray:
    """Choose positions evenly by count and evenly by height, both ends included."""
    half = max(points // 2, 2)
    by_count = np.linspace(0, len(levels) - 1, half).astype(np.int64)
    up = 1.0 if levels[-1] >= levels[0] else -1.0
    finite = levels[np.isfinite(levels)]
    steps = np.linspace(up * finite[0], up * finite[-1], half) if len(finite) else np.zeros(0)
    by_height = np.searchsorted(up * levels, steps).clip(0, len(levels) - 1)
    chosen: IntArray = np.unique(np.concatenate((by_count, by_height)))
    return chosen
