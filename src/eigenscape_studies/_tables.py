"""Rows of measurements, and what claims and tables read from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eigenscape.stats import interval

if TYPE_CHECKING:
    import pandas as pd

Rows = list[dict[str, Any]]


def matching(rows: Iterable[Mapping[str, Any]], **where: Any) -> Rows:
    """Return the rows whose columns have these values.

    >>> matching([{"a": 1, "b": 2}, {"a": 3, "b": 4}], a=3)
    [{'a': 3, 'b': 4}]
    """
    return [dict(row) for row in rows if all(row[name] == x for name, x in where.items())]


def column(rows: Iterable[Mapping[str, Any]], name: str, **where: Any) -> NDArray[np.float64]:
    """Return one column of the rows that match.

    >>> column([{"a": 1, "b": 2}, {"a": 3, "b": 4}], "b", a=3)
    array([4.])
    """
    return np.array([row[name] for row in matching(rows, **where)], dtype=np.float64)


def means(
    rows: Rows, keys: tuple[str, ...], score: str, *, beside: tuple[str, ...] = (), each: str = ""
) -> Rows:
    """Return mean and interval of a score for each value of the keys, in order of appearance.

    Args:
        rows: the measurements.
        keys: columns that identify the groups.
        score: the column that is averaged.
        beside: columns of which the mean alone is given, where they are known.
        each: a column whose equal values are averaged first: repeats with several draws.
    """
    import pandas as pd

    found: Rows = []
    for key, group in pd.DataFrame(rows).groupby(list(keys), sort=False):
        part: pd.DataFrame = group.groupby(each).mean(numeric_only=True) if each else group
        row = {**dict(zip(keys, key, strict=True)), **interval(part[score])._asdict()}
        row |= {name: float(part[name].mean()) for name in beside if name in part}
        found.append(row)
    return found


def rounded(values: Any, digits: int = 5) -> Any:
    """Return nested numbers rounded to so many digits.

    >>> rounded([[1 / 3, 2.0]], 3)
    [[0.333, 2.0]]
    """
    if isinstance(values, (list, tuple, np.ndarray)):
        return [rounded(value, digits) for value in values]
    return float(f"{float(values):.{digits}g}")


def plain(value: Any) -> Any:
    """Return nested values with Python's own numbers and lists, as files keep them.

    >>> plain({"a": (np.float64(1.0), np.array([2, 3]))})
    {'a': [1.0, [2, 3]]}
    """
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
