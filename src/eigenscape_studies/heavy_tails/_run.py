"""Running the study: experiments, extras, claims, tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from eigenscape.results import Environment
from eigenscape.runs import Engine, ProgressCallback, Task, execute, raise_failures
from eigenscape_studies._result import StudyResult
from eigenscape_studies.heavy_tails._claims import make_claims
from eigenscape_studies.heavy_tails._extras import overlap_task, ridge_task
from eigenscape_studies.heavy_tails._loss_claims import loss_paragraph
from eigenscape_studies.heavy_tails._numbers import (
    Numbers,
    collect,
    summary_rows,
    with_ridges,
)
from eigenscape_studies.heavy_tails._paragraphs import first_paragraph, where_paragraph
from eigenscape_studies.heavy_tails._plan import PLANS, RIDGES, Cell, Scale, experiments
from eigenscape_studies.heavy_tails._threshold import theory_of
from eigenscape_studies.laboratory import run_experiments

TITLE = "Heavy tails without gradient noise"
_MAP = 20
_SHOWN = (("adam", 0.01), ("adam", 1.0), ("gd", 2000.0))


def run(
    scale: str,
    *,
    seeds: int | None = None,
    folder: str | Path | None = None,
    engine: Engine = "local",
    jobs: int | None = None,
    progress: ProgressCallback | None = None,
) -> StudyResult:
    """Run every experiment, and hold the claims against them."""
    sizes = PLANS[scale]
    count = sizes.seeds if seeds is None else seeds
    start = perf_counter()
    planned = experiments(sizes, count)
    running: dict[str, Any] = {"engine": engine, "jobs": jobs, "progress": progress}
    by_name = run_experiments(
        {cell.name: options for cell, options in planned.items()},
        folder=None if folder is None else Path(folder) / "experiments",
        **running,
    )
    numbers = collect(sizes, count, {cell: by_name[cell.name] for cell in planned})
    tasks = _extra_tasks(planned, count)
    extras = execute(tasks, folder=None if folder is None else Path(folder) / "extras", **running)
    raise_failures(extras)
    found = {outcome.name: outcome.value for outcome in extras}
    numbers = with_ridges(numbers, {seed: found[f"ridge seed {seed}"] for seed in range(count)})
    return _result(scale, numbers, found, perf_counter() - start)


def _extra_tasks(planned: dict[Cell, Any], seeds: int) -> list[Task]:
    tasks = []
    for seed in range(seeds):
        options = planned[Cell("losses", "adam", 1.0, seed)]
        arguments = {"settings": options.to_dict(), "ridges": RIDGES}
        tasks.append(Task(f"ridge seed {seed}", ridge_task, arguments))
    for rate in (0.01, 1.0):
        options = replace(planned[Cell("paths", "adam", rate, 0)], steps=5)
        arguments = {"settings": options.to_dict(), "size": _MAP}
        tasks.append(Task(f"overlap map adam {rate:g}", overlap_task, arguments))
    return tasks


def _result(scale: str, numbers: Numbers, extras: dict[str, Any], seconds: float) -> StudyResult:
    command = f"eigenscape study heavy_tails --scale {scale} --seeds {numbers.seeds}"
    maps = [*extras["overlap map adam 0.01"], *extras["overlap map adam 1"]]
    return StudyResult(
        environment=Environment.capture(seed=0),
        study="heavy_tails",
        title=TITLE,
        scale=scale,
        seeds=numbers.seeds,
        seconds=seconds,
        paragraphs={
            "In one sentence": first_paragraph(numbers),
            "At which learning rate, and why": where_paragraph(numbers),
            "What it does to the loss": loss_paragraph(numbers),
        },
        claims=make_claims(numbers, command),
        tables={
            "summary": summary_rows(numbers),
            "spectra": _spectra(numbers, numbers.scale),
            "overlap_maps": maps,
            "theory": [
                {"optimizer": name, **theory_of(numbers, name)._asdict()}
                for name in ("adam", "gd")
            ],
            "stopped": [
                {"experiment": cell.name, "reason": result.stopped}
                for cell, result in numbers.results.items()
                if result.stopped
            ],
            "sizes": [{"d": numbers.scale.d, "h": 3 * numbers.scale.d // 2,
                       "few": numbers.scale.few, "many": numbers.scale.many}],
        },
    )  # fmt: skip


def _spectra(numbers: Numbers, sizes: Scale) -> list[dict[str, Any]]:
    rows = []
    for optimizer, rate in _SHOWN:
        value = sizes.rate(optimizer, rate)
        result = numbers.results[Cell("paths", optimizer, value, 0)]
        for step in (0, 1, 2, 3, 5, 10):
            if step in result.spectra:
                values = [float(f"{x:.5g}") for x in result.spectra[step].tolist()]
                rows.append(
                    {"optimizer": optimizer, "rate": value, "step": step, "eigenvalues": values}
                )
    return rows
