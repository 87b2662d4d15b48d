"""What an allocation says in sentences: what was achieved, whether noise explains it, its share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from eigenscape.allocation._request import KINDS
from eigenscape.results import Finding

if TYPE_CHECKING:
    from eigenscape.allocation._allocation import Allocation

_NOUNS = {
    "lr": "Learning-rate factors",
    "sparsity": "Sparsity",
    "experts": "Experts",
    "ranks": "Ranks",
    "bits": "Bits",
}
#: A range that is narrower by less than a tenth is not worth a comparison.
_NEARLY_WHOLE = 0.9
_GROUPS = {"matrix": "layers", "block": "blocks", "kind": "kinds"}


def allocation_answer(allocation: Allocation) -> str:
    """Return the sentence on what was achieved, the range, the share covered, and the noise."""
    low, high = _ends(allocation)
    groups = f"{len(allocation.groups)} {_groups(allocation)}"
    spread = f"the same for {groups}" if low == high else f"{low} to {high} over {groups}"
    covered = f", in {_coverage(allocation)}" if allocation.parameters_covered else ""
    return (
        f"{_NOUNS[allocation.kind]} by {allocation.rule}: achieved {_achieved(allocation)}, "
        f"{spread}{covered}; {_noise(allocation)}."
    )


def allocation_findings(allocation: Allocation) -> tuple[Finding, ...]:
    """Return what is to be known before the budgets are used, the most important first."""
    found = (_told_apart(allocation), _limits(allocation), _share(allocation))
    return tuple(one for one in found if one is not None)


def _achieved(allocation: Allocation) -> str:
    kind, target = KINDS[allocation.kind], allocation.target
    asked = "no target" if target is None else f"target {target:.6g}"
    of = "in sum" if kind.adds_up else "on average" if allocation.kind != "sparsity" else ""
    return f"{allocation.total:.6g} ({asked}) {of}".rstrip()


def _ends(allocation: Allocation) -> tuple[str, str]:
    budgets = list(allocation.groups.values())
    return _figure(min(budgets)), _figure(max(budgets))


def _figure(budget: float) -> str:
    return f"{budget:,}" if isinstance(budget, int) else f"{budget:.3g}"


def _groups(allocation: Allocation) -> str:
    """What shares a budget, in words; with layers outside every block "groups"."""
    by = str(allocation.settings.get("group"))
    outside = by == "block" and any(row.layer.block is None for row in allocation.rows)
    return "groups" if outside else _GROUPS.get(by, "groups")


def _coverage(allocation: Allocation) -> str:
    """How many parameters have a budget.

    >>> from eigenscape.allocation import allocate
    >>> _coverage(allocate({"a": {"alpha": 2.0, "parameters": 1_500_000}}))
    '1.5 million parameters'
    """
    covered, whole = allocation.parameters_covered, allocation.parameters_total
    assert covered is not None
    if not whole:
        return f"{_many(covered)} parameters"
    return f"{_many(covered)} of {_many(whole)} parameters ({100 * covered / whole:.3g} %)"


def _many(count: int) -> str:
    return f"{count / 1e6:.3g} million" if count >= 1_000_000 else f"{count:,}"


def _noise(allocation: Allocation) -> str:
    metric = allocation.metric
    if allocation.told_apart is None:
        return f"{metric} has no standard errors, so whether its spread is noise is not known"
    if allocation.noise_share is None:
        return "the range is not narrowed by what can be noise"
    if allocation.noise_share == 0:
        return f"noise can explain all of the spread of {metric}"
    if allocation.noise_share == 1:
        return f"noise explains nothing of the spread of {metric}"
    return (
        f"noise can explain a part of the spread of {metric}, so the range is narrowed to "
        f"{100 * allocation.noise_share:.3g} %"
    )


def _told_apart(allocation: Allocation) -> Finding | None:
    metric, apart = allocation.metric, allocation.told_apart
    if len(allocation.groups) < 2 or allocation.rule == "uniform":
        return None
    if apart is None:
        return Finding(
            text=f"{metric} has no standard errors: budgets spread over their full range, also "
            "where layers differ by nothing but noise.",
            basis="measurement",
            todo='Give "error" fields (the standard deviation over training seeds), or use '
            "alpha_excess of a checkpoint",
        )
    count, groups = len(allocation.groups), _groups(allocation)
    text = f"{metric} tells {len(apart)} of {count} {groups} apart from their mean"
    low, high = _ends(allocation)
    if allocation.noise_share is None:
        return Finding(
            text=f"{text}; budgets spread from {low} to {high} all the same.",
            basis="measurement",
            todo="Narrow the range by what can be noise" if len(apart) < count else "",
            command=_again(allocation, "--noise-aware") if len(apart) < count else "",
        )
    if allocation.wide is None or allocation.noise_share == 1:
        return Finding(text=f"{text}.", basis="measurement")
    wide = " to ".join(map(_figure, allocation.wide))
    narrow = (allocation.noise_share or 0) < _NEARLY_WHOLE
    now = "they are equal now" if low == high else f"now they spread from {low} to {high}"
    return Finding(
        text=f"{text}; with noise_aware=False the budgets would spread from {wide}, {now}.",
        basis="measurement",
        todo="Compare both on held-out data before you rely on either" if narrow else "",
        command=_again(allocation, "--no-noise-aware", "--column", metric) if narrow else "",
    )


def _again(allocation: Allocation, *words: str) -> str:
    return allocation.environment.again(*words)


def _limits(allocation: Allocation) -> Finding | None:
    held = allocation.clipped
    if not held:
        return None
    groups = {row.group for row in allocation.rows if row.clipped}
    verb = "is" if len(groups) == 1 else "are"
    return Finding(
        text=f"{len(groups)} of {len(allocation.groups)} {_groups(allocation)} {verb} held by a "
        "floor or a cap; the others make up for it.",
        basis="measurement",
        layers=held,
    )


def _share(allocation: Allocation) -> Finding | None:
    covered, whole = allocation.parameters_covered, allocation.parameters_total
    if not covered or not whole or covered >= whole:
        return None
    share = covered / whole
    text = f"The budgets cover {_coverage(allocation)}"
    if allocation.kind != "sparsity":
        return Finding(text=f"{text}; the others have none.", basis="measurement")
    text += f"; of the whole network {allocation.total * share:.3g} is pruned."
    target = allocation.target or 0
    cap = allocation.settings.get("cap")
    most = float(cap) if isinstance(cap, int | float) else 1.0
    if not 0 < target / share < most:
        return Finding(text=text, basis="measurement")
    return Finding(
        text=text,
        basis="measurement",
        todo=f"For {target:.3g} of the whole network, ask for {target / share:.4g}",
        command=_again(allocation, "--total", f"{math.floor(1e4 * target / share) / 1e4:g}"),
    )
