"""Growing the populations, planting the faults, diagnosing them, following the advice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from eigenscape.diagnosis import Population, Prescription, grow, prescribe
from eigenscape.diagnosis.growing._cell import grow_cell
from eigenscape.errors import InputError
from eigenscape.results import Environment
from eigenscape.runs import Engine, ProgressCallback, Task
from eigenscape_studies._networks import command_of, measured
from eigenscape_studies._result import StudyResult
from eigenscape_studies.planted_faults._claims import make_claims, make_paragraphs
from eigenscape_studies.planted_faults._plan import (
    FAMILIES,
    FAULTS,
    SEEDS,
    Fault,
    network_plan,
    population_plan,
)

TITLE = "Planted faults: truth, diagnosis, and what the advice was worth"
#: By how much each knob is turned to see what could be gained: near the ratios that are advised.
_TURNS = {"raise temperature": 8.0, "lower temperature": 0.125, "widen": 4.0, "add data": 4.0}


def run(
    scale: str,
    *,
    seeds: int | None = None,
    folder: str | Path | None = None,
    engine: Engine = "local",
    jobs: int | None = None,
    progress: ProgressCallback | None = None,
) -> StudyResult:
    """Run the study; faults on MNIST are left out where its images are absent.

    Raises:
        InputError: a number of seeds, which this study fixes.
    """
    if seeds is not None:
        raise InputError("planted_faults has 3 seeds for each network; leave --seeds out")
    start = perf_counter()
    faults, left_out = _possible()
    options: dict[str, Any] = {"engine": engine, "jobs": jobs, "progress": progress}
    populations = {
        name: grow(
            FAMILIES[name](), population_plan(name), name=f"population on {name}",
            folder=None if folder is None else Path(folder) / name, **options,
        )
        for name in dict.fromkeys(fault.data_set for fault in faults)
    }  # fmt: skip
    tasks = [_task(fault, fault.name, fault.width, fault.data, fault.rate) for fault in faults]
    tasks += [task for fault in faults for task in _turned(fault)]
    found, _ = measured(tasks, folder=folder, **options)
    rows = dict(zip([task.name for task in tasks], found, strict=True))
    prescribed = {
        fault: _prescription(populations[fault.data_set], rows[fault.name]) for fault in faults
    }
    advised = [task for fault, said in prescribed.items() for task in _followed(fault, said)]
    followed, _ = measured(advised, folder=folder, **options)
    rows |= dict(zip([task.name for task in advised], followed, strict=True))
    table = [_row(fault, said, rows) for fault, said in prescribed.items()]
    return StudyResult(
        environment=Environment.capture(),
        study="planted_faults",
        title=TITLE,
        scale=scale,
        seeds=SEEDS,
        seconds=perf_counter() - start,
        paragraphs=make_paragraphs(table, left_out),
        claims=make_claims(table, command_of("planted_faults", scale, None)),
        tables={"faults": table},
    )


def _possible() -> tuple[list[Fault], str]:
    """Return the faults whose data are here, and why others are not."""
    try:
        FAMILIES["mnist"]()
    except InputError as error:
        return [fault for fault in FAULTS if fault.data_set != "mnist"], str(error)
    return list(FAULTS), ""


def _task(fault: Fault, name: str, width: int, data: int, rate: float) -> Task:
    family, plan = FAMILIES[fault.data_set](), network_plan(fault, width, data, rate)
    return Task(name, grow_cell, {"family": family, "plans": [plan], "width": width, "data": data})


def _changed(fault: Fault, action: str, ratio: float) -> tuple[int, int, float]:
    """Return width, data and rate after an action; as far as the data go."""
    most = len(FAMILIES[fault.data_set]().train[1])
    width = round(fault.width * ratio) if action == "widen" else fault.width
    data = min(most, round(fault.data * ratio)) if action == "add data" else fault.data
    rate = fault.rate * ratio if "temperature" in action else fault.rate
    return width, data, float(f"{rate:.6g}")


def _turned(fault: Fault) -> list[Task]:
    return [
        _task(fault, f"{fault.name}, {action} x{ratio:g}", *_changed(fault, action, ratio))
        for action, ratio in _TURNS.items()
    ]


def _followed(fault: Fault, said: Prescription) -> list[Task]:
    if said.action is None:
        return []
    return [_task(fault, f"{fault.name}, as advised", *_changed(fault, said.action, said.ratio))]


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
        for action, ratio in _TURNS.items()
    }
    real = float("nan")
    if said.action is not None:
        real = _only(rows[f"{fault.name}, as advised"])["test_acc"] - base
    return {
        "fault": fault.name, "truth": fault.truth, "width": fault.width, "data": fault.data,
        "rate": fault.rate, "test_acc": base, "diagnosis": said.verdict,
        "answers": {found.question: found.verdict for found in said.diagnoses},
        "action": said.action or "none", "ratio": said.ratio, "expected": said.gain,
        "got": real, "seed_noise": said.seed_noise,
        "right": said.verdict == {"none": "no failure found"}.get(fault.truth, fault.truth),
        "best_action": max(gains, key=lambda name: gains[name]), "best_gain": max(gains.values()),
        **gains,
    }  # fmt: skip
