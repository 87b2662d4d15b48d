"""How often each contender is right: of all networks of a half, and of each family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from eigenscape_studies._tables import Rows, matching
from eigenscape_studies.verdicts._choice import RIVALS, Choices

Says = Callable[[Mapping[str, Any]], bool]


def judged(rows: Rows, choices: Choices) -> Rows:
    """Return how often each contender speaks, and is right, of every half and family.

    Args:
        rows: networks or layers.
        choices: of the statements; those that the rows have no truth of are left out.
    """
    found = []
    for statement in choices:
        if not rows or statement not in rows[0]["truths"]:
            continue
        for name, says in contenders(choices, statement).items():
            for scope, part in scopes(rows).items():
                found.append(
                    _counts(part, statement, says) | {"contender": name, **scope_of(scope)}
                )
    return found


def contenders(choices: Choices, statement: str) -> dict[str, Says]:
    """Return who states something: the chosen rule, the first wave's labels, rivals, a constant."""

    def of_rule(name: str) -> Says:
        rule = choices[statement][name].rule
        return (lambda _: False) if rule is None else rule.says

    return {
        "chosen": of_rule("chosen"),
        "first wave": lambda row: statement in row["first wave"],
        **{name: of_rule(name) for name in RIVALS},
        "constant": lambda _: True,
    }


def scopes(rows: Rows) -> dict[tuple[str, str], Rows]:
    """Return the rows of each half, and of each of its families."""
    found: dict[tuple[str, str], Rows] = {}
    for half in ("building", "held back"):
        part = matching(rows, half=half)
        if part:
            found[half, "all"] = part
        for family in dict.fromkeys(row["family"] for row in part):
            found[half, family] = matching(part, family=family)
    return found


def scope_of(scope: tuple[str, str]) -> dict[str, str]:
    """Return the columns of a group of networks."""
    return {"half": scope[0], "family": scope[1]}


def _counts(rows: Rows, statement: str, says: Says) -> dict[str, Any]:
    said = [row["truths"][statement] for row in rows if says(row)]
    return {
        "statement": statement,
        "given": len(said),
        "right": sum(said),
        "positives": sum(row["truths"][statement] for row in rows),
        "networks": len(rows),
    }
