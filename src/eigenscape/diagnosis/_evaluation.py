"""What an evaluation returns: accuracy next to everything that it must be read against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from eigenscape.results import Environment, Result

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Scores = list[dict[str, Any]]
_ZERO_SHOT = "zero-shot constants"


@dataclass(frozen=True, kw_only=True)
class EvaluationResult(Result):
    """An MD tree fitted to one population and held against another; all scores in per cent.

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
        zero_shot: accuracy of the centre of the search box, which no data went into.
        zero_shot_balanced: its balanced accuracy.
        per_seed: for each seed: ``seed``, ``n_train``, ``train_accuracy``, ``accuracy``,
            ``balanced_accuracy``, ``thresholds``.
        baselines: name to ``seed``, ``accuracy``, ``balanced_accuracy`` for each seed.
    """

    schema: ClassVar[str] = "eigenscape.diagnosis_evaluation/1"
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
    per_seed: Scores
    baselines: Mapping[str, Scores]

    def _mean(self, name: str) -> float:
        return float(np.mean([row[name] for row in self.per_seed]))

    @property
    def accuracy(self) -> float:
        """Mean accuracy over seeds."""
        return self._mean("accuracy")

    @property
    def balanced_accuracy(self) -> float:
        """Mean over seeds of the mean recall of the two answers."""
        return self._mean("balanced_accuracy")

    @property
    def n_train(self) -> float:
        """Mean number of training configurations."""
        return self._mean("n_train")

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The thresholds; where seeds differ, the median of each."""
        found = np.median([row["thresholds"] for row in self.per_seed], axis=0)
        return tuple(found.tolist())

    def payload(self) -> dict[str, Any]:
        """Return the scores first, then every field."""
        rest = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "environment"}
        return {
            "accuracy": self.accuracy,
            "balanced_accuracy": self.balanced_accuracy,
            "majority": rest.pop("majority"),
            "zero_shot": rest.pop("zero_shot"),
            "thresholds": self.thresholds,
            "n_train": self.n_train,
            **rest,
        }

    @classmethod
    def from_payload(cls, data: dict[str, Any], environment: Environment) -> Self:
        """Rebuild from :meth:`payload`."""
        found = {f.name: data[f.name] for f in fields(cls) if f.name != "environment"}
        return cls(environment=environment, **found)

    def frame(self) -> pd.DataFrame:
        """Return one row for each method: mean and deviation over seeds, balanced accuracy."""
        import pandas as pd

        fixed = [
            (_ZERO_SHOT, self.zero_shot, self.zero_shot_balanced),
            ("majority", self.majority, 50.0),
            ("coin (closed form)", 50.0, 50.0),
        ]
        rows = [_row("MD tree", self.per_seed)]
        rows += [_row(name, scores) for name, scores in self.baselines.items()]
        rows += [
            {"method": name, "accuracy": score, "sd": None, "balanced": balanced, "seeds": None}
            for name, score, balanced in fixed
        ]
        return pd.DataFrame(rows)

    def plot(self) -> Figure:
        """Draw accuracy and balanced accuracy of every method, one mark for each seed."""
        from eigenscape.diagnosis._pictures import draw_evaluation

        return draw_evaluation(self)


def _row(name: str, scores: Scores) -> dict[str, Any]:
    found = [row["accuracy"] for row in scores]
    return {
        "method": name,
        "accuracy": float(np.mean(found)),
        "sd": float(np.std(found, ddof=1)) if len(found) > 1 else None,
        "balanced": float(np.mean([row["balanced_accuracy"] for row in scores])),
        "seeds": len(found),
    }
