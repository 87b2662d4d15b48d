"""Grids from HDF5 and netCDF: the surfaces of other tools, and those of this package."""

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from eigenscape.errors import InputError
from eigenscape.topology._grid import (
    DEFLATE_LIMIT,
    Grid,
    grid_values,
    refuse_long_axis,
    refuse_too_large,
)
from eigenscape.topology._read_choice import choose_axes, choose_value, few

_MOST, _DEEPEST = 2000, 32  # of what is looked at


def read_hdf5(path: Path, value: str | None) -> Grid:
    """Read a surface file such as those of tomgoldstein/loss-landscape.

    Those hold ``xcoordinates``, ``ycoordinates`` and surfaces named ``train_loss``, ``train_acc``,
    ``test_loss`` ...; a point that was not evaluated yet holds -1 there, and NaN here.

    Raises:
        InputError: no HDF5, no surface, or h5py is missing.
    """
    try:
        h5py = import_module("h5py")
    except ImportError as error:
        raise InputError(f"{path}: reading HDF5 needs h5py. Try: pip install h5py") from error
    try:
        with h5py.File(path, "r") as file:
            found = _data_sets(h5py, file, path)
            shapes = {name: tuple(item.shape) for name, item in found.items()}
            return _from_arrays(path, found, shapes, value)
    except InputError:
        raise
    except (OSError, RuntimeError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} cannot be read as HDF5: {error}") from error


def _data_sets(h5py: Any, file: Any, path: Path) -> dict[str, Any]:
    """Return the numeric data sets of an open file, once none of them reaches beyond it.

    Raises:
        InputError: a data set whose values lie in another file, or that states more bytes than
            the file stores.
    """
    found: dict[str, Any] = {}
    seen = 0

    def visit(name: str, item: Any) -> None:  # hard links only: h5py follows no link out of a file
        nonlocal seen
        seen += 1
        if seen > _MOST or name.count("/") > _DEEPEST:
            raise InputError(
                f"{path} holds more than {_MOST:,} groups and data sets, or groups within more "
                f"than {_DEEPEST} others; the file of a grid holds a few. Try: copy the surface "
                "and its coordinates into a file of their own"
            )
        if not isinstance(item, h5py.Dataset) or item.shape is None:
            return
        if item.dtype.kind not in "fiubc":
            return
        if item.external or item.is_virtual:
            where = "external storage" if item.external else "a virtual data set"
            raise InputError(
                f"{path}[{name}] keeps its values in another file ({where}); a grid is read from "
                "the file that is named, and no other. Try: copy the data into one file"
            )
        stored, stated = item.id.get_storage_size(), item.size * item.dtype.itemsize
        if stated > DEFLATE_LIMIT * max(stored, 1):
            raise InputError(
                f"{path}[{name}] states the shape {item.shape} ({stated:,} bytes), but {stored:,} "
                "bytes of it are stored: nothing was written there, or the file is damaged"
            )
        found[name] = item

    file.visititems(visit)
    return found


def _from_arrays(
    path: Path, arrays: dict[str, Any], shapes: dict[str, tuple[int, ...]], value: str | None
) -> Grid:
    surfaces = {name: shape for name, shape in shapes.items() if "coordinates" not in name}
    name = choose_value(surfaces, value, str(path))
    label = f"{path}[{name}]"
    samples = math.prod(shapes[name])
    refuse_too_large(samples, label)
    axes = choose_axes({key: shapes[key] for key in shapes if key != name}, len(shapes[name]))
    for key in axes:
        refuse_long_axis(shapes[key], samples, f"{path}[{key}]")
    values = grid_values(arrays[name][()], label)
    others = [key for key in surfaces if key != name and key not in axes]
    notes = [f"read {name}; also there: {few(others)}"] if others else []
    unfinished = values == -1.0
    if name.endswith(("_loss", "_acc")) and axes and axes[0] == "xcoordinates" and unfinished.any():
        notes.append(f"{int(unfinished.sum())} samples hold -1: not evaluated yet; read as NaN")
        values = grid_values(np.where(unfinished, np.nan, values), label)
    return Grid(
        values=values,
        axes=tuple(np.asarray(arrays[key][()], dtype=np.float64) for key in axes) or None,
        names=axes,
        source=str(path),
        value=name,
        notes=tuple(notes),
    )


def read_netcdf(path: Path, value: str | None) -> Grid:
    """Read one variable of a netCDF file; the coordinates are those of its dimensions.

    Raises:
        InputError: no netCDF, or no variable that is clearly the loss.
    """
    import xarray as xr

    with path.open("rb") as handle:
        classic = handle.read(3) == b"CDF"
    try:
        if not classic:
            _refuse_outside(path)
        with xr.open_dataset(path, engine="scipy" if classic else "h5netcdf") as data:
            shapes = {str(k): tuple(v.shape) for k, v in data.data_vars.items() if v.ndim}
            name = choose_value(shapes, value, str(path))
            array = data[name]
            refuse_too_large(array.size, f"{path}[{name}]")
            has_axes = all(dim in data.coords for dim in array.dims)
            if classic:
                _refuse_beyond_file(path, array, [data[dim] for dim in array.dims if has_axes])
            others = [key for key in shapes if key != name]
            return Grid(
                values=grid_values(array.values, f"{path}[{name}]"),
                axes=tuple(np.asarray(data[dim], dtype=np.float64) for dim in array.dims)
                if has_axes
                else None,
                names=tuple(map(str, array.dims)),
                source=str(path),
                value=name,
                notes=(f"read {name}; also there: {few(others)}",) if others else (),
            )
    except ModuleNotFoundError as error:
        raise InputError(f"{path}: reading netCDF-4 needs h5py. Try: pip install h5py") from error
    except InputError:
        raise
    except Exception as error:  # what the libraries below raise on damaged files has no end
        said = " ".join(str(error).split())[:300]
        raise InputError(
            f"{path} cannot be read as netCDF: {type(error).__name__}: {said}"
        ) from error


def _refuse_outside(path: Path) -> None:
    """Look at every data set of a netCDF-4 file before anything is read from it."""
    h5py = import_module("h5py")
    with h5py.File(path, "r") as file:
        _data_sets(h5py, file, path)


def _refuse_beyond_file(path: Path, array: Any, axes: list[Any]) -> None:
    """Refuse a classic netCDF header that states more bytes than the file has."""
    stated = sum(
        item.size * item.encoding.get("dtype", item.dtype).itemsize for item in (array, *axes)
    )
    if stated > path.stat().st_size:
        raise InputError(
            f"{path}[{array.name}] states {stated:,} bytes; the file has "
            f"{path.stat().st_size:,}. Try: copy it again, whole"
        )
