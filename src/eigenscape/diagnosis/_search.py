"""The two threshold searches: the exact one, and that of the paper."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eigenscape.diagnosis._route import Floats, correct
from eigenscape.diagnosis._shapes import Leaf, Node, Split, TreeShape

Rows = NDArray[np.int64]
_POINT = 1e-9  # the weight of an interval that is one point, next to the length of the box


class _Intervals(NamedTuple):
    """The intervals of one threshold within which the partition does not change."""

    edges: Floats  # (intervals + 1,)
    rank: Rows  # (rows,): the first interval in which the row goes below

    @property
    def number(self) -> int:
        return len(self.edges) - 1

    @property
    def lengths(self) -> Floats:
        span = float(self.edges[-1] - self.edges[0])
        point = _POINT * span if span else 1.0  # a box that is one point
        lengths: Floats = np.diff(self.edges) + point
        return lengths


class _Search:
    """The best thresholds of each sub-tree on each subset of the rows.

    A sub-tree's thresholds touch only the rows that reach it, so the best total of a split is the
    best over its intervals of (best below) + (best above). The lowest two levels are counted for
    all intervals at once, by cumulated sums over ranks.
    """

    def __init__(self, shape: TreeShape, values: Floats, labels: NDArray[np.str_]) -> None:
        self.shape, self.values, self.labels = shape, values, labels

    def intervals(self, split: Split, rows: Rows) -> _Intervals:
        low, high = self.shape.box[split.index]
        values = self.values[rows, split.index]
        inside = np.unique(values[(values > low) & (values <= high)])
        rank = np.searchsorted(inside, values)
        rank[values <= low] = 0
        rank[(values > low) & (values <= high)] += 1
        rank[values > high] = len(inside) + 1  # above at every threshold
        return _Intervals(np.concatenate([[low], inside, [high]]), rank)

    def gains(self, label: str, rows: Rows) -> NDArray[np.int64]:
        return np.asarray(self.labels[rows] == label, dtype=np.int64)

    def totals(self, split: Split, rows: Rows) -> NDArray[np.int64]:
        """Return the best number of right answers for each interval of the split's threshold."""
        found = self.intervals(split, rows)
        sides = ((split.below, True), (split.above, False))
        return sum(  # type: ignore[return-value]
            self._side(node, below, found, rows) for node, below in sides
        )

    def _side(self, node: Node, below: bool, found: _Intervals, rows: Rows) -> Rows:
        if isinstance(node, Leaf):
            return _reached(found, self.gains(node.label, rows), below)
        if isinstance(node.below, Leaf) and isinstance(node.above, Leaf):
            return self._stumps(node, below, found, rows)
        best = [self.best(node, rows[_goes(found, i, below)]) for i in range(found.number)]
        return np.asarray(best, dtype=np.int64)

    def _stumps(self, node: Split, below: bool, found: _Intervals, rows: Rows) -> Rows:
        """Return the best of a split with two leaves, on the rows of each interval of its parent.

        With g the gain of answering "below" instead of "above", a stump's total is the right
        answers of "above" plus the sum of g over the rows at or below its threshold.
        """
        assert isinstance(node.below, Leaf)
        assert isinstance(node.above, Leaf)
        inner = self.intervals(node, rows)
        above = self.gains(node.above.label, rows)
        gain = self.gains(node.below.label, rows) - above
        table = np.zeros((found.number + 1, inner.number + 1), dtype=np.int32)
        np.add.at(table, (found.rank, inner.rank), gain)
        table = table[:, : inner.number].cumsum(axis=1, dtype=np.int32)  # at or below
        sums = table.cumsum(axis=0, dtype=np.int32)
        reached = sums[:-1] if below else sums[-1] - sums[:-1]
        best: Rows = _reached(found, above, below) + reached.max(axis=1)
        return best

    def best(self, node: Node, rows: Rows) -> int:
        if isinstance(node, Leaf):
            return int(self.gains(node.label, rows).sum())
        return int(self.totals(node, rows).max())

    def volume(self, node: Node, rows: Rows) -> float:
        """Return the volume of the optimal thresholds of a sub-tree."""
        if isinstance(node, Leaf):
            return 1.0
        return float(self.weights(node, rows).sum())

    def weights(self, split: Split, rows: Rows) -> Floats:
        """Return the volume of the optimal thresholds in each interval of the split's threshold."""
        found, totals = self.intervals(split, rows), self.totals(split, rows)
        weights = np.zeros(found.number)
        for i in np.flatnonzero(totals == totals.max()):
            low = _goes(found, int(i), True)
            below = self.volume(split.below, rows[low])
            weights[i] = found.lengths[i] * below * self.volume(split.above, rows[~low])
        return weights

    def choose(self, node: Node, rows: Rows, thresholds: list[float]) -> None:
        """Set the thresholds of a sub-tree: each to the median of the optimal volume."""
        if isinstance(node, Leaf):
            return
        found, weights = self.intervals(node, rows), self.weights(node, rows)
        i, thresholds[node.index] = _median(found.edges, weights)
        low = _goes(found, i, True)
        self.choose(node.below, rows[low], thresholds)
        self.choose(node.above, rows[~low], thresholds)


def exact_search(shape: TreeShape, values: Floats, labels: NDArray[np.str_]) -> tuple[float, ...]:
    """Return the thresholds within the box with the highest training accuracy.

    All partitions that thresholds within the box can make are counted. Where many are best, each
    threshold in turn, from the root down, is the median of the volume of the best ones, so that an
    answer does not depend on the edge of a plateau.

    Args:
        shape: the tree.
        values: (models, comparisons).
        labels: (models,).
    """
    search = _Search(shape, values, labels)
    thresholds = list(shape.centre)
    search.choose(shape.root, np.arange(len(values)), thresholds)
    return tuple(thresholds)


def _goes(found: _Intervals, interval: int, below: bool) -> NDArray[np.bool_]:
    low: NDArray[np.bool_] = found.rank <= interval
    return low if below else ~low


def _reached(found: _Intervals, gains: Rows, below: bool) -> Rows:
    """Return the sum of gains over the rows below (or above) each interval's threshold."""
    sums = np.bincount(found.rank, gains, found.number + 1).astype(np.int64).cumsum()
    return sums[:-1] if below else sums[-1] - sums[:-1]


def _median(edges: Floats, weights: Floats) -> tuple[int, float]:
    """Return the interval with the median of the weights, and the median within it."""
    sums = weights.cumsum()
    half = sums[-1] / 2
    i = int(np.searchsorted(sums, half))
    before = sums[i - 1] if i else 0.0
    low, high = float(edges[i]), float(edges[i + 1])
    inside = low + (half - before) / weights[i] * (high - low)
    last = high if i == len(weights) - 1 else float(np.nextafter(high, low))
    return i, float(min(max(inside, low), max(last, low)))


def paper_search(shape: TreeShape, values: Floats, labels: NDArray[np.str_]) -> tuple[float, ...]:
    """Return thresholds by one pass of coordinate search (the code of Zhou et al., ICML 2024).

    One threshold after the other, with the others fixed: Brent's bounded method on minus the
    training accuracy, a step function. It stops in the first plateau that it meets, so the starting
    values and the box decide much of the outcome.

    Args:
        shape: the tree.
        values: (models, comparisons).
        labels: (models,).
    """
    from scipy.optimize import minimize_scalar

    found = list(shape.start)
    for i, bounds in enumerate(shape.box):

        def loss(threshold: float, at: int = i) -> float:
            tried = [*found[:at], float(threshold), *found[at + 1 :]]
            return -correct(shape, tried, values, labels) / len(labels)

        found[i] = float(minimize_scalar(loss, bounds=bounds, method="bounded").x)
    return tuple(found)
