"""One layer examined: a stack of matrices in, one row of the layer table out."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eigenscape.layers._matrix import LayerMatrix
from eigenscape.layers._options import SpectraOptions
from eigenscape.layers._solver import (
    NonFiniteError,
    Spectrum,
    gram_spectrum,
    rounding_level,
    svd_spectrum,
)
from eigenscape.spectra._layer import Histogram, LayerSpectrum
from eigenscape.spectra._verdict import all_zero, judge, not_finite
from eigenscape.spectra._windows import square_windows
from eigenscape.spectra.metrics import (
    alpha_hill,
    compare_shuffled,
    erg_tail,
    fit_bulk,
    fit_power_law,
    fit_truncated_power_law,
    log_alpha_norm,
    shuffled_stack,
    spectral_entropy,
    stable_rank,
)
from eigenscape.theory import hill_null, marchenko_pastur_alpha

#: float32 is trusted while the threshold lies within this ratio of the largest eigenvalue.
_FLOAT32_RATIO = 1e4
_FLOAT32_UNSEEN = 0.03
#: Eigenvalues that differ by less than this many units of storage precision are equal.
_EQUAL = 100
#: How far the tail fraction is moved for the interval of alpha_hill.
_SENSITIVITY = (0.8, 1.2)
_BAND_99 = 2.576
_TRIMMED = "rows or columns of zeros are left out"


def examine(
    layer: LayerMatrix,
    tensors: list[torch.Tensor],
    options: SpectraOptions,
    *,
    memory: int | None = None,
) -> LayerSpectrum:
    """Return the row of one layer.

    Args:
        layer: what the tensors are.
        tensors: as many as ``layer.tensors`` names. The list is emptied on the way: with it goes
            the last reference, so that a large tensor is freed before its eigenvalues are computed.
        options: what to measure.
        memory: bytes that the eigenvalue solve may take.
    """
    row = _identity(layer)
    stack = layer.build(tensors).to(options.torch_device)
    tensors.clear()
    if options.windows is not None:
        stack = square_windows(stack, options.windows, options.window_steps)
    shape = (stack.shape[0], stack.shape[1], stack.shape[2])
    row = replace(row, matrices=shape[0], rows=shape[1], cols=shape[2])
    keep = stack if _needs_entries(layer, options) else None
    try:
        return _measured(row, _Routes(stack, layer, options, memory), keep, options)
    except NonFiniteError:
        bad = int((~torch.isfinite(stack)).sum())
        return replace(row, verdict=not_finite(bad, stack.numel()), notes=("not finite",))


class _Routes:
    """The solver routes for one stack, from the cheapest that was allowed to the safest."""

    def __init__(
        self, stack: torch.Tensor, layer: LayerMatrix, options: SpectraOptions, memory: int | None
    ) -> None:
        self.stack, self.layer, self.options, self.memory = stack, layer, options, memory

    def cheap(self) -> Spectrum | None:
        """The float32 route, if it was asked for and does not overflow."""
        if self.options.precision != "float32":
            return None
        try:
            return self._scaled(gram_spectrum(self.stack, torch.float32, memory=self.memory))
        except NonFiniteError:  # squares beyond float32's range; float64 tells NaN from overflow
            return None

    def safe(self) -> Spectrum:
        """The float64 Gram route, or singular values where only those resolve the bottom."""
        if "bottom" in self.options.metrics:
            return self._scaled(svd_spectrum(self.stack))
        found = gram_spectrum(self.stack, torch.float64, memory=self.memory)
        fine = self.layer.dtype in (torch.float64, torch.complex128)
        if fine and found.values[0] <= found.floor < found.values[-1]:
            found = svd_spectrum(self.stack)
        return self._scaled(found)

    def trim(self) -> bool:
        """Leave out rows and columns of zeros, so that the null has the shape of what is left."""
        if self.stack.shape[0] != 1:
            return False
        W = self.stack[0]
        rows, cols = (W != 0).any(dim=1), (W != 0).any(dim=0)
        if (bool(rows.all()) and bool(cols.all())) or not bool(rows.any()):
            return False
        self.stack = W[rows][:, cols].unsqueeze(0)
        return True

    def _scaled(self, found: Spectrum) -> Spectrum:
        factor = self.layer.scale**2
        return Spectrum(found.values * factor, found.route, found.floor * factor)


def _identity(layer: LayerMatrix) -> LayerSpectrum:
    k, rows, cols = layer.stack
    return LayerSpectrum(
        name=layer.name,
        kind=layer.kind,
        block=layer.block,
        shape=layer.shape,
        matrices=k,
        rows=rows,
        cols=cols,
        dtype=str(layer.dtype).removeprefix("torch."),
        parameters=layer.parameters or k * rows * cols,
        tensors=layer.tensors,
        aliases=layer.aliases,
        inferred=layer.inferred,
        notes=(layer.note,) if layer.note else (),
        eigenvalues=layer.eigenvalues,
        independent=layer.independent or layer.eigenvalues,
    )


def _measured(
    row: LayerSpectrum, routes: _Routes, keep: torch.Tensor | None, options: SpectraOptions
) -> LayerSpectrum:
    cheap = routes.cheap()
    if cheap is not None:
        measured = _from_spectrum(row, cheap, routes.layer, options)
        if _float32_holds(measured):
            return _finished(measured, keep, options)
    measured = _from_spectrum(row, routes.safe(), routes.layer, options)
    if measured.zeros and routes.trim():
        rows, cols = routes.stack.shape[1:]
        row = replace(row, rows=rows, cols=cols, notes=(*row.notes, _TRIMMED))
        measured = _from_spectrum(row, routes.safe(), routes.layer, options)
    if cheap is not None:
        note = "float32 could not resolve the threshold; computed again in float64"
        measured = replace(measured, notes=(*measured.notes, note))
    return _finished(measured, keep, options)


def _float32_holds(measured: LayerSpectrum) -> bool:
    threshold = min(measured.hill_threshold, measured.xmin)  # NaN where there is no exponent
    spectrum = measured.spectrum
    if spectrum is None or not measured.lambda_max < _FLOAT32_RATIO * threshold:
        return False
    floor = measured.lambda_max * min(measured.rows, measured.cols) * np.finfo(np.float32).eps
    # A few below the floor are what a square matrix has; many are a rank that float32 cannot see.
    return bool((spectrum < floor).mean() < _FLOAT32_UNSEEN)


def _from_spectrum(
    row: LayerSpectrum, found: Spectrum, layer: LayerMatrix, options: SpectraOptions
) -> LayerSpectrum:
    values = found.values
    count, largest = len(values), float(values[-1])
    stack = (row.matrices, row.rows, row.cols)
    row = replace(row, eigenvalues=count, route=found.route, lambda_max=largest, spectrum=values)
    if largest == 0:
        return replace(row, norm=0.0, rank=0, zeros=count, verdict=all_zero())
    resolved = found.route != "gram-float32"
    level = rounding_level(values, stack, layer.dtype)
    level = max(level, found.floor) if resolved else level
    positive = values[values > level]
    rank = len(positive) if resolved or values[0] > found.floor else None
    row = replace(
        row, rank=rank, zeros=count - len(positive), **_size_metrics(values, len(positive))
    )
    if len(positive) < options.min_eigenvalues:
        note = (
            f"no exponent: {len(positive)} non-zero eigenvalues, "
            f"fewer than {options.min_eigenvalues} (--min-eigenvalues)"
        )
        return replace(row, notes=(*row.notes, note))
    if row.zeros:
        note = f"{row.zeros} eigenvalues at rounding level are left out of the fits"
        row = replace(row, notes=(*row.notes, note))
    row = replace(row, histogram=Histogram.of(positive))
    return _with_exponents(row, positive, options)


def _size_metrics(values: NDArray[np.float64], rank: int) -> dict[str, Any]:
    largest, norm = float(values[-1]), float(values.sum())
    return {
        "spectral_norm": math.sqrt(largest),
        "norm": norm,
        "log_norm": math.log10(norm),
        "log_spectral_norm": math.log10(largest),
        "stable_rank": stable_rank(values),
        "entropy": spectral_entropy(values, rank),
        "erg_size": erg_tail(values),
    }


def _with_exponents(
    row: LayerSpectrum, values: NDArray[np.float64], options: SpectraOptions
) -> LayerSpectrum:
    stack = (row.matrices, row.rows, row.cols)
    hill = alpha_hill(values, options.fraction, convention=options.hill)
    bulk = fit_bulk(values, stack)
    row = replace(
        row,
        alpha_hill=hill.alpha,
        hill_threshold=hill.threshold,
        bulk_sigma=bulk.sigma,
        bulk_edge=bulk.edge,
        spikes=bulk.spikes,
        soft_rank=bulk.soft_rank,
        **_null_and_interval(row, values, hill.alpha, options),
    )
    if values[-1] / values[0] - 1 < _EQUAL * torch.finfo(getattr(torch, row.dtype)).eps:
        nothing = math.nan
        note = "all eigenvalues are equal to storage precision: no exponent"
        return replace(
            row,
            notes=(*row.notes, note),
            alpha_hill=nothing,
            alpha_hill_low=nothing,
            alpha_hill_high=nothing,
            alpha_excess=nothing,
            alpha_excess_low=nothing,
            alpha_excess_high=nothing,
        )
    fit = fit_power_law(values, options.fit)
    dependent = len(values) / min(row.independent, len(values))  # windows overlap
    return replace(
        row,
        fit=options.fit,
        alpha_ks=fit.alpha,
        xmin=fit.xmin,
        ks_distance=fit.distance,
        sigma=fit.sigma * math.sqrt(dependent),
        tail_size=fit.tail_size,
        alpha_hat=fit.alpha * row.log_spectral_norm,
        log_alpha_norm=log_alpha_norm(values, fit.alpha),
    )


def _null_and_interval(
    row: LayerSpectrum, values: NDArray[np.float64], alpha: float, options: SpectraOptions
) -> dict[str, Any]:
    n, m = sorted((row.rows, row.cols))
    q, paper = n / m, options.hill == "paper"
    # Windows overlap and frequencies of one kernel depend on each other: no averaging of the noise.
    independent = options.windows is None and not (options.conv == "fft" and "conv" in row.kind)
    slices = row.matrices if independent else 1
    null = hill_null(n, m, slices, options.fraction, paper=paper)
    alphas, excesses = [alpha], [(alpha - 1) / (null.limit - 1)]
    for factor in _SENSITIVITY:
        fraction = min(options.fraction * factor, 0.99)
        moved = alpha_hill(values, fraction, convention=options.hill).alpha
        alphas.append(moved)
        excesses.append((moved - 1) / (marchenko_pastur_alpha(q, fraction) - 1))
    if (
        row.kind == "lora_update"
    ):  # a product of two factors: the Marchenko-Pastur law is not its null
        return {"alpha_hill_low": min(alphas), "alpha_hill_high": max(alphas)}
    slack, relative = 2 * null.spread, 2 * null.spread / (null.limit - 1)
    return {
        "alpha_hill_low": max(1.0, min(alphas) - slack),
        "alpha_hill_high": max(alphas) + slack,
        "alpha_null": null.limit,
        "alpha_null_low": null.mean - _BAND_99 * null.spread,
        "alpha_null_high": null.mean + _BAND_99 * null.spread,
        "alpha_excess": excesses[0],
        "alpha_excess_low": max(0.0, min(excesses) - relative),
        "alpha_excess_high": max(excesses) + relative,
    }


def _needs_entries(layer: LayerMatrix, options: SpectraOptions) -> bool:
    return "shuffle" in options.metrics and not layer.dtype.is_complex


def _finished(
    row: LayerSpectrum, keep: torch.Tensor | None, options: SpectraOptions
) -> LayerSpectrum:
    if row.verdict is not None:
        return row
    if math.isfinite(row.alpha_ks):
        row = replace(row, extras=_extras(row, keep, options))
    return replace(row, verdict=judge(row))


def _extras(
    row: LayerSpectrum, keep: torch.Tensor | None, options: SpectraOptions
) -> dict[str, float]:
    values = row.spectrum
    assert values is not None
    extras: dict[str, float] = {}
    if "tpl" in options.metrics:
        fit = fit_truncated_power_law(values[-row.tail_size :])
        extras.update(tpl_alpha=fit.alpha, tpl_rate=fit.rate, tpl_gain=fit.gain)
    if "bottom" in options.metrics:
        smallest, largest = math.sqrt(values[0]), math.sqrt(values[-1])
        extras.update(
            sigma_min=smallest, condition_number=largest / smallest if smallest else math.inf
        )
    if keep is not None:
        stack = (row.matrices, row.rows, row.cols)
        moved = gram_spectrum(shuffled_stack(keep, options.seed)).values
        scale = row.norm / float(moved.sum())  # shuffling keeps the sum; this restores the scale
        found = compare_shuffled(values, moved * scale, stack)
        extras.update({f"shuffled_{key}": value for key, value in found._asdict().items()})
    return extras
