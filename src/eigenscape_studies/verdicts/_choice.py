"""What was chosen on the building half: the rules and rivals of every statement."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

from eigenscape_studies._tables import Rows
from eigenscape_studies.verdicts._measure import METRICS
from eigenscape_studies.verdicts._rules import (
    Choice,
    Cut,
    Kind,
    Rule,
    choose,
    pair_kinds,
    single_kinds,
)
from eigenscape_studies.verdicts._truth import LAYER_STATEMENTS, STATEMENTS

#: Each a contender with one cut through the network's median.
RIVALS = (
    *("log_norm", "log_spectral_norm", "stable_rank", "row_dispersion", "column_dispersion"),
    *("spikes", "alpha_hill", "alpha_ks"),
)
#: Numbers of a layer that rules about it may use, the larger of its dispersions among them: those
#: that depend neither on a layer's size nor on its scale, which a random start has of its own.
LAYER_NUMBERS = (
    *("largest dispersion", "row_dispersion", "column_dispersion", "spikes", "alpha_excess"),
)
#: Nothing that independent entries would not show: both dispersions within three standard
#: deviations, and no spike.
INDEPENDENT = Rule((Cut("largest dispersion", False, 3.0), Cut("spikes", False, 0.5)))
_FILE = "chosen.json"
Choices = dict[str, dict[str, Choice]]


def choose_all(networks: Rows, layers: Rows) -> Choices:
    """Choose, for each statement, the rule and every rival; what is held back is not looked at."""
    medians = [f"median {name}" for name in METRICS]
    every = [f"{how} {name}" for name in METRICS for how in ("median", "min", "max")]
    kinds = [*single_kinds(every), *pair_kinds(medians)]
    found = {
        statement: _contenders(networks, statement, kinds, "median ") for statement in STATEMENTS
    }
    kinds = [*single_kinds(LAYER_NUMBERS), *pair_kinds(LAYER_NUMBERS)]
    return found | {
        statement: _contenders(layers, statement, kinds, "", [INDEPENDENT])
        for statement in LAYER_STATEMENTS
    }


def _contenders(
    rows: Rows, statement: str, kinds: list[Kind], median: str, fixed: Sequence[Rule] = ()
) -> dict[str, Choice]:
    found = {"chosen": choose(rows, statement, kinds, fixed)}
    for name in RIVALS:
        found[name] = choose(rows, statement, single_kinds([median + name]))
    return found


def to_plain(choices: Choices) -> dict[str, Any]:
    """Return choices as JSON's own types; thresholds with six digits."""
    return {
        statement: {
            name: {
                "cuts": None
                if choice.rule is None
                else [[cut.number, cut.above, _six(cut.threshold)] for cut in choice.rule.cuts],
                "given": choice.given,
                "right": choice.right,
            }
            for name, choice in contenders.items()
        }
        for statement, contenders in choices.items()
    }


def _six(value: float) -> float:
    return float(f"{value:.6g}")


@lru_cache(maxsize=1)
def committed() -> Choices:
    """Return the choices that the held-back half is judged by: written down before it was seen."""
    text = files("eigenscape_studies.verdicts").joinpath(_FILE).read_text("utf-8")
    return from_plain(json.loads(text))


def from_plain(plain: dict[str, Any]) -> Choices:
    """Return the choices that :func:`to_plain` wrote."""
    return {
        statement: {
            name: Choice(_rule(entry["cuts"]), entry["given"], entry["right"])
            for name, entry in contenders.items()
        }
        for statement, contenders in plain.items()
    }


def _rule(cuts: list[list[Any]] | None) -> Rule | None:
    return None if cuts is None else Rule(tuple(Cut(*cut) for cut in cuts))
