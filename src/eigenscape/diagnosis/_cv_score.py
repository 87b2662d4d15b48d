"""Cross-validated scores of a population's trees: each cell is diagnosed by the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eigenscape.diagnosis._evaluate import scores
from eigenscape.diagnosis._labels import ANSWERS
from eigenscape.diagnosis._population import Population
from eigenscape.diagnosis._shapes import get_shape
from eigenscape.diagnosis._tree import MDTree, clear_labels
from eigenscape.errors import InputError
from eigenscape.stats import Interval, Precision, interval

_FOLDS = 12  # beyond so many cells they are held out in groups: the fit is the cost
_NAN = float("nan")
#: Points of test accuracy below which a gain is not told from seed noise, where the population
#: does not state its own. An assumption: the published tables have no seed noise.
SEED_NOISE = 0.5


class Fold(NamedTuple):
    """Trees, and the configurations that they have not seen.

    Args:
        rows: the mask of those, (configurations,).
        trees: question to the tree that is fitted to the others; those that can be fitted.
    """

    rows: NDArray[np.bool_]
    trees: dict[str, MDTree]


@dataclass(frozen=True, kw_only=True)
class CVScore:
    """The score of a tree on configurations that it has not seen.

    Args:
        question: that was asked.
        accuracy: right answers on held-out cells, in %; NaN where no fold could be fitted.
        balanced_accuracy: the mean recall of the two answers, in %.
        majority: always the more frequent answer, in %.
        ahead: how many points of accuracy the tree is ahead of that constant answer, with the 95 %
            interval (Student's t) over cells, which are what is held out.
        leaves: how often the answer of each leaf was right, on cells that its tree had not seen.
        noise: the seed noise in points, below which a gain is nothing.
        fine: how often a configuration was really within the seed noise of the best that the knobs
            in question reach, where the leaf said that nothing gains more.
    """

    question: str
    accuracy: float
    balanced_accuracy: float
    majority: float
    ahead: Interval
    leaves: tuple[Precision, ...]
    noise: float
    fine: Precision

    @property
    def better(self) -> bool:
        """Whether the tree is told from the constant answer, and better."""
        return self.ahead.low > 0

    def words(self) -> str:
        """Return the score as a sentence."""
        if np.isnan(self.accuracy):
            return "It could not be tested on held-out cells: they are too few."
        found = self.ahead
        return (
            f"On {found.seeds} cells of the population that it had not seen, such a tree is right "
            f"for {self.accuracy:.0f} % (balanced {self.balanced_accuracy:.0f} %), always the same "
            f"answer for {self.majority:.0f} %: {found.mean:+.0f} points [{found.low:+.0f}, "
            f"{found.high:+.0f}]{'' if self.better else ', not better'}."
        )


def cv_score(
    population: Population,
    question: str = "temperature",
    *,
    variant: str = "peak",
    search: str | None = None,
    folds: Sequence[Fold] | None = None,
    noise: float | None = None,
) -> CVScore:
    """Fit to all cells but some, diagnose those, in turn; never a cell by its own temperatures.

    A cell is a width and an amount of data. Labels are those of the whole population.

    Args:
        population: labelled configurations.
        question: of the tree.
        variant: of the tree.
        search: of the tree.
        folds: of :func:`held_out`, where several questions share them; None to make them.
        noise: seed noise in points; None for the population's, or ``SEED_NOISE``.

    Raises:
        InputError: an unknown question or variant, or missing metrics.
    """
    if folds is None:
        folds = held_out(population, (question,), variant, search)
    noise = noise_of(population) if noise is None else noise
    labels = population.labels(question)
    leaves = np.full(len(labels), -1, dtype=np.int64)
    nothing = np.zeros(len(labels), dtype=bool)
    for fold in folds:
        if question in fold.trees:  # else one class is left: this fold cannot be asked
            tree = fold.trees[question]
            leaves[fold.rows] = tree.leaf_of(population.select(fold.rows))
            quiet = [leaf.best_action()[1] < noise for leaf in tree.leaves]
            nothing[fold.rows] = np.array(quiet)[leaves[fold.rows]]
    shape = get_shape(question, variant if question == "temperature" else "peak")
    asked = (leaves >= 0) & (labels != "optimal")
    answers = np.array([leaf.label for leaf in shape.leaves])[leaves]
    right = answers == labels
    records = tuple(
        _record(
            population,
            f"{question}: {leaf.words}",
            f"The answer is {leaf.label!r}.",
            asked & (leaves == i),
            labels == leaf.label,
            asked,
        )
        for i, leaf in enumerate(shape.leaves)
    )
    fine = _record(
        population,
        f"{question}: nothing",
        f"No change in question ({question}) gains more than the seed noise.",
        nothing,
        _room(population, question) <= noise,
        leaves >= 0,
    )
    if not asked.any():
        return CVScore(
            question=question,
            accuracy=_NAN,
            balanced_accuracy=_NAN,
            majority=_NAN,
            ahead=Interval(_NAN, _NAN, _NAN, 0),
            leaves=records,
            noise=noise,
            fine=fine,
        )
    found = scores(answers[asked], labels[asked])
    names, counts = np.unique(labels[asked], return_counts=True)
    always = labels[asked] == names[counts.argmax()]
    cells = population.cells("temperature")[asked]
    return CVScore(
        question=question,
        accuracy=found["accuracy"],
        balanced_accuracy=found["balanced_accuracy"],
        majority=100 * float(counts.max() / asked.sum()),
        ahead=ahead_of(right[asked], always, cells),
        leaves=records,
        noise=noise,
        fine=fine,
    )


def _record(
    population: Population,
    statement: str,
    says: str,
    given: NDArray[np.bool_],
    true: NDArray[np.bool_],
    asked: NDArray[np.bool_],
) -> Precision:
    """Count how often what was said is true, of the configurations that were asked."""
    return Precision(
        statement=statement,
        kind="diagnosis",
        says=says,
        given=int(given.sum()),
        right=int((given & true).sum()),
        positives=int((asked & true).sum()),
        networks=max(int(asked.sum()), 1),
        families=(population.name,),
    )


def _room(population: Population, question: str) -> NDArray[np.float64]:
    """Return what the best change of the knobs in question gains."""
    own = [] if question == "temperature" else [f"rfi_{question}"]
    found: NDArray[np.float64] = (
        population.table[["rfi_inc_temp", "rfi_dec_temp", *own]].max(axis=1).to_numpy()
    )
    return found


def noise_of(population: Population) -> float:
    """Return the seed noise of a population in points; ``SEED_NOISE`` where it has none."""
    return SEED_NOISE if population.seed_noise is None else population.seed_noise


def ahead_of(
    right: NDArray[np.bool_], other: NDArray[np.bool_], cells: NDArray[np.int64]
) -> Interval:
    """Return by how many points of accuracy one answer is ahead of another, over cells.

    Configurations of one cell share their data and width, so the cell is the unit: its sum of
    differences, relative to the mean number of configurations of a cell.

    Args:
        right: whether the one answer is right, (configurations,).
        other: whether the other one is.
        cells: of each configuration.

    >>> right, other = np.array([1, 1, 1, 0], dtype=bool), np.array([0, 1, 0, 0], dtype=bool)
    >>> ahead_of(right, other, np.array([0, 0, 1, 1])).mean
    50.0
    """
    places = np.unique(cells, return_inverse=True)[1]
    sums = np.bincount(places, right.astype(float) - other)
    return interval(100 * sums * len(sums) / len(right))


def held_out(
    population: Population,
    questions: Sequence[str],
    variant: str = "peak",
    search: str | None = None,
) -> list[Fold]:
    """Return the trees that are fitted to all cells but some, for each group of cells in turn."""
    folds = population.cells("temperature") % _FOLDS
    found = []
    for fold in np.unique(folds):
        here = folds == fold
        if not here.all():
            trees = fitted_trees(population.select(~here), questions, variant, search)
            found.append(Fold(here, trees))
    return found


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


def asked_questions(population: Population) -> tuple[str, ...]:
    """Return the questions that a population can answer: those whose knob it varies."""
    varied = {"temperature": "temperature", "width": "width", "data": "data"}
    return tuple(
        question
        for question in ANSWERS
        if population.table[varied[question]].nunique() > 1
        and (question == "temperature" or "mode_connectivity_peak" in population.metrics)
    )
