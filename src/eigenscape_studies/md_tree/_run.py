"""Running the study: tasks, tables, claims."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any

from eigenscape.results import Environment
from eigenscape.runs import Engine, ProgressCallback, Task, execute, raise_failures
from eigenscape_studies._interval import interval
from eigenscape_studies._result import StudyResult
from eigenscape_studies.md_tree._claims import make_claims
from eigenscape_studies.md_tree._numbers import Numbers
from eigenscape_studies.md_tree._paragraphs import make_paragraphs
from eigenscape_studies.md_tree._plan import CASES, PLANS, find_tables, take_seeds
from eigenscape_studies.md_tree._tasks import constants_task, curve_task, margin_task, steps_task

TITLE = "MD tree: the diagnosis on its published tables"
_DRAWS = 2000
_STEPS = {"temperature": 8, "width": 1}  # cells, as in the paper


def run(
    scale: str,
    *,
    seeds: int | None = None,
    folder: str | Path | None = None,
    engine: Engine = "local",
    jobs: int | None = None,
    progress: ProgressCallback | None = None,
) -> StudyResult:
    """Run every transfer, and hold the claims against the scores.

    Raises:
        InputError: the published tables are not where EIGENSCAPE_DATA says.
    """
    start = perf_counter()
    used = take_seeds(seeds)
    outcomes = execute(
        _tasks(scale, used), folder=folder, engine=engine, jobs=jobs, progress=progress
    )
    raise_failures(outcomes)
    found: dict[str, list[dict[str, Any]]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.name.split(":")[0], []).extend(outcome.value)
    numbers = Numbers(seeds=len(used), rows=found)
    return StudyResult(
        environment=Environment.capture(seed=used[0]),
        study="md_tree",
        title=TITLE,
        scale=scale,
        seeds=len(used),
        seconds=perf_counter() - start,
        paragraphs=make_paragraphs(numbers),
        claims=make_claims(numbers, f"eigenscape study md_tree --scale {scale}"),
        tables={
            "curves": _summary(numbers, "curve", ("case", "value", "method"), "accuracy"),
            "one_step": _summary(numbers, "steps", ("question", "method", "rule"), "gain"),
            "random_thresholds": found["constants"],
            "margins": found["margin"],
        },
    )


def _tasks(scale: str, seeds: tuple[int, ...]) -> list[Task]:
    clean, noisy = find_tables()
    both = {"clean": clean, "noisy": noisy}
    tasks = [
        Task(
            f"curve: {case} {value}",
            curve_task,
            {**both, "case": case, "value": value, "seeds": list(seeds)},
        )
        for case in CASES
        for value in PLANS[scale][case]
    ]
    tasks += [
        Task(
            f"steps: {question} seed {seed}",
            steps_task,
            {**both, "question": question, "cells": cells, "seed": seed},
        )
        for question, cells in _STEPS.items()
        for seed in seeds
    ]
    tasks.append(Task("margin:", margin_task, both))
    tasks.append(Task("constants:", constants_task, {"noisy": noisy, "count": _DRAWS, "seed": 0}))
    return tasks


def _summary(
    numbers: Numbers, kind: str, keys: tuple[str, ...], score: str
) -> list[dict[str, Any]]:
    rows = []
    for key, group in numbers.table(kind).groupby(list(keys), sort=False):
        row = {**dict(zip(keys, key, strict=True)), **interval(group[score])._asdict()}
        if "n" in group.columns:
            row["n"] = float(group["n"].mean())
            row["balanced"] = float(group["balanced_accuracy"].mean())
        rows.append(row)
    return rows
