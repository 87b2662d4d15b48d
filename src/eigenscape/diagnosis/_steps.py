"""The gain of following a diagnosis: the change of test accuracy after one step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eigenscape.diagnosis._labels import ACTION_OF, ACTIONS, Labels
from eigenscape.diagnosis._population import Population
from eigenscape.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_KNOBS = ("width", "data", "temperature")
#: How far a step goes: to the next value of the grid, to a random one ahead (its expectation), or
#: to the best one ahead.
RULES = ("notch", "random", "best")


def actions_of(answers: Labels, directions: Labels | None = None) -> Labels:
    """Turn answers into actions.

    Args:
        answers: of a tree.
        directions: ``small`` or ``large`` for each, from a temperature tree; needed where an answer
            is ``temperature``, which names no direction.

    Raises:
        InputError: an answer that names no action, or ``temperature`` without a direction.

    >>> actions_of(np.array(["width", "temperature"]), np.array(["small", "large"])).tolist()
    ['widen', 'lower temperature']
    """
    if directions is not None:
        answers = np.where(answers == "temperature", directions, answers)
    unknown = sorted(set(answers.tolist()) - set(ACTION_OF) - {"optimal"})
    if unknown:
        raise InputError(
            f"answers {', '.join(map(repr, unknown))} name no action. Try: give directions, the "
            "answers of a temperature tree"
        )
    return np.array([ACTION_OF.get(str(answer), "none") for answer in answers])


def step_gains(population: Population, actions: Labels) -> pd.DataFrame:
    """Return the gain in test accuracy of one step along each configuration's action, in points.

    A step is kept only where it helps, so no gain is negative (Zhou et al., ICML 2024, appendix A);
    at the end of the grid the gain is 0.

    Args:
        population: the whole grid.
        actions: one for each configuration; ``"none"`` changes nothing.

    Raises:
        InputError: another number of actions, or an unknown one.

    >>> rows = [{"width": 8, "data": 1, "lr": lr, "test_acc": acc}
    ...         for lr, acc in ((1, 60.0), (2, 62.0), (4, 70.0))]
    >>> step_gains(Population.from_rows(rows), np.array(["raise temperature"] * 3)).values.tolist()
    [[2.0, 6.0, 10.0], [8.0, 8.0, 8.0], [0.0, 0.0, 0.0]]
    """
    import pandas as pd

    if len(actions) != len(population):
        raise InputError(f"{len(actions)} actions for {len(population)} configurations")
    unknown = sorted(set(actions.tolist()) - set(ACTIONS) - {"none"})
    if unknown:
        raise InputError(f"actions {', '.join(unknown)}; expected {', '.join(ACTIONS)} or none")
    found = np.zeros((len(population), len(RULES)))
    for action, (_, knob, direction) in ACTIONS.items():
        mask = actions == action
        if mask.any():
            found[mask] = _along(population, knob, direction)[mask]
    return pd.DataFrame(found, columns=list(RULES))


def _along(population: Population, knob: str, direction: int) -> NDArray[np.float64]:
    """Return the gains of every configuration along one knob, (configurations, rules)."""
    found = np.zeros((len(population), len(RULES)))
    table = population.table.sort_values(knob, ascending=direction > 0)
    others = [name for name in _KNOBS if name != knob]
    for _, line in table.groupby(others, sort=False):
        accuracy = line["test_acc"].to_numpy()
        rows = line.index.to_numpy()
        for i in range(len(rows) - 1):
            gains = np.maximum(accuracy[i + 1 :] - accuracy[i], 0.0)
            found[rows[i]] = gains[0], gains.mean(), gains.max()
    return found
