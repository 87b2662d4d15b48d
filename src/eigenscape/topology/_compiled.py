"""The sweep of a grid in one pass over the samples, in the Python that numba compiles.

Compiled where numba is installed (``pip install "eigenscape[fast]"``). As plain Python these
functions are slow but right, which is how most tests run them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Longs = NDArray[np.int64]
Ints = NDArray[np.int32]

_BITS = 11


def stable_order(values: NDArray[np.float64]) -> Longs:
    """Return the order of (value, index), by a radix sort; no NaN."""
    count = len(values)
    sign = np.uint64(1) << np.uint64(63)
    keys = (values + 0.0).view(np.uint64)  # -0.0 and 0.0 are one value
    for at in range(count):
        keys[at] = ~keys[at] if keys[at] & sign else keys[at] | sign
    order, spare = np.arange(count), np.empty(count, dtype=np.int64)
    other = np.empty(count, dtype=np.uint64)
    mask = np.uint64((1 << _BITS) - 1)
    for shift in range(0, 64, _BITS):
        counts = np.zeros((1 << _BITS) + 1, dtype=np.int64)
        for at in range(count):
            counts[((keys[at] >> np.uint64(shift)) & mask) + np.uint64(1)] += 1
        if counts.max() == count:
            continue
        counts = np.cumsum(counts)
        for at in range(count):
            bucket = (keys[at] >> np.uint64(shift)) & mask
            to = counts[bucket]
            counts[bucket] += 1
            other[to], spare[to] = keys[at], order[at]
        keys, other = other, keys
        order, spare = spare, order
    return order


def sweep_grid(  # noqa: C901 - one loop for the compiler
    order: Longs, padded: Ints, size: int, steps: Longs
) -> tuple[Longs, Longs, Longs, Longs, Longs, Longs, Longs, Ints, Ints]:
    """Go through the samples from low to high; merge the components that each one touches.

    Args:
        order: ``(N,)`` samples by (value, index).
        padded: ``(N,)`` place of each sample in the grid with a margin of one on every side.
        size: samples of that grid.
        steps: ``(k,)`` from a place to its neighbours.

    Returns:
        ranks of minima and of saddles; the saddle above each minimum, above each saddle, or -1;
        ranks of births and deaths; numbers of the minima that never die; and for each rank the node
        of its arc (a minimum m, or -1 - s for the saddle s) and the minimum of its basin.
    """
    count = len(order)
    later = np.int64(1) << np.int64(62)
    seen = np.full(size, later)  # rank and label of what was reached; the margin never is
    arc_at = np.empty(count, dtype=np.int32)
    basin_at = np.empty(count, dtype=np.int32)
    half, low_half = np.int64(32), (np.int64(1) << np.int64(32)) - 1
    places = padded[order]
    most = count // 2 + 1
    union, top = np.empty(most, dtype=np.int32), np.empty(most, dtype=np.int32)
    lows, low_parent = np.empty(most, dtype=np.int64), np.full(most, -1)
    saddles, saddle_parent = np.empty(most, dtype=np.int64), np.full(most, -1)
    births, deaths = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64)
    n_lows, n_saddles, n_pairs = 0, 0, 0
    for at in range(count):
        place = places[at]
        lowest, root, last = later, -1, -1
        for step in steps:
            near = seen[place + step]
            if near == later:
                continue
            lowest = min(near, lowest)
            found = near & low_half
            if found == last:
                continue
            last = found
            other = found
            while union[other] != other:
                union[other] = union[union[other]]
                other = union[other]
            if root < 0:
                root = other
            if other == root:
                continue
            elder, younger = min(root, other), max(root, other)
            if n_saddles == 0 or saddles[n_saddles - 1] != at:
                saddles[n_saddles] = at
                n_saddles += 1
            saddle = -n_saddles
            for node in (top[elder], top[younger]):
                if node == saddle:
                    continue
                if node >= 0:
                    low_parent[node] = n_saddles - 1
                else:
                    saddle_parent[-1 - node] = n_saddles - 1
            union[younger], top[elder] = elder, saddle
            births[n_pairs], deaths[n_pairs] = lows[younger], at
            n_pairs += 1
            root = elder
        own = lowest & low_half
        if root < 0:
            own = np.int64(n_lows)
            root = n_lows
            lows[own] = at
            union[own] = top[own] = own
            n_lows += 1
        seen[place] = (np.int64(at) << half) | own
        arc_at[at], basin_at[at] = top[root], own
    roots = np.array([each for each in range(n_lows) if union[each] == each])
    return (
        lows[:n_lows],
        saddles[:n_saddles],
        low_parent[:n_lows],
        saddle_parent[:n_saddles],
        births[:n_pairs],
        deaths[:n_pairs],
        roots,
        arc_at,
        basin_at,
    )
