"""The input of an allocation: one number for each layer, from a table, a file or a result."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eigenscape.allocation._layers import LayerMetric, raise_all
from eigenscape.errors import InputError
from eigenscape.layers import blocks
from eigenscape.results import load
from eigenscape.spectra import NUMBERS, LayerSpectrum, SpectraResult, standard_error

#: A table of layers: names to numbers, names to fields, or a spectral examination.
MetricSource = Mapping[str, float] | Mapping[str, Mapping[str, Any]] | SpectraResult


@dataclass(frozen=True)
class Metrics:
    """The metric of every layer, in the order of the network.

    Args:
        column: the metric's name.
        layers: one for each layer.
        source: where they come from.
        notes: what was left out, and where the errors come from.
        parameters_total: entries of all tensors of the network; None if they are not known.
    """

    column: str
    layers: tuple[LayerMetric, ...]
    source: str = "a mapping"
    notes: tuple[str, ...] = ()
    parameters_total: int | None = None


def read_metrics(
    source: MetricSource, column: str | None = None, *, exponent: str = "alpha_hill"
) -> Metrics:
    """Return the metric of every layer, or raise an error that lists every problem.

    Args:
        source: the layers.
        column: the field that is the metric; None for ``alpha`` of a table.
        exponent: the metric of a SpectraResult, where ``column`` is None.

    Raises:
        InputError: no layers, a name twice, a layer without the metric, a value that is not a
            finite number, an exponent that is not positive, impossible parameters or errors.

    >>> [layer.block for layer in read_metrics({"blocks.0.fc": 2.0, "head": 3.0}).layers]
    ['blocks.0', None]
    """
    if isinstance(source, SpectraResult):
        metrics = _from_spectra(source, column or exponent)
    elif isinstance(source, Mapping):
        metrics = _from_table({str(key): entry for key, entry in source.items()}, column or "alpha")
    else:
        raise InputError(
            f"the metric is a {type(source).__name__}; expected a mapping of layer names to "
            "numbers or to fields, or a SpectraResult. Try: pass analyze(checkpoint)"
        )
    raise_all(_problems(metrics))
    return metrics


def read_metric(path: str | Path) -> MetricSource:
    """Read a metric for :func:`allocate`.

    The file holds an object of layer names, each with a number or an object of fields:
    ``{"blocks.0.fc": {"alpha": 2.4, "parameters": 4096, "block": "blocks.0"}}``. A result file of
    ``eigenscape spectra`` is read too.

    Raises:
        InputError: no such file, not JSON, not an object, or a layer listed twice.
    """
    repeated: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                repeated.append(f"{path} lists {key} twice")
            seen.add(key)
        return dict(pairs)

    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"), object_pairs_hook=once)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except RecursionError:
        raise InputError(
            f"{path} is nested too deeply; expected an object of layer names"
        ) from None
    except ValueError as error:
        raise InputError(
            f"{path} is not JSON ({error}); expected an object of layer names"
        ) from error
    raise_all(repeated)
    if not isinstance(data, dict):
        raise InputError(
            f"{path} holds a JSON {type(data).__name__}; expected an object of layer names"
        )
    if "schema" not in data:
        return data
    result = load(path)
    if not isinstance(result, SpectraResult):
        raise InputError(f"{path} holds {result.schema}; expected {SpectraResult.schema}")
    return result


def _from_table(table: Mapping[str, Any], column: str) -> Metrics:
    block_of = {member: block.name for block in blocks(table) for member in block.members}
    layers = []
    for name, entry in table.items():
        known = entry if isinstance(entry, Mapping) else {column: entry}
        block, parameters, error = known.get("block"), known.get("parameters"), known.get("error")
        layers.append(
            LayerMetric(
                name,
                _number(known.get(column)),
                parameters=None if parameters is None else _count(parameters),
                block=block_of.get(name) if block is None else str(block),
                kind=str(known.get("kind") or ""),
                error=None if error is None else _number(error),
                tensors=tuple(known.get("tensors") or ()),
                full_rank=_full_rank(known.get("shape")),
            )
        )
    return Metrics(column, tuple(layers))


def _from_spectra(result: SpectraResult, column: str) -> Metrics:
    merged = [layer.name for layer in result if layer.kind == "lora_merged"]
    notes = (
        [f"{len(merged)} merged LoRA rows repeat their bases and are left out"] if merged else []
    )
    thin = {
        row.name
        for row in result
        if row.kind == "lora_update" and not math.isfinite(row.columns().get(column, math.nan))
    }
    if thin:
        notes.append(f"{len(thin)} LoRA updates of too low a rank for {column} are left out")
    rows = [row for row in result if row.kind != "lora_merged" and row.name not in thin]
    known = (*NUMBERS, *result.extra_columns)
    if rows and column not in known:
        raise InputError(f"column is {column!r}; the layer table has {', '.join(known)}")
    layers = tuple(
        LayerMetric(
            row.name,
            row.columns().get(column, math.nan),
            parameters=row.parameters,
            block=row.block,
            kind=row.kind,
            error=standard_error(row.columns(), column),
            tensors=row.tensors,
            full_rank=_rank_of(row),
        )
        for row in rows
    )
    held = sum(row.parameters for row in rows)  # a table may have been made without the total
    whole = result.parameters_total if result.parameters_total >= held else None
    return Metrics(column, layers, result.source, tuple(notes), whole)


def _rank_of(row: LayerSpectrum) -> int:
    """The largest rank of a layer as one matrix: of a convolution, (out, in * kernel)."""
    if "conv" in row.kind and len(row.shape) > 2:
        return min(row.shape[0], math.prod(row.shape[1:]))
    return min(row.layer.stack[1:])


def _full_rank(shape: Any) -> int | None:
    """The same from the shape in a table, where it is the shape of a matrix or a kernel."""
    known = isinstance(shape, list | tuple) and len(shape) > 1
    if not known or any(isinstance(w, bool) or not isinstance(w, int) or w < 1 for w in shape):
        return None
    sizes = [int(width) for width in shape]
    return min(sizes[0], math.prod(sizes[1:]))


def _number(value: Any) -> float:
    """A float, or NaN for what is none: the reader of all layers reports it."""
    if isinstance(value, bool) or value is None:
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _count(value: Any) -> int:
    """A whole number, or 0 for what is none."""
    number = _number(value)
    return int(number) if math.isfinite(number) and number == int(number) else 0


def _problems(metrics: Metrics) -> list[str]:
    if not metrics.layers:
        return ["there are no layers to allocate to"]
    column, layers = metrics.column, metrics.layers
    names = [layer.name for layer in layers]
    twice = sorted({name for name in names if names.count(name) > 1}) if _repeats(names) else []
    problems = [f"{name} is listed twice" for name in twice]
    for layer in layers:
        if not math.isfinite(layer.value):
            problems.append(
                f"{layer.name}: {column} is missing or not a finite number. "
                "Try: leave the layer out (--exclude), or measure it"
            )
        elif layer.value <= 0 and _is_exponent(column):
            problems.append(f"{layer.name}: {column} is {layer.value:g}; expected more than 0")
        if layer.parameters is not None and layer.parameters < 1:
            problems.append(f"{layer.name}: parameters must be a whole number of at least 1")
        if layer.error is not None and not 0 <= layer.error < math.inf:
            problems.append(f"{layer.name}: error must be a finite number of at least 0")
    return problems


def _repeats(names: list[str]) -> bool:
    return len(set(names)) < len(names)


def _is_exponent(column: str) -> bool:
    return column.startswith("alpha") and column != "alpha_hat"  # alpha_hat has a logarithm in it
