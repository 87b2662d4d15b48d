"""Grids from the result files of this package: a landscape, or a grid examined before."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from eigenscape.errors import InputError
from eigenscape.results import load
from eigenscape.topology._grid import Grid, grid_values

#: The results that hold a grid; which of their fields are its axes.
_AXES = {
    "eigenscape.landscape": "coordinates",
    "eigenscape.topology": "axes",
    "eigenscape.grid_report": "",
}


def read_result(path: Path, value: str | None) -> Grid:
    """Read the losses of a saved result: ``landscape.json``, or what was made from a grid.

    Raises:
        InputError: not a result file, a result without a grid, or one saved without its losses.
    """
    result = load(path)
    kind = result.schema.partition("/")[0]
    if kind not in _AXES:
        raise InputError(
            f"{path} holds {result.schema}, which has no grid; expected "
            f"{', '.join(_AXES)}. Try: the landscape.json of eigenscape landscape"
        )
    if value not in (None, "loss"):
        raise InputError(f"{path} has no array {value!r}; it holds: loss")
    fields = vars(result)
    if fields["values"] is None:
        raise InputError(
            f"{path} was saved without its losses, as large grids are. Try: the grid itself"
        )
    axes = fields.get(_AXES[kind])
    names = fields.get("names", ())
    return Grid(
        values=grid_values(fields["values"], str(path)),
        axes=None if axes is None else tuple(np.asarray(axis, dtype=np.float64) for axis in axes),
        names=tuple(names),
        source=str(path),
        value="loss",
    )
