"""The findings in plain words, and the tables."""

from __future__ import annotations

from eigenscape.stats import Precision
from eigenscape_studies._tables import Rows, matching
from eigenscape_studies.verdicts._choice import RIVALS, committed
from eigenscape_studies.verdicts._numbers import Numbers
from eigenscape_studies.verdicts._precisions import LOOKS, SAYS, held_back, precision_of
from eigenscape_studies.verdicts._real import said_of_real


def tables(numbers: Numbers) -> dict[str, Rows]:
    """Return what pictures are drawn from, and what the figures of the claims follow from."""
    return {
        "judgement": numbers.judgement,
        "networks": [_plain_network(row) for row in numbers.networks],
        "layers": [_plain_layer(row) for row in numbers.layers],
        "building": _building(),
        "real models": said_of_real(numbers.real),
    }


def _plain_network(row: dict[str, object]) -> dict[str, object]:
    kept = ("family", "half", "regime", "seed", "accuracy", "train loss", "diverged")
    found = {name: row[name] for name in kept}
    for group in ("truths", "losses", "numbers"):
        found |= dict(row[group])  # type: ignore[call-overload]
    return found | {"first wave": ", ".join(row["first wave"])}  # type: ignore[arg-type]


def _plain_layer(row: dict[str, object]) -> dict[str, object]:
    kept = ("family", "half", "regime", "seed", "layer", "frozen", "moved", "zero rows")
    found = {name: row[name] for name in kept}
    for group in ("truths", "numbers"):
        found |= dict(row[group])  # type: ignore[call-overload]
    return found


def _building() -> Rows:
    """Return the committed rules, and how they did on families left out of the building half."""
    return [
        {
            "statement": statement,
            "contender": name,
            "rule": "never" if choice.rule is None else choice.rule.words(),
            "given": choice.given,
            "right": choice.right,
            **precision_of(choice.right, choice.given)._asdict(),
        }
        for statement, contenders in committed().items()
        for name, choice in contenders.items()
    ]


def paragraphs(numbers: Numbers) -> dict[str, str]:
    """Return the findings in plain words."""
    rows = [row for name in SAYS if (row := held_back(numbers.judgement, name, "chosen"))]
    passed = [row for row in rows if row.printed]
    dropped = [row for row in rows if not row.printed]
    found = {
        "In one sentence": _sentence(len(rows), [row.statement for row in passed]),
        "What may be printed": _listed(passed)
        or "Nothing: weights are described, and held-out loss decides.",
        "What is dropped": _listed(dropped) or "Nothing.",
        "Looks": _looks(),
        "By family (right of given)": _by_family(numbers.judgement),
        "Rivals": _rivals(numbers.judgement),
        "Asked afterwards": _afterwards(numbers.layers),
    }
    if numbers.left_out:
        found["Left out"] = " ".join(f"{name}: {why}." for name, why in numbers.left_out.items())
    return {heading: text for heading, text in found.items() if text}


def _looks() -> str:
    if LOOKS == 1:
        return "The held-back half was looked at once."
    return (
        f"This is look {LOOKS} at the held-back half: the building half chose again after a number "
        "that rules use had been corrected. A rule that passes only now is not printed."
    )


def _sentence(statements: int, passed: list[str]) -> str:
    if not passed:
        return (
            f"None of {statements} statements about a network's state, and what would help it, is "
            "right often enough from its weights alone."
        )
    return (
        f"{len(passed)} of {statements} statements are right often enough to be printed: "
        f"{', '.join(passed)}."
    )


def _listed(rows: list[Precision]) -> str:
    words = [
        f"{row.statement}: {row.right} of {row.given} {row.unit}"
        + (f", {row.interval.words(2)}" if row.given else "")
        for row in rows
    ]
    return "; ".join(words) + "." if words else ""


def _by_family(judgement: Rows) -> str:
    words = []
    for name in SAYS:
        rows = matching(judgement, statement=name, contender="chosen", half="held back")
        parts = [
            f"{row['family']} {row['right']} of {row['given']}"
            for row in rows
            if row["family"] != "all" and row["given"]
        ]
        if parts:
            words.append(f"{name}: {', '.join(parts)}")
    return "; ".join(words) + "." if words else ""


def _rivals(judgement: Rows) -> str:
    """Say which rivals reach the figures on the held-back half, and what that is worth."""
    tried = [(name, who) for name in SAYS for who in RIVALS]
    found = {(name, who): row for name, who in tried if (row := held_back(judgement, name, who))}
    if not found:
        return ""
    words = [
        f"{name} ({row.rule}) {row.right} of {row.given}, and "
        f"{committed()[name][who].right} of {committed()[name][who].given} on families left out "
        "of the building half"
        for (name, who), row in found.items()
        if row.passes
    ]
    return (
        f"{len(words)} of {len(found)} rivals (8 for each statement) would pass on the held-back "
        f"half: {'; '.join(words) or 'none'}. None of them was the choice of the building half, "
        "and among so many some pass by chance, so they are not used."
    )


def _afterwards(layers: Rows) -> str:
    """What the counts of the layers' rule imply of the layers that it does not speak of.

    Nobody had asked this before the half was judged.
    """
    rows = matching(layers, half="held back")
    rule = committed()["near its random start"]["chosen"].rule
    rest = [row for row in rows if rule is None or not rule.says(row)]
    near = sum(row["truths"]["near its random start"] for row in rest)
    if not rest:
        return ""
    return (
        f"The question was not asked before: of {len(rest)} held-back layers that differ from "
        f"independent entries (by the rule for a random start), {len(rest) - near} had left it "
        f"({precision_of(len(rest) - near, len(rest)).words(3)}; of all layers "
        f"{1 - sum(row['truths']['near its random start'] for row in rows) / len(rows):.3f}). A "
        "difference tells that a layer was trained; none tells nothing."
    )
