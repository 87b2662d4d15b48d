"""The tasks of the study: one for each network."""

from __future__ import annotations

from eigenscape.errors import InputError
from eigenscape.runs import Task
from eigenscape_studies import Found
from eigenscape_studies.verdicts._families import Family
from eigenscape_studies.verdicts._plan import Regime, VerdictsPlan
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
