"""What the tasks found, as rows: networks and layers with their truths and their numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from eigenscape_studies import Found
from eigenscape_studies._tables import Rows
from eigenscape_studies.verdicts._choice import Choices, choose_all, committed
from eigenscape_studies.verdicts._families import FAMILIES
from eigenscape_studies.verdicts._first_wave import first_wave_says
from eigenscape_studies.verdicts._judge import judged
from eigenscape_studies.verdicts._measure import METRICS, summary
from eigenscape_studies.verdicts._plan import VerdictsPlan
from eigenscape_studies.verdicts._tasks import possible
from eigenscape_studies.verdicts._truth import MOVED, Outcomes, repeat_noise, truths


@dataclass(frozen=True)
class Numbers:
    """What claims are made from.

    Args:
        networks: one row for each network of both halves.
        layers: one row for each of their layers.
        real: one row for each layer of published models.
        chosen_here: what the building half of this run chooses.
        judgement: one row for each statement, contender and group of networks.
        left_out: why families and models are missing.
    """

    networks: Rows
    layers: Rows
    real: Rows
    chosen_here: Choices
    judgement: Rows
    left_out: dict[str, str]


def collect(plan: VerdictsPlan, found: Found) -> Numbers:
    """Gather the rows, choose on the building half, judge the other by the committed choice."""
    networks, layers = gather(found)
    real = [
        {"model": name, **row}
        for name, rows in found["real models"].items()
        for row in rows["rows"]
    ]
    missing = {name: rows["missing"] for name, rows in found["real models"].items()}
    return Numbers(
        networks=networks,
        layers=layers,
        real=real,
        chosen_here=choose_all(networks, layers),
        judgement=[*judged(networks, committed()), *judged(layers, committed())],
        left_out=possible(plan)[1] | {name: why for name, why in missing.items() if why},
    )


def gather(found: Found) -> tuple[Rows, Rows]:
    """Return the rows of networks and those of their layers."""
    kinds: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for value in found["networks"].values():
        kinds[value["family"], value["regime"]].append(value["losses"])
    noise = {kind: repeat_noise(losses) for kind, losses in kinds.items()}
    networks, layers = [], []
    for task, value in found["networks"].items():
        rows = found["spectra"][task]
        head = {name: value[name] for name in ("family", "regime", "seed")}
        head["half"] = FAMILIES[value["family"]].half
        outcomes = Outcomes.of(value["losses"], noise[value["family"], value["regime"]])
        networks.append(head | _network(value, outcomes, rows))
        layers += [head | _layer(value, row) for row in rows]
    return networks, layers


def _network(value: Mapping[str, Any], outcomes: Outcomes, rows: Rows) -> dict[str, Any]:
    return {
        "truths": truths(outcomes),
        "numbers": summary(rows),
        "first wave": first_wave_says(row["label"] for row in rows),
        "losses": {name: outcomes.mean(name) for name in outcomes.losses},
        "train loss": value["losses"]["train_loss"],
        "accuracy": value["losses"]["accuracy"],
        "diverged": value["diverged"],
    }


def _layer(value: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    family = FAMILIES[value["family"]]
    frozen = value["regime"] == "frozen" and family.hidden.startswith(row["layer"].split("[")[0])
    drawn = frozen or not family.pretrained
    largest = np.nanmax([abs(row["row_dispersion"]), abs(row["column_dispersion"]), 0.0])
    numbers = {name: row[name] for name in METRICS} | {"largest dispersion": float(largest)}
    return {
        "layer": row["layer"],
        "frozen": frozen,
        "moved": row["moved"],
        "zero rows": row["zero_rows"],
        "numbers": numbers,
        "truths": {name: bool(drawn and row["moved"] < most) for name, most in MOVED.items()},
        "first wave": tuple(MOVED) if row["label"] == "random-like" else (),
    }
