"""The study's picture, drawn from its tables alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigenscape.results import PALETTE
from eigenscape_studies import Pictures, StudyResult
from eigenscape_studies._draw import below, label, panels
from eigenscape_studies.verdicts._claims import best_rival
from eigenscape_studies.verdicts._precisions import SAYS, held_back

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DRAWN = (
    ("chosen", "blue", "o", "rule chosen on the other half"),
    ("rival", "orange", "s", "best simple rival of that half"),
    ("first wave", "grey", "D", "labels of the first wave"),
)


def pictures(result: StudyResult) -> Pictures:
    """Return heading to figure and caption."""
    return {
        "How often each statement is right": (
            precision_picture(result),
            "Families that no rule was chosen on: the share of right statements, with Wilson's "
            "95 % interval, and right of given beside it. The black bar is the share of networks "
            "that it is true of: what a constant answer would get. A rule may be printed from .80 "
            "on (dashed), with a lower limit of .60 (dotted). Networks of a family share their "
            "data, so the intervals are rather too short.",
        )
    }


def precision_picture(result: StudyResult) -> Figure:
    """Draw precision with its interval, by statement and contender."""
    judgement = result.table("judgement").to_dict("records")
    names = [name for name in SAYS if held_back(judgement, name, "chosen")]
    figure, axes = panels(1, 1, 6.4, 0.72 * len(names) + 1.4)
    axis = axes[0, 0]
    for place, name in enumerate(names):
        for shift, (kind, colour, marker, _) in enumerate(_DRAWN):
            contender = best_rival(name) if kind == "rival" else kind
            row = held_back(judgement, name, contender)
            if row is None:
                continue
            y, ink = place + (shift - 1) * 0.25, PALETTE[colour]
            axis.text(1.02, y, f"{row.right}/{row.given}", va="center", fontsize=7, color=ink)
            if row.given:
                axis.plot([row.low, row.high], [y, y], lw=1.4, color=ink)
                axis.plot(row.precision, y, marker, ms=4.5, color=ink, clip_on=False)
        base = held_back(judgement, name, "constant")
        if base is not None:
            ends = [place - 0.36, place + 0.36]
            axis.plot([base.base_rate] * 2, ends, color=PALETTE["black"], lw=1.6)
    for _, colour, marker, words in _DRAWN:
        axis.plot([], [], marker, ms=4.5, color=PALETTE[colour], label=words)
    axis.plot([], [], color=PALETTE["black"], lw=1.6, label="share that it is true of")
    axis.axvline(0.8, color=PALETTE["black"], lw=0.8, ls="--")
    axis.axvline(0.6, color=PALETTE["black"], lw=0.8, ls=":")
    axis.set_xlim(0, 1.0)
    axis.set_ylim(-0.6, len(names) - 0.4)
    axis.set_yticks(range(len(names)), [name.replace(" or ", "\nor ") for name in names])
    axis.invert_yaxis()
    label(axis, "", "share of statements that are right", "")
    below(figure, axis, columns=1)
    return figure
