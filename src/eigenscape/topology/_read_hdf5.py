"""Grids from HDF5 and netCDF: the surfaces of other tools, and those of this package."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from eigenscape.errors import InputError
from eigenscape.topology._grid import Grid, grid_values, refuse_too_large
from eigenscape.topology._read_choice import choose_axes, choose_value


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
        raise InputError(f"{path}: reading HDF5 needs h5py. Mend: pip install h5py") from error
    try:
        with h5py.File(path, "r") as file:
            found: dict[str, Any] = {}
            file.visititems(
                lambda name, item: (
                    found.update({name: item})
                    if isinstance(item, h5py.Dataset) and item.shape is not None
                    else None
                )
            )
            shapes = {
                name: tuple(item.shape)
                for name, item in found.items()
                if item.dtype.kind in "fiubc"
            }
            return _from_arrays(path, found, shapes, value)
    except OSError as error:
        raise InputError(f"{path} cannot be read as HDF5: {error}") from error


def _from_arrays(
    path: Path, arrays: dict[str, Any], shapes: dict[str, tuple[int, ...]], value: str | None
) -> Grid:
    surfaces = {name: shape for name, shape in shapes.items() if "coordinates" not in name}
    name = choose_value(surfaces, value, str(path))
    label = f"{path}[{name}]"
    refuse_too_large(int(np.prod(shapes[name], dtype=np.float64)), label)
    axes = choose_axes({key: shapes[key] for key in shapes if key != name}, len(shapes[name]))
    values = grid_values(arrays[name][()], label)
    others = [key for key in surfaces if key != name and key not in axes]
    notes = [f"read {name}; also there: {', '.join(others)}"] if others else []
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
        with xr.open_dataset(path, engine="scipy" if classic else "h5netcdf") as data:
            shapes = {str(k): tuple(v.shape) for k, v in data.data_vars.items() if v.ndim}
            name = choose_value(shapes, value, str(path))
            array = data[name]
            refuse_too_large(array.size, f"{path}[{name}]")
            has_axes = all(dim in data.coords for dim in array.dims)
            others = [key for key in shapes if key != name]
            return Grid(
                values=grid_values(array.values, f"{path}[{name}]"),
                axes=tuple(np.asarray(data[dim], dtype=np.float64) for dim in array.dims)
                if has_axes
                else None,
                names=tuple(map(str, array.dims)),
                source=str(path),
                value=name,
                notes=(f"read {name}; also there: {', '.join(others)}",) if others else (),
            )
    except ModuleNotFoundError as error:
        raise InputError(f"{path}: reading netCDF-4 needs h5py. Mend: pip install h5py") from error
    except InputError:
        raise
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} cannot be read as netCDF: {error}") from error
