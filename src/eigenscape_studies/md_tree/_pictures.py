"""The study's pictures, drawn from the result's tables alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eigenscape.results import PALETTE
from eigenscape_studies import Pictures, StudyResult
from eigenscape_studies._draw import below, curve, draw, label, legend, panels, ticks
from eigenscape_studies.md_tree._plan import CASES, PERMUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STYLE = {
    "MD tree, paper search": "blue",
    "MD tree, exact search": "sky",
    "free landscape": "green",
    "validation": "vermilion",
    "hyperparameters": "orange",
    "temperature (cheats)": "purple",
    PERMUTED: "grey",
}
_LINES = {"zero-shot constants": ("--", "no data: box's centre"), "majority": (":", "majority")}


def pictures(result: StudyResult) -> Pictures:
    """Return heading to figure and caption."""
    bands = (
        "Lines: mean over distinct training sets; bands: 95 % intervals over them, where there "
        "are several. "
        "Dashed: no data at all; dotted: majority."
    )
    few = [name for name in CASES if name.endswith("few")]
    return {
        "Few configurations": (
            transfer(result, few),
            f"Right answers on the networks with noisy labels after a fit to few configurations "
            f"with clean ones. {bands}",
        ),
        "Small models": (
            transfer(result, [name for name in CASES if name not in few]),
            f"The same after a fit to the small end of the grid. Without a draw only the baselines "
            f"change with the seed. {bands}",
        ),
        "One step along the diagnosis": (
            steps(result),
            "Mean gain in test accuracy over 1,560 networks when the diagnosed knob is moved by "
            "one notch, to a random value ahead (expectation), or to the best one ahead; bars: "
            "95 % intervals.",
        ),
        "Errors are where they cost little": (
            margins(result),
            "Right answers of the temperature tree by the margin between what raising and what "
            "lowering the temperature could gain; bars: 95 % Wilson intervals.",
        ),
    }


def transfer(result: StudyResult, cases: list[str]) -> Figure:
    """Draw accuracy against the size of the training set."""
    table = result.table("curves")
    columns = min(3, len(cases)) if len(cases) != 4 else 4
    figure, axes = panels(1, columns, 13, 4.0, sharey=True)
    for axis, name in zip(axes.flat, cases, strict=True):
        case = CASES[name]
        for method, colour in _STYLE.items():
            draw(axis, curve(table, "value", case=name, method=method), "value", method, colour)
        for method, (line, words) in _LINES.items():
            rows = curve(table, "value", case=name, method=method)
            ink = PALETTE["black"]
            axis.plot(rows["value"], rows["mean"], line, color=ink, lw=1.2, label=words)
        if case.varied == "max_width":
            ticks(axis, sorted(set(table[table["case"] == name]["value"]))[::3], base=2)
        else:
            axis.xaxis.get_major_locator().set_params(integer=True)
        label(axis, case.title, case.unit, "")
    axes[0, 0].set_ylabel("right answers (%)")
    below(figure, axes[0, 0], 5)
    return figure


def steps(result: StudyResult) -> Figure:
    """Draw the gain of one step, by method and rule."""
    table = result.table("one_step")
    figure, axes = panels(1, 2, 12, 4.2)
    rules = {"notch": "sky", "random": "orange", "best": "blue"}
    for axis, question in zip(axes[0], ("temperature", "width"), strict=True):
        rows = table[table["question"] == question]
        methods = list(dict.fromkeys(rows["method"]))
        for j, (rule, colour) in enumerate(rules.items()):
            found = rows[rows["rule"] == rule].set_index("method").loc[methods]
            y = np.arange(len(methods)) + (j - 1) * 0.26
            axis.barh(y, found["mean"], 0.24, color=PALETTE[colour], label=f"{rule} step")
            axis.hlines(y, found["low"], found["high"], color=PALETTE["black"], lw=1.2)
        axis.set_yticks(range(len(methods)), methods)
        axis.invert_yaxis()
        title = "Temperature, 8 cells" if question == "temperature" else "Width, one slice of data"
        label(axis, title, "gain in test accuracy (points)", "")
    legend(axes[0, 0], loc="lower right")
    return figure


def margins(result: StudyResult) -> Figure:
    """Draw accuracy against what is at stake."""
    rows = result.table("margins")
    figure, axes = panels(1, 1, 6.5, 3.6)
    axis: Axes = axes[0, 0]
    share = (rows["right"] / rows["n"]).to_numpy(np.float64)
    low, high = _wilson(share, rows["n"].to_numpy(np.float64))
    x = np.arange(len(rows))
    axis.vlines(x, 100 * low, 100 * high, color=PALETTE["blue"], lw=2)
    axis.plot(x, 100 * share, "o", color=PALETTE["blue"])
    names = [
        f"{row['low']:g} to {row['high']:g}"
        if row["high"] and np.isfinite(row["high"])
        else f"over {row['low']:g}"
        for row in result.tables["margins"]
    ]
    words = [f"{name}\nn = {n}" for name, n in zip(names, rows["n"], strict=True)]
    axis.set_xticks(x, words)
    axis.set_ylim(40, 101)
    label(axis, "", "margin (points of test accuracy)", "right answers (%)")
    return figure


def _wilson(share: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    z = 1.96
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return middle - reach, middle + reach
