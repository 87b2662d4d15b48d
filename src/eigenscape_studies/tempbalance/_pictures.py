"""The study's pictures, drawn from the result's tables alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eigenscape.results import PALETTE
from eigenscape.stats import Interval, interval
from eigenscape_studies import Pictures, StudyResult
from eigenscape_studies._draw import below, label, legend, panels, ticks
from eigenscape_studies.tempbalance._numbers import ACCURACY
from eigenscape_studies.tempbalance._plan import (
    BASE,
    INVERSE,
    LINEAR,
    PERMUTED,
    SIGMOID,
    STRONG,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colour and marker of each way: never the colour alone.
_LOOK = {
    BASE: ("black", "s"),
    SIGMOID: ("blue", "o"),
    LINEAR: ("green", "^"),
    STRONG: ("sky", "D"),
    INVERSE: ("vermilion", "v"),
    PERMUTED: ("orange", "P"),
}
_LAYERS = ("blue", "orange", "green", "vermilion", "purple", "sky", "grey", "black")
_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
_ALPHA = "PL_Alpha_Hill"


def pictures(result: StudyResult) -> Pictures:
    """Return heading to figure and caption."""
    return {
        "Change against base": (
            changes(result),
            "Paired change against base, mean over seeds with its 95 % interval; left of zero is "
            "better for the nRMSE, right of it for the accuracy. Filled: significant after Holm "
            "over all comparisons of the study; open: not.",
        ),
        "Spread of alpha over the layers": (
            spread(result),
            f"Standard deviation of {_ALPHA} over the balanced layers (GPT: blocks) after "
            "training, with the fewest examples. Dots: seeds; markers: means with 95 % intervals; "
            "dotted: before training.",
        ),
        "Gain against the amount of data": (
            gain(result),
            "Gain of TB-sigmoid over base, upwards is better. Dots: seeds; markers: means with "
            "95 % intervals; line: the mean of one line for each seed with every amount, its slope "
            "for each doubling of the data.",
        ),
        "Against the learning rate": (
            against_rate(result),
            "The main cell at every rate of the list, paired by seed: all judged seeds at the "
            "dotted rate, which was best for base on the tuning seeds, the first few of them at "
            "the others. Means with 95 % intervals of each alone.",
        ),
        "One training, layer by layer": (
            training(result),
            "The main cell's first seed, which was not picked. Left and middle: alpha of each "
            "balanced layer without and with TB-sigmoid; right: the factors on the learning rate "
            "with it.",
        ),
    }


def _cells(result: StudyResult) -> dict[str, bool]:
    """Return the cells, each with whether it is judged by accuracy."""
    return {row["cell"]: row["measure"] == ACCURACY for row in result.tables["runs"]}


_CHANGE = {True: "change of accuracy (points)", False: "change of the nRMSE (%)"}
_GAIN = {True: "gain in accuracy (points)", False: "fall of the nRMSE (%)"}


def _errors(result: StudyResult) -> pd.DataFrame:
    """Return the comparisons of the error with base."""
    table = result.table("comparisons")
    return table[(table["what"] == "error") & (table["against"] == BASE)]


def changes(result: StudyResult) -> Figure:
    """Draw every way in every cell at every amount: a row of panels for each cell."""
    table, cells = _errors(result), _cells(result)
    columns = max(table[table["cell"] == cell]["amount"].nunique() for cell in cells)
    figure, axes = panels(len(cells), columns, 2.1 + 2.3 * columns, 2.1 * len(cells), sharex="row")
    for row, (cell, accuracy) in zip(axes, cells.items(), strict=True):
        part = table[table["cell"] == cell]
        amounts = sorted(part["amount"].unique())
        for place, axis in enumerate(row):
            if place >= len(amounts):
                axis.set_visible(False)
                continue
            _forest(axis, part[part["amount"] == amounts[place]])
            axis.set_title(f"{cell}: {amounts[place]} examples", fontsize=9.5)
            if place:
                axis.tick_params(labelleft=False)
        for axis in row[: len(amounts)]:
            axis.set_xlabel(_CHANGE[accuracy])
    return figure


def _forest(axis: Axes, rows: pd.DataFrame) -> None:
    places = np.arange(len(rows))
    axis.axvline(0, color=PALETTE["black"], lw=0.8)
    for y, (_, row) in zip(places, rows.iterrows(), strict=True):
        colour, marker = _LOOK[str(row["method"])]
        axis.hlines(y, row["low"], row["high"], color=PALETTE[colour], lw=1.6)
        fill = PALETTE[colour] if row["holm"] < 0.05 else "white"
        axis.plot(row["mean"], y, marker, ms=5, color=PALETTE[colour], mfc=fill)
    axis.set_yticks(places, [str(name) for name in rows["method"]])
    axis.set_ylim(len(rows) - 0.5, -0.5)


def spread(result: StudyResult) -> Figure:
    """Draw the spread by way, with the fewest examples of each cell."""
    table, cells = result.table("runs"), _cells(result)
    figure, axes = panels(1, len(cells), 3.7 * len(cells), 3.7)
    for axis, cell in zip(axes[0], cells, strict=True):
        part = table[table["cell"] == cell]
        part = part[part["amount"] == part["amount"].min()]
        names = [name for name in _LOOK if name in set(part["method"])]
        for x, name in enumerate(names):
            values = part[part["method"] == name]["spread"].to_numpy(float)
            _column(axis, x, values, interval(values), name)
        axis.axhline(float(part["first_spread"].mean()), ls=":", lw=1.2, color=PALETTE["black"])
        axis.set_xticks(
            range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor", fontsize=8
        )
        axis.set_ylim(bottom=0)
        title = f"{cell}: {int(part['amount'].iloc[0])} examples"
        label(axis, title, "", f"standard deviation of {_ALPHA}")
    return figure


def _column(axis: Axes, x: float, values: NDArray[np.float64], found: Interval, name: str) -> None:
    """Draw seeds as dots beside their mean and its interval."""
    colour, marker = _LOOK[name]
    ink = PALETTE[colour]
    aside = x - 0.18 + np.linspace(-0.08, 0.08, len(values))
    axis.plot(aside, values, ".", ms=4, alpha=0.45, color=ink, mew=0)
    axis.vlines(x + 0.12, found.low, found.high, color=ink, lw=1.6)
    axis.plot(x + 0.12, found.mean, marker, ms=6, color=ink)


def gain(result: StudyResult) -> Figure:
    """Draw the gain of TB-sigmoid against the amount of data, with its line."""
    lines, means, cells = result.table("lines"), _errors(result), _cells(result)
    runs = result.table("runs")
    figure, axes = panels(1, len(cells), 3.7 * len(cells), 3.5)
    for axis, (cell, accuracy) in zip(axes[0], cells.items(), strict=True):
        sign = 1 if accuracy else -1
        _seed_dots(axis, runs[runs["cell"] == cell], accuracy)
        part = means[(means["cell"] == cell) & (means["method"] == SIGMOID)]
        x = part["amount"].to_numpy(float)
        axis.vlines(x, sign * part["low"], sign * part["high"], color=PALETTE["blue"], lw=1.6)
        axis.plot(x, sign * part["mean"], "o", ms=5.5, color=PALETTE["blue"])
        line = lines[lines["cell"] == cell].iloc[0]
        fitted = line["start"] + line["mean"] * np.log2(x)
        axis.plot(x, fitted, lw=1.4, ls="--", color=PALETTE["vermilion"])
        axis.axhline(0, color=PALETTE["black"], lw=0.8)
        ticks(axis, x, base=2)
        words = f"slope {line['mean']:+.1f} [{line['low']:+.1f}, {line['high']:+.1f}]"
        label(axis, f"{cell}\n{words}", "training examples", _GAIN[accuracy])
    return figure


def _seed_dots(axis: Axes, runs: pd.DataFrame, accuracy: bool) -> None:
    """Draw the gain of every seed, a little to the left of its amount."""
    wide = runs.pivot_table(index=["amount", "seed"], columns="method", values="value")
    mine, base = wide[SIGMOID], wide[BASE]
    gains = mine - base if accuracy else 100 * (1 - mine / base)
    amounts = np.array([amount for amount, _ in gains.index], dtype=float)
    x, ink = amounts / 1.07, PALETTE["blue"]
    axis.plot(x, gains.to_numpy(float), ".", ms=4, alpha=0.5, mew=0, color=ink)


#: Of the picture against the rate: what is drawn, its heading, its axis.
_CURVES = (
    (
        {BASE: "base against the chosen rate"},
        "error of base",
        "nRMSE against the dotted rate (%)",
    ),
    (
        {SIGMOID: f"{SIGMOID} change", INVERSE: f"{INVERSE} change"},
        "change of the error",
        "change of the nRMSE (%)",
    ),
    ({BASE: "base spread"}, "spread of base", f"standard deviation of {_ALPHA}"),
    (
        {SIGMOID: f"{SIGMOID} spread change", INVERSE: f"{INVERSE} spread change"},
        "change of the spread",
        "change of the spread (%)",
    ),
)


def against_rate(result: StudyResult) -> Figure:
    """Draw errors and spreads of the main cell against the learning rate."""
    table = result.table("curve")
    figure, axes = panels(2, 2, 8.6, 6.4)
    for axis, (drawn, heading, words) in zip(axes.flat, _CURVES, strict=True):
        for place, (method, what) in enumerate(drawn.items()):
            rows = table[table["what"] == what]
            colour, marker = _LOOK[method]
            x = rows["rate"].to_numpy(float) * 1.05 ** (place - (len(drawn) - 1) / 2)
            axis.vlines(x, rows["low"], rows["high"], color=PALETTE[colour], lw=1.6)
            axis.plot(
                x, rows["mean"], f"{marker}-", ms=5, lw=1, color=PALETTE[colour], label=method
            )
        if len(drawn) > 1:
            axis.axhline(0, color=PALETTE["black"], lw=0.8)
            legend(axis)
        axis.axvline(table[table["chosen"]]["rate"].iloc[0], ls=":", color=PALETTE["black"], lw=1.2)
        ticks(axis, sorted(table["rate"].unique()), base=2)
        label(axis, heading, "learning rate", words)
    return figure


def training(result: StudyResult) -> Figure:
    """Draw alphas and factors of the layers over the steps of one training."""
    table = result.table("traces")
    figure, axes = panels(1, 3, 12, 3.8)
    left, middle, right = axes[0]
    for axis, method in ((left, BASE), (middle, SIGMOID)):
        _layers(axis, table[table["method"] == method], "alpha")
        label(axis, f"{method}: alpha", "step", _ALPHA)
    _layers(right, table[table["method"] == SIGMOID], "lr_factor")
    right.axhline(1, color=PALETTE["black"], lw=0.8)
    right.set_yscale("log")
    right.set_yticks([0.3, 0.5, 1, 2, 3], ["0.3", "0.5", "1", "2", "3"])
    right.minorticks_off()
    label(right, f"{SIGMOID}: factors", "step", "factor on the learning rate")
    middle.sharey(left)
    left.autoscale()
    below(figure, left)
    return figure


def _layers(axis: Axes, rows: pd.DataFrame, column: str) -> None:
    for index, (layer, part) in enumerate(rows.groupby("layer", sort=False)):
        ink, dash = PALETTE[_LAYERS[index % len(_LAYERS)]], _DASHES[index % len(_DASHES)]
        axis.plot(part["step"], part[column], lw=1.5, label=str(layer), color=ink, ls=dash)
