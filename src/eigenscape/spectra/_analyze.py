"""From a checkpoint to its layer table."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from eigenscape.checkpoints import Checkpoint, CheckpointLike, effective_weights
from eigenscape.errors import CheckpointError
from eigenscape.layers import find_layers
from eigenscape.results import Environment, encode
from eigenscape.runs import Engine, ProgressCallback
from eigenscape.spectra._options import SpectraOptions
from eigenscape.spectra._result import SpectraResult
from eigenscape.spectra._schedule import in_tasks, in_threads


def analyze(
    source: CheckpointLike,
    *,
    options: SpectraOptions | None = None,
    jobs: int | None = None,
    engine: Engine = "threads",
    run: str | Path | None = None,
    address: str | None = None,
    progress: ProgressCallback | None = None,
    **fields: Any,
) -> SpectraResult:
    """Examine the spectrum of every layer of a checkpoint; no data is needed.

    Weights that are stored in parts (masks, norms, parametrizations, scales) are examined as the
    network computes with them; see :func:`eigenscape.checkpoints.effective_weights`.

    Args:
        source: a module, a state dict, a file, a Hugging Face folder or a hub id.
        options: which layers, and what to measure.
        jobs: layers at a time; by default one for each core.
        engine: ``"threads"`` in this process; ``"local"``, ``"ray"`` or ``"dask"`` for processes,
            which need a source with a path.
        run: a folder that keeps each finished layer, so that an interrupted examination resumes
            where it stopped; needs a source with a path.
        address: of the Dask or Ray cluster; see :func:`eigenscape.runs.open_executor`.
        progress: called after each group of layers that share a tensor.
        **fields: single fields of :class:`SpectraOptions`.

    Raises:
        InputError: an option out of its range, or an engine that cannot reach the source.
        CheckpointError: the source cannot be read, or its weights are empty placeholders.

    >>> from torch import nn
    >>> result = analyze(nn.Sequential(nn.Linear(64, 32)))
    >>> [(row.name, row.kind, row.n_eigenvalues) for row in result]
    [('0', 'linear', 32)]
    """
    chosen = SpectraOptions.of(options, fields)
    return analyzed(effective_weights(source), chosen, (jobs, engine, address), run, progress)


def analyzed(
    checkpoint: Checkpoint,
    chosen: SpectraOptions,
    how: tuple[int | None, Engine, str | None],
    run: str | Path | None = None,
    progress: ProgressCallback | None = None,
    also: Iterable[str] = (),
) -> SpectraResult:
    """Examine an open checkpoint.

    Args:
        checkpoint: with the weights as they act.
        chosen: the options.
        how: jobs, engine and address.
        run: as for :func:`analyze`.
        progress: likewise.
        also: names in another checkpoint that a pattern may be meant for.
    """
    started = time.perf_counter()
    jobs, engine, _ = how
    found = find_layers(checkpoint, chosen, also=also)
    if not found.layers:
        _check_placeholders(checkpoint)
    parameters = sum(
        info.numel
        for info in (*checkpoint.infos(), *checkpoint.unread)
        if info.dtype.is_floating_point or info.dtype.is_complex
    )
    if engine == "threads" and run is None:
        rows = in_threads(checkpoint, found, chosen, jobs, progress)
    else:
        rows = in_tasks(checkpoint, found, chosen, how, run, progress)
    return SpectraResult(
        environment=Environment.capture(device=chosen.torch_device, seed=chosen.seed),
        source=checkpoint.source,
        options=encode(chosen),
        layers=tuple(rows[layer.name] for layer in found.layers),
        skipped=found.skipped,
        notes=checkpoint.notes,
        parameters_total=parameters,
        seconds=time.perf_counter() - started,
    )


def _check_placeholders(checkpoint: Checkpoint) -> None:
    """Refuse a checkpoint whose weights are elsewhere: no layer of it could be examined."""
    empty = [info.name for info in checkpoint.infos() if not info.numel]
    if empty:
        raise CheckpointError(
            f"{checkpoint.source} has no layer to examine, and {len(empty)} of {len(checkpoint)} "
            f"tensors are empty, such as {empty[0]}: placeholders, as ZeRO stage 3 leaves them. "
            "Try: gather the weights when saving (stage3_gather_16bit_weights_on_model_save), or "
            "zero_to_fp32.py on the folder"
        )
