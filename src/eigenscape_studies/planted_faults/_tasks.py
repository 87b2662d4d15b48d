"""What is computed: the populations, the faulty networks, and those that follow the advice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from eigenscape.diagnosis import (
    Population,
    Prescription,
    gather_populations,
    population_tasks,
    prescribe,
)
from eigenscape.errors import InputError
from eigenscape.runs import Task
from eigenscape_studies import Found
from eigenscape_studies._tables import Rows
from eigenscape_studies.planted_faults._plan import (
    FAMILIES,
    TURNS,
    Fault,
    FaultsPlan,
    network_plan,
    population_plan,
)


@dataclass(frozen=True)
class Numbers:
    """What the diagnoses were worth.

    Args:
        table: one row for each fault.
        left_out: why some faults could not be planted, or empty.
    """

    table: Rows
    left_out: str = ""

    @property
    def faulty(self) -> Rows:
        """The rows of networks that have a fault."""
        return [row for row in self.table if row["truth"] != "none"]


def possible(plan: FaultsPlan) -> tuple[list[Fault], str]:
    """Return the faults whose data are here, and why others are not."""
    try:
        FAMILIES["mnist"]()
    except InputError as error:
        return [fault for fault in plan.faults if fault.data_set != "mnist"], str(error)
    return list(plan.faults), ""


def grown(plan: FaultsPlan, _: Found) -> list[Task]:
    """Return the cells of the populations that the faults are diagnosed by."""
    return [
        replace(task, name=f"{name}: {task.name}")
        for name in _data_sets(plan)
        for task in population_tasks(FAMILIES[name](), {name: population_plan(name)})
    ]


def planted(plan: FaultsPlan, _: Found) -> list[Task]:
    """Return the faulty networks, and each with every knob turned."""
    faults, _why = possible(plan)
    tasks = [_task(fault, fault.name, fault.width, fault.data, fault.rate) for fault in faults]
    return tasks + [task for fault in faults for task in _turned(fault)]


def followed(plan: FaultsPlan, found: Found) -> list[Task]:
    """Return the faulty networks, trained again as advised."""
    return [
        _task(fault, f"{fault.name}, as advised", *_changed(fault, said.action, said.ratio))
        for fault, said in _prescribed(plan, found).items()
        if said.action is not None
    ]


def collect(plan: FaultsPlan, found: Found) -> Numbers:
    """Gather one row for each fault."""
    rows = {**found["planted"], **found["followed"]}
    table = [_row(fault, said, rows) for fault, said in _prescribed(plan, found).items()]
    return Numbers(table, possible(plan)[1])


def _data_sets(plan: FaultsPlan) -> list[str]:
    return list(dict.fromkeys(fault.data_set for fault in possible(plan)[0]))


def _prescribed(plan: FaultsPlan, found: Found) -> dict[Fault, Prescription]:
    populations = {}
    for name in _data_sets(plan):
        cells = [x for task, x in found["grown"].items() if task.startswith(f"{name}: ")]
        plans = {f"population on {name}": population_plan(name)}
        (populations[name],) = gather_populations(FAMILIES[name](), plans, cells)
    return {
        fault: _prescription(populations[fault.data_set], found["planted"][fault.name])
        for fault in possible(plan)[0]
    }


def _task(fault: Fault, name: str, width: int, data: int, rate: float) -> Task:
    family, plan = FAMILIES[fault.data_set](), network_plan(fault, width, data, rate)
    (task,) = population_tasks(family, {name: plan})
    return replace(task, name=name)


def _changed(fault: Fault, action: str, ratio: float) -> tuple[int, int, float]:
    """Return width, data and rate after an action; as far as the data go."""
    most = FAMILIES[fault.data_set]().train.examples
    width = round(fault.width * ratio) if action == "widen" else fault.width
    data = min(most, round(fault.data * ratio)) if action == "add data" else fault.data
    rate = fault.rate * ratio if "temperature" in action else fault.rate
    return width, data, float(f"{rate:.6g}")


def _turned(fault: Fault) -> list[Task]:
    return [
        _task(fault, f"{fault.name}, {action} x{ratio:g}", *_changed(fault, action, ratio))
        for action, ratio in TURNS.items()
    ]


def _prescription(population: Population, cells: Sequence[dict[str, Any]]) -> Prescription:
    row = _only(cells)
    metrics = {name: row[name] for name in population.metrics if name in row}
    return prescribe(population, metrics, protocol=population.protocol)


def _only(cells: Sequence[dict[str, Any]]) -> dict[str, Any]:
    (cell,) = cells
    if not cell["rows"]:
        return {"test_acc": float("nan"), "test_acc_sd": float("nan")}
    return dict(cell["rows"][0])


def _row(fault: Fault, said: Prescription, rows: dict[str, Any]) -> dict[str, Any]:
    base = _only(rows[fault.name])["test_acc"]
    gains = {
        action: _only(rows[f"{fault.name}, {action} x{ratio:g}"])["test_acc"] - base
        for action, ratio in TURNS.items()
    }
    real = float("nan")
    if said.action is not None:
        real = _only(rows[f"{fault.name}, as advised"])["test_acc"] - base
    best = max(gains, key=lambda name: gains[name])
    return {
        "fault": fault.name,
        **{name: getattr(fault, name) for name in ("truth", "width", "data", "rate")},
        "test_acc": base,
        "diagnosis": said.verdict,
        "answers": {found.question: found.verdict for found in said.diagnoses},
        "action": said.action or "none",
        "ratio": said.ratio,
        "expected": said.gain,
        "got": real,
        "seed_noise": said.seed_noise,
        "right": said.verdict == {"none": "no failure found"}.get(fault.truth, fault.truth),
        "best_action": best,
        "best_gain": gains[best],
        **gains,
    }
