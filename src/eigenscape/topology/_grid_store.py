"""How the values of a grid go into a result file and come back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Larger grids are left out of result files: 200,000 samples are about 4 MB of JSON.
LARGEST_STORED = 200_000


def stored(values: NDArray[np.float64] | None) -> list[Any] | None:
    """Return the flat values as JSON can hold them, or None where they are too many.

    NaN and +inf are the same to a merge tree and become null; -inf becomes the lowest float.
    """
    if values is None or values.size > LARGEST_STORED:
        return None
    flat = np.where(values == -np.inf, np.finfo(np.float64).min, values).ravel()
    return [value if np.isfinite(value) else None for value in flat.tolist()]


def unstored(flat: list[Any] | None, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
    """Return the grid that :func:`stored` wrote.

    >>> unstored(stored(np.array([[1.0, np.inf]])), (1, 2)).tolist()
    [[1.0, inf]]
    """
    if flat is None:
        return None
    values = [np.inf if value is None else value for value in flat]
    return np.array(values, dtype=np.float64).reshape(shape)
