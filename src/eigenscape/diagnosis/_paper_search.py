"""The paper's threshold search: one pass of bounded scalar minimisation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eigenscape.diagnosis._route import Floats, correct
from eigenscape.diagnosis._shapes import TreeShape


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
