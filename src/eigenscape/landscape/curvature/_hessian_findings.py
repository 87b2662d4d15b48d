"""What the curvature says in all, and what is to be known of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from eigenscape.results import Finding

if TYPE_CHECKING:
    from eigenscape.landscape.curvature._hessian_result import HessianResult

#: A share of the loss, or of the largest eigenvalue, that is worth a sentence.
_NOTABLE = 1e-3
#: A residual near which float32 ends.
_ROUNDING = 1e-5
#: A standard error of the trace, over the trace, that is worth a sentence.
_COARSE = 0.1


def hessian_answer(result: HessianResult) -> str:
    """Return the largest eigenvalue with its residual, and what it was measured on."""
    name = "Gauss-Newton matrix" if result.matrix == "ggn" else "Hessian"
    return (
        f"The largest eigenvalue of the {name} is {result.top_eigenvalues[0]:.6g}, with a residual "
        f"of {result.residuals[0]:.1e}: {result.model}, {result.parameters:,} parameters, at a "
        f"loss of {result.loss:.4g} over {result.samples} samples."
    )


def hessian_findings(result: HessianResult) -> tuple[Finding, ...]:
    """Return findings, all of them measurements: the most important first."""
    found = (_loose, _downward, _sloping, _repeated, _coarse, _below)
    return tuple(one for finder in found for one in finder(result))


def _loose(result: HessianResult) -> Iterator[Finding]:
    residuals = (*result.residuals, *result.smallest_residuals)
    loose = [
        (value, residual)
        for value, residual in zip(_values(result), residuals, strict=True)
        if residual * abs(value) > result.tolerance * max(abs(value), _NOTABLE * _scale(result))
    ]
    if not loose:
        return
    listed = ", ".join(f"{value:.4g} ± {residual * abs(value):.2g}" for value, residual in loose)
    rounded = min(residual for _, residual in loose) < _ROUNDING
    todo = (
        "Objective(..., dtype=torch.float64)" if rounded else "more products or time, or a looser"
    )
    yield Finding(
        text=f"Not converged: residuals above the tolerance of {result.tolerance:g}: {listed}.",
        basis="measurement",
        todo=f"Try {todo}" + ("" if rounded else " tolerance"),
    )


def _downward(result: HessianResult) -> Iterator[Finding]:
    lowest, scale = min(_values(result)), _scale(result)
    if result.matrix == "hessian" and lowest < -_NOTABLE * scale:
        yield Finding(
            text=f"Negative curvature: the eigenvalue {lowest:.3g}, {-lowest / scale:.1%} of the "
            "largest absolute value. The point is no minimum of the quadratic model.",
            basis="measurement",
        )


def _sloping(result: HessianResult) -> Iterator[Finding]:
    largest = result.top_eigenvalues[0]
    gain = result.gradient_norm**2 / (2 * largest) if largest > 0 else 0.0
    if gain > _NOTABLE * abs(result.loss):
        yield Finding(
            text=f"Not a stationary point: the gradient norm is {result.gradient_norm:.3g}. To "
            "second order a step of 1/lambda_max along the gradient would lower the loss of "
            f"{result.loss:.3g} by {gain:.3g} or more.",
            basis="measurement",
        )


def _repeated(result: HessianResult) -> Iterator[Finding]:
    top, residuals = result.top_eigenvalues, result.residuals
    errors = [residual * abs(value) for value, residual in zip(top, residuals, strict=True)]
    same = [
        top[0] - value <= errors[0] + error for value, error in zip(top, errors, strict=True)
    ].count(True)
    if same > 1 and top[0]:
        yield Finding(
            text=f"The largest eigenvalue is there {same} times, as far as the residuals tell.",
            basis="measurement",
        )


def _coarse(result: HessianResult) -> Iterator[Finding]:
    trace, error = result.hessian_trace, result.trace_stderr
    if not error > _COARSE * abs(trace):
        return
    needed = result.trace_probes * (error / (_COARSE * abs(trace))) ** 2 if trace else math.inf
    exact = not needed < result.parameters
    probes = result.parameters if exact else math.ceil(needed)
    yield Finding(
        text=f"The trace is {trace:.3g} ± {error:.2g} (one standard error) after "
        f"{result.trace_probes} products; the error falls as 1/sqrt(products).",
        basis="measurement",
        todo=f"--trace-samples {probes} would " + ("be exact" if exact else "bring it to a tenth"),
    )


def _below(result: HessianResult) -> Iterator[Finding]:
    density = result.density
    below = density.mass_below(-density.width) if density else 0.0
    if density and below > _NOTABLE:
        yield Finding(
            text=f"{below:.1%} of the eigenvalues lie below -{density.width:.2g}, the width that "
            "the density is drawn with.",
            basis="measurement",
        )


def _values(result: HessianResult) -> tuple[float, ...]:
    return (*result.top_eigenvalues, *result.smallest_eigenvalues)


def _scale(result: HessianResult) -> float:
    return max(map(abs, _values(result)))
