"""Pruning criteria: which weights of a matrix become zero, and what the others become.

A criterion is a function of the matrix, the statistics of its inputs and what is wanted, registered
under a name with what it needs of the inputs. Each is a small function of its own; SparseGPT, which
changes the weights that stay, has a file of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.pruning._choose import Pattern, smallest, smallest_in_groups, smallest_in_rows
from eigenscape.pruning._sparsegpt import sparsegpt
from eigenscape.pruning._statistics import InputStatistics

Needs = Literal["nothing", "norms", "gram"]


@dataclass(frozen=True)
class Pruned:
    """A matrix after pruning.

    Args:
        weight: ``(out, in)``.
        mask: true where a weight was made zero.
        note: what was unusual; empty as a rule.
    """

    weight: Tensor
    mask: Tensor
    note: str = ""


#: Of a matrix (out, in), float32; the statistics of its inputs; how many entries to prune, or the
#: pattern.
Criterion = Callable[[Tensor, InputStatistics | None, int | Pattern], Pruned]


@dataclass(frozen=True)
class NamedCriterion:
    """A criterion and what it needs of a layer's inputs."""

    prune: Criterion
    needs: Needs
    source: str


def _magnitude(weight: Tensor, _: InputStatistics | None, wanted: int | Pattern) -> Pruned:
    scores = weight.abs()
    if isinstance(wanted, Pattern):
        mask = smallest_in_groups(scores, wanted)
    else:
        mask = smallest(scores, wanted)
    return Pruned(weight.masked_fill(mask, 0), mask)


def wanda_scores(weight: Tensor, inputs: InputStatistics) -> Tensor:
    """Return ``|W_ij| ||X_j||``, the score of Wanda (Sun et al. 2024, section 3)."""
    return weight.abs() * inputs.norms.to(weight.device)


def _wanda(weight: Tensor, inputs: InputStatistics | None, wanted: int | Pattern) -> Pruned:
    scores = wanda_scores(weight, _given(inputs, "wanda"))
    if isinstance(wanted, Pattern):
        mask = smallest_in_groups(scores, wanted)
    else:
        mask = smallest_in_rows(scores, wanted)
    return Pruned(weight.masked_fill(mask, 0), mask)


def _sparsegpt(weight: Tensor, inputs: InputStatistics | None, wanted: int | Pattern) -> Pruned:
    return Pruned(*sparsegpt(weight, _given(inputs, "sparsegpt").gram, wanted))


def _given(inputs: InputStatistics | None, name: str) -> InputStatistics:
    if inputs is None or not inputs.rows:
        raise InputError(
            f"the criterion {name} needs the inputs of the layer, and has none. Try: give "
            "calibration data that reach it"
        )
    return inputs


#: The criteria by name.
CRITERIA: dict[str, NamedCriterion] = {
    "magnitude": NamedCriterion(_magnitude, "nothing", "|W|, the smallest of the matrix"),
    "wanda": NamedCriterion(_wanda, "norms", "Sun et al. 2024: |W| ||X||, the smallest of a row"),
    "sparsegpt": NamedCriterion(_sparsegpt, "gram", "Frantar & Alistarh 2023"),
}


def output_error(before: Tensor, after: Tensor, inputs: InputStatistics) -> float:
    r"""Return the relative error of a layer's outputs over the calibration data.

    :math:`\lVert (W' - W) X^T \rVert^2 / \lVert W X^T \rVert^2`, with the Gram matrix where it was
    kept; else with its diagonal alone, as if the input columns were uncorrelated.
    """
    change = (after - before).float()
    if inputs._gram is not None:
        error, whole = (float(((m @ inputs.gram) * m).sum()) for m in (change, before.float()))
    else:
        squares = inputs.squares.float().to(change.device)
        error, whole = (float((m.square() @ squares).sum()) for m in (change, before.float()))
    return max(0.0, error) / whole if whole > 0 else 0.0
