"""The folder of a population: the plan that it was started with stays its plan."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from eigenscape.diagnosis.growing._cost import Cost, estimate_cost, trim
from eigenscape.diagnosis.growing._family import Family
from eigenscape.diagnosis.growing._plan import GrowPlan
from eigenscape.errors import InputError
from eigenscape.results import decode, dumps, encode, read_object, write_text

PLAN_FILE = "plan.json"
#: Where finished cells are kept.
CELLS = "cells"


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """The file of a plan: what was asked for, what it was trimmed to, and of which family."""

    schema: Literal["eigenscape.grow_plan/1"] = "eigenscape.grow_plan/1"
    asked: GrowPlan
    plan: GrowPlan
    family: str


def settle_plan(
    folder: str | Path, family: Family, asked: GrowPlan, *, budget: float | None = None
) -> tuple[GrowPlan, Cost]:
    """Return the plan to grow in a folder, and its cost.

    The first time, the plan that is asked for is trimmed to the budget and written down, since
    timing differs from run to run; once a cell is finished, what is written counts.

    Args:
        folder: of the population.
        family: what is grown.
        asked: the plan.
        budget: seconds of one core; None for no limit.

    Raises:
        InputError: the folder holds another plan, or that of another family, or the budget is too
            small.
    """
    path = Path(folder) / PLAN_FILE
    if path.exists():
        _read(path)
    if path.exists() and any((path.parent / CELLS).glob("*.npz")):
        return _kept(path, family, asked)
    plan, cost = trim(family, asked, budget) if budget else (asked, estimate_cost(family, asked))
    kept = _Kept(asked=asked, plan=plan, family=family.fingerprint)
    write_text(path, dumps(encode(kept), indent=1) + "\n")
    return plan, cost


def _kept(path: Path, family: Family, asked: GrowPlan) -> tuple[GrowPlan, Cost]:
    kept = _read(path)
    if kept.family != family.fingerprint:
        raise InputError(
            f"{path.parent} holds a population of another family: its data, widths or initial "
            "weights differ. Mend: choose another folder"
        )
    if kept.asked != asked:
        changed = [
            item.name
            for item in fields(asked)
            if getattr(kept.asked, item.name) != getattr(asked, item.name)
        ]
        raise InputError(
            f"{path.parent} was started with another plan ({', '.join(changed)} differ). Mend: ask "
            "for the same, or choose another folder"
        )
    return kept.plan, estimate_cost(family, kept.plan)


def _read(path: Path) -> _Kept:
    try:
        return decode(read_object(path), _Kept, where=str(path))
    except InputError as error:
        raise InputError(f"{error}; or choose another folder") from error
