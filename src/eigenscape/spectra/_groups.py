"""Layers of one name in every block, as one group: what a long table is read by."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eigenscape.spectra._description import CERTAIN

if TYPE_CHECKING:
    from eigenscape.spectra._layer import LayerSpectrum

#: Tukey's outer fences: beyond the quartiles by this many times their distance.
_FENCES = 3.0
#: Quartiles of fewer layers say nothing.
_FEWEST = 8
_NUMBER = re.compile(r"(?<![^.\[])\d+(?![^.\]])")


def name_pattern(name: str) -> str:
    """Return a layer's name with a star for each part that is a number.

    >>> name_pattern("model.layers.3.mlp.up_proj"), name_pattern("layer1.0.conv2")
    ('model.layers.*.mlp.up_proj', 'layer1.*.conv2')
    """
    return _NUMBER.sub("*", name)


def name_numbers(name: str) -> str:
    """Return the numbers that the stars stand for, or the name where there is none.

    >>> name_numbers("model.layers.3.mlp.up_proj"), name_numbers("head")
    ('3', 'head')
    """
    return ".".join(_NUMBER.findall(name)) or name


def joined_names(names: Iterable[str], every: Iterable[str]) -> list[str]:
    """Return names, and the pattern alone where all that have it are among them.

    >>> joined_names(["h.0.up", "h.1.up", "h.0.down"], ["h.0.up", "h.1.up", "h.0.down", "h.1.down"])
    ['h.*.up', 'h.0.down']
    """
    every, chosen = list(every), list(names)
    in_all = Counter(map(name_pattern, every))
    here = Counter(map(name_pattern, chosen))
    return list(
        dict.fromkeys(
            pattern if 1 < here[pattern] == in_all[pattern] else name
            for name, pattern in zip(chosen, map(name_pattern, chosen), strict=True)
        )
    )


@dataclass(frozen=True)
class LayerGroup:
    """The layers that differ in their names' numbers alone.

    Args:
        pattern: their name, with a star for each number.
        layers: the rows.
    """

    pattern: str
    layers: tuple[LayerSpectrum, ...]

    def values(self, number: str) -> list[float]:
        """Return one number of the layers that have it, finite ones alone."""
        found = [layer.number(number) for layer in self.layers]
        return [value for value in found if np.isfinite(value)]

    @property
    def labels(self) -> dict[str, int]:
        """How many have which label, the most frequent first."""
        return dict(Counter(layer.label for layer in self.layers if layer.label).most_common())

    @property
    def outliers(self) -> dict[str, str]:
        """The names of the layers to look at, and why: their label, or an alpha_excess far off.

        Far is beyond Tukey's outer fences: three times the distance of the quartiles above the
        upper or below the lower one. It needs eight layers.
        """
        known = self.values("alpha_excess")
        low, high = -np.inf, np.inf
        if len(known) >= _FEWEST:
            lower, upper = np.quantile(known, (0.25, 0.75))
            reach = _FENCES * (upper - lower)
            low, high = lower - reach, upper + reach
        found = {}
        for one in self.layers:
            if one.label in (*CERTAIN, "random-like"):
                found[one.name] = str(one.label)
            elif one.alpha_excess < low or one.alpha_excess > high:
                found[one.name] = f"excess {one.alpha_excess:.3g}"
        return found


def groups_of(layers: Iterable[LayerSpectrum]) -> tuple[LayerGroup, ...]:
    """Return the groups, in the order of their first layers."""
    found: dict[str, list[LayerSpectrum]] = {}
    for layer in layers:
        found.setdefault(name_pattern(layer.name), []).append(layer)
    return tuple(LayerGroup(pattern, tuple(rows)) for pattern, rows in found.items())
