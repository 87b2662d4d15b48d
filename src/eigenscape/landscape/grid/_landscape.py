"""The landscape: losses on a grid, and all that is needed to read them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from eigenscape.landscape.grid._directions import Unit
from eigenscape.results import Environment, Result

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

    from eigenscape.models._modes import BatchNormPolicy
    from eigenscape.topology import MergeTree, Profile
    from eigenscape.topology._graph import Connectivity

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Landscape(Result):
    """The loss on a regular grid around a model; from :func:`sample`.

    Args:
        model: the model's class.
        values: losses, one axis for each direction; +inf where one is not finite.
        coordinates: along each axis, those evaluated.
        names: of the directions.
        kind: of the directions: ``"random"``, ``"hessian"``, ...
        normalization: of the directions.
        unit: of the coordinates: ``"absolute"``, ``"relative"`` or ``"direction"``.
        norms: how far coordinate 1 is from the center, in parameter space.
        gram: cosines between the directions.
        rayleigh: curvatures ``d^T H d / d^T d`` along the directions, where they are known; those
            of Hessian directions are the eigenvalues.
        parameters: real numbers that are moved.
        samples: of the data.
        data_hash: of the data.
        batch_norm: the policy.
        dtype: of the evaluation.
        loss_at_center: of the untouched model.
        noise: by how much a loss may be off: the difference of two evaluations, or the rounding of
            the dtype, whichever is larger.
        seconds: of this sampling, without what an earlier one had finished.
        evaluations: points evaluated in that time.
        notes: what a reader should know.
    """

    schema: ClassVar[str] = "eigenscape.landscape/1"
    model: str
    values: FloatArray = field(repr=False)
    coordinates: tuple[FloatArray, ...] = field(repr=False)
    names: tuple[str, ...]
    kind: str
    normalization: str
    unit: Unit
    norms: tuple[float, ...]
    gram: tuple[tuple[float, ...], ...]
    rayleigh: tuple[float, ...] | None
    parameters: int
    samples: int
    data_hash: str
    batch_norm: BatchNormPolicy
    dtype: str
    loss_at_center: float
    noise: float
    seconds: float
    evaluations: int
    notes: tuple[str, ...] = ()

    # ------------------------------------------------------------------ numbers

    @property
    def radius(self) -> float:
        """Half the width of the grid, in its unit."""
        return float(self.coordinates[0][-1])

    @property
    def not_finite(self) -> int:
        """How many losses are not finite."""
        return int(np.isinf(self.values).sum())

    @property
    def evaluations_per_second(self) -> float:
        """Speed; NaN where nothing was left to evaluate."""
        return self.evaluations / self.seconds if self.evaluations and self.seconds else math.nan

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes' names in tables and files: ``alpha_1``, ``alpha_2``, ..."""
        return tuple(f"alpha_{i + 1}" for i in range(self.values.ndim))

    def curvature_check(self) -> pd.DataFrame:
        """Compare the curvature on the grid with that of the Hessian, axis by axis.

        ``on_grid`` is the second difference at the center over the squared length of a step. It
        tends to ``rayleigh`` as steps get short; where it is far off, the grid is too coarse to
        show the curvature at the center. NaN where there is no center, or nothing to compare with.
        """
        import pandas as pd

        rows = []
        known = self.rayleigh or (math.nan,) * self.values.ndim
        for axis, (name, curvature) in enumerate(zip(self.names, known, strict=True)):
            bent = self._second_difference(axis)
            rows.append({"direction": name, "on_grid": bent, "rayleigh": curvature})
        return pd.DataFrame(rows)

    def _second_difference(self, axis: int) -> float:
        points = self.values.shape[axis]
        if any(size % 2 == 0 for size in self.values.shape):
            return math.nan
        place: list[Any] = [size // 2 for size in self.values.shape]
        place[axis] = slice(points // 2 - 1, points // 2 + 2)
        low, middle, high = self.values[tuple(place)].tolist()
        step = float(np.diff(self.coordinates[axis]).mean()) * self.norms[axis]
        bent = (low - 2 * middle + high) / step**2
        return bent if math.isfinite(bent) else math.nan

    # ------------------------------------------------------------------ topology

    def merge_tree(self, connectivity: Connectivity = "full") -> MergeTree:
        """Return the merge tree of the losses; see :func:`eigenscape.topology.merge_tree`."""
        from eigenscape.topology import merge_tree

        return merge_tree(self.values, connectivity)

    def profile(self, connectivity: Connectivity = "full") -> Profile:
        """Return the profile; see :func:`eigenscape.topology.landscape_profile`."""
        from eigenscape.topology import landscape_profile

        return landscape_profile(self.merge_tree(connectivity))

    # ------------------------------------------------------------------ forms

    def frame(self) -> pd.DataFrame:
        """Return one row for each point: its coordinates and its loss."""
        import pandas as pd

        grids = np.meshgrid(*self.coordinates, indexing="ij")
        columns = {name: grid.ravel() for name, grid in zip(self.axes, grids, strict=True)}
        return pd.DataFrame({**columns, "loss": self.values.ravel()})

    def to_xarray(self) -> xr.Dataset:
        """Return a Dataset: ``loss`` on ``alpha_1``, ...; ``gram``; the rest as attributes."""
        from eigenscape.landscape.grid._landscape_netcdf import to_dataset

        return to_dataset(self)

    def plot(self) -> Figure:
        """Draw the curve, the contour or central slices, and the profile."""
        from eigenscape.landscape.grid._plot_landscape import plot_landscape

        return plot_landscape(self)

    # ------------------------------------------------------------------ files

    def save(self, path: str | Path) -> Path:
        """Write JSON, or netCDF where the path ends in ``.nc``; atomically.

        Raises:
            OutputError: the file could not be written.
        """
        if Path(path).suffix != ".nc":
            return super().save(path)
        from eigenscape.landscape.grid._landscape_netcdf import write_netcdf

        return write_netcdf(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a landscape back, from JSON or netCDF.

        Raises:
            InputError: not such a file.
        """
        if Path(path).suffix != ".nc":
            return super().load(path)
        from eigenscape.landscape.grid._landscape_netcdf import read_netcdf

        data, environment = read_netcdf(Path(path))
        return cls.from_payload(data, environment)

    def description(self) -> dict[str, Any]:
        """Return everything but the losses and their coordinates."""
        names = [
            item.name
            for item in fields(self)
            if item.name not in ("environment", "values", "coordinates")
        ]
        return {name: getattr(self, name) for name in names}

    def payload(self) -> dict[str, Any]:
        """Return everything but schema and environment."""
        return {
            **self.description(),
            "coordinates": [axis.tolist() for axis in self.coordinates],
            "values": self.values.tolist(),
        }

    @classmethod
    def from_payload(cls, data: dict[str, Any], environment: Environment) -> Self:
        """Rebuild from :meth:`payload`; a loss of None is +inf."""
        rest = {item.name: data[item.name] for item in fields(cls) if item.name in data}
        values = np.asarray(data["values"], dtype=np.float64)
        changed = {
            "environment": environment,
            "values": np.where(np.isnan(values), np.inf, values),
            "coordinates": tuple(np.asarray(axis, dtype=float) for axis in data["coordinates"]),
            "gram": tuple(map(tuple, data["gram"])),
            "rayleigh": None if data["rayleigh"] is None else tuple(data["rayleigh"]),
            **{name: tuple(data[name]) for name in ("names", "norms", "notes")},
        }
        return cls(**{**rest, **changed})
