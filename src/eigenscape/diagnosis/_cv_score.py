"""Cross-validated scores of a population's trees: each cell is diagnosed by the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eigenscape.diagnosis._evaluate import scores
from eigenscape.diagnosis._labels import ACTIONS, ANSWERS
from eigenscape.diagnosis._policy import advised_actions
from eigenscape.diagnosis._population import Population
from eigenscape.diagnosis._steps import actions_of, step_gains
from eigenscape.diagnosis._tree import MDTree, clear_labels
from eigenscape.errors import InputError

_FOLDS = 12  # beyond so many cells they are held out in groups: the fit is the cost


@dataclass(frozen=True, kw_only=True)
class CVScore:
    """The score of a tree on configurations that it has not seen.

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

    def words(self) -> str:
        """Return the score as a sentence."""
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


def cv_score(
    population: Population,
    question: str = "temperature",
    *,
    variant: str = "peak",
    search: str | None = None,
) -> CVScore:
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
        here = folds == fold
        if here.all():
            break
        trees = fitted_trees(population.select(~here), (question,), variant, search)
        if trees:  # else one class is left: this fold cannot be asked
            answers[here] = trees[question].predict(population.select(here))
    asked = (answers != "") & (labels != "optimal")
    nan = float("nan")
    if not asked.any():
        return CVScore(
            question=question,
            accuracy=nan,
            balanced_accuracy=nan,
            majority=nan,
            gain=nan,
            best_gain=nan,
            coin_gain=nan,
        )
    found = scores(answers[asked], labels[asked])
    gains = _gains(population, answers, labels, asked) if question == "temperature" else (nan,) * 3
    return CVScore(
        question=question,
        accuracy=found["accuracy"],
        balanced_accuracy=found["balanced_accuracy"],
        majority=100 * float(np.unique(labels[asked], return_counts=True)[1].max() / asked.sum()),
        gain=gains[0],
        best_gain=gains[1],
        coin_gain=gains[2],
    )


def held_out_advice(
    population: Population,
    questions: Sequence[str],
    *,
    variant: str = "peak",
    search: str | None = None,
) -> tuple[str, ...]:
    """Return a sentence on the gain of the advice of all trees together on held-out cells.

    Args:
        population: labelled configurations.
        questions: that are asked.
        variant: of the temperature tree.
        search: of the trees.

    Returns:
        One sentence, or none where no fold could be fitted.
    """
    folds = population.cells("temperature") % _FOLDS
    actions = np.full(len(population), "none", dtype="<U32")
    asked = np.zeros(len(population), dtype=bool)
    for fold in np.unique(folds):
        here = folds == fold
        trees = (
            fitted_trees(population.select(~here), questions, variant, search)
            if ~here.all()
            else {}
        )
        if "temperature" not in trees:
            continue
        actions[here] = advised_actions(trees, population.select(here))
        asked |= here
    if not asked.any():
        return ()
    gains = {
        action: step_gains(population, np.full(len(population), action))["best"].to_numpy()[asked]
        for action in ACTIONS
    }
    got = step_gains(population, actions)["best"].to_numpy()[asked].mean()
    every = np.stack(list(gains.values()))
    always = max(gains, key=lambda action: gains[action].mean())
    return (
        f"On cells that it had not seen, such advice gained {got:.2f} points of "
        f"{every.max(axis=0).mean():.2f} possible; the same for all ({always}) "
        f"{gains[always].mean():.2f}; a random hyperparameter,  {every.mean():.2f}.",
    )


def fitted_trees(
    population: Population,
    questions: Sequence[str],
    variant: str = "peak",
    search: str | None = None,
) -> dict[str, MDTree]:
    """Return a tree for each question to which these configurations can be fitted."""
    trees = {}
    for question in questions:
        try:
            clear_labels(population, question)
        except InputError:
            continue
        kind = variant if question == "temperature" else "peak"
        trees[question] = MDTree.fit(population, question=question, variant=kind, search=search)
    return trees


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
