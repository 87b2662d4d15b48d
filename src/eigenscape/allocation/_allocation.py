"""The Allocation: a budget for each layer, and how it was computed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from eigenscape.allocation._allocation_findings import allocation_answer, allocation_findings
from eigenscape.allocation._fill import largest_remainder, weighted_remainder
from eigenscape.allocation._layers import Group, LayerMetric, raise_all
from eigenscape.allocation._request import KINDS
from eigenscape.allocation._rules import beyond_noise
from eigenscape.checkpoints import named_tensors
from eigenscape.errors import InputError
from eigenscape.results import Result

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from eigenscape.results import Finding

#: The parameter group of all parameters without a budget.
_BASE = "base"


@dataclass(frozen=True, kw_only=True)
class LayerBudget:
    """The budget of one layer.

    Args:
        layer: whose budget it is, with the metric that decided.
        budget: a whole number for experts, ranks and bits.
        group: the group that shares the budget; the layer's own name where it stands alone.
        clipped: a floor or a cap holds the budget back.
    """

    layer: LayerMetric
    budget: int | float
    group: str
    clipped: bool = False

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.layer.name

    @property
    def parameters(self) -> int | None:
        """Entries of the layer's weight; None if unknown."""
        return self.layer.parameters


@dataclass(frozen=True, kw_only=True)
class Allocation(Result):
    """A budget for each layer, exact in its total.

    Get one from :func:`~eigenscape.allocation.allocate`.

    Args:
        kind: what the budget is spent on: lr, sparsity, experts, ranks, bits.
        rule: the rule by the name that was asked for.
        settings: of the rule, the grouping, the limits.
        metric: the field that decided.
        source: where the metric comes from.
        target: the total that was asked for; None for factors without one.
        total: total of the budgets: their sum (experts, ranks), or their mean.
        noise_share: what the range was narrowed to; None if noise was not considered.
        wide: the smallest and the largest budget without that; None if noise was not considered.
        parameters_total: entries of all tensors of the network; None if they are not known.
        notes: remarks on the allocation.
        metric_hash: of the metric.
        weights_hash: of the checkpoint; empty if none was given.
        rows: one for each layer, in the order of the network.
    """

    schema: ClassVar[str] = "eigenscape.allocation/1"
    also_written: ClassVar[tuple[str, ...]] = (
        "layers",
        "groups",
        "clipped",
        "told_apart",
        "parameters_covered",
    )
    kind: str
    rule: str
    settings: Mapping[str, bool | int | float | str | tuple[float, float] | None]
    metric: str
    source: str = ""
    target: int | float | None
    total: int | float
    noise_share: float | None = None
    wide: tuple[int | float, int | float] | None = None
    parameters_total: int | None = None
    notes: tuple[str, ...] = field(default=())
    metric_hash: str = ""
    weights_hash: str = ""
    rows: tuple[LayerBudget, ...]

    def __post_init__(self) -> None:
        raise_all(_out_of_range(self))

    @property
    def layers(self) -> dict[str, float]:
        """The budget of each layer, by name."""
        return {row.name: row.budget for row in self.rows}

    @property
    def groups(self) -> dict[str, float]:
        """The budget of each group, by name."""
        return {row.group: row.budget for row in self.rows}

    @property
    def clipped(self) -> tuple[str, ...]:
        """The layers whose budget a floor or a cap holds back."""
        return tuple(row.name for row in self.rows if row.clipped)

    @property
    def parameters(self) -> dict[str, int | None]:
        """The entries of each layer's weight, by name."""
        return {row.name: row.parameters for row in self.rows}

    @property
    def parameters_covered(self) -> int | None:
        """The parameters that have a budget; None if a layer's are not known."""
        sizes = [row.parameters for row in self.rows if row.parameters is not None]
        return sum(sizes) if len(sizes) == len(self.rows) else None

    @property
    def told_apart(self) -> tuple[str, ...] | None:
        """The groups whose metric differs from the mean of all by more than noise.

        None where a layer has no standard error. Where all groups are equal, and their errors are
        right, none is named in 95 % of the networks or more.
        """
        groups = self._metric_groups()
        errors = [group.error for group in groups if group.error is not None]
        if len(errors) < len(groups):
            return None
        apart = beyond_noise(np.array([group.value for group in groups]), np.array(errors))
        return tuple(group.name for group, far in zip(groups, apart, strict=True) if far)

    def _metric_groups(self) -> list[Group]:
        members: dict[str, list[LayerMetric]] = {}
        for row in self.rows:
            members.setdefault(row.group, []).append(row.layer)
        return [Group(name, tuple(layers)) for name, layers in members.items()]

    @property
    def answer(self) -> str:
        """What was achieved, over which range and share, and whether noise explains the spread."""
        return allocation_answer(self)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the metric tells apart, which limits hold, and what has no budget."""
        return allocation_findings(self)

    def __getitem__(self, name: str) -> float:
        return self.layers[name]

    def __len__(self) -> int:
        return len(self.rows)

    def entries_to_prune(self) -> dict[str, int]:
        """Return how many entries of each layer to prune; exactly the sparsity of all of them.

        The counts add up to the total sparsity times all parameters, rounded, and each differs from
        its layer's share by less than one entry.

        Raises:
            InputError: not an allocation of sparsity, no parameter counts, or sparsities above 1.

        >>> from eigenscape.allocation import allocate
        >>> table = {n: {"alpha": a, "parameters": 15} for n, a in (("a", 2.0), ("b", 4.0))}
        >>> allocate(table, kind="sparsity", total=0.5, epsilon=0.1).entries_to_prune()
        {'a': 7, 'b': 8}
        """
        sizes = [row.parameters for row in self.rows if row.parameters is not None]
        if self.kind != "sparsity" or len(sizes) < len(self.rows):
            raise InputError(
                f"this is an allocation of {self.kind} for {len(self.rows)} layers, {len(sizes)} "
                "of known size; expected kind='sparsity' and parameters for each layer"
            )
        if any(row.budget > 1 for row in self.rows):
            raise InputError(
                "sparsities above 1 are impossible. Try: allocate without reference=True"
            )
        quotas = np.array([row.budget * row.parameters for row in self.rows if row.parameters])
        names = [row.name for row in self.rows]
        exact = self.target is not None and self.settings["weights"] == "parameters"
        total = self.target * sum(sizes) if exact else math.fsum(quotas)  # type: ignore[operator]
        counts = largest_remainder(quotas, round(total), names)
        return dict(zip(names, counts.tolist(), strict=True))

    def zeros_in_groups(self, of: int) -> dict[str, int]:
        """Return how many of every ``of`` neighbouring entries of each layer to prune.

        Whole numbers from 1 to ``of - 1``, the same for layers that share a budget, whose mean over
        all parameters comes as close to the total as it can without exceeding it.

        Args:
            of: M of an N:M pattern.

        Raises:
            InputError: not an allocation of sparsity, or no parameter counts.

        >>> from eigenscape.allocation import allocate
        >>> table = {n: {"alpha": a, "parameters": 16} for n, a in (("a", 2.0), ("b", 4.0))}
        >>> allocate(table, kind="sparsity", total=0.5, epsilon=0.3).zeros_in_groups(8)
        {'a': 3, 'b': 5}
        """
        self.entries_to_prune()  # refuses what has no counts
        sizes: dict[str, int] = {}
        for row in self.rows:
            sizes[row.group] = sizes.get(row.group, 0) + (row.parameters or 0)
        names = list(sizes)
        quotas = np.clip([of * self.groups[name] for name in names], 1, of - 1)
        weights = np.array([sizes[name] for name in names], dtype=np.int64)
        counts = weighted_remainder(quotas, weights, of * self.total, names)
        found = dict(zip(names, counts.tolist(), strict=True))
        return {row.name: found[row.group] for row in self.rows}

    def param_groups(
        self, model: nn.Module, base_lr: float, **options: Any
    ) -> list[dict[str, Any]]:
        """Return parameter groups for an optimizer: every parameter in exactly one.

        A layer's rate is for its weight and for what its module holds beside it, such as the bias;
        with ``group="block"`` for everything in the block, normalization included (Liu et al.
        2024). A tensor behind several layers, such as a fused q, k, v, gets their mean. All other
        parameters are in the last group, at the base rate.

        Args:
            model: the network, with the layers' names.
            base_lr: the rate at a factor of 1.
            **options: copied into each group, such as ``weight_decay``.

        Returns:
            Groups with ``params``, ``lr``, ``name``, ``factor`` and the options.

        Raises:
            InputError: not an allocation of learning rates, or a layer that the model lacks.

        >>> from torch import nn
        >>> from eigenscape.allocation import allocate
        >>> model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.LayerNorm(2))
        >>> groups = allocate({"0": 2.0, "1": 3.0}).param_groups(model, 0.1)
        >>> [(g["name"], round(g["lr"], 3), len(g["params"])) for g in groups]
        [('0', 0.05, 2), ('1', 0.15, 2), ('base', 0.1, 2)]
        """
        from torch import nn

        held = named_tensors(model).items()
        named = {name: tensor for name, tensor in held if isinstance(tensor, nn.Parameter)}
        _check(self, base_lr, options)
        owners = _owners(self, named)
        found: dict[str, dict[str, Any]] = {}
        seen: set[int] = set()
        for name, parameter in named.items():
            if id(parameter) in seen:  # tied: in the group of whichever name has a budget
                continue
            seen.add(id(parameter))
            rows = owners.get(id(parameter)) or _nearby(name, self, named, owners)
            budgets = {row.group: row.budget for row in rows}
            label = "+".join(budgets) or _BASE
            factor = math.fsum(budgets.values()) / len(budgets) if budgets else 1.0
            group = {
                "params": [],
                "lr": base_lr * factor,
                "name": label,
                "factor": factor,
                **options,
            }
            found.setdefault(label, group)["params"].append(parameter)
        return sorted(found.values(), key=lambda group: group["name"] == _BASE)

    def frame(self) -> pd.DataFrame:
        """Return one row for each layer."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "name": row.name,
                    "budget": row.budget,
                    "metric": row.layer.value,
                    "error": row.layer.error,
                    "parameters": row.layer.parameters,
                    "group": row.group,
                    "block": row.layer.block,
                    "kind": row.layer.kind,
                    "clipped": row.clipped,
                }
                for row in self.rows
            ]
        )


def _out_of_range(allocation: Allocation) -> list[str]:
    """What no allocation can hold, whether it was made here or read from a file."""
    kind = KINDS.get(allocation.kind)
    if kind is None:
        return [f"kind is {allocation.kind!r}; expected one of {', '.join(KINDS)}"]
    most = math.inf if kind.limit is None or allocation.settings.get("reference") else kind.limit
    problems = [
        f"{row.name}: a budget of {row.budget:g} {kind.unit} is impossible"
        for row in allocation.rows
        if not 0 <= row.budget <= most
        or math.isinf(row.budget)
        or (kind.whole and row.budget != int(row.budget))
    ]
    problems += [
        f"{row.name}: parameters and error must not be negative"
        for row in allocation.rows
        if min(row.parameters or 0, row.layer.error or 0) < 0
    ]
    counts = Counter(row.name for row in allocation.rows)
    problems += [f"{name} is listed twice" for name, count in counts.items() if count > 1]
    totals = {"total": allocation.total, "target": allocation.target}
    problems += [
        f"the {name} is {value}; expected a finite number of at least 0"
        for name, value in totals.items()
        if value is not None and not 0 <= value < math.inf
    ]
    whole, held = allocation.parameters_total, allocation.parameters_covered
    if whole is not None and whole < (held or 0):
        problems.append(f"{held} parameters have a budget, of {whole} in all; expected no more")
    if allocation.noise_share is not None and not 0 <= allocation.noise_share <= 1:
        problems.append(f"noise_share is {allocation.noise_share:g}; expected 0 to 1")
    return problems


def _check(allocation: Allocation, base_lr: float, options: Mapping[str, Any]) -> None:
    problems = []
    if allocation.kind != "lr":
        problems.append(f"this is an allocation of {allocation.kind}; expected kind='lr'")
    if not 0 <= base_lr < math.inf:
        problems.append(f"base_lr must be a finite number of at least 0; got {base_lr!r}")
    taken = sorted({"params", "lr", "name", "factor"} & set(options))
    problems += [f"{name} is set by the allocation, not by an option" for name in taken]
    if _BASE in allocation.groups:
        problems.append(f"a layer may not be named {_BASE!r}, the group of all others")
    raise_all(problems)


def _owners(
    allocation: Allocation, named: Mapping[str, nn.Parameter]
) -> dict[int, list[LayerBudget]]:
    """The budgets of each weight, by the parameter's identity."""
    owners: dict[int, list[LayerBudget]] = {}
    problems = []
    for row in allocation.rows:
        names = row.layer.tensors or (f"{row.name}.weight", row.name)
        weights = [named[name] for name in names if name in named]
        if not weights:
            some = ", ".join(list(named)[:3])
            problems.append(f"the model has no weight of {row.name}; it has {some} ...")
        for weight in weights:
            owners.setdefault(id(weight), []).append(row)
    raise_all(problems)
    return owners


def _nearby(
    name: str,
    allocation: Allocation,
    named: Mapping[str, nn.Parameter],
    owners: Mapping[int, list[LayerBudget]],
) -> Iterable[LayerBudget]:
    """The budgets of the weights in the same module, or else of the block around it."""
    module = name.rpartition(".")[0]
    beside = [
        row
        for other, parameter in named.items()
        if other.rpartition(".")[0] == module
        for row in owners.get(id(parameter), [])
    ]
    if beside or allocation.settings.get("group") != "block":
        return beside
    return [
        row for row in allocation.rows if row.layer.block and name.startswith(f"{row.layer.block}.")
    ]
