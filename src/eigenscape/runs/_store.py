"""The folder of a run: one file for each finished task, one for each failure, and a manifest.

A finished task's file is an ``.npz``: its zip members carry CRC-32 checksums, which are checked
when it is read. It holds no pickle.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError
from eigenscape.results import Environment, dumps, encode, read_object, replacing, write_text
from eigenscape.runs._parcel import SPOOL
from eigenscape.runs._task import Task

_RUN = "eigenscape.run/1"
_MANIFEST = "run.json"
_STRUCTURE = "__structure__"
_HASH = re.compile(r"[0-9a-f]{32,}")
_OWN_PART = re.compile(r"\.(run\.json|.*-[0-9a-f]{16}\.(npz|error\.json))\.\w+\.part")

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Slot:
    """Where a task writes its result; small, so that it can be sent to a worker."""

    folder: Path
    key: str

    @property
    def finished(self) -> Path:
        """The file of the value."""
        return self.folder / f"{self.key}.npz"

    @property
    def failed(self) -> Path:
        """The file of the error."""
        return self.folder / f"{self.key}.error.json"


@dataclass(frozen=True)
class Record:
    """A value, and the seconds that it took when it was computed."""

    value: Any
    seconds: float


def write_record(slot: Slot, record: Record) -> None:
    """Write a finished task's file atomically, and delete the record of an earlier failure.

    Raises:
        InputError: a value that cannot be kept without a pickle.
        OutputError: the file could not be written.
    """
    structure, arrays = pack(record.value)
    entry = {"key": slot.key, "seconds": record.seconds, "value": structure}
    text = np.frombuffer(json.dumps(entry, allow_nan=False).encode(), dtype=np.uint8)
    with replacing(slot.finished, sweep=False) as temporary, temporary.open("wb") as file:
        np.savez(file, **{_STRUCTURE: text, **arrays})  # type: ignore[arg-type]  # a fault of the stubs
    slot.failed.unlink(missing_ok=True)


def read_record(slot: Slot) -> Record | None:
    """Read a finished task's file; None where there is none, or a damaged one.

    Raises:
        InputError: the file exists and cannot be read.
    """
    try:
        file = slot.finished.open("rb")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"cannot read {slot.finished}: {error.strerror or error}") from error
    with file:
        try:
            with np.load(file, allow_pickle=False) as archive:
                entry = json.loads(archive[_STRUCTURE].tobytes())
                arrays = {name: archive[name] for name in archive.files if name != _STRUCTURE}
            if entry["key"] != slot.key:
                return None
            return Record(unpack(entry["value"], arrays), float(entry["seconds"]))
        except Exception:
            # Damage can show in any layer (zip, checksum, array header, JSON), each with errors of
            # its own; whatever it was, this file is not to be trusted.
            return None


def write_failure(slot: Slot, name: str, error: str, traceback: str) -> None:
    """Write the failure of a task.

    Raises:
        OutputError: the file could not be written.
    """
    _write_json(slot.failed, {"name": name, "error": error, "traceback": traceback})


# --- the folder -----------------------------------------------------------------------------------


def open_folder(folder: Path, keys: Mapping[str, str], about: Mapping[str, Any] | None) -> None:
    """Write ``run.json``, the manifest of the run, and delete temporary files of a killed run.

    Args:
        folder: made if it is not there.
        keys: by task name.
        about: what all results depend on, in JSON's own types; see :func:`read_about`.

    Raises:
        InputError: the folder holds a run about something else; what differs is named.
        OutputError: the folder cannot be made or written to.
    """
    if about is not None:
        _compare(read_about(folder), about, folder)
    content = {
        "schema": _RUN,
        "environment": encode(Environment.capture()),
        "about": about,
        "tasks": [{"name": name, "key": key} for name, key in keys.items()],
    }
    _write_json(folder / _MANIFEST, content)
    for part in folder.glob(".*.part"):
        if _OWN_PART.fullmatch(part.name):
            part.unlink(missing_ok=True)
    for spool in folder.glob(f"{SPOOL}*"):
        shutil.rmtree(spool, ignore_errors=True)


def read_about(folder: Path | str) -> dict[str, Any] | None:
    """Return what the run in a folder is about, or None where there is no run yet.

    Raises:
        InputError: the folder's ``run.json`` is not the manifest of a run.
    """
    path = Path(folder) / _MANIFEST
    if not path.exists():
        return None
    manifest = read_object(path)
    if manifest.get("schema") != _RUN:
        raise InputError(f"{path} is not the manifest of a run. Try: another folder")
    about = manifest.get("about") or {}
    if not isinstance(about, dict):
        raise InputError(f"{path} is not the manifest of a run. Try: another folder")
    return about


def unfinished(tasks: Sequence[Task], folder: Path | str) -> list[Task]:
    """Return the tasks that have no file of a value in a run's folder."""
    return [task for task in tasks if not Slot(Path(folder), task.key).finished.exists()]


def _compare(found: Mapping[str, Any] | None, wanted: Mapping[str, Any], folder: Path) -> None:
    if found is None:
        return
    changed = [
        _told(name, found.get(name), wanted.get(name))
        for name in {**wanted, **found}
        if not _same(found.get(name), wanted.get(name))
    ]
    if changed:
        changed.sort(key=_is_bare)  # what can be set comes first
        raise InputError(
            f"{folder} holds a run about something else; changed: {', '.join(changed)}. "
            "Try: another folder, or the settings of that one"
        )


def _told(name: str, there: Any, now: Any) -> str:
    """Say how a setting differs; of contents that are known by their hashes alone, that they do."""
    hashes = [isinstance(one, str) and _HASH.fullmatch(one) for one in (there, now)]
    return name if any(hashes) else f"{name} ({there} there, {now} now)"


def _is_bare(told: str) -> bool:
    return not told.endswith(")")


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-6)  # threads may add in another order
    return bool(one == other)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    # A file name that is not UTF-8 reaches Python as lone surrogates, which errors like to quote;
    # their escape is JSON's own.
    text = dumps(content, indent=1).encode("utf-8", "backslashreplace").decode()
    write_text(path, text + "\n")


# --- values ---------------------------------------------------------------------------------------


def pack(value: Any) -> tuple[Any, Arrays]:
    """Split a value into its structure, in strict JSON's types, and its arrays.

    What JSON cannot represent becomes an object of one key that says what it was; a dictionary is
    such an object too, so that values stay distinguishable.

    Raises:
        InputError: a type that is neither plain data nor an array of numbers.

    >>> pack({"loss": (0.5, float("inf")), 3: np.arange(2)})
    ({'dict': [['loss', {'tuple': [0.5, {'float': 'inf'}]}], [3, {'array': 'a0'}]]}, {'a0': array([0, 1])})
    """  # noqa: E501
    arrays: Arrays = {}
    return _pack(value, "value", arrays), arrays


def unpack(structure: Any, arrays: Arrays) -> Any:
    """Undo :func:`pack`.

    Raises:
        ValueError: not a structure that :func:`pack` makes.
        KeyError: an array that is not there.

    >>> unpack(*pack([None, (True, -0.0)]))
    [None, (True, -0.0)]
    """
    if isinstance(structure, list):
        return [unpack(item, arrays) for item in structure]
    if not isinstance(structure, dict):
        return structure
    [(kind, content)] = structure.items()
    match kind:
        case "float":
            return float(content)
        case "tuple":
            return tuple(unpack(item, arrays) for item in content)
        case "dict":
            return {unpack(key, arrays): unpack(item, arrays) for key, item in content}
        case "array":
            return arrays[content]
        case "scalar":
            return arrays[content][()]
    raise ValueError(f"unknown kind of value {kind!r}")


def _pack(value: Any, where: str, arrays: Arrays) -> Any:
    # By exact type: a subclass (an enum, a named tuple, a masked array) would come back as less.
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if kind is list:
        return [_pack(item, f"{where}[{i}]", arrays) for i, item in enumerate(value)]
    if kind is tuple:
        return {"tuple": [_pack(item, f"{where}[{i}]", arrays) for i, item in enumerate(value)]}
    if kind is dict:
        return {"dict": [_pack_pair(pair, where, arrays) for pair in value.items()]}
    if kind in (np.ndarray, np.memmap) and value.dtype.kind in "biufc":
        return {"array": _add(value, arrays)}
    if isinstance(value, np.generic) and value.dtype.kind in "biufc":
        return {"scalar": _add(np.asarray(value), arrays)}
    raise _refusal(value, where)


def _pack_pair(pair: tuple[Any, Any], where: str, arrays: Arrays) -> list[Any]:
    key, item = pair
    return [_pack(key, f"key {key!r} of {where}", arrays), _pack(item, f"{where}[{key!r}]", arrays)]


def _add(array: NDArray[Any], arrays: Arrays) -> str:
    name = f"a{len(arrays)}"
    arrays[name] = array
    return name


def _refusal(value: Any, where: str) -> InputError:
    dtype = f" of dtype {value.dtype}" if isinstance(value, np.ndarray | np.generic) else ""
    return InputError(
        f"the task returned the type {type(value).__name__}{dtype} ({where}); a folder keeps "
        "dict, list, tuple, str, int, float, bool, None and numpy arrays of numbers, because files "
        "are never unpickled. Try: return such values, for example tensor.numpy() or "
        "result.to_dict()"
    )
