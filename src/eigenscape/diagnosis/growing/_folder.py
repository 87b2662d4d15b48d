"""The folder of a population: its plan does not change."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from eigenscape.diagnosis.growing._cost import Cost, estimate_cost, fit_budget
from eigenscape.diagnosis.growing._plan import GrowPlan
from eigenscape.errors import InputError
from eigenscape.models import Task
from eigenscape.results import decode, dumps, encode, read_object, write_text

PLAN_FILE = "plan.json"
#: Where finished cells are kept.
CELLS = "cells"


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """The file of a plan: what was asked for, what it was made smaller to, and of which task."""

    schema: Literal["eigenscape.grow_plan/2"] = "eigenscape.grow_plan/2"
    asked: GrowPlan
    plan: GrowPlan
    task: str


def resolve_plan(
    folder: str | Path, task: Task, asked: GrowPlan, *, budget: float | None = None
) -> tuple[GrowPlan, Cost]:
    """Return the plan to train in a folder, and its cost.

    The first time, the plan that is asked for is made smaller to fit the budget and stored,
    since timing differs from run to run; once a cell is finished, the stored plan counts.

    Args:
        folder: of the population.
        task: what is trained.
        asked: the plan.
        budget: seconds of one core; None for no limit.

    Raises:
        InputError: the folder holds another plan, or that of another task, or the budget is too
            small.
    """
    path = Path(folder) / PLAN_FILE
    if path.exists():
        _read(path)
    if path.exists() and any((path.parent / CELLS).glob("*.npz")):
        return _kept(path, task, asked)
    plan, cost = fit_budget(task, asked, budget) if budget else (asked, estimate_cost(task, asked))
    kept = _Kept(asked=asked, plan=plan, task=task.fingerprint)
    write_text(path, dumps(encode(kept), indent=1) + "\n")
    return plan, cost


def _kept(path: Path, task: Task, asked: GrowPlan) -> tuple[GrowPlan, Cost]:
    kept = _read(path)
    if kept.task != task.fingerprint:
        raise InputError(
            f"{path.parent} holds a population of another task: its data, widths or initial "
            "weights differ. Try: choose another folder"
        )
    if kept.asked != asked:
        pairs = [
            (item.name, getattr(kept.asked, item.name), getattr(asked, item.name))
            for item in fields(asked)
        ]
        changed = [
            f"{name} ({there} there, {now} now)" for name, there, now in pairs if there != now
        ]
        raise InputError(
            f"{path.parent} was started with another plan; changed: {', '.join(changed)}. Try: ask "
            "for the same, or choose another folder"
        )
    return kept.plan, estimate_cost(task, kept.plan)


def _read(path: Path) -> _Kept:
    try:
        return decode(read_object(path), _Kept, where=str(path))
    except InputError as error:
        raise InputError(f"{error}; or choose another folder") from error
