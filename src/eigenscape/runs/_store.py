"""The folder of a run: one file for each finished task, one for each failure, and a manifest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eigenscape.errors import InputError
from eigenscape.results import Environment, dumps, replacing, write_text
from eigenscape.runs._structure import pack, unpack

_RUN = "eigenscape.run/1"
_STRUCTURE = "__structure__"


@dataclass(frozen=True)
class Slot:
    """Where a task leaves what came of it; small, so that it can travel to a worker."""

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
    """Write a finished task's file in one move, and take back an earlier failure.

    Raises:
        InputError: a value that cannot be kept without a pickle.
        OutputError: the file could not be written.
    """
    structure, arrays = pack(record.value)
    entry = {"key": slot.key, "seconds": record.seconds, "value": structure}
    text = np.frombuffer(json.dumps(entry, allow_nan=False).encode(), dtype=np.uint8)
    with replacing(slot.finished) as temporary, temporary.open("wb") as file:
        np.savez(file, **{_STRUCTURE: text, **arrays})  # type: ignore[arg-type]  # a fault of the stubs
    slot.failed.unlink(missing_ok=True)


def read_record(slot: Slot) -> Record | None:
    """Read a finished task's file; None where there is none, or a damaged one.

    Raises:
        InputError: the file is there and the system does not let it be read.
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
    """Write down why a task failed.

    Raises:
        OutputError: the file could not be written.
    """
    _write_json(slot.failed, {"name": name, "error": error, "traceback": traceback})


def write_manifest(folder: Path, keys: dict[str, str]) -> None:
    """Write ``run.json``: what the run is made of, by task name, and what it was started with.

    Raises:
        OutputError: the folder cannot be made or written to.
    """
    content = {
        "schema": _RUN,
        "environment": Environment.capture().to_dict(),
        "tasks": [{"name": name, "key": key} for name, key in keys.items()],
    }
    _write_json(folder / "run.json", content)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    # A file name that is not UTF-8 reaches Python as lone surrogates, which errors like to quote;
    # their escape is JSON's own.
    text = dumps(content, indent=1).encode("utf-8", "backslashreplace").decode()
    write_text(path, text + "\n")
