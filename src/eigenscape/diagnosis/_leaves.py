"""The record of each leaf in a population: counts, and the gain of each action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eigenscape.diagnosis._labels import ACTION_OF, ACTIONS, ANSWERS
from eigenscape.errors import InputError

if TYPE_CHECKING:
    from eigenscape.diagnosis._population import Population


@dataclass(frozen=True, kw_only=True)
class LeafRecord:
    """The record of one leaf in a population.

    Args:
        label: its answer.
        words: a description of such a model.
        counts: label to number of configurations, ``optimal`` ones included.
        gains: action to mean gain in points of test accuracy, when its knob is set to the best
            value that the grid has in that direction.
        quartiles: action to the first and third quartile of that gain over configurations.
        ratios: action to the best value of its knob, relative to the own one: the median over the
            configurations that gain by it; 1 where none does.
    """

    label: str
    words: str
    counts: Mapping[str, int]
    gains: Mapping[str, float]
    quartiles: Mapping[str, tuple[float, float]]
    ratios: Mapping[str, float] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many configurations ended here."""
        return sum(self.counts.values())

    def check(self, question: str) -> None:
        """Raise an error if the record lacks an answer or an action.

        Raises:
            InputError: naming what is missing.
        """
        answers = [name for name in (*ANSWERS[question], "optimal") if name not in self.counts]
        actions = [a for a in ACTIONS if a not in self.gains or a not in self.quartiles]
        if answers or actions:
            raise InputError(f"a leaf lacks {', '.join(answers + actions)}")

    def best_action(self) -> tuple[str, float]:
        """Return the action that the answer calls for, and its mean gain."""
        both = ("raise temperature", "lower temperature")
        named = (ACTION_OF[self.label],) if self.label in ACTION_OF else both
        action = max(named, key=lambda name: self.gains[name])
        return action, self.gains[action]


def leaf_record(
    population: Population,
    question: str,
    label: str,
    words: str,
    rows: NDArray[np.bool_],
    ratios: Mapping[str, NDArray[np.float64]],
) -> LeafRecord:
    """Count the configurations of one leaf.

    Args:
        population: all configurations.
        question: which answers are counted.
        label: the leaf's answer.
        words: a description of such a model.
        rows: the mask of those that end here.
        ratios: of :func:`step_ratios`, of all configurations.
    """
    labels = population.labels(question)[rows]
    counts = {name: int((labels == name).sum()) for name in (*ANSWERS[question], "optimal")}
    gains, quartiles = {}, {}
    for action, (column, _, _) in ACTIONS.items():
        room = population.table[column].to_numpy()[rows]
        gains[action] = float(room.mean()) if len(room) else float("nan")
        low, high = np.quantile(room, [0.25, 0.75]) if len(room) else (np.nan, np.nan)
        quartiles[action] = (float(low), float(high))
    moved = {action: values[rows & (values != 1)] for action, values in ratios.items()}
    return LeafRecord(
        label=label,
        words=words,
        counts=counts,
        gains=gains,
        quartiles=quartiles,
        ratios={action: float(np.median(v)) if len(v) else 1.0 for action, v in moved.items()},
    )
