"""One layer examined: a stack of matrices in, one row of the layer table out."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from eigenscape.layers import LayerMatrix, NonFiniteError, Spectrum, eigenvalues
from eigenscape.spectra._description import not_finite
from eigenscape.spectra._layer import LayerSpectrum, row_of
from eigenscape.spectra._options import SpectraOptions
from eigenscape.spectra.metrics._power_law import PowerLawFit, fit_power_law
from eigenscape.spectra.metrics._registry import MetricContext, is_flat
from eigenscape.theory import alpha_hill

#: Entries beyond this power of two, either way, have squares that float64 may not hold.
_EXTREME = 480
_BEYOND = "eigenvalues lie beyond the range of float64; their logarithms do not"
#: What is an eigenvalue, or a sum of them.
_SQUARES = ("lambda_max", "norm", "xmin", "hill_threshold", "bulk_edge")


def examine(
    layer: LayerMatrix,
    tensors: list[torch.Tensor],
    options: SpectraOptions,
    *,
    memory: int | None = None,
) -> LayerSpectrum:
    """Return the row of one layer: eigenvalues, then each metric, then the description.

    Args:
        layer: what the tensors are.
        tensors: as many as ``layer.tensors`` names. The list is emptied: with it goes
            the last reference, so that a large tensor is freed before its eigenvalues are computed.
        options: what to measure.
        memory: bytes that the eigenvalue solve may take.
    """
    stack = layer.matrices(tensors).to(options.torch_device)
    tensors.clear()
    power = _extreme(stack)
    if power:
        row = examine(
            replace(layer, build=as_is, tensors=()),
            [_shifted(stack, -power)],
            options,
            memory=memory,
        )
        return _moved_back(replace(row, layer=layer), power)
    if options.windows is not None:
        stack = square_windows(stack, options.windows, options.window_steps)
    check = _Float32Check(layer, options)
    try:
        spectrum = eigenvalues(
            stack,
            dtype=layer.torch_dtype,
            scale=layer.scale,
            precision=options.precision,
            needed=check,
            smallest="bottom" in options.metrics,
            trim=True,
            memory=memory,
        )
    except NonFiniteError:
        bad = int((~torch.isfinite(stack)).sum())
        k, rows, cols = stack.shape
        return LayerSpectrum(
            layer=layer,
            matrices=k,
            rows=rows,
            cols=cols,
            n_eigenvalues=layer.n_eigenvalues,
            notes=("not finite",),
            description=not_finite(bad, stack.numel()),
        )
    fitted = check.fitted if spectrum.route == "gram-float32" else None
    return row_of(MetricContext(layer, spectrum, options, stack, fitted=fitted))


def as_is(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """The stack itself."""
    return tensors[0]


def _extreme(stack: torch.Tensor) -> int:
    """The power of two of the largest entry, where its square leaves float64's range; else 0."""
    if stack.dtype not in (torch.float64, torch.complex128) or not stack.numel():
        return 0
    parts = torch.view_as_real(stack) if stack.is_complex() else stack
    largest = max(map(abs, map(float, torch.aminmax(parts))))
    if not math.isfinite(largest) or largest == 0:
        return 0
    power = math.frexp(largest)[1]
    return power if abs(power) > _EXTREME else 0


def _shifted(stack: torch.Tensor, power: int) -> torch.Tensor:
    half = power // 2  # in two steps: 2.0 ** 1074 is no number
    return stack * 2.0**half * 2.0 ** (power - half)


def _moved_back(row: LayerSpectrum, power: int) -> LayerSpectrum:
    """The row of a stack from that of the stack over a power of two; exponents stay the same."""
    if not row.lambda_max > 0:
        return row
    digits = 2 * power * math.log10(2)
    numbers: dict[str, Any] = {name: _power_of(getattr(row, name), 2 * power) for name in _SQUARES}
    beyond = not math.isfinite(numbers["lambda_max"])
    histogram = row.histogram
    if histogram is not None:
        histogram = replace(histogram, low=histogram.low + digits, high=histogram.high + digits)
    return replace(
        row,
        **numbers,
        spectral_norm=math.ldexp(row.spectral_norm, power),
        bulk_sigma=math.ldexp(row.bulk_sigma, power),
        log_norm=row.log_norm + digits,
        log_spectral_norm=row.log_spectral_norm + digits,
        log_alpha_norm=row.log_alpha_norm + row.alpha_ks * digits,
        alpha_hat=row.alpha_hat + row.alpha_ks * digits,
        histogram=histogram,
        eigenvalues=None if beyond or row.eigenvalues is None else row.eigenvalues * 4.0**power,
        notes=(*row.notes, *((_BEYOND,) if beyond else ())),
    )


def _power_of(value: float, power: int) -> float:
    """Return value times a power of two; NaN where float64 does not hold it."""
    try:
        moved = math.ldexp(value, power)
    except OverflowError:
        return math.nan
    return moved if abs(moved) >= sys.float_info.min or value == 0 else math.nan


class _Float32Check:
    """The smallest eigenvalue that an exponent of this layer is made from; NaN where none is."""

    def __init__(self, layer: LayerMatrix, options: SpectraOptions) -> None:
        self.layer, self.options = layer, options
        self.fitted: PowerLawFit | None = None

    def __call__(self, found: Spectrum) -> float:
        positive, options = found.positive, self.options
        if len(positive) < options.min_eigenvalues:
            return math.nan
        threshold = alpha_hill(positive, options.fraction, convention=options.hill).threshold
        if is_flat(positive, self.layer.torch_dtype):
            return threshold
        self.fitted = fit_power_law(positive, options.fit)
        return min(threshold, self.fitted.xmin)


def square_windows(stack: torch.Tensor, width: int, steps: int) -> torch.Tensor:
    """Cut (k, rows, cols) into overlapping squares and pool them: (k * windows, width, width).

    Windows start at evenly spaced places along both dimensions, first and last included, at most
    ``steps`` along each; the width is at most the smaller dimension. Source: Hu et al. (2025),
    whose pooled spectrum of many windows replaces that of the whole matrix.

    >>> square_windows(torch.zeros(1, 10, 30), 10, 5).shape
    torch.Size([5, 10, 10])
    """
    k, rows, cols = stack.shape
    width = min(width, rows, cols)
    pieces = [
        stack[:, r : r + width, c : c + width]
        for r in _starts(rows, width, steps)
        for c in _starts(cols, width, steps)
    ]
    return torch.stack(pieces, dim=1).reshape(k * len(pieces), width, width)


def _starts(size: int, width: int, steps: int) -> list[int]:
    room = size - width
    count = min(steps, room + 1)
    if count == 1:
        return [room // 2]
    return [round(index * room / (count - 1)) for index in range(count)]
