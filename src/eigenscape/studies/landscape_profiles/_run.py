"""Running the study: networks, claims, tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eigenscape.results import Environment
from eigenscape.runs import Engine, ProgressCallback, execute, raise_failures
from eigenscape.studies._result import StudyResult
from eigenscape.studies.landscape_profiles._claims import make_claims
from eigenscape.studies.landscape_profiles._numbers import Numbers
from eigenscape.studies.landscape_profiles._paragraphs import paragraphs
from eigenscape.studies.landscape_profiles._plan import PLANS

TITLE = "Loss functions as topological landscape profiles"


def run(
    scale: str,
    *,
    seeds: int | None = None,
    folder: str | Path | None = None,
    engine: Engine = "local",
    jobs: int | None = None,
    progress: ProgressCallback | None = None,
) -> StudyResult:
    """Train and examine every network, and hold the claims against them."""
    place = None if folder is None else Path(folder) / "networks"
    outcomes = execute(
        PLANS[scale].tasks(seeds), folder=place, engine=engine, jobs=jobs, progress=progress
    )
    raise_failures(outcomes)
    numbers = Numbers.collect([outcome.value for outcome in outcomes])
    command = f"eigenscape study landscape_profiles --scale {scale}" + (
        f" --seeds {seeds}" if seeds else ""
    )
    return StudyResult(
        environment=Environment.capture(seed=0),
        study="landscape_profiles",
        title=TITLE,
        scale=scale,
        seeds=seeds or PLANS[scale].seeds,
        seconds=sum(outcome.seconds for outcome in outcomes),
        paragraphs=paragraphs(numbers),
        claims=make_claims(numbers, command),
        tables={
            "networks": numbers.rows,
            "dispersion": numbers.dispersion(),
            "landscapes": _drawn(numbers),
        },
    )


def _drawn(numbers: Numbers) -> list[dict[str, Any]]:
    """Return the grids that are drawn, to five digits, flat, with their shapes."""
    kept = []
    for row, values in zip(numbers.rows, numbers.values, strict=True):
        final = row["family"] == "convection" or row["last"] or row["seed"] == 0
        if not final or (row["family"] == "unet" and row["seed"] > 0):
            continue
        place = {name: row.get(name) for name in ("family", "beta", "rate", "epoch", "seed", "dim")}
        flat = [float(f"{value:.5g}") for value in values.ravel().tolist()]
        kept.append(place | {"shape": list(values.shape), "values": flat})
    return kept
