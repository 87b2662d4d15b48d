"""What a change of one knob by a factor gained in a population's own grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenscape.diagnosis._labels import ACTIONS

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
_KNOBS = ("width", "data", "temperature")
_TRIED = 8  # factors of a group: of more, this many evenly spaced ones


class Moves:
    """The grid along one action: what each configuration becomes when its knob is multiplied.

    Args:
        table: columns ``width``, ``data``, ``temperature`` and ``test_acc`` (%).
        action: which knob, and in which direction.

    >>> import pandas as pd
    >>> grid = pd.DataFrame({"width": 8, "data": 1, "temperature": [1.0, 2.0, 4.0],
    ...                      "test_acc": [60.0, 72.0, 70.0]})
    >>> Moves(grid, "raise temperature").gains(4.0).tolist()
    [10.0, -2.0, nan]
    """

    def __init__(self, table: pd.DataFrame, action: str) -> None:
        _, knob, direction = ACTIONS[action]
        others = table[[name for name in _KNOBS if name != knob]].to_numpy(np.float64)
        values = table[knob].to_numpy(np.float64)
        line = np.unique(others, axis=0, return_inverse=True)[1].reshape(-1)
        order = np.lexsort((direction * values, line))
        starts = np.flatnonzero(np.diff(line[order], prepend=-1))
        place = np.empty(len(values), dtype=np.int64)
        place[order] = np.arange(len(values)) - starts[line[order]]
        shape = (len(starts), int(place.max()) + 1)
        self._at = (line, place)
        self._knob = np.full(shape, np.nan)  # (lines, places): in the direction of the action
        self._knob[self._at] = np.log(values)
        self._accuracy = np.full(shape, np.nan)
        self._accuracy[self._at] = table["test_acc"].to_numpy(np.float64)

    def gains(self, ratio: ArrayLike) -> Floats:
        """Return the change of test accuracy in points, ``(configurations,)``; it may be negative.

        A configuration is moved to that value ahead in the grid which is nearest to what the ratio
        asks for. This is what following an advice gains; room for improvement is the best step,
        chosen by the accuracy itself.

        Args:
            ratio: the factor on the knob, of all or of each configuration; 1 changes nothing.

        Returns:
            NaN where the grid has no value ahead, or the ratio is NaN.
        """
        line, place = self._at
        asked = np.broadcast_to(np.asarray(ratio, dtype=np.float64), line.shape)
        away = np.abs(self._knob[line] - (self._knob[self._at] + np.log(asked))[:, None])
        away[np.arange(away.shape[1]) <= place[:, None]] = np.nan  # itself, and what is behind
        known = np.isfinite(away).any(axis=1)
        best = np.where(np.isfinite(away), away, np.inf).argmin(axis=1)
        gained = self._accuracy[line, best] - self._accuracy[self._at]
        found: Floats = np.where(asked == 1, 0.0, np.where(known, gained, np.nan))
        return found


def best_ratios(moves: Moves, own: Floats, group: NDArray[np.int64], groups: int) -> list[float]:
    """Return the factor of each group of configurations that gains most on average, for all of it.

    Tried are the factors that lead single configurations of the group to their best.

    Args:
        moves: along one action.
        own: the factor that leads to the best value, of each configuration; 1 where none is better.
        group: the number of each configuration's group.
        groups: how many there are.

    Returns:
        1 for a group in which no configuration gains.
    """
    tried = np.ones((groups, _TRIED))
    for i in range(groups):
        seen = np.unique(own[(group == i) & (own != 1)].round(12))
        if len(seen):
            tried[i] = seen[np.linspace(0, len(seen) - 1, _TRIED).round().astype(int)]
    means = np.full((groups, _TRIED), -np.inf)
    for k in range(_TRIED):
        gained = moves.gains(tried[group, k])
        for i in range(groups):
            known = gained[(group == i) & np.isfinite(gained)]
            if len(known):
                means[i, k] = known.mean()
    return [float(tried[i, means[i].argmax()]) for i in range(groups)]
