"""Training a population: one task for each cell, saved when it is finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from eigenscape import runs
from eigenscape.diagnosis._fingerprint import CROSS_ENTROPY, Fingerprint, fingerprint_of
from eigenscape.diagnosis._population import Population
from eigenscape.diagnosis.growing._cell import train_cell
from eigenscape.diagnosis.growing._classification import check_task, logits_of, pair_of
from eigenscape.diagnosis.growing._folder import CELLS
from eigenscape.diagnosis.growing._plan import GrowPlan
from eigenscape.errors import InputError, TaskError
from eigenscape.models import Task
from eigenscape.runs import Engine, ProgressCallback, execute


def train_population(
    task: Task,
    plan: GrowPlan | None = None,
    *,
    name: str = "grown",
    folder: str | Path | None = None,
    engine: Engine = "local",
    jobs: int | None = None,
    address: str | None = None,
    time_budget: float | None = None,
    progress: ProgressCallback | None = None,
) -> Population:
    """Train and measure a population on the user's own data and model task.

    Every cell (a width, an amount of data) is one task: its temperatures and seeds are trained side
    by side. With a folder, finished cells are kept in it, and an interrupted run resumes from them
    to the same population, bit for bit. A configuration whose training or measuring fails is named
    in the population's ``notes``; the rest is kept.

    Args:
        task: the networks and the data.
        plan: the grid; None for :meth:`GrowPlan.of` the task.
        name: what reports call the population.
        folder: where finished cells are kept; None for memory alone.
        engine: where cells are trained: ``"local"`` processes, ``"ray"``, ``"dask"``; ``"threads"``
            trains one cell at a time in this process, since torch's generator is shared.
        jobs: cells at a time; None for one on each core.
        address: of the Dask or Ray cluster; see :func:`eigenscape.runs.open_executor`.
        time_budget: seconds; cells that are not finished then are named in the notes, see
            :func:`eigenscape.runs.execute`. None for no limit.
        progress: called after each cell.

    Raises:
        TaskError: nothing could be trained.
        InputError: the rows are not a population.
    """
    plan = plan or GrowPlan.of(task)
    plans = {name: plan}
    tasks = population_tasks(task, plans)
    if time_budget is not None:
        tasks.reverse()  # the shortest first: as many as possible are finished in time
    if engine == "threads":
        jobs = 1
    place = None if folder is None else Path(folder) / CELLS
    outcomes = execute(
        tasks,
        folder=place,
        engine=engine,
        jobs=jobs,
        address=address,
        time_budget=time_budget,
        progress=progress,
    )
    lost = [f"{outcome.name} failed: {outcome.error}" for outcome in outcomes if not outcome.ok]
    cells = [outcome.value for outcome in outcomes if outcome.ok]
    (population,) = gather_populations(task, plans, cells, lost)
    return population


def population_tasks(task: Task, plans: Mapping[str, GrowPlan]) -> list[runs.Task]:
    """Return one task for each cell of populations that are trained side by side.

    Several populations are cheaper together than one after the other. The value of a task is, for
    each plan, ``{"rows": one row for each configuration, "failed": a sentence for each that did not
    become finite}``; :func:`gather_populations` makes the populations from the values.

    Args:
        task: the networks and the data.
        plans: name to plan; they differ in label noise and seeds alone, and have as many seeds.

    Raises:
        InputError: plans that differ in more.
    """
    _ = check_task(task).fingerprint  # says now what cannot be repeated
    several = list(plans.values())
    first = several[0]
    if any(
        len(plan.seeds) != len(first.seeds)
        or replace(plan, label_noise=first.label_noise, seeds=first.seeds) != first
        for plan in several
    ):
        raise InputError(
            "plans that are trained together may differ in label_noise and in which seeds "
            "they have alone. Try: train them one after the other"
        )
    return [
        runs.Task(
            f"width {width}, data {data}",
            train_cell,
            {"task": task, "plans": several, "width": width, "data": data},
            cost=first.steps(data) + first.measuring.curve_steps,
        )
        for data in sorted(first.data, reverse=True)  # the longest first
        for width in sorted(first.widths, reverse=True)
    ]


def gather_populations(
    task: Task,
    plans: Mapping[str, GrowPlan],
    cells: Sequence[list[dict[str, Any]]],
    lost: Sequence[str] = (),
) -> list[Population]:
    """Return the populations that the values of :func:`population_tasks` make.

    Args:
        task: as there.
        plans: as there.
        cells: the values.
        lost: a sentence for each cell without a value.

    Raises:
        TaskError: nothing could be trained.
    """
    return [
        _population(task, plan, name, [cell[i] for cell in cells], lost)
        for i, (name, plan) in enumerate(plans.items())
    ]


def _population(
    task: Task, plan: GrowPlan, name: str, cells: list[dict[str, Any]], lost: Sequence[str]
) -> Population:
    rows = [row for cell in cells for row in cell["rows"]]
    notes = [*lost, *(line for cell in cells for line in cell["failed"])]
    if not rows:
        raise TaskError("no configuration could be trained: " + "; ".join(notes))
    rows.sort(key=lambda row: (row["width"], row["data"], row["lr"]))
    protocol = {
        **plan.measuring.to_protocol(classes=logits_of(task)),
        "seeds": len(plan.seeds),
    }
    return Population.from_rows(
        rows, protocol=protocol, name=name, notes=notes, fingerprint=_fingerprint(task, plan)
    )


def _fingerprint(task: Task, plan: GrowPlan) -> Fingerprint:
    """Return what the population's networks have in common, of the widths that can be built."""
    models = []
    for width in plan.widths:
        try:
            models.append(task.build(plan.seeds[0], width))
        except InputError:  # its cells failed and are named in the notes
            continue
    return fingerprint_of(
        models, pair_of(task, "train")[0], classes=logits_of(task), loss=CROSS_ENTROPY
    )
