"""Grids from text: a matrix of losses, or a long table of coordinates and losses."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError
from eigenscape.topology._grid import Grid, grid_values
from eigenscape.topology._read_choice import COORDINATE_NAMES, LOSS_NAMES, few, is_accuracy

FloatArray = NDArray[np.float64]

_KNOWN = {name for names in COORDINATE_NAMES for name in names}
#: More coordinates than this are no grid: it would have 2^17 samples at the least.
_MOST_AXES = 16


def read_text(path: Path, value: str | None) -> Grid:
    """Read ``.csv``, ``.tsv`` or ``.txt``; commas, semicolons, tabs or blanks between the cells.

    A header with names makes it a long table: one row for each sample, in any order. Numbers alone
    are a matrix, unless all columns but the last run through a complete grid. An empty first cell
    makes the first row and the first column coordinates. Lines that begin with # are comments,
    except a first one that names every column.

    Raises:
        InputError: ragged rows, words among the numbers, missing or repeated samples.
    """
    comments, first, skip = _head(path)
    delimiter = _delimiter(first)
    cells = _cells(first, delimiter)
    if cells[0] == "" and len(cells) > 1:
        return _labelled(path, delimiter, cells[1:], skip)
    if any(not _is_number(cell) for cell in cells):
        return _long(path, _table(path, delimiter, skip), cells, value)
    table = _table(path, delimiter, 0)
    for comment in comments:
        named = _cells(comment, _delimiter(comment))
        if len(named) == table.shape[1] > 1 and {name.lower() for name in named} & _KNOWN:
            return _long(path, table, named, value)
    if value is not None:
        raise InputError(f"{path} has no names of columns; value is {value!r}")
    if table.shape[1] >= 3 and _is_complete_grid(table[:, :-1]):
        names = [*(f"column {k + 1}" for k in range(table.shape[1] - 1)), "loss"]
        grid = _long(path, table, names, "loss")
        note = f"no header: read as {table.shape[1] - 1} coordinates and a loss in each row"
        return Grid(**{**grid.__dict__, "notes": (note, *grid.notes)})
    return Grid(values=grid_values(_squeezed(table), str(path)), source=str(path))


def _long(path: Path, table: FloatArray, columns: list[str], value: str | None) -> Grid:
    if table.shape[1] != len(columns):
        raise InputError(
            f"{path} has {len(columns)} names in its header and {table.shape[1]} columns below it"
        )
    lower = [name.lower() for name in columns]
    loss = _loss_column(path, columns, lower, value)
    known = [k for k in range(len(columns)) if k != loss and lower[k] in _KNOWN]
    keys = known or [k for k in range(len(columns)) if k != loss]
    if not keys:
        raise InputError(
            f"{path} has one column, {columns[loss]!r}, and no coordinates; expected columns such "
            "as x, y, loss. Try: leave the header out if this is a plain 1-D series"
        )
    if len(keys) > _MOST_AXES:
        raise InputError(
            f"{path} has {len(keys)} columns besides {columns[loss]!r}; a grid has at most "
            f"{_MOST_AXES} coordinates. Try: name the coordinates x, y, z or alpha, beta, gamma"
        )
    others = [columns[k] for k in range(len(columns)) if k != loss and k not in keys]
    axes, values = _pivot(path, table[:, keys], table[:, loss], [columns[k] for k in keys])
    notes = (f"read {columns[loss]}; also there: {few(others)}",) if others else ()
    return Grid(
        values=grid_values(values, str(path)),
        axes=axes,
        names=tuple(columns[k] for k in keys),
        source=str(path),
        value=columns[loss],
        notes=notes,
    )


def _loss_column(path: Path, columns: list[str], lower: list[str], value: str | None) -> int:
    if value is not None:
        if value not in columns:
            raise InputError(f"{path} has the columns {', '.join(columns)}; value is {value!r}")
        return columns.index(value)
    for name in LOSS_NAMES:
        if name in lower:
            return lower.index(name)
    rest = [k for k, name in enumerate(lower) if name not in _KNOWN]
    if (len(rest) == 1 or len(rest) == len(columns)) and not is_accuracy(columns[rest[-1]]):
        return rest[-1]
    raise InputError(
        f"{path} has the columns {', '.join(columns)}; which is the loss? Try: value=NAME"
    )


def _pivot(
    path: Path, keys: FloatArray, losses: FloatArray, names: list[str]
) -> tuple[tuple[FloatArray, ...], FloatArray]:
    """Sort rows of coordinates and losses into a grid, whatever their order."""
    if not np.isfinite(keys).all():
        row = int(np.flatnonzero(~np.isfinite(keys).all(axis=1))[0])
        raise InputError(f"{path}: sample {row + 1} has a coordinate that is not a finite number")
    axes, places = [], []
    for column in keys.T:
        axis, place = _levels(column)
        axes.append(axis)
        places.append(place)
    shape = tuple(len(axis) for axis in axes)
    cells = float(np.prod([float(size) for size in shape]))
    if cells > 4 * len(losses) + 16:  # scattered samples: no grid at all
        raise InputError(
            f"{path} has {len(losses)} samples on {'×'.join(map(str, shape))} different "
            f"coordinates ({', '.join(names)}); that is not a regular grid. "
            "Try: give one row for each grid point"
        )
    flat = np.ravel_multi_index(places, shape)
    counts = np.bincount(flat, minlength=int(cells))
    missing, doubled = int((counts == 0).sum()), int((counts > 1).sum())
    if missing or doubled:
        where = np.flatnonzero(counts != 1)[0]
        spot = ", ".join(
            f"{name}={axis[k]:g}"
            for name, axis, k in zip(names, axes, np.unravel_index(where, shape), strict=True)
        )
        raise InputError(
            f"{path} does not fill its {'×'.join(map(str, shape))} grid ({', '.join(names)}): "
            f"{missing} samples missing, {doubled} more than once (first: {spot}). "
            "Try: one row for each grid point; write nan where a point was not measured"
        )
    values = np.empty(len(losses))
    values[flat] = losses
    return tuple(axes), values.reshape(shape)


def _levels(column: FloatArray) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return the distinct coordinates and the level of each row; rounding noise is one level."""
    levels, place = np.unique(column, return_inverse=True)
    if len(levels) > 1:
        near = np.diff(levels) <= 1e-9 * (levels[-1] - levels[0])
        if near.any():
            group = np.concatenate(([0], np.cumsum(~near)))
            levels = levels[np.concatenate(([True], ~near))]
            place = group[place]
    return levels, place.astype(np.int64)


def _is_complete_grid(keys: FloatArray) -> bool:
    if len(keys) < 2.0 ** min(keys.shape[1], 64):  # each coordinate has two levels or more
        return False
    levels = [_levels(column)[0] for column in keys.T]
    if not np.isfinite(keys).all() or min(map(len, levels)) < 2:
        return False
    cells = int(np.prod([len(axis) for axis in levels], dtype=np.float64))
    return cells == len(keys) and len(np.unique(keys, axis=0)) == len(keys)


def _labelled(path: Path, delimiter: str | None, labels: list[str], skip: int) -> Grid:
    """Read a matrix whose first row and first column are coordinates (a saved data frame)."""
    if not all(_is_number(label) for label in labels):
        raise InputError(
            f"{path} begins with an empty cell and the names {', '.join(labels[:4])}; expected "
            "numbers: the coordinates of the columns"
        )
    table = _table(path, delimiter, skip)
    if table.shape[1] != len(labels) + 1:
        raise InputError(f"{path} has {len(labels)} column labels and {table.shape[1] - 1} columns")
    axes = (table[:, 0].copy(), np.array([float(label) for label in labels]))
    note = "the first row and the first column were read as coordinates"
    values = grid_values(table[:, 1:], str(path))
    return Grid(values=values, axes=axes, source=str(path), notes=(note,))


def _table(path: Path, delimiter: str | None, skip: int) -> FloatArray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # numpy only warns about a table without rows
            return np.loadtxt(
                path,
                delimiter=delimiter,
                skiprows=skip,
                ndmin=2,
                encoding="utf-8-sig",
                comments="#",
                quotechar='"',
            )
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text: {error}") from error
    except (ValueError, UserWarning) as error:
        words = str(error)
        if "number of columns" in words:
            words = words.partition(";")[0] + ": the rows are ragged"
        elif "no data" in words:
            words = "it has no rows of numbers"
        raise InputError(f"{path} cannot be read as a table of numbers: {words}") from error


def _head(path: Path) -> tuple[list[str], str, int]:
    """Return the comments above the table, its first line, and the number of that line."""
    comments = []
    try:
        with path.open(encoding="utf-8-sig") as handle:
            for number, line in enumerate(handle, 1):
                text = line.strip("\r\n ")
                if text.startswith("#"):
                    comments.append(text.lstrip("# "))
                elif text:
                    return comments, text, number
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text ({error}); expected a table of numbers") from error
    raise InputError(f"{path} has no rows; expected a table of numbers")


def _cells(line: str, delimiter: str | None) -> list[str]:
    return [cell.strip().strip('"') for cell in re.split(delimiter or r"\s+", line)]


def _delimiter(line: str) -> str | None:
    return next((mark for mark in (",", ";", "\t") if mark in line), None)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _squeezed(table: FloatArray) -> FloatArray:
    return table.ravel() if 1 in table.shape else table
