"""The claims, each from the numbers of the two halves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eigenscape.stats import Precision
from eigenscape_studies import Claim, verdict
from eigenscape_studies._tables import Rows, matching
from eigenscape_studies.verdicts._choice import RIVALS, committed, to_plain
from eigenscape_studies.verdicts._families import FAMILIES
from eigenscape_studies.verdicts._numbers import Numbers
from eigenscape_studies.verdicts._precisions import held_back, precision_of
from eigenscape_studies.verdicts._real import said_of_real
from eigenscape_studies.verdicts._truth import DIAGNOSES, LAYER_STATEMENTS, STATEMENTS

_OURS = "none (our test)"
_MANY, _KINDS = 80, 5


def enough_networks(numbers: Numbers) -> Claim:
    """How many networks there are, and what is true of them."""
    rows = numbers.networks
    families = dict.fromkeys(row["family"] for row in rows)
    halves = {half: matching(rows, half=half) for half in ("building", "held back")}
    words = "; ".join(
        f"{half}: {len(part)}, "
        + ", ".join(f"{name} {sum(row['truths'][name] for row in part)}" for name in DIAGNOSES)
        for half, part in halves.items()
    )
    return Claim(
        name="networks of known state",
        statement="There are at least 80 networks of at least 5 families, and whole families are "
        "kept to judge rules on.",
        figure=_OURS,
        measured=f"{len(rows)} networks of {len(families)} families. {words}.",
        verdict=verdict(
            len(rows) >= _MANY and len(families) >= _KINDS and all(map(len, halves.values()))
        ),
    )


def chosen_again(numbers: Numbers) -> Claim:
    """Whether the building half of this run chooses what was committed."""
    here, there = to_plain(numbers.chosen_here), to_plain(committed())
    whole = {row["family"] for row in numbers.networks} == set(FAMILIES)
    other = [name for name in there if here[name] != there[name]]
    return Claim(
        name="chosen before",
        statement="Rules, rivals and thresholds are those that the building half chooses; they "
        "were written down before the held-back half was looked at.",
        figure=_OURS,
        measured="The building half of this run chooses "
        + (f"otherwise for {', '.join(other)}." if other else "the same, to six digits."),
        verdict=verdict(not other) if whole else verdict(),
    )


def first_wave(numbers: Numbers) -> Claim:
    """What the labels of the first wave were worth."""
    return _passing(
        numbers,
        "first wave",
        "labels of the first wave",
        "The labels that were in use (random-like, over-trained, under-trained, none of them) "
        "diagnose a network, and their advice helps.",
    )


def chosen_rules(numbers: Numbers) -> Claim:
    """Which chosen rules are right often enough to be printed."""
    return _passing(
        numbers,
        "chosen",
        "rules chosen for precision",
        "A spectrum alone tells what state a network is in, and what would help it: right 80 % of "
        "the time, with a lower 95 % limit of 60 %, on families that the rule was not chosen on.",
    )


def _passing(numbers: Numbers, contender: str, name: str, statement: str) -> Claim:
    found = [held_back(numbers.judgement, each, contender) for each in STATEMENTS]
    words = "; ".join(f"{row.statement}: {row.words()}" for row in found if row)
    return Claim(
        name=name,
        statement=statement,
        figure=_OURS,
        measured=words + ".",
        verdict=verdict(*(row.passes for row in found if row)),
    )


def rivals(numbers: Numbers) -> Claim:
    """Whether a rival with one cut, chosen beforehand as well, does as well as the rule."""
    better, words = [], []
    for name in (*STATEMENTS, *LAYER_STATEMENTS):
        rule = held_back(numbers.judgement, name, "chosen")
        rival = best_rival(name)
        other = held_back(numbers.judgement, name, rival)
        if rule is None or other is None:
            continue
        better.append(not other.low > rule.low)
        words.append(f"{name}: {rival} {_short(other)}, the rule {_short(rule)}")
    return Claim(
        name="simple rivals",
        statement="The chosen rules have a larger lower limit than the best of eight simple "
        "rivals, each one threshold on the median of one number.",
        figure=_OURS,
        measured="; ".join(words) + ".",
        verdict=verdict(*better),
    )


def best_rival(statement: str) -> str:
    """Return the rival that did best on the building half, each family judged by the others'."""
    choices = committed()[statement]
    return max(RIVALS, key=lambda name: precision_of(choices[name].right, choices[name].given).low)


def _short(row: Precision) -> str:
    return f"{row.right} of {row.given}" + (f" ({row.interval.words(2)})" if row.given else "")


def random_start(numbers: Numbers) -> Claim:
    """Whether the weights alone tell which layers are near their random start."""
    words, passed = [], []
    for name in LAYER_STATEMENTS:
        for who, contender in (("chosen rule", "chosen"), ("label random-like", "first wave")):
            row = held_back(numbers.judgement, name, contender)
            if row:
                words.append(f"{name}, {who}: {row.words()}")
                passed += [row.passes] * (contender == "chosen")
    return Claim(
        name="layers near their random start",
        statement="The weights alone tell which layers did not leave their random start (moved by "
        "less than 5 % of their norm), and which are near it (25 %).",
        figure=_OURS,
        measured="; ".join(words) + ".",
        verdict=verdict(*passed),
    )


def used_not_trained(numbers: Numbers) -> Claim:
    """Frozen layers: the network is as good, and dispersion tells them from trained ones."""
    frozen = matching(numbers.layers, frozen=True)
    families = dict.fromkeys(row["family"] for row in frozen)
    words, parts = [], []
    for family in families:
        cold = [row for row in frozen if row["family"] == family]
        layers = {row["layer"] for row in cold}
        warm = [
            row
            for row in matching(numbers.layers, family=family, regime="well")
            if row["layer"] in layers
        ]
        loss = {
            regime: np.mean([row["losses"]["checkpoint"] for row in _of(numbers, family, regime)])
            for regime in ("frozen", "well")
        }
        at_most, at_least = max(_dispersions(cold)), min(_dispersions(warm))
        parts.append(at_most < at_least)
        words.append(
            f"{family}: held-out loss {loss['frozen']:.3f} (trained {loss['well']:.3f}), "
            f"dispersion at most {at_most:.1f} (trained: at least {at_least:.1f})"
        )
    return Claim(
        name="used is not trained",
        statement="The dispersion of row and column norms tells a layer that was frozen at its "
        "random start from the same layer when trained; held-out loss need not.",
        figure=_OURS,
        measured="; ".join(words) + ".",
        verdict=verdict(*parts),
    )


def _of(numbers: Numbers, family: str, regime: str) -> Rows:
    return matching(numbers.networks, family=family, regime=regime)


def _dispersions(rows: Sequence[dict[str, object]]) -> list[float]:
    return [row["numbers"]["largest dispersion"] for row in rows]  # type: ignore[index]


def real_models(numbers: Numbers) -> Claim:
    """What the chosen rules say of published models."""
    said = said_of_real(numbers.real)
    words = "; ".join(
        f"{row['model']} ({row['layers']} layers): {row['says'] or 'nothing'}; "
        + "".join(f"{len(row[name])} layers {name}, " for name in LAYER_STATEMENTS)
        + f"label random-like: {row['random-like']}"
        for row in said
    )
    wrong = [[name for name in row["names"] if name != "well trained"] for row in said]
    return Claim(
        name="published models",
        statement="Of published, well-trained models the chosen rules say nothing but that they "
        "are well trained.",
        figure=_OURS,
        measured=(words or "None is here") + ".",
        verdict=verdict(*(not names for names in wrong)),
    )


CLAIMS = (
    enough_networks,
    chosen_again,
    first_wave,
    chosen_rules,
    rivals,
    random_start,
    used_not_trained,
    real_models,
)
