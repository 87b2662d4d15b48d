"""The study's pictures, drawn from its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from eigenscape.results import PALETTE
from eigenscape.topology import draw_profiles
from eigenscape_studies import Pictures, StudyResult
from eigenscape_studies._draw import dots, label, legend, panels
from eigenscape_studies._topology import simplified
from eigenscape_studies.landscape_topology._numbers import METRICS, QUOTED

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def pictures(result: StudyResult) -> Pictures:
    """Return heading to figure and caption."""
    table = result.table("networks")
    drawn = result.tables["landscapes"]
    return {
        "Landscapes of PINNs as the problem gets harder": (
            _profiles([item for item in drawn if item["family"] == "convection"]),
            "Landscape profiles of seed 0, in the plane of the top two Hessian eigenvectors, "
            "half-width a tenth of the norm of the parameters. The width of a basin at a height is "
            "the share of samples in it below that loss; minima shallower than a thousandth of the "
            "range are merged away. The loss axis is logarithmic and shared.",
        ),
        "Topology and curvature against the speed": (
            _against_beta(table),
            "One dot for each network; the line joins the medians.",
        ),
        "Which metric follows the error?": (
            _forest(result.table("correlations")),
            "Spearman's rank correlation with 95 % bootstrap intervals over networks; an interval "
            "that touches zero is not significant.",
        ),
        "With and without shortcuts": (
            _profiles([item for item in drawn if item["family"] != "convection"]),
            "Deep digit classifiers of seed 0 in a filter-normalised random plane, [-1, 1] in both "
            "directions; training loss.",
        ),
        "With and without shortcuts, all seeds": (
            _pairs(table),
            "A line joins the residual and the plain network of one seed and depth.",
        ),
    }


def _profiles(items: list[dict[str, Any]]) -> Figure:
    trees = {}
    for item in items:
        name = (
            f"beta {item['beta']:g}"
            if item["family"] == "convection"
            else f"{item['family']}, {item['depth']} layers"
        )
        trees[name] = simplified(np.array(item["values"], dtype=np.float64))
    return draw_profiles(trees, scale="log", columns=5)


def _against_beta(table: pd.DataFrame) -> Figure:
    pinns = table[table["family"] == "convection"]
    figure, axes = panels(2, 3, 9.6, 5.4)
    columns = {
        "relative_l2": "relative error",
        f"minima_{QUOTED}": "minima",
        f"saddles_{QUOTED}": "saddles",
        f"persistence_{QUOTED}": "average persistence (loss)",
        "top_eigenvalue": "largest Hessian eigenvalue",
        "hessian_trace": "Hessian trace",
    }
    for place, (column, name) in zip(axes.flat, columns.items(), strict=True):
        dots(place, pinns, "beta", column)
        label(place, name, "speed beta", name)
        place.set_yscale("symlog", linthresh=_floor(pinns[column]))
    return figure


def _floor(values: pd.Series[float]) -> float:
    positive = values[values > 0]
    return float(positive.min()) if len(positive) else 1.0


def _forest(rows: pd.DataFrame) -> Figure:
    names = {
        "beta": "with the speed beta (PINNs)",
        "relative_l2": "with the relative error (PINNs)",
        "accuracy": "with accuracy (classifiers)",
    }
    figure, axes = panels(1, 3, 10.5, 3.2, sharex=True, sharey=True)
    order = list(METRICS.values())[::-1]
    for place, (outcome, title) in zip(axes.flat, names.items(), strict=True):
        part = rows[rows["outcome"] == outcome].set_index("metric").reindex(order)
        heights = range(len(order))
        place.hlines(heights, part["low"], part["high"], color=PALETTE["blue"], lw=2)
        place.plot(part["rho"], heights, "o", ms=5, color=PALETTE["blue"])
        place.axvline(0, lw=0.8, color="#1a1a1a")
        place.set_yticks(list(heights), order)
        place.set_xlim(-1.05, 1.05)
        label(place, title, "Spearman's rho", "")
    return figure


def _pairs(table: pd.DataFrame) -> Figure:
    classifiers = table[table["family"] != "convection"]
    columns = {
        "accuracy": "test accuracy",
        f"saddles_{QUOTED}": "saddles",
        f"persistence_essential_{QUOTED}": "average persistence,\nessential pair included (loss)",
        "top_eigenvalue": "largest Hessian eigenvalue",
    }
    figure, axes = panels(1, 4, 10.5, 3.0)
    depths = sorted(classifiers["depth"].unique())
    inks = [PALETTE[name] for name in ("blue", "orange", "green")]
    for place, (column, name) in zip(axes.flat, columns.items(), strict=True):
        for depth, ink in zip(depths, inks, strict=False):
            part = classifiers[classifiers["depth"] == depth]
            pairs = part.pivot(index="seed", columns="family", values=column)
            for index, (_, pair) in enumerate(pairs.iterrows()):
                named = f"{depth:g} hidden layers" if index == 0 else None
                look = {"ms": 4, "lw": 1, "color": ink, "alpha": 0.7, "label": named}
                place.plot([0, 1], pair[["residual", "plain"]], "o-", **look)
        place.set_xticks([0, 1], ["residual", "plain"])
        place.set_xlim(-0.3, 1.3)
        if "saddles" in column:
            place.set_ylim(-0.2, max(1.0, float(classifiers[column].max())) + 0.2)
        if "persistence" in column or "eigenvalue" in column:
            place.set_yscale("log")
        label(place, name, "", "")
    legend(axes.flat[0])
    return figure
