"""The metrics of this package, in the order in which they are computed for a layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigenscape.layers import eigenvalues as solve
from eigenscape.spectra.metrics._bulk import fit_bulk
from eigenscape.spectra.metrics._norms import (
    erg_tail,
    log_alpha_norm,
    spectral_entropy,
    stable_rank,
)
from eigenscape.spectra.metrics._power_law import fit_power_law, fit_truncated_power_law
from eigenscape.spectra.metrics._registry import MetricContext, has_exponent, own_metric
from eigenscape.spectra.metrics._shuffle import compare_shuffled, shuffled_stack
from eigenscape.theory import alpha_hill, hill_null, marchenko_pastur_alpha

Array = NDArray[np.float64]
#: How far the tail fraction is moved for the interval of alpha_hill.
_SENSITIVITY = (0.8, 1.2)


@own_metric("sizes", 100, few=True)
def sizes(positive: Array, context: MetricContext) -> dict[str, Any]:
    """Norms, ranks and entropy, of all eigenvalues."""
    values = context.spectrum.values
    largest, norm = float(values[-1]), float(values.sum())
    return {
        "spectral_norm": math.sqrt(largest),
        "norm": norm,
        "log_norm": math.log10(norm),
        "log_spectral_norm": math.log10(largest),
        "stable_rank": stable_rank(values),
        "entropy": spectral_entropy(values, len(positive)),
        "erg_size": erg_tail(values),
    }


@own_metric("hill", 200)
def hill_numbers(positive: Array, context: MetricContext) -> dict[str, Any]:
    """Return PL_Alpha_Hill with its interval, and the random matrix of the same shape beside it.

    Args:
        positive: eigenvalues, ascending, above rounding level.
        context: the layer, its spectrum and the options.
    """
    options, layer = context.options, context.layer
    fit = alpha_hill(positive, options.fraction, convention=options.hill)
    k, *shape = context.spectrum.stack
    n, m = sorted(shape)
    # Windows overlap and frequencies of one kernel depend on each other: no averaging of the noise.
    independent = options.windows is None and not (options.conv == "fft" and "conv" in layer.kind)
    null = hill_null(
        n,
        m,
        k,
        options.fraction,
        paper=options.hill == "paper",
        independent=independent,
        complex_entries=context.stack.is_complex(),
    )
    found = {"alpha_hill": fit.alpha, "hill_threshold": fit.threshold}
    alphas, excesses = [fit.alpha], [(fit.alpha - 1) / (null.limit - 1)]
    for factor in _SENSITIVITY:
        fraction = min(options.fraction * factor, 0.99)
        moved = alpha_hill(positive, fraction, convention=options.hill).alpha
        alphas.append(moved)
        excesses.append((moved - 1) / (marchenko_pastur_alpha(n / m, fraction) - 1))
    if layer.kind == "lora_update":  # a product of two factors: Marchenko-Pastur is not its null
        found |= {"alpha_hill_low": min(alphas), "alpha_hill_high": max(alphas)}
    else:
        slack, relative = 2 * null.spread, 2 * null.spread / (null.limit - 1)
        found |= {
            "alpha_hill_low": max(1.0, min(alphas) - slack),
            "alpha_hill_high": max(alphas) + slack,
            "alpha_null": null.limit,
            "alpha_null_low": null.low,
            "alpha_null_high": null.high,
            "alpha_excess": excesses[0],
            "alpha_excess_low": max(0.0, min(excesses) - relative),
            "alpha_excess_high": max(excesses) + relative,
        }
    if context.flat or context.is_noise(
        fit.alpha
    ):  # no tail: the null of the shape is all there is to say
        keep = ("hill_threshold", "alpha_null", "alpha_null_low", "alpha_null_high")
        return {name: found[name] for name in keep if name in found}
    return found


def standard_error(numbers: Mapping[str, Any], column: str) -> float | None:
    """Return the standard error of an exponent from the numbers beside it; None where it has none.

    ``alpha_excess`` and ``alpha_hill``: a quarter of the interval, which holds the choice of the
    threshold and two standard deviations of a random matrix's at each end. ``alpha_ks``:
    (alpha - 1) / sqrt(tail size). ``python benchmarks/allocation.py`` holds them against the
    scatter over training seeds.

    Args:
        numbers: a row of the layer table, as ``LayerSpectrum.columns()`` gives it.
        column: the exponent.

    >>> standard_error({"alpha_hill_low": 1.5, "alpha_hill_high": 2.5}, "alpha_hill")
    0.25
    """
    found = math.nan
    if column in ("alpha_excess", "alpha_hill"):
        found = (numbers[f"{column}_high"] - numbers[f"{column}_low"]) / 4
    elif column == "alpha_ks":
        found = float(numbers["sigma"])
    return found if math.isfinite(found) else None


@own_metric("bulk", 300)
def bulk(positive: Array, context: MetricContext) -> dict[str, Any]:
    """The noise inside the spectrum, and the spikes outside it."""
    fit = fit_bulk(positive, context.spectrum.stack)
    return {
        "bulk_sigma": fit.sigma,
        "bulk_edge": fit.edge,
        "spikes": fit.spikes,
        "soft_rank": fit.soft_rank,
    }


@own_metric("power_law", 400)
def power_law(positive: Array, context: MetricContext) -> dict[str, Any]:
    """The fitted power law, and the norms that weigh by its exponent."""
    if context.flat:
        return {}
    fit = context.fitted or fit_power_law(positive, context.options.fit)
    if context.is_noise(fit.alpha):
        return {}
    dependent = len(positive) / min(context.layer.independent, len(positive))  # windows overlap
    return {
        "fit": context.options.fit,
        "alpha_ks": fit.alpha,
        "xmin": fit.xmin,
        "ks_distance": fit.distance,
        "sigma": fit.sigma * math.sqrt(dependent),
        "tail_size": fit.tail_size,
        "alpha_hat": fit.alpha * context.numbers["log_spectral_norm"],
        "log_alpha_norm": log_alpha_norm(positive, fit.alpha),
    }


@own_metric("tpl", 500, on_request=True)
def truncated(positive: Array, context: MetricContext) -> dict[str, Any]:  # noqa: ARG001
    """A power law with an exponential cut-off, on the tail of the fitted one."""
    if not has_exponent(context):
        return {}
    fit = fit_truncated_power_law(context.spectrum.values[-context.numbers["tail_size"] :])
    return {"tpl_alpha": fit.alpha, "tpl_rate": fit.rate, "tpl_gain": fit.gain}


@own_metric("bottom", 510, on_request=True)
def bottom(positive: Array, context: MetricContext) -> dict[str, Any]:  # noqa: ARG001
    """The smallest singular value and the condition number, by singular values."""
    if not has_exponent(context):
        return {}
    values = context.spectrum.values
    smallest, largest = math.sqrt(values[0]), math.sqrt(values[-1])
    return {
        "sigma_min": smallest,
        "condition_number": largest / smallest if smallest else math.inf,
    }


@own_metric("shuffle", 520, on_request=True)
def shuffle(positive: Array, context: MetricContext) -> dict[str, Any]:  # noqa: ARG001
    """The spectrum beside that of the same entries in random places."""
    if not has_exponent(context) or context.stack.is_complex():
        return {}
    moved = solve(shuffled_stack(context.stack, context.options.seed)).values
    scale = context.numbers["norm"] / float(moved.sum())  # shuffling keeps the sum
    found = compare_shuffled(context.spectrum.values, moved * scale, context.spectrum.stack)
    return {f"shuffled_{key}": value for key, value in found._asdict().items()}
