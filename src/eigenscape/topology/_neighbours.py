"""Nearest neighbours of scattered samples, ties included."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenscape.errors import InputError

Symmetry = Literal["union", "mutual"]
SYMMETRIES: tuple[Symmetry, ...] = get_args(Symmetry)
#: Distances closer than this, relative to each other, are equal: coordinates are rounded.
_TIE = 1e-9
#: Neighbours in all, ties included: some gigabytes of memory.
_MOST = 50_000_000


def nearest_neighbours(
    points: ArrayLike, count: int, k: int | None, symmetry: str
) -> tuple[NDArray[np.int64], str]:
    """Return the edges ``(m, 2)`` of the graph of nearest neighbours, and its name."""
    from scipy.spatial import cKDTree

    try:
        places = np.asarray(points, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(f"points are no array of numbers: {error}") from error
    if places.ndim == 1:
        places = places[:, None]
    wrong = []
    if places.ndim != 2 or len(places) != count:
        wrong.append(f"points have the shape {places.shape}; expected ({count}, n), as the values")
    if not np.isfinite(places).all():
        wrong.append("points hold NaN or inf")
    if symmetry not in SYMMETRIES:
        wrong.append(f"symmetry is {symmetry!r}; expected one of {', '.join(SYMMETRIES)}")
    wanted = 4 * places.shape[-1] if k is None else k
    if not isinstance(wanted, int) or wanted < 1:
        wrong.append(f"k is {wanted!r}; expected a whole number of 1 or more")
    if wrong:
        raise InputError("; ".join(wrong))
    near = min(wanted, count - 1)
    name = f"knn-{symmetry}-{wanted}"
    if near == 0:
        return np.empty((0, 2), dtype=np.int64), name
    tree = cKDTree(places)
    reach = tree.query(places, k=near + 1)[0][:, -1]  # the sample itself comes first
    found = int(tree.query_ball_point(places, reach * (1 + _TIE), return_length=True).sum())
    if found > _MOST:
        raise InputError(
            f"{count} points have {found} neighbours within reach, ties included: many coincide. "
            "Try: give each place once, with its lowest value"
        )
    lists = tree.query_ball_point(places, reach * (1 + _TIE))
    heads = np.repeat(np.arange(count), [len(found) for found in lists])
    tails = np.concatenate([np.asarray(found, dtype=np.int64) for found in lists])
    keep = heads != tails
    pairs = np.sort(np.stack((heads[keep], tails[keep]), axis=1), axis=1)
    edges, times = np.unique(pairs, axis=0, return_counts=True)
    return (edges if symmetry == "union" else edges[times == 2]), name
