"""Grids from numpy's own files, without running pickles."""

from __future__ import annotations

import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

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


def read_npy(path: Path, value: str | None) -> Grid:
    """Read one ``.npy`` array.

    Raises:
        InputError: not such a file, truncated, an array of Python objects, or not a grid.
    """
    if value is not None:
        raise InputError(f"{path} holds one array without a name; it has no {value!r}")
    with path.open("rb") as handle:
        header = _header(handle, str(path))
        refuse_too_large(header.samples, str(path))
    try:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path} cannot be read: {error}. Try: copy it again, whole") from error
    return Grid(values=grid_values(np.array(mapped), str(path)), source=str(path))


def read_npz(path: Path, value: str | None) -> Grid:
    """Read the losses, and coordinates where it has them, from an ``.npz`` archive.

    Raises:
        InputError: not such an archive, damaged, or no array that is clearly the loss.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {
                member.filename[:-4]: member
                for member in archive.infolist()
                if member.filename.endswith(".npy")
            }
            shapes = {}
            for key, member in members.items():
                with archive.open(member) as handle:
                    header = _header(handle, f"{path}[{key}]", objects=True)
                _refuse_untrue_size(header, member, f"{path}[{key}]")
                shapes[key] = header.shape
            name = choose_value(shapes, value, str(path))
            return _from_archive(path, archive, name, shapes)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise InputError(
            f"{path} is not a whole .npz archive: {error}. Try: copy it again"
        ) from error


def _from_archive(
    path: Path, archive: zipfile.ZipFile, name: str, shapes: dict[str, tuple[int, ...]]
) -> Grid:
    def array(key: str) -> np.ndarray:
        label = f"{path}[{key}]"
        with archive.open(f"{key}.npy") as handle:
            _header(handle, label)
        with archive.open(f"{key}.npy") as handle:
            try:
                loaded: np.ndarray = np.lib.format.read_array(handle, allow_pickle=False)
            except (ValueError, zipfile.BadZipFile) as error:
                raise InputError(f"{label} cannot be read: {error}") from error
        return loaded

    samples = math.prod(shapes[name])
    refuse_too_large(samples, f"{path}[{name}]")
    rest = {key: shape for key, shape in shapes.items() if key != name}
    axes = choose_axes(rest, len(shapes[name]))
    for key in axes:
        refuse_long_axis(shapes[key], samples, f"{path}[{key}]")
    others = [key for key in shapes if key != name and key not in axes]
    notes = (f"read {name}; also there: {few(others)}",) if others else ()
    return Grid(
        values=grid_values(array(name), f"{path}[{name}]"),
        axes=tuple(np.asarray(array(key), dtype=np.float64) for key in axes) or None,
        names=axes,
        source=str(path),
        value=name,
        notes=notes,
    )


@dataclass(frozen=True)
class _Header:
    """What an ``.npy`` header states."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def samples(self) -> int:
        return math.prod(self.shape)


def _refuse_untrue_size(header: _Header, member: zipfile.ZipInfo, source: str) -> None:
    """Refuse a header that states more bytes than its compressed data can hold."""
    stated = header.samples * header.dtype.itemsize
    if not header.dtype.hasobject and stated > DEFLATE_LIMIT * max(member.compress_size, 1):
        raise InputError(
            f"{source} states the shape {header.shape} ({stated:,} bytes), but the archive holds "
            f"{member.compress_size:,} compressed bytes of it: the file is damaged or made to "
            "exhaust memory. Try: write it again with numpy.savez"
        )


def _header(handle: IO[bytes], source: str, *, objects: bool = False) -> _Header:
    """Return what an ``.npy`` header states; refuse Python objects."""
    try:
        version = np.lib.format.read_magic(handle)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(handle)
    except (zipfile.BadZipFile, zlib.error, OSError):
        raise  # the archive itself is damaged
    except Exception as error:  # numpy parses the header as Python text: any of its errors
        said = " ".join(str(error).split())
        raise InputError(
            f"{source} is not a numpy array file: {said}. Try: write it with numpy.save"
        ) from error
    if dtype.hasobject and not objects:
        raise InputError(
            f"{source} holds pickled Python objects (dtype {dtype}, shape {shape}); unpickling can "
            "run code, so it was not read. Try: save it again as a plain float array"
        )
    return _Header(tuple(shape), dtype)
