"""What the chosen rules say of published models."""

from __future__ import annotations

from typing import Any

import numpy as np

from eigenscape_studies._tables import Rows, matching
from eigenscape_studies.verdicts._choice import committed
from eigenscape_studies.verdicts._measure import METRICS, summary
from eigenscape_studies.verdicts._truth import LAYER_STATEMENTS, STATEMENTS


def said_of_real(rows: Rows) -> Rows:
    """Return a row for each model: what is said of it, and of how many of its layers."""
    return [
        _row(model, matching(rows, model=model))
        for model in dict.fromkeys(row["model"] for row in rows)
    ]


def _row(model: str, layers: Rows) -> dict[str, Any]:
    choices = committed()
    network = {"numbers": summary(layers)}
    names = [
        name
        for name in STATEMENTS
        if (rule := choices[name]["chosen"].rule) is not None and rule.says(network)
    ]
    of_layers = {}
    for name in LAYER_STATEMENTS:
        rule = choices[name]["chosen"].rule
        said = [row for row in layers if rule is not None and rule.says(_layer(row))]
        of_layers[name] = [row["layer"] for row in said]
    return {
        "model": model,
        "layers": len(layers),
        "says": ", ".join(names),
        "names": names + [name for name, said in of_layers.items() if said],
        **of_layers,
        "random-like": sum(row["label"] == "random-like" for row in layers),
    }


def _layer(row: dict[str, Any]) -> dict[str, Any]:
    largest = np.nanmax([abs(row["row_dispersion"]), abs(row["column_dispersion"]), 0.0])
    return {"numbers": {name: row[name] for name in METRICS} | {"largest dispersion": largest}}
