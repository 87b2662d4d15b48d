"""How much each matrix loses: the allocations by name, each a metric and a rule of `allocation`.

What an allocation needs of the network is said beside its name: nothing but shapes, the spectra,
the sizes of all weights, or the inputs of the layers of the dense network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eigenscape.allocation import Allocation, allocate
from eigenscape.errors import InputError
from eigenscape.pruning._choose import smallest
from eigenscape.pruning._criteria import CRITERIA, output_error, wanda_scores
from eigenscape.pruning._statistics import InputStatistics
from eigenscape.pruning._targets import Stage, Target, Targets

#: Outliers are more than this many times the mean (OWL, Yin et al. 2024, section 3).
OUTLIER = 5.0
#: Shares at which the error of a layer is measured, for ``layer_error``.
_SHARES = (0.0, *np.linspace(0.05, 0.95, 19), 0.99)
Look = Callable[[Stage, Mapping[str, InputStatistics]], None]


@dataclass(frozen=True)
class Known:
    """What an allocation may ask of the network.

    Args:
        targets: what is pruned.
        sparsity: of all of it.
        weight: reads the weight of a target, as stored.
        exponents: examines the dense weights, and returns the Hill exponent by name.
        inputs: goes through the dense network block by block, and hands the statistics of the
            inputs of each to a function.
        criterion: that prunes later.
    """

    targets: Targets
    sparsity: float
    weight: Callable[[Target], Tensor]
    exponents: Callable[[], dict[str, float]]
    inputs: Callable[[Look], None]
    criterion: str

    def matrix(self, target: Target) -> Tensor:
        """The dense matrix of a target, (out, in) float32."""
        return target.matrix(self.weight(target).detach()).float()


@dataclass(frozen=True)
class NamedAllocation:
    """An allocation by name.

    Args:
        measure: returns the metric of each target.
        rule: of :func:`eigenscape.allocation.allocate`.
        group: which matrices share a sparsity.
        source: where it comes from.
        epsilon: the range of the sparsities, where it has one.
        of: the rule whose scores a control hands out.
        inputs: whether it needs calibration data.
    """

    measure: Callable[[Known], dict[str, float]]
    rule: str
    group: str
    source: str
    epsilon: float | None = None
    of: str | None = None
    inputs: bool = False


def sparsities(
    name: str,
    known: Known,
    *,
    epsilon: float | None = None,
    floor: float = 0.0,
    cap: float = 0.99,
    seed: int = 0,
) -> Allocation:
    """Return the sparsity of each matrix, exact in the total.

    Args:
        name: of :data:`ALLOCATIONS`.
        known: what may be asked of the network.
        epsilon: how far the sparsities may be from the mean, where the allocation has such a range.
        floor: the smallest sparsity of a matrix.
        cap: the largest.
        seed: of the control ``shuffled``.

    Raises:
        InputError: an epsilon where none belongs, or a sparsity out of reach.
    """
    chosen = named(name)
    if epsilon is not None and chosen.epsilon is None:
        ranged = ", ".join(key for key, entry in ALLOCATIONS.items() if entry.epsilon is not None)
        raise InputError(f"the allocation {name} has no epsilon; these have: {ranged}")
    metric = chosen.measure(known)
    table = {
        target.name: {
            "score": metric[target.name],
            "parameters": target.weight.numel(),
            "block": target.block,
            "tensors": [target.tensor],
        }
        for target in known.targets.all
    }
    settings: dict[str, Any] = {} if chosen.of is None else {"of": chosen.of}
    if chosen.epsilon is not None:
        settings["epsilon"] = chosen.epsilon if epsilon is None else epsilon
    return allocate(
        table,
        kind="sparsity",
        column="score",
        total=known.sparsity,
        rule=chosen.rule,
        group=chosen.group,
        floor=floor,
        cap=cap,
        seed=seed,
        **settings,
    )


def named(name: str) -> NamedAllocation:
    """Return an allocation.

    Raises:
        InputError: unknown.
    """
    if name not in ALLOCATIONS:
        raise InputError(f"unknown allocation {name!r}; known: {', '.join(ALLOCATIONS)}")
    return ALLOCATIONS[name]


# ---------------------------------------------------------------- from shapes


def _nothing(known: Known) -> dict[str, float]:
    return {target.name: 1.0 for target in known.targets.all}


def _erdos_renyi(known: Known) -> dict[str, float]:
    """(in + out) / (in out): the density of Erdos-Renyi-Kernel (Evci et al. 2020, section 3)."""
    found = {}
    for target in known.targets.all:
        shape = target.weight.shape
        found[target.name] = sum(shape) / target.weight.numel()
    return found


def _erdos_renyi_plus(known: Known) -> dict[str, float]:
    """As Erdos-Renyi, but the last matrix stays dense (Liu et al. 2022, "ERK+")."""
    found = _erdos_renyi(known)
    found[known.targets.all[-1].name] = 1e6 * max(found.values())
    return found


def _depth(known: Known) -> dict[str, float]:
    order = {stage.name: 1.0 + place for place, stage in enumerate(known.targets.stages)}
    return {target.name: order[target.block] for target in known.targets.all}


# ---------------------------------------------------------------- from spectra


def _alpha(known: Known) -> dict[str, float]:
    """The Hill exponent of each matrix."""
    found = known.exponents()
    names = [target.name for target in known.targets.all]
    missing = [name for name in names if not np.isfinite(found.get(name, np.nan))]
    if missing:
        raise InputError(
            f"{', '.join(missing[:4])}: no exponent can be fitted to the spectrum. "
            "Try: another allocation, such as uniform, or --exclude"
        )
    return found


def _alpha_mixed(known: Known) -> dict[str, float]:
    """The mean of a matrix's own exponent and that of its block."""
    own = _alpha(known)
    found = {}
    for stage in known.targets.stages:
        mean = float(np.mean([own[target.name] for target in stage.targets]))
        found.update({target.name: (own[target.name] + mean) / 2 for target in stage.targets})
    return found


# ---------------------------------------------------------------- from the sizes of weights


def _lamp_scores(matrix: Tensor) -> Tensor:
    r"""Squared weights over the sum of those that are no smaller (Lee et al. 2021, section 3)."""
    squares = matrix.detach().double().square().flatten()
    order = squares.argsort(stable=True)
    ascending = squares[order]
    rest = ascending.flip(0).cumsum(0).flip(0)
    scores = torch.empty_like(squares)
    scores[order] = torch.where(rest > 0, ascending / rest, 0.0)
    return scores


def _sizes_of(matrix: Tensor) -> Tensor:
    return matrix.abs().flatten()


def _under_one_threshold(
    score: Callable[[Tensor], Tensor],
) -> Callable[[Known], dict[str, float]]:
    """The sparsities when the smallest scores of the whole network go, whatever layer has them."""

    def measure(known: Known) -> dict[str, float]:
        targets = known.targets.all
        parts = [score(known.matrix(target)).float() for target in targets]
        mask = smallest(torch.cat(parts), round(known.sparsity * sum(map(len, parts))))
        counts = [int(part.sum()) for part in torch.split(mask, [len(part) for part in parts])]
        return {
            target.name: count / target.weight.numel()
            for target, count in zip(targets, counts, strict=True)
        }

    return measure


# ---------------------------------------------------------------- from the inputs of the layers


def _outliers(known: Known) -> dict[str, float]:
    """Minus the percentage of outliers among a block's scores: who has more, keeps more."""
    found: dict[str, float] = {}

    def look(stage: Stage, inputs: Mapping[str, InputStatistics]) -> None:
        scores = _scores(known, stage, inputs)
        many = int((scores > OUTLIER * scores.mean(dtype=torch.float64)).sum())
        share = 100.0 * many / scores.numel()
        found.update({target.name: -share for target in stage.targets})

    known.inputs(look)
    return found


def _medians(known: Known) -> dict[str, float]:
    """The median of a block's scores, over the largest: who has a larger one, loses more."""
    found: dict[str, float] = {}

    def look(stage: Stage, inputs: Mapping[str, InputStatistics]) -> None:
        median = float(_scores(known, stage, inputs).median())
        found.update({target.name: median for target in stage.targets})

    known.inputs(look)
    return found


def _scores(known: Known, stage: Stage, inputs: Mapping[str, InputStatistics]) -> Tensor:
    """Weight size times input norm of every weight in a block, flat."""
    parts = [wanda_scores(known.matrix(one), inputs[one.name]).flatten() for one in stage.targets]
    return torch.cat(parts)


def _layer_errors(known: Known) -> dict[str, float]:
    """The sparsity of each matrix at one relative error of outputs for all, found by bisection."""
    curves: dict[str, list[float]] = {}
    # SparseGPT costs too much for a curve: its errors are taken to go as those of Wanda
    prune = CRITERIA["magnitude" if known.criterion == "magnitude" else "wanda"].prune

    def look(stage: Stage, inputs: Mapping[str, InputStatistics]) -> None:
        for target in stage.targets:
            matrix, seen = known.matrix(target), inputs[target.name]
            pruned = [prune(matrix, seen, round(share * matrix.numel())) for share in _SHARES]
            curves[target.name] = [output_error(matrix, one.weight, seen) for one in pruned]

    known.inputs(look)
    sizes = {target.name: target.weight.numel() for target in known.targets.all}

    def at(level: float) -> dict[str, float]:
        return {
            name: float(np.interp(level, np.maximum.accumulate(errors), _SHARES))
            for name, errors in curves.items()
        }

    low, high = 0.0, max(max(errors) for errors in curves.values())
    for _ in range(60):
        middle = (low + high) / 2
        mean = sum(share * sizes[name] for name, share in at(middle).items()) / sum(sizes.values())
        low, high = (middle, high) if mean < known.sparsity else (low, middle)
    return at(high)


_LU = "Lu et al. 2024 (AlphaPruning)"
#: The range of AlphaPruning's sparsities, as its code has it by default; and that of OWL (Yin et
#: al. 2024), which DLP is given as well, so that the two differ in their metric alone.
_EPSILON, _LAMBDA = 0.3, 0.08

#: The allocations by name.
ALLOCATIONS: dict[str, NamedAllocation] = {
    "uniform": NamedAllocation(_nothing, "uniform", "matrix", "the baseline"),
    "alphapruning": NamedAllocation(_alpha, "alphapruning", "block", _LU, _EPSILON),
    "alphapruning_matrix": NamedAllocation(_alpha, "alphapruning", "matrix", _LU, _EPSILON),
    "alphapruning_mixed": NamedAllocation(
        _alpha_mixed, "alphapruning", "matrix", f"{_LU}; the mixture is our reading", _EPSILON
    ),
    "reversed": NamedAllocation(_alpha, "reversed", "block", "a control", _EPSILON, "alphapruning"),
    "shuffled": NamedAllocation(_alpha, "shuffled", "block", "a control", _EPSILON, "alphapruning"),
    "depth_ramp": NamedAllocation(
        _depth, "alphapruning", "block", "a control: equal steps over depth", _EPSILON
    ),
    "er": NamedAllocation(_erdos_renyi, "density", "matrix", "Evci et al. 2020"),
    "er_plus": NamedAllocation(_erdos_renyi_plus, "density", "matrix", "Liu et al. 2022"),
    "lamp": NamedAllocation(
        _under_one_threshold(_lamp_scores), "given", "matrix", "Lee et al. 2021"
    ),
    "global": NamedAllocation(
        _under_one_threshold(_sizes_of), "given", "matrix", "one threshold on the size of weights"
    ),
    "owl": NamedAllocation(_outliers, "owl", "block", "Yin et al. 2024", _LAMBDA, inputs=True),
    "dlp": NamedAllocation(_medians, "owl", "block", "Chen et al. 2025", _LAMBDA, inputs=True),
    "layer_error": NamedAllocation(
        _layer_errors, "given", "matrix", "one relative output error for all", inputs=True
    ),
}
