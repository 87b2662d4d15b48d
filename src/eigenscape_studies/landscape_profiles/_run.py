"""Running the study: networks, claims, tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eigenscape.results import Environment
from eigenscape.runs import Engine, ProgressCallback
from eigenscape_studies._networks import command_of, measured
from eigenscape_studies._result import StudyResult
from eigenscape_studies.landscape_profiles._claims import make_claims
from eigenscape_studies.landscape_profiles._numbers import Numbers
from eigenscape_studies.landscape_profiles._paragraphs import paragraphs
from eigenscape_studies.landscape_profiles._plan import PLANS

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
    found, seconds = measured(
        PLANS[scale].tasks(seeds), folder=folder, engine=engine, jobs=jobs, progress=progress
    )
    numbers = Numbers.collect(found)
    command = command_of("landscape_profiles", scale, seeds)
    return StudyResult(
        environment=Environment.capture(seed=0),
        study="landscape_profiles",
        title=TITLE,
        scale=scale,
        seeds=seeds or PLANS[scale].seeds,
        seconds=seconds,
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
