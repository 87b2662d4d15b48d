"""Notes on curvature that follow from the numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import Tensor

from eigenscape.models import evaluating, twice_differentiable, weight_normed

if TYPE_CHECKING:
    from eigenscape.landscape.curvature._density import SpectralDensity
    from eigenscape.landscape.curvature._eigenpairs import Eigenpairs
    from eigenscape.landscape.curvature._trace import TraceEstimate
    from eigenscape.models import Objective

#: A share of the loss, or of the largest eigenvalue, that is worth a sentence.
_NOTABLE = 1e-3
_KINKS = {
    "ReluBackward": "ReLU",
    "LeakyReluBackward": "leaky ReLU",
    "PreluKernelBackward": "PReLU",
    "HardtanhBackward": "hard tanh",
    "HardswishBackward": "hard swish",
    "ThresholdBackward": "threshold",
    "AbsBackward": "absolute value",
    "MaxPool": "max pooling",
    "SmoothL1LossBackward": "smooth L1",
}


def point_notes(objective: Objective, gradient_norm: float, largest: float) -> list[str]:
    """Return notes on the point: not stationary, kinks, batch norms."""
    notes = []
    gain = gradient_norm**2 / (2 * largest) if largest > 0 else 0.0
    if gain > _NOTABLE * abs(objective.loss_at_center):
        notes.append(
            f"the gradient norm is {gradient_norm:.3g}: this is not a stationary point. To second "
            f"order a step of 1/lambda_max along the gradient would lower the loss of "
            f"{objective.loss_at_center:.3g} by {gain:.3g} or more"
        )
    kinks = _kinks(objective)
    if kinks:
        notes.append(
            f"the loss has kinks ({', '.join(kinks)}): its Hessian counts the smooth pieces, not "
            "the bends between them, so that curvature over a finite distance can be larger"
        )
    return notes


def eigenvalue_notes(
    top: Tensor, residuals: Tensor, smallest: Tensor, tolerance: float, matrix: str
) -> list[str]:
    """Return notes on eigenvalues that did not converge, and on negative curvature."""
    notes = []
    scale = float(max(top.abs().max(), smallest.abs().max() if len(smallest) else 0.0))
    values = [*top.tolist(), *smallest.tolist()]
    loose = [
        f"{value:.4g} ± {residual * abs(value):.2g}"
        for value, residual in zip(values, residuals.tolist(), strict=True)
        if residual * abs(value) > tolerance * max(abs(value), _NOTABLE * scale)
    ]
    if loose:
        notes.append(
            f"residuals above the tolerance of {tolerance:g}: {', '.join(loose)}. More products "
            "or a looser tolerance would settle them; in float32 about 1e-6 is the limit"
        )
    lowest = min(values)
    if matrix == "hessian" and lowest < -_NOTABLE * scale:
        notes.append(
            f"negative curvature: the eigenvalue {lowest:.3g}, {-lowest / scale:.1%} of the "
            "largest absolute value. The point is not a minimum of the quadratic model"
        )
    return notes


def estimate_notes(found: TraceEstimate, density: SpectralDensity | None) -> list[str]:
    """Return notes on a trace with a large error, and on weight at negative eigenvalues."""
    notes = []
    if found.standard_error > 0.1 * abs(found.value):
        notes.append(
            f"the trace is {found.value:.3g} ± {found.standard_error:.2g} (one standard error) "
            f"after {found.products} products; the error falls as 1/sqrt(products)"
        )
    if density is not None:
        below = density.mass_below(-density.width)
        if below > _NOTABLE:
            notes.append(
                f"{below:.1%} of the eigenvalues lie below -{density.width:.2g}, the width that "
                "the density is drawn with"
            )
    return notes


def route_notes(objective: Objective) -> list[str]:
    """Return notes on how the products were found."""
    notes = []
    if weight_normed(objective.model):
        notes.append(
            "weight norms are written out as v (g / ||v||): the fused operation of torch has a "
            "wrong second derivative on the CPU"
        )
    return notes


def rest_notes(top: Tensor, smallest: Tensor, pairs: Eigenpairs, checks: int | None) -> list[str]:
    """Return notes on eigenvalues that may have been missed, and on repeated ones."""
    low, high = pairs.rest
    recurrence = pairs.method == "recurrence"
    if recurrence and not checks:
        repeated = "whether it is repeated was not looked for (checks=N looks, with N products)"
    elif recurrence and high < float(top[0]):
        repeated = f"it is not repeated: with 99 % the next one lies below {high:.6g}"
    else:
        repeated = f"a second one as large is there, or not excluded: up to {high:.6g}, with 99 %"
    notes = []
    if recurrence:
        notes.append(
            "the largest eigenvalue is by the three-term recurrence without a stored basis: "
            + repeated
        )
    if pairs.settled:
        return notes
    if not math.isfinite(high):
        notes.append(
            "copies of repeated eigenvalues, and what else the search did not see, were not "
            "looked for"
        )
        return notes
    between = [f"between {float(top[-1]):.4g} and {high:.4g}"]
    if len(smallest):
        between.append(f"between {low:.4g} and {float(smallest[-1]):.4g}")
    notes.append(
        f"eigenvalues {' and '.join(between)} that were missed, such as further copies of those "
        "found, are not excluded (beyond, with 99 %); they would take the place of the last ones. "
        "More checks would settle it"
    )
    return notes


def _kinks(objective: Objective) -> list[str]:
    """Name the piecewise linear operations in the graph of the first batch's loss."""
    with twice_differentiable(objective.model), evaluating(objective.model):
        leaf = objective.center.clone().requires_grad_()
        batch, _ = next(iter(objective.data))
        loss = objective.batch_loss(objective.tensors(leaf), batch)
    found, seen, ahead = set(), set(), [loss.grad_fn]
    while ahead:
        node = ahead.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        name = node.name()
        found |= {word for prefix, word in _KINKS.items() if name.startswith(prefix)}
        ahead += [source for source, _ in node.next_functions]
    return sorted(found)
