"""What is computed: trainings, many ridges at once, overlap maps; and how it is gathered."""

from __future__ import annotations

from dataclasses import asdict, replace

from eigenscape.runs import Task
from eigenscape.spectra import TopVectors, decompose
from eigenscape_studies import Found
from eigenscape_studies._tables import Rows
from eigenscape_studies.heavy_tails._numbers import Numbers
from eigenscape_studies.heavy_tails._plan import (
    GAMMAS,
    RIDGES,
    Cell,
    HeavyTailsPlan,
    experiments,
)
from eigenscape_studies.laboratory import (
    LabOptions,
    SingleIndex,
    State,
    experiment_result,
    experiment_task,
    readout_losses,
    train,
)

_MAP = 20  # leading vectors in an overlap map
_MAPPED = (0.01, 1.0)  # rates of Adam


def trainings(plan: HeavyTailsPlan, _: Found) -> list[Task]:
    """Return a task for each experiment."""
    return [experiment_task(cell.name, options) for cell, options in experiments(plan).items()]


def extras(plan: HeavyTailsPlan, _: Found) -> list[Task]:
    """Return the tasks that need the weights themselves."""
    planned, tasks = experiments(plan), []
    for seed in plan.seeds:
        options = planned[Cell("losses", "adam", 1.0, seed)]
        arguments = {"options": options, "ridges": RIDGES}
        tasks.append(Task(f"ridge seed {seed}", ridge_task, arguments))
    for rate in _MAPPED:
        options = replace(planned[Cell("paths", "adam", rate, plan.seeds[0])], steps=5)
        named = f"overlap map adam {rate:g}"
        tasks.append(Task(named, overlap_task, {"options": options, "size": _MAP}))
    return tasks


def ridge_task(options: LabOptions, ridges: tuple[float, ...]) -> list[dict[str, float]]:
    """Train once and fit the read-out with each ridge, before and after."""
    problem = SingleIndex.draw(options)
    rows: list[dict[str, float]] = []

    def look(state: State) -> None:
        if state.step not in (0, options.steps):
            return
        losses = {
            scale: readout_losses(
                state.W, problem.probe, problem.test, ridge=ridges, feature_scale=scale
            )
            for scale in ("paper", "reference_code")
        }
        rows.extend(
            {
                "value": ridge,
                "step": state.step,
                "readout_test": losses["paper"][i].test,
                "readout_test_reference": losses["reference_code"][i].test,
            }
            for i, ridge in enumerate(ridges)
        )

    train(problem, options, look)
    return rows


def overlap_task(options: LabOptions, size: int) -> Rows:
    """Return the squared overlaps of the leading right vectors of W and of the next update."""
    maps: Rows = []
    before: TopVectors | None = None

    def look(state: State) -> None:
        nonlocal before
        if before is not None and state.update is not None:
            _, moved = decompose(state.update, size)
            squares = (before.right.T @ moved.right).square()
            rows = [[round(float(x), 4) for x in row] for row in squares]
            maps.append({"step": state.step, "rate": options.learning_rate, "squares": rows})
        _, before = decompose(state.W, size)

    train(SingleIndex.draw(options), options, look, updates=True)
    return maps


def collect(plan: HeavyTailsPlan, found: Found) -> Numbers:
    """Make the long table: experiments, their shared points, and the ridges."""
    import pandas as pd

    trained, other = found["experiments"], found["extras"]
    results = {cell: experiment_result(trained[cell.name]) for cell in experiments(plan)}
    rows = [
        {**cell._asdict(), **asdict(record)}
        for cell, result in results.items()
        for record in result.records
    ]
    rows += _shared(plan, rows)
    rows += [
        {"series": "ridge", "optimizer": "adam", "seed": seed, **row}
        for seed in plan.seeds
        for row in other[f"ridge seed {seed}"]
    ]
    maps = [item for rate in _MAPPED for item in other[f"overlap map adam {rate:g}"]]
    return Numbers(plan, pd.DataFrame(rows), results, maps)


def _shared(plan: HeavyTailsPlan, rows: Rows) -> Rows:
    """Return the rows of Adam 1 at n = 8 d again, for the series that they are a point of."""
    base = [row for row in rows if row["series"] == "losses" and row["value"] == 1.0]
    ends = [row for row in base if row["step"] in (0, 10)]
    points = {"noise": 0.3, "samples": float(plan.many), "schedule": 1.0}
    found = [{**row, "series": name, "value": x} for name, x in points.items() for row in ends]
    starts = [row for row in base if row["step"] == 0]  # a schedule starts where all start
    return found + [
        {**row, "series": "schedule", "value": gamma} for gamma in GAMMAS for row in starts
    ]
