"""The study's pictures, drawn from its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from eigenscape.results import PALETTE
from eigenscape.topology import draw_profiles
from eigenscape_studies import Pictures, StudyResult
from eigenscape_studies._draw import dots, label, legend, panels
from eigenscape_studies._topology import simplified

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_SEEDS_DRAWN = 3
_MERGED = (
    "Minima shallower than a thousandth of the range are merged away. The loss axis is shared."
)


def pictures(result: StudyResult) -> Pictures:
    """Return heading to figure and caption."""
    drawn = result.tables["landscapes"]
    pinns = [item for item in drawn if item["family"] == "convection"]
    unets = [item for item in drawn if item["family"] == "unet"]
    networks = result.table("networks")
    shown = sorted({item["seed"] for item in pinns})[:_SEEDS_DRAWN]
    return {
        "PINNs across the speed beta": (
            _panels([p for p in pinns if p["dim"] == 2 and p["seed"] in shown]),
            "Two-dimensional profiles, one row for each seed. " + _MERGED,
        ),
        "How much the seeds differ": (
            _dispersion(result.table("dispersion")),
            "Three measures of how the landscapes of the seeds of one speed differ.",
        ),
        "The same networks in two, three and four dimensions": (
            _panels(_deep(pinns), by="dim"),
            "The first seed; one row for each dimension. Width is the share of samples, so that "
            "panels of different dimension can be compared. " + _MERGED,
        ),
        "A U-Net across learning rates": (
            _panels([u for u in unets if u["epoch"] == _last(unets)], by=None),
            "At the end of training, the first seed. " + _MERGED,
        ),
        "Depth of the U-Net's basin": (
            _depth(networks[networks["family"] == "unet"]),
            "Depth: largest minus smallest loss in the sampled square. Dots: seeds; lines: "
            "medians.",
        ),
    }


def _last(items: list[dict[str, Any]]) -> int:
    return max(int(item["epoch"]) for item in items)


def _deep(pinns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    examined = {(item["beta"], item["seed"]) for item in pinns if item["dim"] == 4}
    return [item for item in pinns if (item["beta"], item["seed"]) in examined]


def _panels(items: list[dict[str, Any]], by: str | None = "seed") -> Figure:
    """Draw profiles in rows: one for each value of ``by``."""
    key = "beta" if items[0]["family"] == "convection" else "rate"
    named = {"beta": "beta", "rate": "rate"}[key]
    ordered = sorted(items, key=lambda item: (item[by] if by else 0, item[key]))
    trees = {}
    for item in ordered:
        values = np.array(item["values"], dtype=np.float64).reshape(item["shape"])
        tail = {"seed": f", seed {item['seed']}", "dim": f", {item['dim']}-D", None: ""}[by]
        trees[f"{named} {item[key]:g}{tail}"] = simplified(values)
    columns = len({item[key] for item in items})
    return draw_profiles(trees, scale="log", columns=columns)


def _dispersion(table: pd.DataFrame) -> Figure:
    names = {
        "bottleneck": "mean bottleneck distance\n(loss range scaled to 1)",
        "minima_iqr": "interquartile range\nof the number of minima",
        "log_depth_sd": "standard deviation\nof log10 depth",
    }
    figure, axes = panels(1, 3, 9.6, 2.8)
    for place, (column, name) in zip(axes.flat, names.items(), strict=True):
        place.plot(table["beta"], table[column], "o-", color=PALETTE["blue"])
        place.set_ylim(bottom=0)
        label(place, "", "speed beta", name)
    return figure


def _depth(table: pd.DataFrame) -> Figure:
    figure, axes = panels(1, 2, 9.6, 3.2)
    left, right = axes.flat
    final = table[table["last"].astype(bool)]
    dots(left, final, "rate", "depth")
    left.set_xscale("log")
    left.set_yscale("log")
    label(left, "at the end of training", "learning rate", "depth (cross-entropy)")
    inks = list(PALETTE.values())
    for ink, (rate, part) in zip(inks, table.groupby("rate"), strict=False):
        path = part.groupby("epoch")["depth"].median()
        right.plot(path.index, path.to_numpy(), "o-", ms=4, color=ink, label=f"rate {rate:g}")
    right.set_yscale("log")
    label(right, "during training (medians)", "epoch", "depth (cross-entropy)")
    legend(right)
    return figure
