"""The study's picture, drawn from its table alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eigenscape.results import PALETTE
from eigenscape_studies import Pictures, StudyResult
from eigenscape_studies._draw import below, label, panels
from eigenscape_studies.planted_faults._plan import WORDS
from eigenscape_studies.planted_faults._tasks import FINE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

#: Verdict to its colour and words.
_VERDICTS = {
    "small": ("sky", WORDS["small"]),
    "large": ("vermilion", WORDS["large"]),
    "width": ("orange", WORDS["width"]),
    "data": ("green", WORDS["data"]),
    FINE: ("blue", "nothing wrong"),
    "not known": ("grey", "no verdict"),
}


def pictures(result: StudyResult) -> Pictures:
    """Return heading to figure and caption."""
    return {
        "Promised and got": (
            gains(result),
            "Each dot is one pair of networks and an advice, given or (hollow) withheld: the gain "
            "in test accuracy that the population promised, and what retraining as advised "
            "gained. On the line a promise is kept.",
        ),
        "Verdicts": (
            verdicts(result),
            "For each planted fault, and for the networks with nothing planted: how many pairs got "
            "which verdict.",
        ),
    }


def gains(result: StudyResult) -> Figure:
    """Draw what was got over what was promised."""
    rows = result.table("faults").query("action != 'none'")
    figure, axes = panels(1, 1, 6.2, 4.6)
    axis = axes[0, 0]
    for planted, colour, words in (
        (True, "blue", "fault planted"),
        (False, "vermilion", "nothing planted"),
    ):
        for given, what in ((True, "given"), (False, "withheld")):
            own = rows[((rows["truth"] != "none") == planted) & (rows["given"] == given)]
            ink = PALETTE[colour]
            fill = ink if given else "none"
            if len(own):
                axis.plot(
                    own["expected"],
                    own["got"],
                    "o",
                    ms=6,
                    color=ink,
                    mfc=fill,
                    label=f"{words}, {what}",
                )
    ends = [0.0, float(max(1.0, rows["expected"].max())) if len(rows) else 1.0]
    axis.plot(ends, ends, "--", lw=1, color=PALETTE["black"], label="as promised")
    axis.axhline(0, color=PALETTE["grey"], lw=0.8)
    label(axis, "", "promised gain in test accuracy (points)", "got (points)")
    below(figure, axis)
    return figure


def verdicts(result: StudyResult) -> Figure:
    """Draw the verdicts on each kind of network."""
    rows = result.table("faults")
    kinds = [
        *(
            (f"{data}: {WORDS[truth]}", rows[_planted(rows, data, truth)])
            for data in ("digits", "mnist")
            for truth in ("small", "large", "width", "data", "none")
        )
    ]
    kinds = [(name, own) for name, own in kinds if len(own)]
    figure, axes = panels(1, 1, 9.0, 0.42 * len(kinds) + 1.6)
    axis = axes[0, 0]
    start = np.zeros(len(kinds))
    for verdict, (colour, words) in _VERDICTS.items():
        share = np.array([100 * float((own["diagnosis"] == verdict).mean()) for _, own in kinds])
        axis.barh(range(len(kinds)), share, 0.7, left=start, color=PALETTE[colour], label=words)
        start += share
    axis.set_yticks(range(len(kinds)), [f"{name} (n = {len(own)})" for name, own in kinds])
    axis.invert_yaxis()
    label(axis, "", "pairs (%)", "")
    below(figure, axis)
    return figure


def _planted(rows: pd.DataFrame, data: str, truth: str) -> pd.Series:
    mask: pd.Series = rows["fault"].str.startswith(data) & (rows["truth"] == truth)
    return mask
