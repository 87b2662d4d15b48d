"""Grids from numpy's own files, without ever running a pickle."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from eigenscape.errors import InputError
from eigenscape.topology._grid import Grid, grid_values, refuse_too_large
from eigenscape.topology._read_choice import choose_axes, choose_value


def read_npy(path: Path, value: str | None) -> Grid:
    """Read one ``.npy`` array.

    Raises:
        InputError: not such a file, truncated, an array of Python objects, or not a grid.
    """
    if value is not None:
        raise InputError(f"{path} holds one array without a name; it has no {value!r}")
    with path.open("rb") as handle:
        _header(handle, str(path))
    try:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path} cannot be read: {error}. Mend: copy it again, whole") from error
    refuse_too_large(mapped.size, str(path))
    return Grid(values=grid_values(np.array(mapped), str(path)), source=str(path))


def read_npz(path: Path, value: str | None) -> Grid:
    """Read the losses, and coordinates where it has them, from an ``.npz`` archive.

    Raises:
        InputError: not such an archive, damaged, or no array that is clearly the loss.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.endswith(".npy")]
            shapes = {}
            for member in members:
                with archive.open(member) as handle:
                    label = f"{path}[{member[:-4]}]"
                    shapes[member[:-4]] = _header(handle, label, objects=True)
            name = choose_value(shapes, value, str(path))
            return _from_archive(path, archive, name, shapes)
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError) as error:
        raise InputError(
            f"{path} is not a whole .npz archive: {error}. Mend: copy it again"
        ) from error


def _from_archive(
    path: Path, archive: zipfile.ZipFile, name: str, shapes: dict[str, tuple[int, ...]]
) -> Grid:
    def array(key: str) -> np.ndarray:
        with archive.open(f"{key}.npy") as handle:
            label = f"{path}[{key}]"
            _header(handle, label)
        with archive.open(f"{key}.npy") as handle:
            try:
                loaded: np.ndarray = np.lib.format.read_array(handle, allow_pickle=False)
            except (ValueError, zipfile.BadZipFile) as error:
                raise InputError(f"{label} cannot be read: {error}") from error
        return loaded

    refuse_too_large(int(np.prod(shapes[name], dtype=np.float64)), f"{path}[{name}]")
    axes = choose_axes(
        {key: shape for key, shape in shapes.items() if key != name}, len(shapes[name])
    )
    others = [key for key in shapes if key != name and key not in axes]
    notes = (f"read {name}; also there: {', '.join(others)}",) if others else ()
    return Grid(
        values=grid_values(array(name), f"{path}[{name}]"),
        axes=tuple(np.asarray(array(key), dtype=np.float64) for key in axes) or None,
        names=axes,
        source=str(path),
        value=name,
        notes=notes,
    )


def _header(handle: IO[bytes], source: str, *, objects: bool = False) -> tuple[int, ...]:
    """Return the shape that an ``.npy`` header states; refuse Python objects."""
    try:
        version = np.lib.format.read_magic(handle)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(handle)
    except (ValueError, EOFError) as error:
        raise InputError(
            f"{source} is not a numpy array file: {error}. Mend: write it with numpy.save"
        ) from error
    if dtype.hasobject and not objects:
        raise InputError(
            f"{source} holds pickled Python objects (dtype {dtype}, shape {shape}); unpickling can "
            "run code, so it was not read. Mend: save it again as a plain float array"
        )
    return tuple(shape)
