"""What is computed: the populations, the faulty networks, and those that follow the advice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from eigenscape.diagnosis import (
    Population,
    Prescription,
    fingerprint_of,
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
    PAIRS,
    TURNS,
    Fault,
    FaultsPlan,
    network_plans,
    population_plan,
)

FINE = "no failure found"


@dataclass(frozen=True)
class Numbers:
    """What the diagnoses were worth.

    Args:
        table: one row for each pair of each fault and control.
        left_out: why some faults could not be planted, or empty.
    """

    table: Rows
    left_out: str = ""

    @cached_property
    def faulty(self) -> Rows:
        """The rows of networks that have a fault."""
        return [row for row in self.table if row["truth"] != "none"]

    @cached_property
    def controls(self) -> Rows:
        """The rows of networks with nothing planted."""
        return [row for row in self.table if row["truth"] == "none"]

    @cached_property
    def advised(self) -> Rows:
        """The rows with an advice."""
        return [row for row in self.table if row["action"] != "none"]

    def by_network(self, rows: Rows) -> list[dict[str, Any]]:
        """Return one row for each network: means over its pairs; its words are the first's."""
        names = dict.fromkeys(row["fault"] for row in rows)
        found = []
        for name in names:
            own = [row for row in rows if row["fault"] == name]
            means = {
                key: float(np.mean([row[key] for row in own]))
                for key, value in own[0].items()
                if isinstance(value, float)
            }
            found.append({**own[0], **means, "pairs": len(own)})
        return found


def possible(plan: FaultsPlan) -> tuple[list[Fault], str]:
    """Return the faults and controls whose data are here, and why others are not."""
    every = [*plan.faults, *plan.controls]
    try:
        FAMILIES["mnist"]()
    except InputError as error:
        return [fault for fault in every if fault.data_set != "mnist"], str(error)
    return every, ""


def grown(plan: FaultsPlan, _: Found) -> list[Task]:
    """Return the cells of the populations that the faults are diagnosed by."""
    return [
        replace(task, name=f"{name}: {task.name}")
        for name in _data_sets(plan)
        for task in population_tasks(FAMILIES[name](), {name: population_plan(name)})
    ]


def planted(plan: FaultsPlan, _: Found) -> list[Task]:
    """Return the networks, and those of the faults with every knob turned."""
    faults, _why = possible(plan)
    tasks = [
        _task(fault, fault.name, (fault.width, fault.data, fault.rate), measured=True)
        for fault in faults
    ]
    turned = [fault for fault in faults if fault in plan.faults]
    return tasks + [task for fault in turned for task in _turned(fault)]


def followed(plan: FaultsPlan, found: Found) -> list[Task]:
    """Return the networks that got an advice, trained again as advised, each change once."""
    tasks = {
        _advised_name(fault, said): _task(
            fault, _advised_name(fault, said), _changed(fault, said.action, said.ratio)
        )
        for (fault, _), said in prescribed(plan, found).items()
        if said.action is not None
    }
    return list(tasks.values())


def collect(plan: FaultsPlan, found: Found) -> Numbers:
    """Gather one row for each pair of each network."""
    cells = {**found["planted"], **found["followed"]}
    table = [
        _row(fault, pair, said, cells) for (fault, pair), said in prescribed(plan, found).items()
    ]
    return Numbers(table, possible(plan)[1])


def _data_sets(plan: FaultsPlan) -> list[str]:
    return list(dict.fromkeys(fault.data_set for fault in possible(plan)[0]))


def prescribed(plan: FaultsPlan, found: Found) -> dict[tuple[Fault, int], Prescription]:
    """Return the diagnosis of every pair, by its network and its number."""
    populations = {}
    for name in _data_sets(plan):
        cells = [x for task, x in found["grown"].items() if task.startswith(f"{name}: ")]
        plans = {f"population on {name}": population_plan(name)}
        (populations[name],) = gather_populations(FAMILIES[name](), plans, cells)
    return {
        (fault, pair): _prescription(
            populations[fault.data_set], fault, found["planted"][fault.name][pair]
        )
        for fault in possible(plan)[0]
        for pair in range(len(PAIRS))
    }


def _task(
    fault: Fault, name: str, knobs: tuple[int, int, float], *, measured: bool = False
) -> Task:
    plans = network_plans(fault, *knobs, measured=measured)
    (task,) = population_tasks(FAMILIES[fault.data_set](), plans)
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
        _task(fault, f"{fault.name}, {action} x{ratio:g}", _changed(fault, action, ratio))
        for action, ratio in TURNS.items()
    ]


def _prescription(population: Population, fault: Fault, cell: dict[str, Any]) -> Prescription:
    """Diagnose one pair as a user would who knows the sizes but not the learning rate."""
    row = _only(cell)
    metrics = {name: row[name] for name in population.metrics if name in row}
    sizes = {name: row[name] for name in ("data_amount", "para_amount")}
    # trained by the population's own task: the same architecture, data and loss
    return prescribe(
        population,
        metrics,
        protocol=population.protocol,
        sizes=sizes,
        fingerprint=fingerprint_of(
            [FAMILIES[fault.data_set]().build(0, fault.width)],
            FAMILIES[fault.data_set]().train.whole()[0],
            classes=10,
            loss="cross-entropy",
        ),
    )


def _only(cell: dict[str, Any]) -> dict[str, Any]:
    """Return the one row of a cell; one that diverged has no accuracy."""
    return dict(cell["rows"][0]) if cell["rows"] else {"test_acc": float("nan")}


def _advised_name(fault: Fault, said: Prescription) -> str:
    return f"{fault.name}, as advised: {said.action} x{said.ratio:.6g}"


def _row(fault: Fault, pair: int, said: Prescription, cells: dict[str, Any]) -> dict[str, Any]:
    def accuracy(name: str) -> float:
        return float(_only(cells[name][pair])["test_acc"]) if name in cells else float("nan")

    base = accuracy(fault.name)
    gains = {
        action: accuracy(f"{fault.name}, {action} x{ratio:g}") - base
        for action, ratio in TURNS.items()
    }
    got = float("nan")
    if said.action is not None:
        got = accuracy(_advised_name(fault, said)) - base
    best = max(gains, key=lambda name: np.nan_to_num(gains[name], nan=-np.inf))
    return {
        "fault": fault.name,
        **{name: getattr(fault, name) for name in ("truth", "width", "data", "rate")},
        "pair": pair,
        "test_acc": base,
        "diagnosis": said.verdict,
        "answers": {found.question: found.verdict for found in said.diagnoses},
        "why_not": ", ".join(dict.fromkeys(why.kind for why in said.abstained)),
        "action": said.action or "none",
        "ratio": said.ratio,
        "expected": said.gain,
        "got": got,
        "seed_noise": said.seed_noise,
        "right": said.verdict == {"none": FINE}.get(fault.truth, fault.truth),
        "best_action": best,
        "best_gain": gains[best],
        **gains,
    }
