"""Running the study: networks, claims, tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eigenscape.results import Environment
from eigenscape.runs import Engine, ProgressCallback
from eigenscape_studies._networks import command_of, measured
from eigenscape_studies._result import StudyResult
from eigenscape_studies.landscape_topology._claims import make_claims
from eigenscape_studies.landscape_topology._numbers import Numbers, correlations
from eigenscape_studies.landscape_topology._paragraphs import paragraphs
from eigenscape_studies.landscape_topology._plan import PLANS

TITLE = "Loss landscapes from a topology perspective"


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
    command = command_of("landscape_topology", scale, seeds)
    return StudyResult(
        environment=Environment.capture(seed=0),
        study="landscape_topology",
        title=TITLE,
        scale=scale,
        seeds=seeds or PLANS[scale].pinn_seeds,
        seconds=seconds,
        paragraphs=paragraphs(numbers),
        claims=make_claims(numbers, command),
        tables={
            "networks": numbers.rows,
            "correlations": correlations(numbers),
            "landscapes": _drawn(numbers),
        },
    )


def _drawn(numbers: Numbers) -> list[dict[str, Any]]:
    """Return the grids that are drawn, to five digits: seed 0 of each kind of network."""
    kept = []
    for row, values in zip(numbers.rows, numbers.values, strict=True):
        if row["seed"] == 0:
            grid = [[float(f"{value:.5g}") for value in line] for line in values.tolist()]
            kept.append({"family": row["family"], "beta": row.get("beta"),
                         "depth": row.get("depth"), "values": grid})  # fmt: skip
    return kept
