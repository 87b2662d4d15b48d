"""The header of a ``.gguf`` file: its metadata, and where each tensor lies."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from eigenscape.checkpoints._text import shown_name
from eigenscape.errors import CheckpointError

MAGIC = b"GGUF"
Value = int | float | bool | str | list[int]

_VERSIONS = (2, 3)
_ALIGNMENT = 32  # where the file does not say: the format's own
_MOST_DIMS = 4  # ggml's own limit
_MOST_TEXT = 65_535  # bytes of a key or a tensor's name, the format's own limit
_KEPT = 4096  # entries of an array, bytes of a text; longer ones (vocabularies) are passed over
_DEEPEST = 4  # arrays of arrays
_SCALARS = {  # code of the type -> struct's letter
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_WHOLE = frozenset("BbHhIiQq")
_TEXT, _ARRAY = 8, 9
#: The fewest bytes of a key with its value, of a tensor's entry, and of a text or an array.
_LEAST_KEY, _LEAST_TENSOR, _LEAST_TEXT, _LEAST_ARRAY = 13, 24, 8, 12


@dataclass(frozen=True)
class StoredTensor:
    """One entry of the header.

    Args:
        name: as the file has it.
        shape: outermost axis first, the reverse of the file's order.
        kind: the number of ggml's storage type.
        offset: of its first byte, in the file.
    """

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int


@dataclass(frozen=True)
class Header:
    """What stands before the data.

    Args:
        metadata: key to value; without long texts and arrays, such as the vocabulary.
        tensors: in the file's order.
        size: bytes of the file.
    """

    metadata: Mapping[str, Value]
    tensors: tuple[StoredTensor, ...]
    size: int


def read_header(path: Path) -> Header:
    """Read the header; every count and length in it is compared with the file's size first.

    Raises:
        CheckpointError: the file is truncated, corrupt, or of a version that cannot be read.
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        return _read(_Cursor(file, path))


class _Cursor:
    """A place in a file that never leads beyond its end."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path
        self.size = os.fstat(file.fileno()).st_size
        self.at = 0

    def wrong(self, what: str) -> CheckpointError:
        return CheckpointError(
            f"{self._path} is a GGUF file, and {what}. It is truncated or corrupt. "
            "Try: compare its size with the original's, and copy or download it again"
        )

    def room_for(self, count: int, least: int, what: str) -> None:
        """Refuse a number of things that the rest of the file cannot hold."""
        if count * least > self.size - self.at:
            raise self.wrong(f"its header says {count:,} {what}, more than its {self.size:,} bytes")

    def take(self, count: int) -> bytes:
        self.room_for(count, 1, "bytes")
        found = self._file.read(count)
        if len(found) != count:
            raise self.wrong("it ends within its header")
        self.at += count
        return found

    def skip(self, count: int) -> None:
        self.room_for(count, 1, "bytes")
        self._file.seek(count, os.SEEK_CUR)
        self.at += count

    def number(self, letter: str) -> int:
        (found,) = struct.unpack(f"<{letter}", self.take(struct.calcsize(f"<{letter}")))
        return int(found)

    def text(self) -> str:
        length = self.number("Q")
        if length > _MOST_TEXT:
            raise self.wrong(f"it has a name of {length:,} bytes, where 65,535 are allowed")
        return self.take(length).decode("utf-8")


def _read(cursor: _Cursor) -> Header:
    if cursor.take(4) != MAGIC:
        raise cursor.wrong("it does not begin as one")
    version = cursor.number("I")
    if version & 0xFFFF == 0:
        raise CheckpointError(
            f"{cursor._path} is a GGUF file for big-endian machines, which is not read. "
            "Try: the little-endian file of the same model"
        )
    if version not in _VERSIONS:
        raise CheckpointError(
            f"{cursor._path} is a GGUF file of version {version}; expected 2 or 3. "
            "Try: convert it again with the program that made it"
        )
    tensors, keys = cursor.number("Q"), cursor.number("Q")
    cursor.room_for(keys, _LEAST_KEY, "keys")
    metadata: dict[str, Value] = {}
    for _ in range(keys):
        key = cursor.text()
        value = _value(cursor, cursor.number("I"))
        if value is not None:
            metadata[key] = value
    cursor.room_for(tensors, _LEAST_TENSOR, "tensors")
    entries = [_entry(cursor) for _ in range(tensors)]
    start = _aligned(cursor, metadata)
    found = [
        StoredTensor(name, shape, kind, start + offset) for name, shape, kind, offset in entries
    ]
    _check_names(cursor, found)
    return Header(metadata, tuple(found), cursor.size)


def _value(cursor: _Cursor, kind: int, depth: int = 0) -> Value | None:
    """Return one value; None for what is passed over."""
    if kind == _TEXT:
        length = cursor.number("Q")
        if length > _KEPT:
            cursor.skip(length)
            return None
        return cursor.take(length).decode("utf-8")
    if kind == _ARRAY:
        return _array(cursor, depth + 1)
    letter = _letter(cursor, kind)
    (found,) = struct.unpack(f"<{letter}", cursor.take(struct.calcsize(f"<{letter}")))
    value: Value = found
    return value


def _letter(cursor: _Cursor, kind: int) -> str:
    if kind not in _SCALARS:
        raise cursor.wrong(f"its metadata has a value of the unknown type {kind}")
    return _SCALARS[kind]


def _array(cursor: _Cursor, depth: int) -> list[int] | None:
    kind, count = cursor.number("I"), cursor.number("Q")
    if depth > _DEEPEST:
        raise cursor.wrong("its metadata has arrays within arrays, too deep")
    if kind in (_TEXT, _ARRAY):
        text = kind == _TEXT
        cursor.room_for(count, _LEAST_TEXT if text else _LEAST_ARRAY, "texts or arrays")
        for _ in range(count):
            if text:
                cursor.skip(cursor.number("Q"))
            else:
                _array(cursor, depth + 1)
        return None
    letter = _letter(cursor, kind)
    size = struct.calcsize(f"<{letter}")
    cursor.room_for(count, size, "entries of an array")
    if count > _KEPT or letter not in _WHOLE:
        cursor.skip(count * size)
        return None
    return list(struct.unpack(f"<{count}{letter}", cursor.take(count * size)))


def _entry(cursor: _Cursor) -> tuple[str, tuple[int, ...], int, int]:
    """Name, shape, type, and place from where the data begin."""
    name = cursor.text()
    dims = cursor.number("I")
    if dims > _MOST_DIMS:
        raise cursor.wrong(f"{shown_name(name)} has {dims} axes, where {_MOST_DIMS} are allowed")
    shape = tuple(cursor.number("Q") for _ in range(dims))[::-1]
    return name, shape, cursor.number("I"), cursor.number("Q")


def _aligned(cursor: _Cursor, metadata: Mapping[str, Value]) -> int:
    """Where the data begin."""
    step = metadata.get("general.alignment", _ALIGNMENT)
    if not isinstance(step, int) or step < 1 or step & (step - 1):
        raise cursor.wrong(f"its alignment is {step}, where a power of two is expected")
    return -(-cursor.at // step) * step


def _check_names(cursor: _Cursor, tensors: list[StoredTensor]) -> None:
    seen: set[str] = set()
    for tensor in tensors:
        if tensor.name in seen:
            raise cursor.wrong(f"two of its tensors are named {shown_name(tensor.name)}")
        seen.add(tensor.name)
