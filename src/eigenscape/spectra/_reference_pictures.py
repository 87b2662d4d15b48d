"""Pictures of reference distributions, and of a network's layers among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from eigenscape.errors import InputError
from eigenscape.results import PALETTE, label_text, new_figure, picture_of
from eigenscape.spectra._place import FORMS, TAIL, Placement, group_words
from eigenscape.spectra._reference import Reference

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_AXIS = {
    "alpha_excess": "alpha_excess (1: random matrix, lower: heavier tail)",
    **FORMS,
    "alpha_hill": "PL_Alpha_Hill",
    "alpha_ks": "KS alpha",
    "row_dispersion": "dispersion of row norms (standard deviations)",
    "column_dispersion": "dispersion of column norms (standard deviations)",
}


_LIFT = 0.17
_SEEN: dict[str, Any] = {"color": PALETTE["grey"], "ms": 11}
_MINE: dict[str, Any] = {"color": PALETTE["blue"], "ms": 4.5}
_ENDS: dict[str, Any] = {"color": PALETTE["vermilion"], "ms": 9, "fillstyle": "none"}


@picture_of(Reference)
def plot_reference(result: Reference, *, metric: str = "alpha_excess") -> Figure:
    """Draw the distribution of one number for each kind, role and way of reading.

    Args:
        result: the reference.
        metric: which number.
    """
    table = result.frame(metric=metric)
    rows = {
        f"{group_words(row.kind, row.role)}\n{row.weights}, n = {row.n}": (
            row.lowest,
            row.lower_quartile,
            row.median,
            row.upper_quartile,
            row.highest,
        )
        for row in table.rename(columns=lambda name: name.replace(" ", "_")).itertuples()
    }
    figure = new_figure(8.0, 0.5 * len(rows) + 1.2)
    axes = figure.subplots()
    for place, (low, lower, middle, upper, high) in enumerate(rows.values()):
        axes.hlines(place, low, high, color=PALETTE["sky"], lw=1.5)
        axes.hlines(place, lower, upper, color=PALETTE["sky"], lw=9)
        axes.plot(middle, place, "|", ms=13, mew=2, color=PALETTE["black"])
    _finish(axes, list(rows), metric)
    return figure


@picture_of(Placement)
def plot_placement(result: Placement, *, metric: str = "alpha_excess") -> Figure:
    """Draw each group's reference layers, and above them the layers that were examined.

    Args:
        result: the layers among the reference.
        metric: which number.

    Raises:
        InputError: that number was not compared.
    """
    if metric not in result.distributions:
        raise InputError(f"{metric!r:.40} was not compared; {', '.join(result.metrics)} were")
    groups = result.distributions[metric]
    figure = new_figure(6.6, 0.62 * max(len(groups), 1) + 1.7)
    axes = figure.subplots()
    labels = []
    seen = {one.among for one in result.compared if one.metric == metric}
    for place, (group, values) in enumerate(groups.items()):
        found = [one for one in result.compared if (one.metric, one.group) == (metric, group)]
        among = "; ".join(dict.fromkeys(one.among for one in found)) if len(seen) > 1 else ""
        labels.append(f"{group}, n = {len(values)}\n{label_text(among)}".rstrip())
        _strip(axes, place, values, [one.value for one in found])
        ends = [one.value for one in found if one.is_extreme]
        axes.plot(ends, [place - _LIFT] * len(ends), "o", mew=1.4, **_ENDS)
    if not groups:
        axes.text(0.5, 0.5, "no reference for these kinds", ha="center", transform=axes.transAxes)
    _finish(axes, labels, metric)
    if len(seen) == 1:
        axes.set_title(f"reference: {label_text(*seen)}", fontsize=9, color=PALETTE["grey"])
    _legend(figure)
    return figure


def _strip(axes: Axes, place: int, values: Sequence[float], mine: Sequence[float]) -> None:
    """Draw reference layers as ticks below the line of a group, examined ones as dots above."""
    low, high = np.quantile(values, (TAIL, 1 - TAIL))
    axes.hlines(place + _LIFT, low, high, color=PALETTE["sky"], lw=9, alpha=0.35)
    axes.plot(values, np.full(len(values), place + _LIFT), "|", **_SEEN)
    axes.plot(mine, np.full(len(mine), place - _LIFT), "o", **_MINE)


def _finish(axes: Axes, labels: Sequence[str], metric: str) -> None:
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlabel(_AXIS[metric])
    axes.grid(axis="x", color=PALETTE["grey"], alpha=0.2)
    axes.spines[["top", "right"]].set_visible(False)


def _legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    marks = [
        Line2D([], [], ls="", marker="o", label="layer of this network", **_MINE),
        Line2D([], [], ls="", marker="o", label="below 2.5 % or above 97.5 %", **_ENDS),
        Line2D([], [], ls="", marker="|", label="reference layer", **_SEEN),
        Patch(color=PALETTE["sky"], alpha=0.35, label="2.5 to 97.5 % of them"),
    ]
    figure.legend(handles=marks, loc="outside upper center", ncols=2, frameon=False, fontsize=8)
