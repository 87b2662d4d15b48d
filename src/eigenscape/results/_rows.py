"""A row of a result by its place or its name."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Protocol, TypeVar


class Named(Protocol):
    """Something with a name."""

    @property
    def name(self) -> str:
        """How it is called."""


RowT = TypeVar("RowT", bound=Named)


def find_row(rows: Sequence[RowT], key: str | int) -> RowT:
    """Return a row by its place, from 0 or from the end, or by its name.

    Args:
        rows: in their order.
        key: the place or the name.

    Raises:
        KeyError: no row has the name; those that are near it are named.
        IndexError: there are fewer rows.

    >>> from pathlib import PurePath
    >>> rows = [PurePath("fc1"), PurePath("fc2")]
    >>> find_row(rows, -1).name, find_row(rows, "fc1").name
    ('fc2', 'fc1')
    """
    if isinstance(key, int):
        if not -len(rows) <= key < len(rows):
            raise IndexError(f"row {key} of {len(rows)}; expected 0 to {len(rows) - 1}")
        return rows[key]
    for row in rows:
        if row.name == key:
            return row
    names = [row.name for row in rows]
    near = get_close_matches(key, names, n=3) or names[:3]
    raise KeyError(f"no row {key!r} among {len(rows)}. Try: {', '.join(near)}")
