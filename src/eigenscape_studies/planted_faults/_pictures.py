"""The study's picture, drawn from its table alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eigenscape.results import PALETTE
from eigenscape_studies import Pictures, StudyResult
from eigenscape_studies._draw import below, label, panels
from eigenscape_studies.planted_faults._plan import WORDS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def pictures(result: StudyResult) -> Pictures:
    """Return heading to figure and caption."""
    return {
        "Expected and got": (
            gains(result),
            "For each planted fault: the gain in test accuracy that the population promised, what "
            "retraining as advised gained, and what turning the best of four knobs gained. Means "
            "of 3 seeds. A cross beside the name: the diagnosis is another than the planted fault.",
        )
    }


def gains(result: StudyResult) -> Figure:
    """Draw promised, got and possible gains."""
    rows = result.table("faults")
    figure, axes = panels(1, 1, 9.5, 0.62 * len(rows) + 1.5)
    axis = axes[0, 0]
    y = np.arange(len(rows))
    bars = (
        ("expected", "sky", "promised"),
        ("got", "blue", "got, as advised"),
        ("best_gain", "grey", "best of four knobs"),
    )
    for i, (column, colour, words) in enumerate(bars):
        axis.barh(y + (i - 1) * 0.26, rows[column], 0.24, color=PALETTE[colour], label=words)
    names = [
        f"{'' if right else '✗ '}{fault}\n→ {WORDS.get(said, said)}"
        for fault, said, right in zip(rows["fault"], rows["diagnosis"], rows["right"], strict=True)
    ]
    axis.set_yticks(y, names)
    axis.invert_yaxis()
    axis.axvline(0, color=PALETTE["black"], lw=0.8)
    label(axis, "", "gain in test accuracy (points)", "")
    below(figure, axis)
    return figure
