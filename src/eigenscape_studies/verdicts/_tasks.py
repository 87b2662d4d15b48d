"""The tasks of the study: each network, its spectra, and published models beside them."""

from __future__ import annotations

from typing import Any

from eigenscape.errors import InputError
from eigenscape.runs import Task
from eigenscape.spectra import analyze
from eigenscape_studies import Found
from eigenscape_studies._data import data_files
from eigenscape_studies.verdicts._families import Family
from eigenscape_studies.verdicts._measure import measure_weights, spectral_rows
from eigenscape_studies.verdicts._plan import REAL, Regime, VerdictsPlan
from eigenscape_studies.verdicts._training import train_network

Network = tuple[Family, Regime, int]


def possible(plan: VerdictsPlan) -> tuple[list[Network], dict[str, str]]:
    """Return the networks whose data are here, and why families are left out."""
    left_out: dict[str, str] = {}
    for family in dict.fromkeys(family.name for family, _, _ in plan.networks()):
        try:
            next(kind for kind, _, _ in plan.networks() if kind.name == family).pool()
        except InputError as error:
            left_out[family] = str(error)
    return [each for each in plan.networks() if each[0].name not in left_out], left_out


def trainings(plan: VerdictsPlan, _: Found) -> list[Task]:
    """Return a task for each network."""
    return [
        Task(
            f"{family.name}, {regime.name}, seed {seed}",
            train_network,
            {
                "family": family.name,
                "regime": regime.name,
                "seed": seed,
                "length": plan.length,
                "repeats": plan.repeats,
            },
        )
        for family, regime, seed in possible(plan)[0]
    ]


def spectra(plan: VerdictsPlan, found: Found) -> list[Task]:  # noqa: ARG001 - a stage's signature
    """Return a task for the spectra of each network."""
    return [
        Task(name, measure_weights, {"weights": value["weights"], "start": value["start"]})
        for name, value in found["networks"].items()
    ]


def real_models(plan: VerdictsPlan, _: Found) -> list[Task]:
    """Return a task for each published model."""
    return [Task(name, measure_model, {"path": REAL[name]}) for name in plan.real]


def measure_model(path: str) -> dict[str, Any]:
    """Return a row for each layer of a published model, or why there are none.

    Args:
        path: below the folder that EIGENSCAPE_DATA names.
    """
    folder, _, name = path.rpartition("/")
    try:
        (file,) = data_files(folder, (name,), "published models are read from files")
    except InputError as error:
        return {"rows": [], "missing": str(error)}
    source = file.parent if name == "config.json" else file
    return {"rows": spectral_rows(analyze(source, jobs=1)), "missing": ""}
