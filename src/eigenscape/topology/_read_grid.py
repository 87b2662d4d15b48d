"""Read grids from files, whichever tool wrote them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from eigenscape.errors import EigenscapeError, InputError
from eigenscape.topology._grid import Grid
from eigenscape.topology._read_hdf5 import read_hdf5, read_netcdf
from eigenscape.topology._read_numpy import read_npy, read_npz
from eigenscape.topology._read_result import read_result
from eigenscape.topology._read_text import read_text

_READERS: dict[str, Callable[[Path, str | None], Grid]] = {
    ".npy": read_npy,
    ".npz": read_npz,
    ".csv": read_text,
    ".tsv": read_text,
    ".txt": read_text,
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
    ".nc": read_netcdf,
    ".json": read_result,
}


def read_grid(path: str | Path, *, value: str | None = None) -> Grid:
    r"""Read a grid of losses from a file.

    Args:
        path: ``.npy``, ``.npz``, ``.csv``/``.tsv``/``.txt`` (a matrix, or a long table with columns
            such as x, y, loss), ``.h5``/``.hdf5`` (surfaces of tomgoldstein/loss-landscape),
            ``.nc`` (netCDF) or ``.json`` (a saved landscape of this package).
        value: which array or column holds the loss. By default ``loss``, ``train_loss`` and the
            like, or the only candidate.

    Raises:
        InputError: no such file, empty, damaged, a pickle, not numbers, or a choice is needed.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "long.csv"
    ...     _ = path.write_text("x,y,loss\n1,0,7\n0,0,5\n0,1,6\n1,1,8\n")
    ...     read_grid(path).values.tolist()
    [[5.0, 6.0], [7.0, 8.0]]
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; expected a file with a grid")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"{path} ends in {path.suffix or 'nothing'}; grids are read from {', '.join(_READERS)}."
            " Try: of a landscape of this package, its landscape.json"
        )
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty. Try: write the grid again")
    try:
        grid = reader(path, value)
    except EigenscapeError:
        raise
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # one boundary: a damaged file never ends in a traceback
        said = " ".join(str(error).split())[:300]
        raise InputError(
            f"{path} cannot be read as a grid: {type(error).__name__}: {said}. "
            "Try: write the file again"
        ) from error
    return _described(grid)


def _described(grid: Grid) -> Grid:
    """Drop axes of one sample; count what is not finite."""
    notes = list(grid.notes)
    keep = [k for k, size in enumerate(grid.shape) if size > 1]
    if len(keep) < len(grid.shape):
        notes.append(f"shape {grid.shape}: axes of one sample were left out")
        fitting = grid.coordinates
        names = grid.names if len(grid.names) == len(grid.shape) else ()
        grid = replace(
            grid,
            values=grid.values.reshape([grid.shape[k] for k in keep]),
            axes=tuple(fitting[k] for k in keep) if fitting else None,
            names=tuple(names[k] for k in keep if names),
        )
    bad = int((~np.isfinite(grid.values)).sum())
    if bad:
        notes.append(f"{bad} of {grid.values.size} samples are not finite; they count as +inf")
    if grid.axes is not None and grid.coordinates is None:
        lengths = "×".join(str(len(axis)) for axis in grid.axes)
        shape = "×".join(map(str, grid.shape))
        notes.append(f"the coordinates ({lengths}) do not fit the values ({shape}); see check-grid")
    names = grid.names or tuple(f"axis {k}" for k in range(grid.values.ndim))
    return replace(grid, names=names, notes=tuple(notes))
