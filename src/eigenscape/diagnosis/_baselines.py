"""Baselines of a diagnosis: trees on cheaper or other columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eigenscape.diagnosis._population import Population
from eigenscape.errors import InputError

if TYPE_CHECKING:
    from eigenscape.diagnosis._labels import Labels

_DEPTH = 4
VALIDATION = ("train_error", "train_loss", "test_loss", "test_error")
LANDSCAPE = ("train_error", "mode_connectivity_peak", "CKA", "hessian_t")
ONE_CHECKPOINT = ("train_error", "hessian_t")


def _log(name: str, fallback: str) -> Callable[[Population], NDArray[np.float64]]:
    def column(population: Population) -> NDArray[np.float64]:
        known = name if name in population.table.columns else fallback
        return np.log(population.features([known])[:, 0])

    return column


_LOG_DATA = _log("data_amount", "data")
_LOG_PARAMETERS = _log("para_amount", "width")
_LOG_TEMPERATURE = _log("temperature", "temperature")


def hyperparameters(population: Population, question: str) -> NDArray[np.float64]:
    """Return ln data and ln parameters; without the one in question."""
    columns = {"data": _LOG_DATA, "width": _LOG_PARAMETERS}
    return np.stack(
        [column(population) for name, column in columns.items() if name != question], axis=1
    )


#: Baseline to its columns. ``temperature`` cheats: it knows the very knob that is diagnosed.
BASELINES: dict[str, Callable[[Population, str], NDArray[np.float64]]] = {
    "validation": lambda population, _: population.features(VALIDATION),
    "hyperparameters": hyperparameters,
    "hyperparameters + validation": lambda population, question: np.hstack(
        [hyperparameters(population, question), population.features(VALIDATION)]
    ),
    "free landscape": lambda population, _: population.features(LANDSCAPE),
    "one checkpoint": lambda population, _: population.features(ONE_CHECKPOINT),
    "temperature (cheats)": lambda population, _: _LOG_TEMPERATURE(population)[:, None],
}


def fit_baseline(
    name: str, train: Population, labels: Labels, test: Population, question: str, seed: int
) -> Labels:
    """Fit a baseline and return its answers: a CART tree (Gini, depth 4) on its columns.

    Args:
        name: one of ``BASELINES``.
        train: configurations that are not optimal.
        labels: of ``train``.
        test: configurations to answer for.
        question: what is asked.
        seed: which of equally good splits is taken. The paper's figures were made with a seed of
            its own for each repetition; the released code keeps the first one.

    Raises:
        InputError: an unknown baseline, or missing metrics.
    """
    from sklearn.tree import DecisionTreeClassifier

    if name not in BASELINES:
        raise InputError(f"baseline is {name!r}; expected one of {', '.join(BASELINES)}")
    columns = BASELINES[name]
    tree = DecisionTreeClassifier(max_depth=_DEPTH, random_state=seed)
    tree.fit(columns(train, question), labels)
    answers: Labels = tree.predict(columns(test, question))
    return answers
