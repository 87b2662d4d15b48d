"""The metric of a layer while it trains: exact, averaged, and measured no more than needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from eigenscape.balancing._options import LIGHT, BalanceOptions
from eigenscape.layers import LayerMatrix, SpectraOptions
from eigenscape.layers._solver import (
    NonFiniteError,
    Spectrum,
    gram_spectrum,
    rounding_level,
)
from eigenscape.spectra._examine import examine
from eigenscape.spectra.metrics import alpha_hill
from eigenscape.theory import HillNull, hill_null

NOT_FINITE = "weights not finite"
_NO_VALUE = "no exponent: too few eigenvalues above rounding level, or all equal"
#: float32 eigenvalues are trusted within this ratio of the largest, as in the layer table.
_FLOAT32_RATIO = 1e4
_FLOAT32_UNSEEN = 0.03


@dataclass(frozen=True)
class Reading:
    """One layer measured.

    Args:
        value: the metric; NaN where it has none, and ``note`` says why.
        error: its standard error; None where nobody knows.
        fresh: measured now, not carried over.
        note: why there is no value.
    """

    value: float
    error: float | None = None
    fresh: bool = True
    note: str = ""


@dataclass(frozen=True)
class _Kept:
    stack: torch.Tensor
    reading: Reading
    alpha: float
    threshold: float


class Meter:
    r"""Measures layers; with a tolerance, only those that moved.

    By Weyl's inequality no singular value moves further than :math:`\|\Delta W\|_F`, so to first
    order :math:`|\Delta\alpha| \le 4 (\alpha - 1)^2 \|\Delta W\|_F / \sigma_{thr}`, with
    :math:`\sigma_{thr}` the singular value where the Hill tail begins.

    Args:
        options: what to measure and how often.
    """

    def __init__(self, options: BalanceOptions) -> None:
        self._options = options
        self._kept: dict[str, _Kept] = {}

    def forget(self) -> None:
        """Measure every layer again at the next look."""
        self._kept.clear()

    def read(self, layer: LayerMatrix, tensors: Sequence[torch.Tensor]) -> Reading:
        """Return the metric of one layer from its tensors, which are only read."""
        options = self._options.on(tensors[0].device.type)
        if self._options.metric not in LIGHT or options.windows is not None:
            return self._examined(layer, tensors, options)
        stack = layer.build(list(tensors))
        kept = self._kept.get(layer.name)
        if kept is not None and self._still(layer, stack, kept):
            return Reading(kept.reading.value, kept.reading.error, fresh=False)
        try:
            spectrum = _spectrum(stack.to(options.torch_device), layer, options)
        except NonFiniteError:
            return Reading(math.nan, note=NOT_FINITE)
        level = rounding_level(spectrum.values, layer.stack, layer.dtype)
        if spectrum.route != "gram-float32":
            level = max(level, spectrum.floor)
        if spectrum.values[0] <= level:  # zeros, or a rank that needs a closer look
            return self._examined(layer, tensors, options)
        hill = alpha_hill(spectrum.values, options.fraction, convention=options.hill)
        equal = spectrum.values[-1] / spectrum.values[0] - 1 < 100 * torch.finfo(layer.dtype).eps
        if equal or not math.isfinite(hill.alpha):
            return Reading(math.nan, note=_NO_VALUE)
        reading = self._reading(layer, hill.alpha, options)
        if self._options.tolerance:
            self._kept[layer.name] = _Kept(stack.clone(), reading, hill.alpha, hill.threshold)
        return reading

    def _still(self, layer: LayerMatrix, stack: torch.Tensor, kept: _Kept) -> bool:
        if stack.shape != kept.stack.shape:
            return False
        change = layer.scale * float(torch.linalg.vector_norm(stack - kept.stack))
        bound = 4 * (kept.alpha - 1) ** 2 * change / math.sqrt(kept.threshold)
        return bound < self._options.tolerance  # NaN is not

    def _reading(self, layer: LayerMatrix, alpha: float, options: SpectraOptions) -> Reading:
        if self._options.metric == "alpha_hill" and not self._options.noise_aware:
            return Reading(alpha)
        null = _null(layer, options)
        error = null.spread * (alpha - 1) / (null.limit - 1)
        if self._options.metric == "alpha_hill":
            return Reading(alpha, error)
        return Reading((alpha - 1) / (null.limit - 1), error / (null.limit - 1))

    def _examined(
        self, layer: LayerMatrix, tensors: Sequence[torch.Tensor], options: SpectraOptions
    ) -> Reading:
        """The whole layer table for one number: for metrics and matrices out of the common."""
        row = examine(layer, list(tensors), options)
        if row.verdict is not None and row.verdict.label == "not-finite":
            return Reading(math.nan, note=NOT_FINITE)
        metric = self._options.metric
        value = float(getattr(row, metric))
        if not math.isfinite(value):
            return Reading(math.nan, note=_NO_VALUE)
        if metric == "alpha_ks":
            return Reading(value, row.sigma)
        if metric not in LIGHT:
            return Reading(value)
        return replace(self._reading(layer, row.alpha_hill, options), value=value)


def _spectrum(stack: torch.Tensor, layer: LayerMatrix, options: SpectraOptions) -> Spectrum:
    """The eigenvalues: in float32 where that was asked for and holds, else in float64."""
    if options.precision == "float32":
        try:
            found = gram_spectrum(stack, torch.float32)
            start = int(len(found.values) * (1 - options.fraction))
            unseen = float((found.values < found.floor).mean())
            if found.values[-1] < _FLOAT32_RATIO * found.values[start] and unseen < _FLOAT32_UNSEEN:
                return _scaled(found, layer.scale)
        except NonFiniteError:  # an overflow of float32; float64 tells it from NaN
            pass
    return _scaled(gram_spectrum(stack, torch.float64), layer.scale)


def _scaled(found: Spectrum, scale: float) -> Spectrum:
    return Spectrum(found.values * scale**2, found.route, found.floor * scale**2)


def _null(layer: LayerMatrix, options: SpectraOptions) -> HillNull:
    k, rows, cols = layer.stack
    n, m = sorted((rows, cols))
    depends = options.windows is not None or (options.conv == "fft" and "conv" in layer.kind)
    return hill_null(n, m, 1 if depends else k, options.fraction, paper=options.hill == "paper")
