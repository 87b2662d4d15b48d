"""A grid of losses from a file: values, coordinates, and notes on how they were read."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eigenscape.errors import InputError

FloatArray = NDArray[np.float64]

#: Deflate packs at most 1,032 bytes into one (zlib, "Maximum Compression Factor").
DEFLATE_LIMIT = 1032

# A merge tree holds about this many float64-sized arrays of the grid's length at a time.
_WORKING_COPIES = 12


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A regular n-dimensional grid of losses.

    Args:
        values: float64, n-D. NaN and +inf are allowed : not measured, or diverged.
        axes: one array of coordinates per dimension, as the file has them (their lengths may
            contradict ``values.shape``: :func:`check_grid` says so), or None.
        names: a name per dimension.
        source: where the values came from.
        value: the name of the array or column that was read.
        notes: remarks on the grid, in sentences.
    """

    values: FloatArray = field(repr=False)
    axes: tuple[FloatArray, ...] | None = field(default=None, repr=False)
    names: tuple[str, ...] = ()
    source: str = "array"
    value: str = ""
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Samples along each dimension."""
        return self.values.shape

    @property
    def coordinates(self) -> tuple[FloatArray, ...] | None:
        """The axes, where they fit the values."""
        if self.axes is None or tuple(map(len, self.axes)) != self.shape:
            return None
        return self.axes


def grid_values(values: ArrayLike, source: str = "the grid") -> FloatArray:
    """Return ``values`` as a float64 grid, or raise an error that says why not.

    Args:
        values: anything that numpy reads as an array of numbers.
        source: what to call it in an error.

    Raises:
        InputError: not numbers, complex, without dimension, fewer than two samples, nothing finite,
            or too large for the memory of this machine.

    >>> grid_values([[1, 2], [3, 4]]).dtype
    dtype('float64')
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(f"{source} is ragged: {error}. Try: give rows of equal length") from error
    if array.dtype.kind not in "fiub":
        raise InputError(
            f"{source} holds {_kind(array.dtype)} of shape {array.shape}; expected real numbers. "
            + ("Try: give its real part" if array.dtype.kind == "c" else "Try: save plain floats")
        )
    if array.size < 2:
        raise InputError(
            f"{source} has shape {array.shape}: {array.size} sample(s); a topology needs at least 2"
        )
    refuse_too_large(array.size, source)
    numbers = np.asarray(array, dtype=np.float64)
    if not np.isfinite(numbers).any():
        raise InputError(
            f"{source} (shape {array.shape}) has no finite value: nothing was measured, or "
            "everything diverged. Try: sample a smaller neighbourhood"
        )
    return numbers


def measured(values: FloatArray, *, superlevel: bool = False) -> FloatArray:
    """Return the values with every sample that is not finite put above (below) all others.

    NaN and +inf become +inf, which a merge tree reaches last; for superlevel sets -inf.
    """
    lost = np.isnan(values) | (values == np.inf)
    return np.where(lost, -np.inf if superlevel else np.inf, values)


def refuse_too_large(samples: int, source: str) -> None:
    """Raise an error if the merge tree would not fit into the memory of this machine.

    Raises:
        InputError: with the sizes.
    """
    needed, there = 8 * _WORKING_COPIES * samples, memory()
    if there and needed > there:
        raise InputError(
            f"{source} has {samples:,} samples; its merge tree needs about {needed / 2**30:.1f} "
            f"GiB and this machine has {there / 2**30:.1f} GiB. Try: thin the grid (every second "
            "sample along each axis), or use a larger machine"
        )


def refuse_long_axis(shape: tuple[int, ...], samples: int, source: str) -> None:
    """Raise an error if there are more coordinates than samples: they belong to another grid.

    Raises:
        InputError: with both counts.
    """
    if math.prod(shape) > max(samples, 2):
        raise InputError(
            f"{source} holds coordinates of shape {shape} for a grid of {samples:,} samples; "
            "expected at most one along an axis for each sample. Try: value=NAME, the "
            "name of the loss"
        )


def memory() -> int:
    """Return the bytes of memory of this machine, 0 if unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def precision(values: FloatArray) -> str:
    """Return the coarsest float type that holds every finite value exactly.

    >>> precision(np.array([0.5, 3.0])), precision(np.array([0.1]))
    ('float16', 'float64')
    """
    finite = values[np.isfinite(values)]
    with np.errstate(over="ignore"):
        for kind in (np.float16, np.float32):
            if np.array_equal(finite.astype(kind).astype(np.float64), finite):
                return np.dtype(kind).name
    return "float64"


def _kind(dtype: np.dtype[np.generic]) -> str:
    words = {
        "c": "complex numbers",
        "O": "Python objects",
        "U": "text",
        "S": "bytes",
        "V": "records",
    }
    return f"{words.get(dtype.kind, 'values')} (dtype {dtype})"
