"""Distances between persistence diagrams."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenscape.errors import InputError
from eigenscape.topology._simplify import finite_values
from eigenscape.topology._tree import MergeTree

Diagram = MergeTree | ArrayLike
Normalize = Literal["range"] | None
_LARGEST = 4000
Floats = NDArray[np.float64]


def bottleneck_distance(first: Diagram, second: Diagram, *, normalize: Normalize = None) -> float:
    """Return the bottleneck distance of two diagrams, exactly.

    The least t such that the pairs can be matched, to each other or to the diagonal, with no
    coordinate moving by more than t (Cohen-Steiner, Edelsbrunner and Harer 2007). Of trees, the
    births of the essential minima are matched too, in their order; different numbers of components
    are infinitely far apart. It never exceeds the largest difference of two functions on one graph.

    Args:
        first: a tree, or pairs ``(p, 2)`` of birth and death.
        second: as ``first``.
        normalize: ``"range"`` moves and scales the values of each tree to [0, 1] first.

    Raises:
        InputError: too many pairs, no finite pairs ``(p, 2)``, or a range with pairs alone.

    >>> bottleneck_distance([[0.0, 4.0]], [[0.0, 4.5], [1.0, 1.5]])
    0.5
    """
    (a, ends_a), (b, ends_b) = _points(first, normalize), _points(second, normalize)
    if len(ends_a) != len(ends_b):
        return float("inf")
    essential = float(np.abs(ends_a - ends_b).max()) if len(ends_a) else 0.0
    return max(essential, _bottleneck(a, b))


def wasserstein_distance(
    first: Diagram, second: Diagram, p: float = 2.0, *, normalize: Normalize = None
) -> float:
    """Return the p-Wasserstein distance of two diagrams, with the largest coordinate as ground.

    ``(min over matchings of sum d^p)^(1/p)``; d is the larger of the two coordinates' moves, half
    the persistence to the diagonal.

    Args:
        first: a tree, or pairs ``(p, 2)`` of birth and death.
        second: as ``first``.
        p: 1 or more.
        normalize: as for :func:`bottleneck_distance`.

    Raises:
        InputError: as for :func:`bottleneck_distance`, or p below 1.

    >>> wasserstein_distance([[0.0, 4.0]], [[0.0, 4.5], [1.0, 1.5]], p=1)
    0.75
    """
    from scipy.optimize import linear_sum_assignment

    if not 1 <= p < np.inf:
        raise InputError(f"p is {p}; expected a finite number of 1 or more")
    (a, ends_a), (b, ends_b) = _points(first, normalize), _points(second, normalize)
    if len(ends_a) != len(ends_b):
        return float("inf")
    cost = np.zeros((len(a) + len(b),) * 2)
    cost[: len(a), : len(b)] = _apart(a, b) ** p
    cost[: len(a), len(b) :] = (_to_diagonal(a) ** p)[:, None]
    cost[len(a) :, : len(b)] = (_to_diagonal(b) ** p)[None, :]
    rows, columns = linear_sum_assignment(cost)
    total = float(cost[rows, columns].sum() + (np.abs(ends_a - ends_b) ** p).sum())
    return float(total ** (1 / p))


def _points(diagram: Diagram, normalize: str | None) -> tuple[Floats, Floats]:
    """Return the pairs that do not lie on the diagonal, and the births of the essential minima."""
    if normalize not in (None, "range"):
        raise InputError(f"normalize is {normalize!r}; expected None or 'range'")
    if isinstance(diagram, MergeTree):
        pairs = np.stack((diagram.births, diagram.deaths), axis=1)
        ends = np.sort(diagram.values.reshape(-1)[diagram.essential])
        if normalize:
            finite = finite_values(diagram)
            low = float(finite.min()) if len(finite) else 0.0
            span = (float(np.ptp(finite)) if len(finite) else 0.0) or 1.0
            pairs, ends = (pairs - low) / span, (ends - low) / span
    else:
        pairs, ends = np.asarray(diagram, dtype=np.float64), np.empty(0)
        if normalize:
            raise InputError("pairs alone do not give the range. Try: give merge trees")
        if pairs.size == 0:
            pairs = np.empty((0, 2))
        if pairs.ndim != 2 or pairs.shape[1] != 2:
            raise InputError(f"a diagram has the shape {pairs.shape}; expected (p, 2)")
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    if not np.isfinite(pairs).all():
        raise InputError(
            "a diagram holds pairs that are not finite; distances need finite ones. "
            "Try: clip the values of the landscape"
        )
    if len(pairs) > _LARGEST:
        raise InputError(
            f"a diagram has {len(pairs)} pairs; distances are computed up to {_LARGEST}. "
            "Try: tree.simplify(1e-3, relative=True) cancels the shallow ones first"
        )
    return pairs, ends


def _apart(a: Floats, b: Floats) -> Floats:
    apart: Floats = np.abs(a[:, None, :] - b[None, :, :]).max(axis=2, initial=0.0)
    return apart


def _to_diagonal(a: Floats) -> Floats:
    return np.abs(a[:, 1] - a[:, 0]) / 2


def _bottleneck(a: Floats, b: Floats) -> float:
    """Search the candidate distances by bisection."""
    apart, drop_a, drop_b = _apart(a, b), _to_diagonal(a), _to_diagonal(b)
    candidates = np.unique(np.concatenate(([0.0], apart.ravel(), drop_a, drop_b)))
    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high) // 2
        if _matches(apart, drop_a, drop_b, candidates[middle]):
            high = middle
        else:
            low = middle + 1
    return float(candidates[low])


def _matches(apart: Floats, drop_a: Floats, drop_b: Floats, reach: float) -> bool:
    """Tell whether a matching exists with no move longer than ``reach``.

    Points nearer to the diagonal need no partner. When one matching covers all that do on the left
    and another all that do on the right, one covers both (Mendelsohn and Dulmage 1958).
    """
    near = apart <= reach
    return _covers(near[drop_a > reach]) and _covers(near[:, drop_b > reach].T)


def _covers(near: NDArray[np.bool_]) -> bool:
    """Tell whether every row can be given a column of its own."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    if not len(near):
        return True
    if not near.any(axis=1).all():
        return False
    partner = maximum_bipartite_matching(csr_array(near), perm_type="column")
    return bool((partner >= 0).all())
