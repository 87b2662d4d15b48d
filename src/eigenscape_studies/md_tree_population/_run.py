"""Growing the populations, scoring every method, holding the claims against the scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from eigenscape.diagnosis import check_health, grow_together
from eigenscape.results import Environment
from eigenscape.runs import Engine, ProgressCallback
from eigenscape_studies._interval import interval
from eigenscape_studies._networks import command_of
from eigenscape_studies._result import StudyResult
from eigenscape_studies.md_tree_population._claims import make_claims
from eigenscape_studies.md_tree_population._data import mnist_family
from eigenscape_studies.md_tree_population._numbers import Numbers
from eigenscape_studies.md_tree_population._paragraphs import make_paragraphs
from eigenscape_studies.md_tree_population._plan import CLEAN, NOISY, SCALES, plans_of
from eigenscape_studies.md_tree_population._scores import (
    advice_rows,
    few_rows,
    margin_rows,
    transfer_rows,
)

TITLE = "MD tree: populations grown on small real images"


def run(
    scale: str,
    *,
    seeds: int | None = None,
    folder: str | Path | None = None,
    engine: Engine = "local",
    jobs: int | None = None,
    progress: ProgressCallback | None = None,
) -> StudyResult:
    """Grow, score, and hold the claims against the scores.

    Raises:
        InputError: the images are not where EIGENSCAPE_DATA says.
    """
    start = perf_counter()
    chosen = SCALES[scale] if seeds is None else replace(SCALES[scale], repeats=seeds)
    family = mnist_family()
    plans = plans_of(family, chosen)
    grown = dict(
        zip(
            plans,
            grow_together(
                family, plans, folder=folder, engine=engine, jobs=jobs, progress=progress
            ),
            strict=True,
        )
    )
    rows: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("transfer", "few", "margin", "advice", "health")
    }
    for repeat in range(chosen.repeats):
        clean, noisy = (grown[f"{name} {repeat}"] for name in (CLEAN, NOISY))
        rows["transfer"] += transfer_rows(repeat, clean, noisy, chosen)
        rows["few"] += few_rows(repeat, clean, noisy, chosen)
        rows["margin"] += margin_rows(repeat, clean, noisy)
        rows["advice"] += advice_rows(repeat, clean, noisy)
    for name, population in grown.items():
        health = check_health(population)
        rows["health"].append(
            {"population": name, "configurations": len(population), "inside": health.inside,
             "collapsed": health.collapsed, **health.shares, "seed_noise": population.seed_noise}
        )  # fmt: skip
    numbers = Numbers(repeats=chosen.repeats, networks=2 * len(plans) * _cells(chosen), rows=rows)
    return StudyResult(
        environment=Environment.capture(seed=0),
        study="md_tree_population",
        title=TITLE,
        scale=scale,
        seeds=chosen.repeats,
        seconds=perf_counter() - start,
        paragraphs=make_paragraphs(numbers),
        claims=make_claims(numbers, command_of("md_tree_population", scale, seeds)),
        tables={
            "transfer": _summary(numbers, "transfer", ("setting", "method")),
            "few": _summary(numbers, "few", ("cells", "method")),
            "margins": numbers.margins(),
            "advice": [
                {"policy": name, **interval(numbers.gains(name))._asdict()}
                for name in dict.fromkeys(row["policy"] for row in rows["advice"])
            ],
            "health": rows["health"],
        },
    )


def _cells(scale: Any) -> int:
    from eigenscape_studies.md_tree_population._plan import RATES

    return len(scale.widths) * len(scale.data) * len(RATES)


def _summary(numbers: Numbers, kind: str, keys: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return means and intervals over repeats; draws of one repeat are averaged first."""
    table = numbers.table(kind)
    rows = []
    for key, group in table.groupby(list(keys), sort=False):
        each = group.groupby("repeat").mean(numeric_only=True)
        row = {**dict(zip(keys, key, strict=True)), **interval(each["accuracy"])._asdict()}
        for extra in ("balanced_accuracy", "configurations"):
            if extra in each:
                row[extra] = float(each[extra].mean())
        rows.append(row)
    return rows
