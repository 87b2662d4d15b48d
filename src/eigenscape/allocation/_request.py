"""Kinds of budgets and the options of an allocation, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from eigenscape.allocation._layers import GROUPINGS, raise_all
from eigenscape.allocation._rules import CONTROLS, METHODS, RULES, Rule, Setting, settings_of
from eigenscape.errors import InputError

WEIGHTS = ("parameters", "plain")
#: The width that no bits are saved at.
FULL_BITS = 16


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of budget.

    Args:
        name: of the kind.
        unit: the label of an axis.
        rule: by default.
        group: by default, where the rule does not say.
        weights: ``"parameters"`` or ``"plain"``: what counts in the total.
        whole: budgets are whole numbers.
        adds_up: the total is a sum, not a mean.
        needs_total: there is no allocation without a total.
        floor: the smallest budget.
        cap: the largest.
        limit: budgets beyond this make no sense.
    """

    name: str
    unit: str
    rule: str
    group: str = "matrix"
    weights: str = "plain"
    whole: bool = False
    adds_up: bool = False
    needs_total: bool = True
    floor: float | None = None
    cap: float | None = None
    limit: float | None = None


_KINDS = (
    Kind(name="lr", unit="learning-rate factor", rule="tb_linear", needs_total=False),
    Kind(
        name="sparsity",
        unit="sparsity",
        rule="alphapruning",
        group="block",
        weights="parameters",
        floor=0,
        cap=0.99,
        limit=1,
    ),
    Kind(
        name="experts",
        unit="experts",
        rule="alphalora",
        group="block",
        whole=True,
        adds_up=True,
        floor=1,
    ),
    Kind(name="ranks", unit="rank", rule="power", whole=True, adds_up=True, floor=1),
    Kind(
        name="bits",
        unit="bits",
        rule="multiplicative",
        group="block",
        weights="parameters",
        whole=True,
        floor=2,
        cap=8,
        limit=FULL_BITS,
    ),
)

#: The kinds by name.
KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _KINDS})


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to allocate, and how.

    Args:
        kind: what the budget is spent on.
        asked: the rule by the name that was asked for.
        rule: the formula.
        control: the control that permutes the scores; None for the rule itself.
        settings: of the formula.
        total: what the budgets come to; None for learning-rate factors as they are.
        group: which layers share a budget.
        weights: what counts in the total.
        floor: the smallest budget; minus infinity where there is none.
        cap: the largest; infinity where there is none.
        reference: as the published code does it.
        noise_aware: narrow the range by the share of noise; None where errors are known.
        seed: of the control ``shuffled``.
    """

    kind: Kind
    asked: str
    rule: Rule
    control: str | None
    settings: Mapping[str, Setting]
    total: float | None
    group: str
    weights: str
    floor: float
    cap: float
    reference: bool
    noise_aware: bool | None
    seed: int

    @property
    def exponent(self) -> str:
        """The metric of a spectral examination, where none is named.

        ``alpha_excess``, the one whose errors tell layers apart; ``alpha_hill`` where noise is not
        considered, as the papers have it, or where the rule needs numbers above 1.
        """
        return "alpha_hill" if self.noise_aware is False or self.rule.above >= 1 else "alpha_excess"

    def as_settings(self, *, noise_aware: bool) -> dict[str, Any]:
        """Return the request as the settings of a result; infinite limits are None."""
        control = {"of": self.rule.name} if self.control else {}
        seed = {"seed": self.seed} if self.control == "shuffled" else {}
        return {
            **control,
            **self.settings,
            "group": self.group,
            "weights": self.weights,
            "floor": self.floor if math.isfinite(self.floor) else None,
            "cap": self.cap if math.isfinite(self.cap) else None,
            "noise_aware": noise_aware,
            "reference": self.reference,
            **seed,
            "source": self.rule.source,
        }


def make_request(
    *,
    kind: str,
    total: float | None,
    rule: str | None,
    of: str | None,
    group: str | None,
    weights: str | None,
    floor: float | None,
    cap: float | None,
    reference: bool,
    noise_aware: bool | None,
    seed: int,
    settings: Mapping[str, Any],
) -> Request:
    """Fill in the defaults.

    Raises:
        InputError: naming everything that is unknown or out of its range.
    """
    what = KINDS.get(kind)
    if what is None:
        raise InputError(f"unknown kind {kind!r}; known: {', '.join(KINDS)}")
    asked = rule or what.rule
    control = asked if asked in CONTROLS else None
    formula, by, problems = _formula((of or what.rule) if control else asked)
    if of is not None and control is None:
        problems.append(f"of={of!r} is for the controls {', '.join(CONTROLS)}; rule is {asked!r}")
    chosen, wrong = settings_of(formula, settings)
    problems += [] if problems else wrong  # of an unknown rule no setting is right
    problems += _choices(group, weights)
    problems += _total_problems(what, total, weights or what.weights)
    problems += _limit_problems(what, floor, cap, reference)
    if formula.kept and what.name != "sparsity":
        problems.append(f"the rule {formula.name} is for sparsities; got {what.name}")
    if reference and what.adds_up and formula.form == "shift":
        problems.append("AlphaLoRA's rounding needs shares, which the additive rule does not give")
    raise_all(problems)
    limits = (None, None) if reference else (what.floor, what.cap)
    low, high = (
        own if own is not None else usual for own, usual in zip((floor, cap), limits, strict=True)
    )
    return Request(
        kind=what,
        asked=asked,
        rule=formula,
        control=control,
        settings=chosen,
        total=int(total) if total is not None and what.adds_up and total == int(total) else total,
        group=group or (by if rule or of else None) or what.group,
        weights=weights or what.weights,
        floor=-math.inf if low is None else float(low),
        cap=math.inf if high is None else float(high),
        reference=reference,
        noise_aware=False if reference and noise_aware is None else noise_aware,
        seed=seed,
    )


def _formula(name: str) -> tuple[Rule, str | None, list[str]]:
    formula, by = METHODS.get(name, (name, None))
    if formula in RULES:
        return RULES[formula], by, []
    known = ", ".join((*METHODS, *RULES, *CONTROLS))
    return RULES["uniform"], None, [f"rule is {name!r}; expected one of {known}"]


def _choices(group: str | None, weights: str | None) -> list[str]:
    problems = []
    if group is not None and group not in GROUPINGS:
        problems.append(f"group must be one of {', '.join(GROUPINGS)}; got {group!r}")
    if weights is not None and weights not in WEIGHTS:
        problems.append(f"weights must be one of {', '.join(WEIGHTS)}; got {weights!r}")
    return problems


def _total_problems(kind: Kind, total: float | None, weights: str) -> list[str]:
    if total is None:
        meaning = "the sum" if kind.adds_up else "the mean"
        if not kind.needs_total:
            return []
        return [f"{kind.name} needs a total (--total X): {meaning} of the budgets"]
    if isinstance(total, bool) or not isinstance(total, int | float) or not math.isfinite(total):
        return [f"total must be a finite number; got {total!r}"]
    if total < 0 or (total == 0 and kind.name == "lr"):
        return [f"total must be more than 0; got {total:g}"]
    if kind.limit is not None and total > kind.limit:
        percent = f". Try: --sparsity {total / 100:g}" if kind.limit == 1 and total <= 100 else ""
        return [f"{kind.name}: a total of {total:g} is impossible; at most {kind.limit:g}{percent}"]
    if kind.adds_up and weights == "plain" and total != int(total):
        return [f"{kind.name}: the total is a whole number; got {total:g}"]
    return []


def _limit_problems(
    kind: Kind, floor: float | None, cap: float | None, reference: bool
) -> list[str]:
    given = {name: value for name, value in (("floor", floor), ("cap", cap)) if value is not None}
    if reference and (given or kind.name == "bits"):
        why = (
            "no published code allocates bits" if kind.name == "bits" else "it has no floor or cap"
        )
        return [f"reference=True is not supported: {why}"]
    problems = []
    for name, value in given.items():
        top = math.inf if kind.limit is None else kind.limit
        if not np.isfinite(value) or not 0 <= value <= top:
            upto = "" if math.isinf(top) else f" and {top:g}"
            problems.append(
                f"{name} must be {'between 0' if upto else 'at least 0'}{upto}; got {value}"
            )
        elif kind.whole and value != int(value):
            problems.append(f"{name} must be a whole number for {kind.name}; got {value:g}")
    if floor is not None and cap is not None and floor > cap:
        problems.append(f"floor {floor:g} exceeds cap {cap:g}")
    return problems
