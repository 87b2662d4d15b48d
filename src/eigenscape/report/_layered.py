"""Results with a number for each layer: what the picture of all layers shows of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eigenscape.ablation import AblationResult
from eigenscape.allocation import Allocation
from eigenscape.report._colours import Scale
from eigenscape.report._grid import Grid, LayerNumber, layer_grid
from eigenscape.results import Result
from eigenscape.spectra import CERTAIN, ComparisonResult, SpectraResult

#: A row of what a result says of one layer: name, number, words, and whether it is always marked.
_Row = tuple[str, float, str, bool]


@dataclass(frozen=True)
class Quantity:
    """What the colours of a picture mean.

    Args:
        name: of the number.
        meaning: what it is, in a sentence.
        middle: the number with the neutral colour, from all numbers; None of a logarithmic scale.
        least: the ends are at least so far from it.
        low: what a number below the middle means; empty where there are none.
        high: what one above it means.
    """

    name: str
    meaning: str
    middle: Callable[[Sequence[float]], float] | None
    least: float
    low: str
    high: str


@dataclass(frozen=True)
class Picture:
    """The picture of all layers of one result, or of several on one scale."""

    quantity: Quantity
    scale: Scale
    grids: Mapping[str, Grid]

    @property
    def marks(self) -> set[str]:
        """The kinds of marks that there are."""
        return {mark for grid in self.grids.values() for mark in grid.marks}

    @property
    def merged(self) -> bool:
        """Whether any cell stands for several layers."""
        return any(grid.merged for grid in self.grids.values())

    @property
    def left_out(self) -> int:
        """How many layers it does not show."""
        return sum(grid.left_out for grid in self.grids.values())


@dataclass(frozen=True)
class Mark:
    """The findings that point at one layer.

    Args:
        numbers: of the findings.
        asks: whether one of them asks for something.
    """

    numbers: tuple[int, ...] = ()
    asks: bool = False

    @property
    def kind(self) -> str:
        """``mark`` where something is asked for, ``note`` where nothing is, else empty."""
        return "mark" if self.asks else "note" if self.numbers else ""


def picture_of_layers(
    results: Mapping[str, Result],
    anchors: Mapping[str, Sequence[str]],
    marks: Mapping[str, Mapping[str, Mark]],
) -> Picture | None:
    """Return the picture of results of one kind, on one scale; None where they have no layers.

    Args:
        results: label to result, all of one class.
        anchors: of each label, where the evidence of each layer is.
        marks: of each label, layer to the findings that point at it.
    """
    rows = {label: layer_rows(result) for label, result in results.items()}
    first = next(iter(results.values()))
    quantity = _quantity(first)
    if quantity is None or not any(rows.values()):
        return None
    values = [value for found in rows.values() for _, value, _, _ in found]
    scale = _scale(quantity, [value for value in values if math.isfinite(value)])
    grids = {}
    for label, found in rows.items():
        numbers = [
            LayerNumber(name, value, words, anchor, own.numbers, "mark" if grave else own.kind)
            for (name, value, words, grave), anchor in zip(found, anchors[label], strict=True)
            for own in (marks[label].get(name, Mark()),)
        ]
        grids[label] = layer_grid(numbers, scale)
    return Picture(quantity, scale, grids)


def _scale(quantity: Quantity, values: Sequence[float]) -> Scale:
    if quantity.middle is None:
        return Scale.log_of(values)
    return Scale.of(values, quantity.middle(values), quantity.least)


def layer_rows(result: Result) -> list[_Row]:
    """Return what a result says of each layer; nothing where it has no layers."""
    if isinstance(result, SpectraResult):
        return [_spectrum(layer) for layer in result.layers]
    if isinstance(result, ComparisonResult):
        return [
            (c.name, c.weight_change, f"{c.state}; weights moved {c.weight_change:.3g}", False)
            for c in result.changes
        ]
    if isinstance(result, Allocation):
        return [
            (
                row.name,
                float(row.budget),
                f"{row.budget:.4g} ({result.metric} {row.layer.value:.3g})"
                + (", held back by a floor or a cap" if row.clipped else ""),
                False,
            )
            for row in result.rows
        ]
    if isinstance(result, AblationResult):
        return [_ablated(result, layer) for layer in result.layers]
    return []


def _spectrum(layer: Any) -> _Row:
    words = layer.label or "not examined"
    if math.isfinite(layer.alpha_excess):
        words = (
            f"alpha_excess {layer.alpha_excess:.2f} "
            f"[{layer.alpha_excess_low:.2f}, {layer.alpha_excess_high:.2f}], {words}"
        )
    return layer.name, layer.alpha_excess, words, layer.label in CERTAIN


def _ablated(result: AblationResult, layer: Any) -> _Row:
    effect = layer.effects[0]
    words = (
        f"{effect.change}: {effect.increase:+.3g} [{effect.low:.3g}, {effect.high:.3g}], "
        f"{result.reading(effect)}"
    )
    return layer.name, effect.increase, words, False


def _quantity(result: Result) -> Quantity | None:
    if isinstance(result, SpectraResult):
        return Quantity(
            "alpha_excess",
            "1 is what a random matrix of the same shape shows.",
            lambda _: 1.0,
            0.2,
            "heavier tail",
            "lighter tail",
        )
    if isinstance(result, ComparisonResult):
        return Quantity(
            "weights moved",
            "The norm of the difference over the norm before: at 1, they moved by as much as "
            "they were. The colours are logarithmic.",
            None,
            0.0,
            "unchanged",
            "",
        )
    if isinstance(result, Allocation):
        return Quantity(
            f"budget ({result.kind})",
            "The neutral colour is the median of the layers.",
            lambda values: float(np.median(values)) if values else 0.0,
            0.0,
            "less",
            "more",
        )
    if isinstance(result, AblationResult) and result.changes:
        return Quantity(
            f"loss added: {result.changes[0]}",
            "How much the loss grows when the layer is changed so.",
            lambda _: 0.0,
            result.nothing,
            "better without",
            "needed more",
        )
    return None
