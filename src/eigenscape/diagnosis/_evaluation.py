"""The result of an evaluation: accuracy next to its controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

import numpy as np

from eigenscape.results import Result

if TYPE_CHECKING:
    import pandas as pd

_ZERO_SHOT = "zero-shot constants"


class Score(TypedDict):
    """How often one method was right, for one seed; in per cent.

    Args:
        seed: of the draw and of the method.
        accuracy: right answers.
        balanced_accuracy: mean recall of the two answers.
    """

    seed: int
    accuracy: float
    balanced_accuracy: float


class SeedScore(Score):
    """The same of an MD tree, with what it was fitted to.

    Args:
        n_train: configurations that it was fitted to.
        train_accuracy: right answers on those.
        thresholds: that were found.
    """

    n_train: int
    train_accuracy: float | None
    thresholds: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class EvaluationResult(Result):
    """An MD tree fitted to one population and tested on another; all scores in per cent.

    Args:
        question: what was asked.
        variant: which tree.
        search: how its thresholds were found.
        train: the name of the population that was fitted to.
        test: the name of the other one.
        cells: how many random cells were drawn; None for all.
        limits: limits on width and data, by name.
        n_test: how many configurations were diagnosed.
        majority: the accuracy of always giving the test set's more frequent answer.
        zero_shot: accuracy of the centre of the search box, which uses no data.
        zero_shot_balanced: its balanced accuracy.
        per_seed: the tree's scores for each seed.
        baselines: name to its scores for each seed.
    """

    schema: ClassVar[str] = "eigenscape.diagnosis_evaluation/1"
    also_written: ClassVar[tuple[str, ...]] = (
        "accuracy",
        "balanced_accuracy",
        "n_train",
        "thresholds",
    )
    question: str
    variant: str
    search: str
    train: str
    test: str
    cells: int | None
    limits: Mapping[str, float]
    n_test: int
    majority: float
    zero_shot: float
    zero_shot_balanced: float
    per_seed: tuple[SeedScore, ...]
    baselines: Mapping[str, tuple[Score, ...]]

    @property
    def accuracy(self) -> float:
        """Mean accuracy over seeds."""
        return float(np.mean([row["accuracy"] for row in self.per_seed]))

    @property
    def balanced_accuracy(self) -> float:
        """Mean over seeds of the mean recall of the two answers."""
        return float(np.mean([row["balanced_accuracy"] for row in self.per_seed]))

    @property
    def n_train(self) -> float:
        """Mean number of training configurations."""
        return float(np.mean([row["n_train"] for row in self.per_seed]))

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The thresholds; where seeds differ, the median of each."""
        found = np.median([row["thresholds"] for row in self.per_seed], axis=0)
        return tuple(found.tolist())

    def frame(self) -> pd.DataFrame:
        """Return one row for each method: mean and deviation over seeds, balanced accuracy."""
        import pandas as pd

        fixed = [
            (_ZERO_SHOT, self.zero_shot, self.zero_shot_balanced),
            ("majority", self.majority, 50.0),
            ("random choice (closed form)", 50.0, 50.0),
        ]
        rows = [_row("MD tree", self.per_seed)]
        rows += [_row(name, scores) for name, scores in self.baselines.items()]
        rows += [
            {"method": name, "accuracy": score, "sd": None, "balanced": balanced, "seeds": None}
            for name, score, balanced in fixed
        ]
        return pd.DataFrame(rows)


def _row(name: str, scores: Sequence[Score]) -> dict[str, Any]:
    found = [row["accuracy"] for row in scores]
    return {
        "method": name,
        "accuracy": float(np.mean(found)),
        "sd": float(np.std(found, ddof=1)) if len(found) > 1 else None,
        "balanced": float(np.mean([row["balanced_accuracy"] for row in scores])),
        "seeds": len(found),
    }
