"""The pictures of this package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from eigenscape.diagnosis._diagnosis import Diagnosis
from eigenscape.diagnosis._draw_tree import draw_prescription
from eigenscape.diagnosis._evaluation import EvaluationResult, Score
from eigenscape.diagnosis._labels import ACTIONS
from eigenscape.diagnosis._metrics import COLUMNS
from eigenscape.diagnosis._population import Population
from eigenscape.diagnosis._prescription import Prescription
from eigenscape.diagnosis._tree import MDTree
from eigenscape.diagnosis.measuring._measure import Measurement
from eigenscape.errors import InputError
from eigenscape.results import PALETTE, label_text, new_figure, picture_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from eigenscape.diagnosis._leaves import LeafRecord

_MAPS = (
    "test_acc",
    "train_error",
    "mode_connectivity_peak",
    "mode_connectivity",
    "hessian_t",
    "hessian_e",
    "CKA",
)
_COLOURS = ("blue", "vermilion", "green", "orange")
_INK = PALETTE["black"]


@picture_of(Population)
def draw_population(population: Population) -> Figure:
    """Draw each metric over width and temperature, at the largest amount of data."""
    table = population.table[population.table["data"] == population.table["data"].max()]
    names = [name for name in _MAPS if name in table.columns and table[name].notna().any()]
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure = new_figure(3.4 * columns + 0.4, 2.9 * rows)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    for axis, name in zip(axes.flat, names, strict=False):
        grid = table.pivot_table(index="temperature", columns="width", values=name)
        image = axis.imshow(grid.to_numpy(), origin="lower", aspect="auto", cmap="cividis")
        bar = figure.colorbar(image, ax=axis)
        metric = COLUMNS[name]
        bar.set_label("ln" if metric.words.startswith("ln") else metric.unit)
        axis.set_title(metric.words, fontsize=9)
        axis.set_xlabel("width")
        _ticks(axis.xaxis, grid.columns)
        _ticks(axis.yaxis, grid.index)
    for row in axes:
        row[0].set_ylabel("temperature (learning rate / batch size)")
    figure.suptitle(f"{label_text(population.name)}, data {table['data'].max():g}", fontsize=10)
    return figure


def _ticks(axis: Any, values: Any) -> None:
    shown = list(range(0, len(values), max(1, len(values) // 5)))
    axis.set_ticks(shown, [f"{values[i]:.3g}" for i in shown], fontsize=8)


@picture_of(MDTree)
def draw_tree(tree: MDTree) -> Figure:
    """Draw the mean gain of each action in each leaf.

    Raises:
        InputError: the tree has no population.
    """
    if not tree.leaves:
        raise InputError("no population, so no gains to draw. Try: fit the tree to a population")
    return draw_gains(tree.leaves, tree.seed_noise)


@picture_of(Diagnosis)
def draw_diagnosis(found: Diagnosis) -> Figure:
    """Draw what each action gained in the model's leaf, with quartiles.

    Raises:
        InputError: the tree had no population, so that no gain is known.
    """
    if found.leaf is None:
        raise InputError("no population, so no gains to draw. Try: fit a tree to a population")
    return draw_gains([found.leaf], found.seed_noise)


picture_of(Prescription)(draw_prescription)


def draw_gains(leaves: Sequence[LeafRecord], noise: float | None) -> Figure:
    """Draw gains of the actions, one group of bars for each leaf, whiskers at the quartiles."""
    figure = new_figure(8.5, 1.6 + 1.05 * len(leaves))
    axis = figure.subplots()
    height = 0.8 / len(ACTIONS)
    for j, (action, colour) in enumerate(zip(ACTIONS, _COLOURS, strict=True)):
        means = np.array([leaf.gains[action] for leaf in leaves])
        low, high = np.array([leaf.quartiles[action] for leaf in leaves]).T
        y = np.arange(len(leaves)) + (j - (len(ACTIONS) - 1) / 2) * height
        axis.barh(y, means, height * 0.9, color=PALETTE[colour], label=action, alpha=0.85)
        axis.hlines(y, low, high, color=_INK, lw=1.2)
    if noise is not None:
        axis.axvline(noise, color=_INK, ls=":", lw=1, label="seed noise")
    names = [f"{leaf.label}\n{leaf.words}\nn = {leaf.size}" for leaf in leaves]
    axis.set_yticks(range(len(leaves)), names, fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel("change of test accuracy (points): mean, and middle half of the configurations")
    axis.legend(frameon=False, fontsize=8, ncols=5, loc="lower center", bbox_to_anchor=(0.4, 1.0))
    axis.spines[["top", "right"]].set_visible(False)
    return figure


@picture_of(EvaluationResult)
def draw_evaluation(result: EvaluationResult) -> Figure:
    """Draw accuracy and balanced accuracy of every method, a mark for each seed."""
    methods: dict[str, Sequence[Score]] = {"MD tree": result.per_seed, **result.baselines}
    figure = new_figure(8.0, 1.9 + 0.38 * (len(methods) + 1))
    axis = figure.subplots()
    for i, scores in enumerate(methods.values()):
        _marks(axis, i, [row["accuracy"] for row in scores], "o", "blue", "accuracy", -0.12)
        balanced = [row["balanced_accuracy"] for row in scores]
        _marks(axis, i, balanced, "D", "vermilion", "balanced accuracy", 0.12)
    last = len(methods)
    _marks(axis, last, [result.zero_shot], "o", "blue", None, -0.12)
    _marks(axis, last, [result.zero_shot_balanced], "D", "vermilion", None, 0.12)
    axis.axvline(result.majority, color=_INK, ls="--", lw=1, label="majority")
    axis.set_yticks(range(last + 1), [*methods, "zero-shot constants"])
    axis.invert_yaxis()
    axis.set_xlabel(
        f"right answers (%) on {result.n_test} configurations of {result.test}; bar: mean"
    )
    title = f"question: {result.question}, {result.n_train:.0f} training configurations"
    axis.set_title(title, fontsize=10, pad=24)
    handles, words = axis.get_legend_handles_labels()
    unique = dict(zip(words, handles, strict=True))
    axis.legend(
        unique.values(),
        unique.keys(),
        frameon=False,
        fontsize=8,
        ncols=3,
        loc="lower center",
        bbox_to_anchor=(0.4, 0.99),
    )
    axis.spines[["top", "right"]].set_visible(False)
    return figure


@picture_of(Measurement)
def draw_curve(found: Measurement) -> Figure:
    """Draw the training error along the curve between the two networks.

    Raises:
        InputError: there was one network.
    """
    if not found.curve:
        raise InputError("there was one network, so there is no curve. Try: measure two seeds")
    figure = new_figure(5.0, 3.2)
    axis = figure.subplots()
    axis.plot(np.linspace(0, 1, len(found.curve)), found.curve, "o-", color=PALETTE["blue"])
    axis.set_xlabel("t (0: the first network, 1: the second)")
    axis.set_ylabel("training error (%)")
    axis.set_ylim(bottom=0)
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def _marks(
    axis: Axes,
    y: float,
    values: list[float],
    marker: str,
    colour: str,
    label: str | None,
    shift: float,
) -> None:
    ink = PALETTE[colour]
    axis.plot(
        values,
        np.full(len(values), y + shift),
        marker,
        ms=4.5,
        color=ink,
        alpha=0.55,
        mew=0,
        label=label,
    )
    axis.plot([np.mean(values)], [y + shift], "|", ms=11, mew=2, color=ink)
