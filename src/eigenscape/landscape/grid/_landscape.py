"""The landscape: losses on a grid, with coordinates and directions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError
from eigenscape.landscape.grid._directions import Unit
from eigenscape.landscape.grid._landscape_findings import (
    NOISES,
    landscape_answer,
    landscape_findings,
)
from eigenscape.models import BatchNormPolicy
from eigenscape.results import Result, decode

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from eigenscape.results import Finding
    from eigenscape.topology import MergeTree, Neighborhood, Profile

_LARGEST = 2**31


def grid_axis(radius: float, steps: int) -> NDArray[np.float64]:
    """Return ``steps`` equally spaced coordinates from ``-radius`` to ``radius``.

    They are symmetric to the last bit, and the middle one of an odd number is 0.

    >>> grid_axis(0.3, 5).tolist()
    [-0.3, -0.15, 0.0, 0.15, 0.3]
    """
    return radius * (2.0 * np.arange(steps) - (steps - 1)) / (steps - 1)


def check_grid_size(steps: Any, radius: Any, dim: int) -> None:
    """Raise an error for an invalid grid, or one that is too large.

    Raises:
        InputError: with the figures.
    """
    wrong = []
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 3:
        wrong.append(f"steps is {steps!r}; expected a whole number of 3 or more")
    elif steps**dim > _LARGEST:
        wrong.append(
            f"{steps}^{dim} is {float(steps) ** dim:.3g} points; at most {_LARGEST:.2g} are "
            "sampled. Try: fewer steps, or fewer dimensions"
        )
    good = isinstance(radius, int | float) and not isinstance(radius, bool)
    if not good or not (math.isfinite(radius) and radius > 0):
        wrong.append(f"radius is {radius!r}; expected a number above 0")
    if wrong:
        raise InputError("; ".join(wrong))


FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Landscape(Result):
    """The loss on a regular grid around a model; from :func:`sample`.

    Args:
        model: the model's class.
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
        loss_at_center: of the unchanged model.
        noise: the uncertainty of a loss: the difference of two evaluations, or the rounding of
            the dtype, whichever is larger.
        seconds: of this sampling, without what an earlier one had finished.
        evaluations: points evaluated in that time.
        notes: remarks on the landscape.
        coordinates: along each axis, those evaluated.
        values: losses, one axis for each direction; +inf where one is not finite.
    """

    schema: ClassVar[str] = "eigenscape.landscape/1"
    also_written: ClassVar[tuple[str, ...]] = ("lowest",)
    model: str
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
    coordinates: tuple[FloatArray, ...] = field(repr=False)
    values: FloatArray = field(repr=False)

    def __post_init__(self) -> None:
        shape = self.values.shape
        axes = tuple(len(axis) for axis in self.coordinates if axis.ndim == 1)
        if axes != shape or not len(self.names) == len(self.norms) == len(shape):
            raise InputError(
                f"losses of shape {shape} have coordinates of {axes} points, {len(self.names)} "
                f"names and {len(self.norms)} norms; expected one of each for every axis"
            )
        if not self.values.size or not shape:
            raise InputError(f"losses of shape {shape} hold no grid; expected points along an axis")
        wrong = int((np.isnan(self.values) | np.isneginf(self.values)).sum())
        if wrong:
            raise InputError(
                f"{wrong} losses of {self.values.size} are nan or -inf; a loss that is not finite "
                "is kept as +inf"
            )

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
    def axes(self) -> tuple[str, ...]:
        """The axes' names in tables and files: ``alpha_1``, ``alpha_2``, ..."""
        return tuple(f"alpha_{i + 1}" for i in range(self.values.ndim))

    @property
    def on_grid(self) -> bool:
        """Whether the model is a point of the grid, as of an odd number of steps."""
        return all(bool((axis == 0).any()) for axis in self.coordinates)

    @property
    def lowest(self) -> tuple[float, ...] | None:
        """The coordinates of the lowest point, the first of equal ones; None if none is finite."""
        if self.not_finite == self.values.size:
            return None
        place = np.unravel_index(int(np.argmin(self.values)), self.values.shape)
        return tuple(float(axis[k]) for axis, k in zip(self.coordinates, place, strict=True))

    @property
    def is_lower(self) -> bool:
        """Whether the lowest point is below the model by more than the noise of a loss."""
        below = self.loss_at_center - float(self.values.min())
        return below > NOISES * self.noise

    @property
    def answer(self) -> str:
        """Whether the model is the lowest point of its grid; else which is, and by how much."""
        return landscape_answer(self)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """A lower point, points that are not finite, a coarse grid, how many minima."""
        return landscape_findings(self)

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
        if points < 3 or any(size % 2 == 0 for size in self.values.shape):
            return math.nan
        place: list[Any] = [size // 2 for size in self.values.shape]
        place[axis] = slice(points // 2 - 1, points // 2 + 2)
        low, middle, high = self.values[tuple(place)].tolist()
        step = float(np.diff(self.coordinates[axis]).mean()) * self.norms[axis]
        bent = (low - 2 * middle + high) / step**2
        return bent if math.isfinite(bent) else math.nan

    # ------------------------------------------------------------------ topology

    def merge_tree(self, connectivity: Neighborhood = "full") -> MergeTree:
        """Return the merge tree of the losses; see :func:`eigenscape.topology.merge_tree`."""
        from eigenscape.topology import merge_tree

        return merge_tree(self.values, connectivity)

    def profile(self, connectivity: Neighborhood = "full") -> Profile:
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

        return decode(read_netcdf(Path(path)), cls, where=str(path))
