"""The user's own reference: a file to which networks are added, one process at a time."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from eigenscape.checkpoints import CheckpointLike
from eigenscape.errors import InputError, OutputError
from eigenscape.results import Environment
from eigenscape.runs import Engine, ProgressCallback
from eigenscape.spectra._analyze import analyze
from eigenscape.spectra._options import SpectraOptions
from eigenscape.spectra._reference import OWN_FILE, Reference, own_file, read_own, shipped
from eigenscape.spectra._reference_model import ReferenceModel
from eigenscape.spectra._result import SpectraResult

_NAMED = 3


def add_to_reference(
    source: CheckpointLike,
    *,
    name: str,
    licence: str = "not given",
    read: str = "original",
    note: str = "",
    file: str | Path | None = None,
    jobs: int | None = None,
    engine: Engine = "threads",
    address: str | None = None,
    progress: ProgressCallback | None = None,
    **options: Any,
) -> Path:
    """Examine a network and add what its layers measure to the user's own file.

    The package's table is never written. Processes that add at once wait for each other.

    Args:
        source: as for :func:`eigenscape.spectra.analyze`.
        name: how sentences name the network.
        licence: of its weights.
        read: ``"original"``, or how else the weights were read; only like are pooled with like.
        note: a remark.
        file: to write; by default the one that ``EIGENSCAPE_REFERENCE`` names.
        jobs: as for :func:`eigenscape.spectra.analyze`, as for what follows.
        engine: likewise.
        address: likewise.
        progress: likewise.
        **options: which layers: fields of :class:`SpectraOptions`, but not how to measure.

    Returns:
        The file.

    Raises:
        InputError: no file was named, the network or its name is in the reference already, it has
            a layer that is not finite, the file is damaged, or an option of measuring.
        OutputError: the file cannot be written.
    """
    path = _named(file)
    if path.exists():
        read_own(path)  # before minutes of work
    wanted = shipped().options
    how = SpectraOptions.of(SpectraOptions(embeddings=True), options)
    wanted.check(how, name)
    result = analyze(
        source, options=how, jobs=jobs, engine=engine, address=address, progress=progress
    )
    _check_finite(result)
    model = ReferenceModel.of(result, name=name, licence=licence, read=read, note=note)
    with _alone(path):
        own = _content(path)
        _check_new(model, (*own.models, *shipped().models))
        replace(own, models=(*own.models, model)).save(path)
    return path


def remove_from_reference(name: str, *, file: str | Path | None = None) -> Path:
    """Remove a network from the user's own file.

    Args:
        name: as it was added.
        file: by default the one that ``EIGENSCAPE_REFERENCE`` names.

    Returns:
        The file.

    Raises:
        InputError: no file was named, it is not there or damaged, or has no such network.
        OutputError: the file cannot be written.
    """
    path = _named(file)
    with _alone(path):
        own = read_own(path)
        kept = tuple(model for model in own.models if model.name != name)
        if len(kept) == len(own.models):
            names = ", ".join(model.name for model in own.models) or "none"
            raise InputError(f"{path} has no model {name!r:.60}; it has {names}")
        replace(own, models=kept).save(path)
    return path


def _named(file: str | Path | None) -> Path:
    path = own_file(file)
    if path is None:
        raise InputError(
            f"no file for a reference of your own. Try: --file FILE.json, or set {OWN_FILE}"
        )
    return path


def _content(path: Path) -> Reference:
    if path.exists():
        return read_own(path)
    return Reference(environment=Environment.capture(), options=shipped().options, models=())


def _check_finite(result: SpectraResult) -> None:
    """Refuse a network that does not work: others would be held against it."""
    bad = [layer.name for layer in result if not math.isfinite(layer.norm)]
    if bad:
        more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
        raise InputError(
            f"{result.source} has {len(bad)} of {len(result)} layers with entries that are not "
            f"finite ({', '.join(bad[:_NAMED])}{more}); a reference is of networks that work. "
            "Try: a checkpoint from before they diverged"
        )


def _check_new(model: ReferenceModel, there: tuple[ReferenceModel, ...]) -> None:
    for other in there:
        if other.name == model.name:
            raise InputError(
                f"the reference has a model {model.name!r:.60} already. Try: another --name, or "
                "remove that one first"
            )
        if other.is_alike(model.layers):
            raise InputError(
                f"most layers of {model.name} measure as those of {other.name}, which is in the "
                "reference: one network would count twice"
            )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock of a file: another process that asks for it waits.

    Raises:
        OutputError: the folder cannot be written, or this system has no such locks.
    """
    try:
        import fcntl
    except ImportError as error:
        raise OutputError(
            "this system has no file locks, so two processes could lose each other's models"
        ) from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(
            f"cannot write beside {path}: {error.strerror or error}. Try: another --file"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
