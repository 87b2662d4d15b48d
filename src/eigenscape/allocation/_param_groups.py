"""Learning-rate factors as the parameter groups of an optimizer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from torch import nn

from eigenscape.allocation._metric import raise_all

if TYPE_CHECKING:
    from eigenscape.allocation._allocation import Allocation, LayerBudget

_BASE = "base"


def param_groups(
    allocation: Allocation, model: nn.Module, base_lr: float, options: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Sort the parameters of a model into groups by their budget; see the method of Allocation."""
    named = dict(model.named_parameters(remove_duplicate=False))
    _check(allocation, base_lr, options)
    owners = _owners(allocation, named)
    found: dict[str, dict[str, Any]] = {}
    seen: set[int] = set()
    for name, parameter in named.items():
        if id(parameter) in seen:  # tied: in the group of whichever name has a budget
            continue
        seen.add(id(parameter))
        rows = owners.get(id(parameter)) or _nearby(name, allocation, named, owners)
        budgets = {row.group: row.budget for row in rows}
        label = "+".join(budgets) or _BASE
        factor = math.fsum(budgets.values()) / len(budgets) if budgets else 1.0
        group = {"params": [], "lr": base_lr * factor, "name": label, "factor": factor, **options}
        found.setdefault(label, group)["params"].append(parameter)
    return sorted(found.values(), key=lambda group: group["name"] == _BASE)


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
        names = row.tensors or (f"{row.name}.weight", row.name)
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
    return [row for row in allocation.rows if row.block and name.startswith(f"{row.block}.")]
