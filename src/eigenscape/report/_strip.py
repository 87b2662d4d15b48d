"""The heat strip: every layer as one cell, coloured by how far its tail is from random."""

from __future__ import annotations

import math
from dataclasses import dataclass

from eigenscape.spectra import LayerSpectrum, SpectraResult

# Blue (heavier than random) over near-white to orange (lighter): safe for colour-blind readers.
_HEAVY, _MIDDLE, _LIGHT = (0, 90, 160), (240, 240, 236), (200, 110, 0)
#: Cells beyond these values of alpha_excess have the full colour.
_ENDS = (0.4, 1.6)


@dataclass(frozen=True)
class Cell:
    """One layer in the strip: its colour, and its tooltip."""

    name: str
    colour: str
    words: str
    label: str


def heat_strip(result: SpectraResult) -> list[Cell]:
    """Return the strip's cells, in the order of the checkpoint."""
    return [_cell(layer) for layer in result.layers]


def excess_colour(excess: float) -> str:
    """Return the colour of one alpha_excess: 1 (random) is near white.

    >>> excess_colour(1.0)
    'rgb(240,240,236)'
    """
    if not math.isfinite(excess):
        return "rgb(128,128,128)"
    low, high = _ENDS
    end, share = (
        (_HEAVY, (1 - excess) / (1 - low)) if excess < 1 else (_LIGHT, (excess - 1) / (high - 1))
    )
    share = min(1.0, max(0.0, share))
    mixed = (round(a + (b - a) * share) for a, b in zip(_MIDDLE, end, strict=True))
    return f"rgb({','.join(str(value) for value in mixed)})"


def _cell(layer: LayerSpectrum) -> Cell:
    label = layer.verdict.label if layer.verdict else "not judged"
    words = f"{layer.name}: {label}"
    if math.isfinite(layer.alpha_excess):
        words += (
            f"; alpha_excess {layer.alpha_excess:.2f} "
            f"[{layer.alpha_excess_low:.2f}, {layer.alpha_excess_high:.2f}]"
        )
    return Cell(layer.name, excess_colour(layer.alpha_excess), words, label)
