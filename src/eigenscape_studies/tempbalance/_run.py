"""Pretraining, tuning, training; holding the claims against the runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eigenscape.results import Environment
from eigenscape.runs import Engine, ProgressCallback
from eigenscape_studies._networks import command_of, measured
from eigenscape_studies._result import StudyResult
from eigenscape_studies.tempbalance._claims import make_claims
from eigenscape_studies.tempbalance._numbers import Numbers, Rows, choose, with_tuned
from eigenscape_studies.tempbalance._paragraphs import make_paragraphs
from eigenscape_studies.tempbalance._plan import PLANS
from eigenscape_studies.tempbalance._tasks import judged, pretraining, tuned, tuning

TITLE = "TempBalance: a learning rate for each layer when data are few"


def run(
    scale: str,
    *,
    seeds: int | None = None,
    folder: str | Path | None = None,
    engine: Engine = "local",
    jobs: int | None = None,
    progress: ProgressCallback | None = None,
) -> StudyResult:
    """Pretrain, tune the rates, train every network, and hold the claims against them."""
    plan = PLANS[scale].with_seeds(seeds)
    options: dict[str, Any] = {
        "folder": folder, "engine": engine, "jobs": jobs, "progress": progress,
    }  # fmt: skip
    pretrained, seconds = measured(pretraining(plan), **options)
    states = [found["state"] for found in pretrained]
    first, second = judged(plan, states), tuning(plan, states)
    found, spent = measured([*first, *second], **options)
    rows, tried = _rows(found[: len(first)]), _rows(found[len(first) :])
    cells = {sweep.cell.name: sweep.cell.measure for sweep in plan.sweeps}
    chosen = choose(tried, cells)
    retrained, more = measured(tuned(plan, states, chosen), **options)
    numbers = Numbers(
        cells=cells,
        rows=with_tuned(rows, _rows(retrained), chosen),
        tuning=tried,
        traces=[row for item in found for row in item["traces"]],
    )
    return StudyResult(
        environment=Environment.capture(seed=0),
        study="tempbalance",
        title=TITLE,
        scale=scale,
        seeds=plan.main_seeds,
        seconds=seconds + spent + more,
        paragraphs=make_paragraphs(numbers, chosen),
        claims=make_claims(numbers, command_of("tempbalance", scale, seeds)),
        tables={
            "runs": numbers.rows,
            "tuning": numbers.tuning,
            "changes": numbers.summaries("changes"),
            "ratios": numbers.summaries("ratios"),
            "lines": numbers.lines(),
            "traces": numbers.traces,
        },
    )


def _rows(found: list[dict[str, Any]]) -> Rows:
    return [row for item in found for row in item["rows"]]
