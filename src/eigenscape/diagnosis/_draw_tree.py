"""A model's path through the trees, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from eigenscape.diagnosis._prescription import ratio_words
from eigenscape.diagnosis._shapes import Leaf, Node, TreeShape
from eigenscape.results import PALETTE, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from eigenscape.diagnosis._diagnosis import Diagnosis
    from eigenscape.diagnosis._prescription import Prescription

_INK, _WAY, _OFF = PALETTE["black"], PALETTE["blue"], "#b8b8b8"
_SHORT = {
    "train_error": "training error (%)",
    "mode_connectivity_peak": "connectivity (peak, %)",
    "mode_connectivity": "connectivity (barrier, %)",
    "hessian_t": "ln Hessian trace",
    "CKA": "CKA",
}
_ANSWER = {
    "small": "temperature\ntoo small",
    "large": "temperature\ntoo large",
    "width": "too narrow",
    "data": "too little\ndata",
    "temperature": "temperature\nis off",
}
#: Between two levels, and half of a box; boxes are not filled, so that they suit a dark page.
_DOWN, _HALF = 1.0, 0.24
_SOFT = "#808080"


def draw_prescription(found: Prescription) -> Figure:
    """Draw every tree with the model's path through it, then what each change gained."""
    gains = [] if found.alien else [2.2]
    heights = [2.9 + 0.5 * (_depth(d.shape.root) - 2) for d in found.diagnoses] + gains
    figure = new_figure(8.6, sum(heights) + 0.4)
    axes = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    for axis, diagnosis in zip(axes, found.diagnoses, strict=False):
        draw_way(axis, diagnosis)
        score = found.cv_scores[diagnosis.question]
        axis.set_title(
            f"{diagnosis.question.capitalize()}? {_said(diagnosis.verdict).capitalize()} (right on "
            f"unseen cells: {score.accuracy:.0f} %, balanced {score.balanced_accuracy:.0f} %)",
            fontsize=10,
            loc="left",
            color=_INK,
        )
    if gains:
        _draw_gains(axes[-1], found)
    return figure


def draw_way(axis: Axes, diagnosis: Diagnosis) -> None:
    """Draw one tree, the path of the model in blue and thick, the rest in grey.

    The leaf is blue where it is the verdict.
    """
    shape = diagnosis.shape
    thresholds = dict(enumerate(diagnosis.thresholds))
    values = {step.feature: step.value for step in diagnosis.path}
    places = _places(shape)
    way = _way(shape, diagnosis)
    for node, parent, below in _edges(shape.root):
        on = id(node) in way
        (x0, y0), (x1, y1) = places[id(parent)], places[id(node)]
        ends = [y0 - _HALF, y1 + _HALF]
        axis.plot([x0, x1], ends, color=_WAY if on else _OFF, lw=3 if on else 1, zorder=1)
        axis.text(
            (x0 + x1) / 2 + (-0.16 if below else 0.16),
            sum(ends) / 2,
            "≤" if below else ">",
            ha="center",
            va="center",
            fontsize=10,
            color=_INK if on else _SOFT,
        )
    for node in _nodes(shape.root):
        x, y = places[id(node)]
        answers = not isinstance(node, Leaf) or not diagnosis.abstained
        on = id(node) in way and answers
        if isinstance(node, Leaf):
            words, style = _ANSWER[node.label], "round,pad=0.4"
        else:
            name = shape.features[node.index]
            own = f"{_number(values[name])} against " if on else ""
            words = f"{_SHORT[name]}\n{own}{_number(thresholds[node.index])}"
            style = "square,pad=0.4"
        axis.text(
            x,
            y,
            words,
            ha="center",
            va="center",
            fontsize=8.5,
            zorder=3,
            color=_INK if on else _SOFT,
            fontweight="bold" if on else "normal",
            bbox={
                "boxstyle": style,
                "fc": "none",
                "ec": _WAY if on else _OFF,
                "lw": 2.2 if on else 1,
            },
        )
    xs, ys = zip(*places.values(), strict=True)
    axis.set_xlim(min(xs) - 0.7, max(xs) + 0.7)
    axis.set_ylim(min(ys) - 0.45, max(ys) + 0.4)
    axis.set_axis_off()


def _draw_gains(axis: Axes, found: Prescription) -> None:
    table = found.frame()
    y = np.arange(len(table))
    colours = [PALETTE["blue"] if advised else _OFF for advised in table["advised"]]
    axis.barh(y, table["gain"], 0.6, color=colours)
    axis.hlines(y, table["quartile 1"], table["quartile 3"], color=_INK, lw=1.4)
    axis.axvline(found.seed_noise, color=_INK, ls=":", lw=1)
    axis.text(found.seed_noise, -0.75, " seed noise", fontsize=8, color=_INK, va="center")
    names = [
        row["action"] + (f" ×{ratio_words(row['ratio'])}" if row["ratio"] not in (0, 1) else "")
        for _, row in table.iterrows()
    ]
    axis.set_yticks(y, names)
    axis.set_ylim(len(table) - 0.5, -1.1)
    axis.set_xlabel(
        "change of test accuracy (points) of the population's networks like this one, by one\n"
        "factor for all: mean, and middle half; none where the grid has nothing ahead"
    )
    axis.set_title("What each change gained", fontsize=10, loc="left", color=_INK)
    axis.spines[["top", "right"]].set_visible(False)


def _said(verdict: str) -> str:
    return _ANSWER.get(verdict, verdict).replace("\n", " ")


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) >= 0.005 else "0"


def _depth(node: Node) -> int:
    return 0 if isinstance(node, Leaf) else 1 + max(_depth(node.below), _depth(node.above))


def _nodes(node: Node) -> list[Node]:
    if isinstance(node, Leaf):
        return [node]
    return [node, *_nodes(node.below), *_nodes(node.above)]


def _edges(node: Node) -> list[tuple[Node, Node, bool]]:
    if isinstance(node, Leaf):
        return []
    own: list[tuple[Node, Node, bool]] = [(node.below, node, True), (node.above, node, False)]
    return [*own, *_edges(node.below), *_edges(node.above)]


def _places(shape: TreeShape) -> dict[int, tuple[float, float]]:
    """Leaves side by side, every comparison above the middle of its own."""
    places: dict[int, tuple[float, float]] = {}
    leaves = iter(range(len(shape.leaves)))

    def place(node: Node, level: int) -> float:
        if isinstance(node, Leaf):
            x = 1.5 * next(leaves)
        else:
            x = (place(node.below, level + 1) + place(node.above, level + 1)) / 2
        places[id(node)] = (x, -_DOWN * level)
        return x

    place(shape.root, 0)
    return places


def _way(shape: TreeShape, diagnosis: Diagnosis) -> set[int]:
    node: Node = shape.root
    seen = {id(node)}
    steps: Sequence[bool] = [step.below for step in diagnosis.path]
    for below in steps:
        assert not isinstance(node, Leaf)
        node = node.below if below else node.above
        seen.add(id(node))
    return seen
