"""Fit to one population, diagnose another: the paper's two transfers, with controls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eigenscape.diagnosis._baselines import fit_baseline
from eigenscape.diagnosis._evaluation import EvaluationResult, Score, SeedScore
from eigenscape.diagnosis._labels import Labels, check_question
from eigenscape.diagnosis._metrics import check_protocol
from eigenscape.diagnosis._population import Population
from eigenscape.diagnosis._sampling import SEEDS, sample_cells, subset, within_limits
from eigenscape.diagnosis._tree import MDTree, clear_labels
from eigenscape.errors import InputError
from eigenscape.results import Environment


def scores(answers: Labels, labels: Labels) -> dict[str, float]:
    """Return accuracy and balanced accuracy (the mean recall of the labels that occur), per cent.

    >>> scores(np.array(["a", "a", "a", "a"]), np.array(["a", "a", "a", "b"]))
    {'accuracy': 75.0, 'balanced_accuracy': 50.0}
    """
    right = answers == labels
    recalls = [right[labels == name].mean() for name in np.unique(labels)]
    return {
        "accuracy": 100 * float(right.mean()),
        "balanced_accuracy": 100 * float(np.mean(recalls)),
    }


def evaluate(
    train: Population,
    test: Population,
    question: str = "temperature",
    *,
    search: str | None = None,
    variant: str = "peak",
    cells: int | None = None,
    seeds: Sequence[int] = SEEDS,
    max_data: float | None = None,
    max_width: float | None = None,
    min_width: float | None = None,
    baselines: Sequence[str] = (),
) -> EvaluationResult:
    """Fit to configurations of ``train`` and diagnose those of ``test``.

    Few configurations (``cells``): the paper's transfer from one data set to another. Small ones
    (``max_data``, ``max_width``): its transfer of scale. Optimal configurations have no answer and
    are left out of both sides. The test set is whole: it has the cells of the training set too,
    as the paper's has.

    Args:
        train: the population to fit to.
        test: the population to diagnose.
        question: ``temperature``, ``width`` or ``data``.
        search: ``exact`` or ``paper``; None for the question's default.
        variant: which tree.
        cells: how many random cells of ``train`` to fit to; None for all.
        seeds: one draw of cells for each (:func:`sample_cells`), and the seed of the baselines.
        max_data: fit only to configurations with at most this amount of data.
        max_width: fit only to configurations of at most this width.
        min_width: leave out narrower ones on both sides (the paper: 32 for the question ``data``).
        baselines: which of ``BASELINES`` to fit beside the tree.

    Raises:
        InputError: bad arguments, populations that were measured in different ways, metrics that
            are missing, or a draw with one class only.
    """
    check_question(question)
    if not seeds:
        raise InputError("no seeds; expected one or more")
    check_protocol(train.protocol, test.protocol, test.name)
    train = subset(train, min_width=min_width)
    test = subset(test, min_width=min_width)
    labels = test.labels(question)
    test, labels = test.select(labels != "optimal"), labels[labels != "optimal"]
    allowed = within_limits(train, max_data, max_width)
    rows: list[SeedScore] = []
    others: dict[str, list[Score]] = {name: [] for name in baselines}
    for seed in seeds:
        mask = allowed if cells is None else allowed & sample_cells(train, question, cells, seed)
        part = train.select(mask)
        try:
            if cells is not None or not rows:  # without a draw every seed has the same tree
                tree = MDTree.fit(part, question=question, variant=variant, search=search)
        except InputError as error:
            raise InputError(f"training set of seed {seed}: {error}") from error
        known, clear = clear_labels(part, question)
        got = scores(tree.predict(test), labels)
        rows.append(
            SeedScore(
                seed=seed,
                n_train=int(clear.sum()),
                train_accuracy=tree.train_accuracy,
                thresholds=tree.thresholds,
                accuracy=got["accuracy"],
                balanced_accuracy=got["balanced_accuracy"],
            )
        )
        for name, found in others.items():
            answers = fit_baseline(name, part.select(clear), known[clear], test, question, seed)
            got = scores(answers, labels)
            found.append(
                Score(
                    seed=seed,
                    accuracy=got["accuracy"],
                    balanced_accuracy=got["balanced_accuracy"],
                )
            )
    prior = scores(MDTree.zero_shot(question, variant).predict(test), labels)
    limits = {"max_data": max_data, "max_width": max_width, "min_width": min_width}
    return EvaluationResult(
        environment=Environment.capture(seed=seeds[0]),
        question=question,
        variant=variant,
        search=tree.search,
        train=train.name,
        test=test.name,
        cells=cells,
        limits={name: value for name, value in limits.items() if value is not None},
        n_test=len(labels),
        majority=100 * float(np.unique(labels, return_counts=True)[1].max() / len(labels)),
        zero_shot=prior["accuracy"],
        zero_shot_balanced=prior["balanced_accuracy"],
        per_seed=tuple(rows),
        baselines={name: tuple(found) for name, found in others.items()},
    )
