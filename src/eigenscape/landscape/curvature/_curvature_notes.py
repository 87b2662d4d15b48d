"""Notes on how the curvature was measured, and what that leaves open."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import Tensor

from eigenscape.models import evaluating, twice_differentiable, weight_normed

if TYPE_CHECKING:
    from eigenscape.landscape.curvature._eigenpairs import Eigenpairs
    from eigenscape.models import Objective

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


def point_notes(objective: Objective) -> list[str]:
    """Return notes on the loss at the point: kinks."""
    kinks = _kinks(objective)
    return kinks and [
        f"the loss has kinks ({', '.join(kinks)}): its Hessian counts the smooth pieces, not the "
        "bends between them, so that curvature over a finite distance can be larger"
    ]


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
