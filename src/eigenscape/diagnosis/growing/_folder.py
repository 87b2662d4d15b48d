"""The folder of a population: the plan that it was started with stays its plan."""

from __future__ import annotations

from pathlib import Path

from eigenscape.diagnosis.growing._cost import Cost, estimate_cost, trim
from eigenscape.diagnosis.growing._family import Family
from eigenscape.diagnosis.growing._plan import GrowPlan
from eigenscape.errors import InputError
from eigenscape.results import dumps, jsonable, read_object, write_text

_SCHEMA = "eigenscape.grow_plan/1"
PLAN_FILE = "plan.json"
#: Where finished cells are kept.
CELLS = "cells"


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
    if path.exists() and read_object(path).get("schema") != _SCHEMA:
        raise InputError(f"{path} is no plan of a population. Mend: choose another folder")
    if path.exists() and any((path.parent / CELLS).glob("*.npz")):
        return _kept(path, family, asked)
    plan, cost = trim(family, asked, budget) if budget else (asked, estimate_cost(family, asked))
    content = {
        "schema": _SCHEMA,
        "asked": asked.to_dict(),
        "plan": plan.to_dict(),
        "family": family.fingerprint,
    }
    write_text(path, dumps(content, indent=1) + "\n")
    return plan, cost


def _kept(path: Path, family: Family, asked: GrowPlan) -> tuple[GrowPlan, Cost]:
    data = read_object(path)
    if data["family"] != family.fingerprint:
        raise InputError(
            f"{path.parent} holds a population of another family: its data, widths or initial "
            "weights differ. Mend: choose another folder"
        )
    if data["asked"] != jsonable(asked.to_dict()):
        changed = [key for key, value in jsonable(asked.to_dict()).items()
                   if data["asked"].get(key) != value]  # fmt: skip
        raise InputError(
            f"{path.parent} was started with another plan ({', '.join(changed)} differ). Mend: ask "
            "for the same, or choose another folder"
        )
    plan = GrowPlan.from_dict(data["plan"])
    return plan, estimate_cost(family, plan)
