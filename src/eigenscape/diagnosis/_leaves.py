"""The record of each leaf in a population: counts, and the gain of each action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eigenscape.diagnosis._labels import ACTION_OF, ACTIONS, ANSWERS, step_ratios
from eigenscape.diagnosis._moves import Moves, best_ratios
from eigenscape.diagnosis._shapes import Leaf
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
        gains: action to mean change of test accuracy, in points, when its knob is multiplied by
            the leaf's ratio, over the configurations with a value ahead in the grid; NaN where
            none has. Of a leaf that is fitted to the same configurations: what is promised is
            held out (:class:`Advised`).
        quartiles: action to the first and third quartile of that gain over configurations.
        ratios: action to the factor on its knob that gains most on average, for all of the leaf;
            1 where none gains.
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
        known = [name for name in named if not np.isnan(self.gains[name])] or list(named)
        action = max(known, key=lambda name: self.gains[name])
        return action, self.gains[action]


def leaf_records(
    population: Population, question: str, leaves: Sequence[Leaf], found: NDArray[np.int64]
) -> tuple[LeafRecord, ...]:
    """Count the configurations of each leaf, and what each change gained there.

    Args:
        population: all configurations.
        question: which answers are counted.
        leaves: of the tree.
        found: the leaf of each configuration.
    """
    labels = population.labels(question)
    masks = [found == i for i in range(len(leaves))]
    far: dict[str, list[float]] = {}
    gained: dict[str, NDArray[np.float64]] = {}
    for action, own in step_ratios(population.table).items():
        moves = Moves(population.table, action)
        far[action] = best_ratios(moves, own, found, len(leaves))
        gained[action] = moves.gains(np.asarray(far[action])[found])
    return tuple(
        LeafRecord(
            label=leaf.label,
            words=leaf.words,
            counts={
                name: int((labels[rows] == name).sum()) for name in (*ANSWERS[question], "optimal")
            },
            gains={action: _mean(values[rows]) for action, values in gained.items()},
            quartiles={action: _quartiles(values[rows]) for action, values in gained.items()},
            ratios={action: values[i] for action, values in far.items()},
        )
        for i, (leaf, rows) in enumerate(zip(leaves, masks, strict=True))
    )


def _mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _quartiles(values: NDArray[np.float64]) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    low, high = np.quantile(known, [0.25, 0.75]) if len(known) else (np.nan, np.nan)
    return float(low), float(high)
