"""How far a population's trees may be trusted: each cell diagnosed by the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from eigenscape.diagnosis._evaluate import scores
from eigenscape.diagnosis._labels import ACTIONS, ANSWERS
from eigenscape.diagnosis._population import Population
from eigenscape.diagnosis._steps import actions_of, step_gains
from eigenscape.diagnosis._tree import MDTree
from eigenscape.errors import InputError

_FOLDS = 12  # beyond so many cells they are held out in groups: the fit is the cost


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What a tree was worth on configurations that it had not seen.

    Args:
        question: that was asked.
        accuracy: right answers on held-out cells, in %; NaN where no fold could be fitted.
        balanced_accuracy: the mean recall of the two answers, in %.
        majority: always the more frequent answer, in %.
        gain: mean gain of following the answers, in points of test accuracy; NaN for questions
            whose answers name no action.
        best_gain: the same of the optimal answers.
        coin_gain: the same of answers by a coin, in expectation.
    """

    question: str
    accuracy: float
    balanced_accuracy: float
    majority: float
    gain: float
    best_gain: float
    coin_gain: float

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Rebuild from JSON, where not-a-number is None."""
        nan = float("nan")
        values: dict[str, Any] = {k: nan if value is None else value for k, value in data.items()}
        return cls(**values)

    @property
    def better_than_majority(self) -> bool:
        """Whether the balanced accuracy is above that of a constant answer, 50 %."""
        return self.balanced_accuracy > 50

    def words(self) -> str:
        """Say it in a sentence."""
        if np.isnan(self.accuracy):
            return "It could not be tested on held-out cells: they are too few."
        said = (
            f"On cells of the population that it had not seen, such a tree is right for "
            f"{self.accuracy:.0f} % (balanced {self.balanced_accuracy:.0f} %, always the same "
            f"answer {self.majority:.0f} %)"
        )
        if np.isnan(self.gain):
            return said + "."
        return (
            f"{said}; to follow it gained {self.gain:.2f} points of {self.best_gain:.2f} possible, "
            f"a coin {self.coin_gain:.2f}."
        )


def held_out_trust(
    population: Population,
    question: str = "temperature",
    *,
    variant: str = "peak",
    search: str | None = None,
) -> Trust:
    """Fit to all cells but some, diagnose those, in turn; never a cell by its own temperatures.

    A cell is a width and an amount of data. Labels are those of the whole population.

    Args:
        population: labelled configurations.
        question: of the tree.
        variant: of the tree.
        search: of the tree.

    Raises:
        InputError: an unknown question or variant, or missing metrics.
    """
    labels = population.labels(question)
    folds = population.cells("temperature") % _FOLDS
    answers = np.full(len(labels), "", dtype=labels.dtype)
    for fold in np.unique(folds):
        rest = population.select(folds != fold) if len(set(folds)) > 1 else None
        try:
            if rest is None:
                break
            tree = MDTree.fit(rest, question=question, variant=variant, search=search)
        except InputError as error:
            if "only the label" in str(error) or "no label" in str(error):
                continue  # one class is left: this fold cannot be asked
            raise
        answers[folds == fold] = tree.predict(population.select(folds == fold))
    asked = (answers != "") & (labels != "optimal")
    nan = float("nan")
    if not asked.any():
        return Trust(
            question=question, accuracy=nan, balanced_accuracy=nan, majority=nan, gain=nan,
            best_gain=nan, coin_gain=nan,
        )  # fmt: skip
    found = scores(answers[asked], labels[asked])
    gains = _gains(population, answers, labels, asked) if question == "temperature" else (nan,) * 3
    return Trust(
        question=question,
        accuracy=found["accuracy"],
        balanced_accuracy=found["balanced_accuracy"],
        majority=100 * float(np.unique(labels[asked], return_counts=True)[1].max() / asked.sum()),
        gain=gains[0],
        best_gain=gains[1],
        coin_gain=gains[2],
    )


def _gains(
    population: Population, answers: np.ndarray, labels: np.ndarray, asked: np.ndarray
) -> tuple[float, float, float]:
    safe = np.where(answers == "", "optimal", answers)

    def mean(actions: np.ndarray) -> float:
        return float(step_gains(population, actions)["best"].to_numpy()[asked].mean())

    up, down = (mean(np.full(len(labels), name)) for name in list(ACTIONS)[:2])
    return mean(actions_of(safe)), mean(actions_of(labels)), (up + down) / 2


def asked_questions(population: Population) -> tuple[str, ...]:
    """Return the questions that a population can answer: those whose knob it varies."""
    varied = {"temperature": "temperature", "width": "width", "data": "data"}
    return tuple(
        question
        for question in ANSWERS
        if population.table[varied[question]].nunique() > 1
        and (question == "temperature" or "mode_connectivity_peak" in population.metrics)
    )
