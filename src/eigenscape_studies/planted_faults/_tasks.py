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
    RATES,
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
    def followed(self) -> Rows:
        """The rows with an advice that was followed, given or withheld."""
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
    """Return the networks trained again as advised, each change once.

    Also as would have been advised where the advice was withheld because it had not been right
    often enough: whether silence was right is a question like the others.
    """
    tasks = {}
    for (fault, _), said in prescribed(plan, found).items():
        action, ratio = change_of(said)
        if action is not None:
            name = _advised_name(fault, action, ratio)
            width, data, rate = _changed(fault, action, ratio)
            if "temperature" in action:  # an advice does not lead out of the population
                rate = min(max(rate, RATES[0]), RATES[-1])
            tasks[name] = _task(fault, name, (width, data, rate))
    return list(tasks.values())


def change_of(said: Prescription) -> tuple[str | None, float]:
    """Return the change that is advised, or was withheld, and its factor; None for no change."""
    kin = any(why.kind in ("architecture", "data", "range") for why in said.abstained)
    if kin or said.outcome is None or said.outcome.promise is None:
        return None, float("nan")
    question = said.outcome.place.partition(":")[0]
    (leaf,) = (one.leaf for one in said.diagnoses if one.question == question)
    assert leaf is not None
    return said.outcome.action, leaf.ratios[said.outcome.action]


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


def _direction(fault: Fault, answer: str) -> str:
    """Hold the answer on the temperature against what was planted: that alone is its question."""
    if answer == "not known":
        return "no verdict"
    expected = fault.truth if fault.truth in ("small", "large") else FINE
    return "right" if answer == expected else "wrong"


def _advised_name(fault: Fault, action: str, ratio: float) -> str:
    return f"{fault.name}, as advised: {action} x{ratio:.6g}"


def _row(fault: Fault, pair: int, said: Prescription, cells: dict[str, Any]) -> dict[str, Any]:
    def accuracy(name: str) -> float:
        return float(_only(cells[name][pair])["test_acc"]) if name in cells else float("nan")

    base = accuracy(fault.name)
    gains = {
        action: accuracy(f"{fault.name}, {action} x{ratio:g}") - base
        for action, ratio in TURNS.items()
    }
    action, ratio = change_of(said)
    got = expected = right_rate = float("nan")
    if action is not None and said.outcome is not None and said.outcome.promise is not None:
        got = accuracy(_advised_name(fault, action, ratio)) - base
        expected = said.outcome.promise.expected(said.metrics["train_error"])
        right_rate = said.outcome.precision.precision
    answers = {found.question: found.verdict for found in said.diagnoses}
    best = max(gains, key=lambda name: np.nan_to_num(gains[name], nan=-np.inf))
    return {
        "fault": fault.name,
        **{name: getattr(fault, name) for name in ("truth", "width", "data", "rate")},
        "pair": pair,
        "test_acc": base,
        "diagnosis": said.verdict,
        **{question: answers.get(question, "") for question in ("temperature", "width", "data")},
        "why_not": ", ".join(dict.fromkeys(why.kind for why in said.abstained)),
        "action": action or "none",
        "given": said.action is not None,
        "ratio": ratio,
        "precision": right_rate,
        "expected": expected,
        "got": got,
        "seed_noise": said.seed_noise,
        "right": said.verdict == {"none": FINE}.get(fault.truth, fault.truth),
        "direction": _direction(fault, answers.get("temperature", "")),
        "best_action": best,
        "best_gain": gains[best],
        **gains,
    }
