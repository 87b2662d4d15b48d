"""Landscapes as xarray datasets and netCDF files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eigenscape.errors import InputError
from eigenscape.results import dumps, replacing

if TYPE_CHECKING:
    import xarray as xr

    from eigenscape.landscape.grid._landscape import Landscape

_WORDS = {
    "absolute": "distance in parameter space",
    "relative": "share of the norm of the moved parameters",
    "direction": "multiple of the direction",
}
#: The attribute that holds everything, as JSON; the others are there for people.
_WHOLE = "eigenscape"


def to_dataset(landscape: Landscape) -> xr.Dataset:
    """Return the losses with their coordinates, the cosines, and attributes."""
    import xarray as xr

    coordinates: dict[str, Any] = {
        name: (name, axis, {"long_name": direction, "units": _WORDS[landscape.unit]})
        for name, axis, direction in zip(
            landscape.axes, landscape.coordinates, landscape.names, strict=True
        )
    }
    # it begins as JSON files do, so that the command knows its own files
    described = landscape.to_dict()
    del described["values"], described["coordinates"]
    plain = {
        key: value
        for key, value in described.items()
        if isinstance(value, str | float) or (isinstance(value, int) and value < 2**31)
    }
    return xr.Dataset(
        {
            "loss": (landscape.axes, landscape.values, {"long_name": "mean loss"}),
            "gram": (
                ("direction", "other_direction"),
                np.array(landscape.gram),
                {"long_name": "cosines between the directions"},
            ),
        },
        coords={**coordinates, "direction": list(landscape.names)},
        attrs={_WHOLE: dumps(described), **plain},
    )


def write_netcdf(landscape: Landscape, path: Path) -> Path:
    """Write a file of netCDF's classic format, atomically: scipy reads and writes it by itself.

    Raises:
        OutputError: the file could not be written.
    """
    with replacing(path) as temporary:
        to_dataset(landscape).to_netcdf(temporary, engine="scipy")
    return path


def read_netcdf(path: Path) -> dict[str, Any]:
    """Return a landscape as its JSON file would hold it.

    Raises:
        InputError: no such file, or not a landscape.
    """
    import xarray as xr

    if not path.is_file():
        raise InputError(f"cannot read {path}: there is no such file")
    try:
        with xr.open_dataset(path, engine="scipy") as lazy:
            file = lazy.load()
        data: dict[str, Any] = json.loads(file.attrs[_WHOLE])
        data["values"] = file["loss"].values.tolist()
        data["coordinates"] = [file[str(name)].values.tolist() for name in file["loss"].dims]
    except Exception as error:  # netCDF, xarray and JSON have errors of their own each
        raise InputError(
            f"{path} is not a landscape that eigenscape wrote ({type(error).__name__}: {error})"
        ) from error
    return data
