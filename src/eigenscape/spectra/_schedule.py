"""The layers of a checkpoint examined side by side: in threads here, or as tasks elsewhere."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

from eigenscape.checkpoints import Checkpoint, effective_weights, is_sharded, named_tensors
from eigenscape.errors import InputError
from eigenscape.layers import HANDLERS, FoundLayers, LayerMatrix, find_layers
from eigenscape.results import decode, dumps, encode
from eigenscape.runs import Engine, ProgressCallback, Task, execute, raise_failures, single_thread
from eigenscape.spectra._examine import examine
from eigenscape.spectra._layer import LayerSpectrum
from eigenscape.spectra._options import SpectraOptions
from eigenscape.spectra.metrics._registry import METRICS

#: Peak memory is held to this many times the largest tensor, counted in float32.
_MEMORY_FACTOR = 3
_FLOAT32_BYTES = 4
#: A limit below this saves nothing worth it.
_MEMORY_FLOOR = 1 << 25


def _memory(checkpoint: Checkpoint) -> int:
    largest = max((info.numel for info in checkpoint.infos()), default=0)
    return max(_MEMORY_FLOOR, _MEMORY_FACTOR * _FLOAT32_BYTES * largest)


# --- in this process ------------------------------------------------------------------------------


def in_threads(
    checkpoint: Checkpoint,
    found: FoundLayers,
    options: SpectraOptions,
    jobs: int | None,
    progress: ProgressCallback | None,
) -> dict[str, LayerSpectrum]:
    """Examine every layer in this process; returns the rows by name."""
    memory = _memory(checkpoint)
    gate = _Gate(memory)
    every = found.groups
    costs = {group[0].name: _cost(checkpoint, group) for group in every}
    # The longest first, so that no long one is left for the end.
    groups = sorted(every, key=lambda group: costs[group[0].name], reverse=True)
    if any(map(is_sharded, named_tensors(checkpoint.module).values()) if checkpoint.module else ()):
        jobs = 1  # gathered one at a time, in one order in every process
    if jobs is None and 2 * median(costs.values() or [0]) > memory:
        jobs = 1  # the gate would let one through at a time: it may as well use every core

    def one(group: list[LayerMatrix]) -> list[LayerSpectrum]:
        with gate.room(costs[group[0].name]):
            return _examine_group(checkpoint, group, options, memory)

    tasks = [Task(group[0].name, one, {"group": group}, _work(group)) for group in groups]
    # Layers side by side, one thread each: eigenvalue solvers gain little from more.
    with nullcontext() if jobs == 1 else single_thread():
        outcomes = execute(tasks, engine="threads", jobs=jobs, progress=progress)
    raise_failures(outcomes)
    return {row.name: row for outcome in outcomes for row in outcome.value}


def _examine_group(
    checkpoint: Checkpoint, group: Sequence[LayerMatrix], options: SpectraOptions, memory: int
) -> list[LayerSpectrum]:
    """Examine the rows that share their tensors, reading each tensor once."""
    tensors = [checkpoint[name] for name in group[0].tensors]
    if len(group) == 1:
        return [examine(group[0], tensors, options, memory=memory * 2 // _MEMORY_FACTOR)]
    return [examine(layer, list(tensors), options, memory=memory) for layer in group]


class _Gate:
    """Lets work through while its memory fits; the largest piece always fits alone."""

    def __init__(self, limit: int) -> None:
        self._limit, self._used, self._changed = limit, 0, threading.Condition()

    @contextmanager
    def room(self, size: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + size <= self._limit)
            self._used += size
        try:
            yield
        finally:
            with self._changed:
                self._used -= size
                self._changed.notify_all()


def _work(group: Sequence[LayerMatrix]) -> float:
    """Multiplications of the eigenvalues of a group, and as many as reading a small layer takes."""
    parts = ((*layer.stack[1:], layer.stack[0]) for layer in group)
    return 1e8 + sum(float(k) * rows * cols * min(rows, cols) for rows, cols, k in parts)


def _cost(checkpoint: Checkpoint, group: Sequence[LayerMatrix]) -> int:
    """Bytes that a group takes at its peak.

    Reading from a file holds a tensor twice for a moment; solving holds it once, beside its Gram
    matrix and the solver's copy of that. What is in memory already costs nothing to read.
    """
    layer = group[0]
    k, rows, cols = layer.stack
    gram = 2 * 8 * min(rows, cols) ** 2
    if checkpoint.info(layer.tensors[0]).file is None:
        return gram
    stored = max(math.prod(layer.shape), k * rows * cols) * layer.torch_dtype.itemsize
    return max(2 * stored, stored + gram)


# --- in tasks that other processes can take up, and later runs can resume -------------------------


def in_tasks(
    checkpoint: Checkpoint,
    found: FoundLayers,
    options: SpectraOptions,
    how: tuple[int | None, Engine, str | None],
    run: str | Path | None,
    progress: ProgressCallback | None,
) -> dict[str, LayerSpectrum]:
    """Examine every layer in tasks of other processes, or of a resumable run.

    ``how``: jobs, engine and address.
    """
    jobs, engine, address = how
    files = sorted({info.file for info in checkpoint.infos() if info.file})
    if not files:
        raise InputError(
            f"the engine {engine!r} and resumable runs need a checkpoint with a path; this one is "
            f"a {checkpoint.format} in memory. Try: save it first (eigenscape.checkpoints."
            "save_checkpoint), or use engine='threads' without a run folder"
        )
    shared = {
        "source": str(Path(checkpoint.source).absolute()),
        "stamp": [
            [Path(f).name, Path(f).stat().st_size, Path(f).stat().st_mtime_ns] for f in files
        ],
        "config": dumps(checkpoint.config),
        "options": dumps(encode(options)),
        "memory": _memory(checkpoint),
        "parts": [list(HANDLERS.names()), list(METRICS.names())],
    }
    tasks = [
        Task(
            group[0].name,
            examine_task,
            {"names": [row.name for row in group], **shared},
            _work(group),
        )
        for group in found.groups
    ]
    outcomes = execute(
        tasks, folder=run, engine=engine, jobs=jobs, address=address, progress=progress
    )
    raise_failures(outcomes)
    return {
        row.name: row
        for outcome in outcomes
        for data, values in zip(outcome.value["rows"], outcome.value["spectra"], strict=True)
        for row in (replace(decode(data, LayerSpectrum), eigenvalues=values),)
    }


def examine_task(
    source: str,
    stamp: list[Any],
    config: str,
    options: str,
    memory: int,
    parts: list[list[str]],
    names: list[str],
) -> dict[str, Any]:
    """Examine some layers of a checkpoint by name, in any process.

    Args:
        source: the checkpoint's path.
        stamp: sizes and times of its files; a changed file is another task.
        config: its ``config.json``, likewise.
        options: :class:`SpectraOptions` as JSON.
        memory: bytes that one solve may take.
        parts: the names of all handlers and of all metrics, which must be known here too.
        names: the layers, which share their tensors.
    """
    HANDLERS.expect(tuple(parts[0]))
    METRICS.expect(tuple(parts[1]))
    checkpoint, layers, chosen = _opened(source, dumps([stamp, config]), options)
    rows = _examine_group(checkpoint, [layers[name] for name in names], chosen, memory)
    return {
        "rows": [encode(row) for row in rows],
        "spectra": [row.eigenvalues for row in rows],
    }


@lru_cache(maxsize=1)
def _opened(
    source: str,
    stamp: str,  # noqa: ARG001 - part of the cache's key
    options: str,
) -> tuple[Checkpoint, dict[str, LayerMatrix], SpectraOptions]:
    chosen = decode(json.loads(options), SpectraOptions)
    checkpoint = effective_weights(source)
    return (
        checkpoint,
        {layer.name: layer for layer in find_layers(checkpoint, chosen).layers},
        chosen,
    )
