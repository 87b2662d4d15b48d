"""What an allocation starts from: one number for each layer, with what is known around it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eigenscape.errors import InputError
from eigenscape.layers._matrix import block_of
from eigenscape.spectra import LayerSpectrum, SpectraResult

#: A table of layers: names to numbers, names to fields, or a spectral examination.
MetricSource = Mapping[str, float] | Mapping[str, Mapping[str, Any]] | SpectraResult

_BAND_99 = 2.576
_SHOWN = 8


@dataclass(frozen=True)
class LayerMetric:
    """The metric of one layer.

    Args:
        name: the layer.
        value: the metric.
        parameters: entries of its weight; None where nobody said.
        block: the repeated unit that it belongs to; None outside every block.
        kind: what it is; empty where nobody said.
        error: the standard error of ``value``; None where nobody knows.
        tensors: the checkpoint's tensors behind it.
    """

    name: str
    value: float
    parameters: int | None = None
    block: str | None = None
    kind: str = ""
    error: float | None = None
    tensors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Metrics:
    """The metric of every layer, in the order of the network.

    Args:
        column: the metric's name.
        layers: one for each layer.
        source: where they come from.
        notes: what was left out, and where the errors come from.
    """

    column: str
    layers: tuple[LayerMetric, ...]
    source: str = "a mapping"
    notes: tuple[str, ...] = ()


def read_metrics(source: MetricSource, column: str | None = None) -> Metrics:
    """Return the metric of every layer, or say everything that is wrong with it.

    Raises:
        InputError: no layers, a name twice, a layer without the metric, a value that is not a
            finite number, an exponent that is not positive, impossible parameters or errors.

    >>> [layer.block for layer in read_metrics({"blocks.0.fc": 2.0, "head": 3.0}).layers]
    ['blocks.0', None]
    """
    if isinstance(source, SpectraResult):
        metrics = _from_spectra(source, column or "alpha_hill")
    elif isinstance(source, Mapping):
        name = column or "alpha"
        layers = tuple(_from_fields(str(key), entry, name) for key, entry in source.items())
        metrics = Metrics(name, layers)
    else:
        raise InputError(
            f"the metric is a {type(source).__name__}; expected a mapping of layer names to "
            "numbers or to fields, or a SpectraResult. Mend: pass analyze(checkpoint)"
        )
    raise_all(_problems(metrics))
    return metrics


def raise_all(problems: list[str]) -> None:
    """Raise one :class:`InputError` that names every problem, or return.

    Raises:
        InputError: there is at least one.
    """
    if problems:
        more = len(problems) - _SHOWN
        tail = f"; and {more} more" if more > 0 else ""
        raise InputError("; ".join(problems[:_SHOWN]) + tail)


def _from_fields(name: str, entry: Any, column: str) -> LayerMetric:
    if not isinstance(entry, Mapping):
        return LayerMetric(name, _number(entry), block=block_of(name))
    block, parameters, error = entry.get("block"), entry.get("parameters"), entry.get("error")
    return LayerMetric(
        name,
        _number(entry.get(column)),
        parameters=None if parameters is None else _count(parameters),
        block=block_of(name) if block is None else str(block),
        kind=str(entry.get("kind") or ""),
        error=None if error is None else _number(error),
        tensors=tuple(entry.get("tensors") or ()),
    )


def _from_spectra(result: SpectraResult, column: str) -> Metrics:
    merged = [layer.name for layer in result if layer.kind == "lora_merged"]
    notes = (
        [f"{len(merged)} merged LoRA rows repeat their bases and are left out"] if merged else []
    )
    rows = [layer for layer in result if layer.kind != "lora_merged"]
    known = [name for name, kind in _columns(rows).items() if kind]
    if rows and column not in known:
        raise InputError(f"the layer table has no metric {column!r}; it has {', '.join(known)}")
    layers = tuple(
        LayerMetric(
            row.name,
            _number(getattr(row, column, row.extras.get(column))),
            parameters=row.parameters,
            block=row.block,
            kind=row.kind,
            error=_error(row, column),
            tensors=row.tensors,
        )
        for row in rows
    )
    return Metrics(column, layers, result.source, tuple(notes))


def _columns(rows: list[LayerSpectrum]) -> dict[str, bool]:
    if not rows:
        return {}
    numbers = {
        name: field.type in ("float", "int")
        for name, field in LayerSpectrum.__dataclass_fields__.items()
    }
    return numbers | dict.fromkeys(rows[0].extras, True)


def _error(row: LayerSpectrum, column: str) -> float | None:
    """Standard error of a layer's exponent, where the examination knows it.

    ``alpha_hill``: the standard deviation of random matrices of this very size, times
    (alpha - 1) / (null - 1), as an estimate of 1 / (alpha - 1) scatters in proportion to itself.
    ``alpha_excess``: a quarter of its interval, which holds the choice of the threshold too.
    ``alpha_ks``: (alpha - 1) / sqrt(tail size).
    """
    found = math.nan
    if column == "alpha_hill" and row.alpha_null > 1:
        band = (row.alpha_null_high - row.alpha_null_low) / (2 * _BAND_99)
        found = band * (row.alpha_hill - 1) / (row.alpha_null - 1)
    elif column == "alpha_excess":
        found = (row.alpha_excess_high - row.alpha_excess_low) / 4
    elif column == "alpha_ks":
        found = row.sigma
    return found if math.isfinite(found) else None


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
                "Mend: leave the layer out, or measure it"
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
