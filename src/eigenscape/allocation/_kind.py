"""What a budget is spent on: its defaults, its limits, and what its total means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

#: The width that no bits are saved at.
FULL_BITS = 16


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of budget.

    Args:
        name: of the kind.
        unit: what an axis says.
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
        name="sparsity", unit="sparsity", rule="alphapruning", group="block",
        weights="parameters", floor=0, cap=0.99, limit=1,
    ),
    Kind(
        name="experts", unit="experts", rule="alphalora", group="block", whole=True, adds_up=True,
        floor=1,
    ),
    Kind(name="ranks", unit="rank", rule="power", whole=True, adds_up=True, floor=1),
    Kind(
        name="bits", unit="bits", rule="multiplicative", group="block", weights="parameters",
        whole=True, floor=2, cap=8, limit=FULL_BITS,
    ),
)  # fmt: skip

#: The kinds by name.
KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _KINDS})
