"""Leaves of many models at once, or the path of one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eigenscape.diagnosis._shapes import Leaf, Node, TreeShape

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Step:
    """One comparison on the path to a leaf."""

    feature: str
    value: float
    threshold: float

    @property
    def below(self) -> bool:
        """Whether the value is at or below the threshold."""
        return self.value <= self.threshold


def find_leaves(shape: TreeShape, thresholds: Sequence[float], values: Floats) -> NDArray[np.int64]:
    """Return the leaf of every model, numbered from the lowest branch to the highest.

    Args:
        shape: the tree.
        thresholds: one for each of its comparisons.
        values: (models, comparisons): the metric of each comparison.
    """
    low = values <= np.asarray(thresholds, dtype=np.float64)
    leaves = np.empty(len(values), dtype=np.int64)

    def descend(node: Node, rows: NDArray[np.bool_], first: int) -> int:
        if isinstance(node, Leaf):
            leaves[rows] = first
            return first + 1
        first = descend(node.below, rows & low[:, node.index], first)
        return descend(node.above, rows & ~low[:, node.index], first)

    descend(shape.root, np.ones(len(values), dtype=bool), 0)
    return leaves


def walk(shape: TreeShape, thresholds: Sequence[float], values: Sequence[float]) -> list[Step]:
    """Return the comparisons on the path of one model."""
    node: Node = shape.root
    steps = []
    while not isinstance(node, Leaf):
        i = node.index
        step = Step(shape.features[i], float(values[i]), float(thresholds[i]))
        steps.append(step)
        node = node.below if step.below else node.above
    return steps


def correct(
    shape: TreeShape, thresholds: Sequence[float], values: Floats, labels: NDArray[np.str_]
) -> int:
    """Return how many models get their own label."""
    answers = np.array([leaf.label for leaf in shape.leaves])
    return int((answers[find_leaves(shape, thresholds, values)] == labels).sum())
