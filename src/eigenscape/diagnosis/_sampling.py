"""The configurations that a tree is fitted to: random cells, or the small end of the grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eigenscape.diagnosis._population import Population
from eigenscape.errors import InputError

#: The paper's five seeds.
SEEDS = (42, 90, 38, 18, 72)


def sample_cells(population: Population, question: str, count: int, seed: int) -> NDArray[np.bool_]:
    """Return the mask of ``count`` cells, drawn without replacement as in the paper's code.

    A cell includes everything that it varies: for the temperature, all temperatures of one width
    and one amount of data.

    Args:
        population: from which.
        question: decides what a cell is (:meth:`Population.cells`).
        count: how many.
        seed: of NumPy's legacy generator; the paper's are 42, 90, 38, 18 and 72.

    Raises:
        InputError: more cells than there are, or fewer than 1.
    """
    cells = population.cells(question)
    known = int(cells.max()) + 1
    if not 1 <= count <= known:
        raise InputError(f"cells is {count}; {population.name} has {known} of them")
    drawn = np.random.RandomState(seed).choice(known, count, replace=False)
    return np.isin(cells, drawn)


def subset(
    population: Population,
    *,
    max_data: float | None = None,
    max_width: float | None = None,
    min_width: float | None = None,
) -> Population:
    """Return the configurations within limits, the ends included."""
    return population.select(within_limits(population, max_data, max_width, min_width))


def within_limits(
    population: Population,
    max_data: float | None = None,
    max_width: float | None = None,
    min_width: float | None = None,
) -> NDArray[np.bool_]:
    """Return the mask of these configurations."""
    table = population.table
    mask = np.ones(len(population), dtype=bool)
    if max_data is not None:
        mask &= table["data"].to_numpy() <= max_data
    if max_width is not None:
        mask &= table["width"].to_numpy() <= max_width
    if min_width is not None:
        mask &= table["width"].to_numpy() >= min_width
    return mask
