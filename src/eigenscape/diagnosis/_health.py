"""Whether trees can be fitted to a population."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eigenscape.diagnosis._labels import ANSWERS
from eigenscape.diagnosis._population import Population

if TYPE_CHECKING:
    import pandas as pd

_INSIDE = 0.70  # of the cells: below, the temperatures do not bracket the best one
_CLASS = 0.20  # of the labels
_COLLAPSED = 0.05  # of the configurations
_CHANCE = 1.5  # times chance: at or below it a network has learned next to nothing


@dataclass(frozen=True, kw_only=True)
class Health:
    """The health of a population for one question.

    Args:
        inside: share of the cells of three or more temperatures whose best temperature is neither
            the lowest nor the highest; NaN without such a cell.
        shares: answer to its share among the labels that are not a tie.
        collapsed: share of the configurations near chance; None where the protocol does not state
            ``classes``.
        problems: what is wrong, in sentences; empty if nothing is.
    """

    inside: float
    shares: Mapping[str, float]
    collapsed: float | None
    problems: tuple[str, ...]


def check_health(population: Population, question: str = "temperature") -> Health:
    """Return the health of a population.

    A label at the edge of the grid is uncertain: values beyond it were not tried. The bounds (70 %
    of the best temperatures inside, 20 % for each answer, 5 % collapsed) are this package's.

    Raises:
        InputError: an unknown question.
    """
    labels = population.labels(question)
    clear = labels[labels != "optimal"]
    shares = {
        name: float((clear == name).mean()) if len(clear) else 0.0 for name in ANSWERS[question]
    }
    inside = _inside(population)
    collapsed = _collapsed(population)
    problems = []
    if not inside >= _INSIDE:
        problems.append(
            f"the best temperature lies inside its range in {100 * inside:.0f} % of the cells "
            f"(expected {100 * _INSIDE:.0f} %): extend the temperatures"
            if np.isfinite(inside)
            else "no cell has three temperatures: the best one cannot be bracketed"
        )
    problems += [
        f"only {100 * share:.0f} % of the labels are {name!r} (expected {100 * _CLASS:.0f} %): "
        "accuracy says little; read the balanced one"
        for name, share in shares.items()
        if share < _CLASS
    ]
    if collapsed is not None and collapsed > _COLLAPSED:
        problems.append(_where_collapsed(population))
    return Health(inside=inside, shares=shares, collapsed=collapsed, problems=tuple(problems))


def _inside(population: Population) -> float:
    found = []
    for _, cell in population.table.groupby(["data", "width"]):
        if len(cell) >= 3:
            best = cell["temperature"][cell["test_acc"].idxmax()]
            found.append(cell["temperature"].min() < best < cell["temperature"].max())
    return float(np.mean(found)) if found else float("nan")


def _collapsed(population: Population) -> float | None:
    near = _near_chance(population)
    return None if near is None else float(near.mean())


def _near_chance(population: Population) -> pd.Series | None:
    classes = population.protocol.get("classes")
    if not isinstance(classes, int | float):
        return None
    return population.table["test_acc"] <= _CHANCE * 100 / classes


def _where_collapsed(population: Population) -> str:
    """Say at which temperatures networks fail, by the table: below or above their cell's best."""
    near, table = _near_chance(population), population.table
    assert near is not None
    best = table.loc[table.groupby(["data", "width"])["test_acc"].idxmax()]
    best = best.set_index(["data", "width"])["temperature"]
    own = table.join(best.rename("best"), on=["data", "width"])[near]
    cold, hot = own[own["temperature"] < own["best"]], own[own["temperature"] > own["best"]]
    parts, advice = [], []
    for rows, words, what in (
        (cold, "below", "raise the lowest temperatures, or train longer there"),
        (hot, "above", "lower the highest temperatures"),
    ):
        if len(rows):
            span = f"{rows['temperature'].min():.3g} to {rows['temperature'].max():.3g}"
            parts.append(f"{len(rows)} at temperatures {words} their cell's best ({span})")
            advice.append(what)
    rest = len(own) - len(cold) - len(hot)
    if rest:
        parts.append(f"{rest} at their cell's best, which no temperature of the grid helps")
        advice.append("train such cells longer, or leave them out")
    return (
        f"{len(own)} of {len(table)} configurations are near chance (expected less than "
        f"{100 * _COLLAPSED:.0f} %), {', '.join(parts)}: {'; '.join(advice)}"
    )
