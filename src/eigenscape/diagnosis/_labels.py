"""Room for improvement, and the labels that follow from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Labels = NDArray[np.str_]

#: Question to its two answers; a tie is ``"optimal"``.
ANSWERS: dict[str, tuple[str, str]] = {
    "temperature": ("small", "large"),
    "width": ("width", "temperature"),
    "data": ("data", "temperature"),
}
#: Question to what a cell of the grid holds fixed: everything but the knobs that are in question.
FIXED: dict[str, tuple[str, ...]] = {
    "temperature": ("data", "width"),
    "width": ("data",),
    "data": ("width",),
}
#: Action to its column of room for improvement, its knob and its direction.
ACTIONS: dict[str, tuple[str, str, int]] = {
    "raise temperature": ("rfi_inc_temp", "temperature", 1),
    "lower temperature": ("rfi_dec_temp", "temperature", -1),
    "widen": ("rfi_width", "width", 1),
    "add data": ("rfi_data", "data", 1),
}
#: Answer to the action that it calls for; ``temperature`` does not say which way.
ACTION_OF: dict[str, str] = {
    "small": "raise temperature",
    "large": "lower temperature",
    "width": "widen",
    "data": "add data",
}
_KNOBS = ("width", "data", "temperature")


def check_question(question: str) -> None:
    """Raise an error for an unknown question.

    Raises:
        InputError: naming the known ones.
    """
    if question not in ANSWERS:
        raise InputError(f"question is {question!r}; expected one of {', '.join(ANSWERS)}")


def room_for_improvement(table: pd.DataFrame) -> pd.DataFrame:
    """Return what each knob alone could still gain, in points of test accuracy, 0 or more.

    For every configuration, with all other knobs held fixed: the best accuracy among those with a
    knob at least (temperature downwards: at most) as large, minus its own (Zhou et al., ICML 2024,
    section 3). The ends of the grid bound it: at the largest width, ``rfi_width`` is 0.

    Args:
        table: columns ``width``, ``data``, ``temperature`` and ``test_acc`` (%).

    >>> import pandas as pd
    >>> grid = pd.DataFrame({"width": 8, "data": 1, "temperature": [1, 2, 3],
    ...                      "test_acc": [60.0, 70.0, 65.0]})
    >>> room_for_improvement(grid)["rfi_inc_temp"].tolist()
    [10.0, 0.0, 0.0]
    >>> room_for_improvement(grid)["rfi_dec_temp"].tolist()
    [0.0, 0.0, 5.0]
    """
    import pandas as pd

    found = {}
    for column, knob, direction in ACTIONS.values():
        others = [name for name in _KNOBS if name != knob]
        ahead = table.sort_values(knob, ascending=direction < 0)  # from the far end towards here
        best = ahead.groupby(others, sort=False)["test_acc"].cummax()
        found[column] = best - table["test_acc"]
    return pd.DataFrame(found, index=table.index)


def step_ratios(table: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Return, for each action, the best value of its knob ahead, relative to the own one.

    1 where nothing ahead is better; the nearest of equally good values.

    Args:
        table: columns ``width``, ``data``, ``temperature`` and ``test_acc`` (%).

    >>> import pandas as pd
    >>> grid = pd.DataFrame({"width": 8, "data": 1, "temperature": [1.0, 2.0, 4.0],
    ...                      "test_acc": [60.0, 70.0, 65.0]})
    >>> ratios = step_ratios(grid)
    >>> ratios["raise temperature"].tolist(), ratios["lower temperature"].tolist()
    ([2.0, 1.0, 1.0], [1.0, 1.0, 0.5])
    """
    found = {}
    for action, (_, knob, direction) in ACTIONS.items():
        others = [name for name in _KNOBS if name != knob]
        ratios = np.ones(len(table))
        ahead = table.reset_index(drop=True).sort_values(knob, ascending=direction > 0)
        for _, line in ahead.groupby(others, sort=False):
            accuracy, values = line["test_acc"].to_numpy(), line[knob].to_numpy()
            best = [i + int(accuracy[i:].argmax()) for i in range(len(line))]
            ratios[line.index.to_numpy()] = values[best] / values
        found[action] = ratios
    return found


def label(table: pd.DataFrame, question: str) -> Labels:
    """Return the label of every configuration: one of two answers, or ``"optimal"`` on a tie.

    ``temperature``: ``small`` where raising it could gain more than lowering it, ``large`` where
    less. ``width`` and ``data``: that knob where it could gain more than any change of temperature,
    ``temperature`` where less.

    Raises:
        InputError: an unknown question.
    """
    check_question(question)
    up = table["rfi_inc_temp"].to_numpy()
    down = table["rfi_dec_temp"].to_numpy()
    if question == "temperature":
        first, second = up, down
    else:
        first, second = table[f"rfi_{question}"].to_numpy(), np.maximum(up, down)
    one, other = ANSWERS[question]
    return np.where(first > second, one, np.where(first < second, other, "optimal"))
