"""The table of precisions: what ships with ``eigenscape.spectra``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

from eigenscape.stats import Interval, Precision, share
from eigenscape_studies import StudyResult
from eigenscape_studies._tables import Rows, matching
from eigenscape_studies.verdicts._choice import Choices, committed
from eigenscape_studies.verdicts._truth import ACTIONS, LAYER_STATEMENTS

#: What each rule says, as a user reads it.
SAYS = {
    "under-trained": "The network is under-trained: training on gives a better one.",
    "over-fitted": "The network is over-fitted: an earlier moment of its training was better.",
    "rate too high": "The learning rate was too high: training on at a tenth of it gives a better "
    "network.",
    "too few data": "There were too few data: training on with more gives a better network.",
    "decay too large": "The weight decay was too large: training on without it gives a better "
    "network.",
    "well trained": "The network is well trained: no change of the training on its own data gives "
    "a better one.",
    "train longer": "Train longer at the same rate.",
    "raise the rate": "Train on at a larger learning rate.",
    "lower the rate or stop earlier": "Lower the learning rate, or stop earlier.",
    "more data": "Train with more data.",
    "at its random start": "The layer did not leave its random start.",
    "near its random start": "The layer is within a quarter of its norm of its random start.",
}
#: Looks at the held-back half. At the first, rules were chosen and judged with spikes as they were
#: counted then; when that count was corrected, the building half chose again, and the held-back
#: half was looked at a second time. BENCHMARKS.md has both.
LOOKS = 2


def precision_of(right: int, given: int) -> Interval:
    """Return a share with its interval; zeros where nothing was said."""
    return share(right, given) if given else Interval(0.0, 0.0, 1.0, 0)


def held_back(judgement: Rows, statement: str, contender: str) -> Precision | None:
    """Return how often a contender was right on the held-back half; None where there is none."""
    wanted = {"statement": statement, "contender": contender, "half": "held back"}
    rows = matching(judgement, **wanted, family="all")
    if not rows:
        return None
    families = [row["family"] for row in matching(judgement, **wanted) if row["family"] != "all"]
    return _precision(rows[0], families, _rule_words(committed(), statement, contender))


def _rule_words(choices: Choices, statement: str, contender: str) -> str:
    if contender in ("first wave", "constant"):
        return {"first wave": "the labels of the first wave", "constant": "always"}[contender]
    rule = choices[statement][contender].rule
    return rule.words() if rule else "never"


def _precision(row: dict[str, object], families: Iterable[str], rule: str) -> Precision:
    statement = str(row["statement"])
    counts = {name: int(str(row[name])) for name in ("given", "right", "positives", "networks")}
    return Precision(
        statement=statement,
        kind="action" if statement in ACTIONS else "diagnosis",
        says=SAYS[statement],
        families=tuple(families),
        rule=rule,
        unit="layers" if statement in LAYER_STATEMENTS else "networks",
        looks=LOOKS,
        **counts,
    )


def shipped_text(result: StudyResult) -> str:
    """Return the text of the table that ships, from a result.

    It has the chosen rule of each statement, and the first wave's label where one stated it.

    ``python -m eigenscape_studies.verdicts RESULT.json`` prints it, for
    ``src/eigenscape/spectra/precisions.json``.
    """
    judgement = result.table("judgement").to_dict("records")
    rows = [
        asdict(row)
        for contender in ("chosen", "first wave")
        for statement in SAYS
        if (row := held_back(judgement, statement, contender))
        and (row.given or contender == "chosen")
    ]
    about = {"study": "verdicts", "scale": result.scale, "command": result.claims[0].command}
    return json.dumps({**about, "rows": rows}, indent=1, ensure_ascii=False) + "\n"
