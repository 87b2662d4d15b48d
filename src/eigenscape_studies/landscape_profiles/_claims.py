"""The paper's claims, compared with the measurements."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np

from eigenscape.stats import paired_test, rank_correlation, share
from eigenscape_studies import Claim, graded, verdict
from eigenscape_studies._family import family
from eigenscape_studies._topology import FAILED
from eigenscape_studies.landscape_profiles._numbers import Numbers

if TYPE_CHECKING:
    import pandas as pd


def _deep(numbers: Numbers) -> pd.DataFrame:
    """Return the landscapes of the networks that were examined in four dimensions."""
    table = numbers.frame("convection")
    found = table[table["dim"] == 4][["beta", "seed"]]
    return table.reset_index().merge(found, on=["beta", "seed"]).set_index("index")


def funnels(numbers: Numbers) -> Claim:
    """Good models have simple funnels, bad ones rough profiles."""
    table = numbers.frame("convection", dim=2)
    found = family(
        {
            name: rank_correlation(table[column], table["relative_l2"])
            for column, name in (("significant_full", "minima"), ("saddles_full", "saddles"))
        }
    )
    words = "; ".join(f"{name} {one.words(digits=2)}" for name, one in found.items())
    failed = table["relative_l2"] > FAILED
    good, bad = table[~failed]["significant_full"], table[failed]["significant_full"]
    parts = [one.above for one in found.values()]
    single = "no network succeeds"
    if len(good):
        one = share(int((good == 1).sum()), len(good))
        parts.append(one.low > 0.5)
        single = f"exactly one in {one.words(2)} of them (more than half is asked for)"
    return Claim(
        name="funnels and rough basins",
        statement="Better models have simple, smooth, funnel-shaped profiles with one clear "
        "minimum; worse ones are rough with many saddles.",
        figure="profiles of PINNs across beta",
        measured=f"rank correlation with the relative error, 2-D: {words}. Networks that succeed "
        f"have {good.mean():.1f} minima deeper than a thousandth of the range, {single}; those "
        f"that fail {bad.mean():.1f}. That a profile is smooth is not tested.",
        verdict=verdict(*parts),
    )


def transition(numbers: Numbers) -> Claim:
    """Seeds differ most where training turns from success to failure."""
    low, high = numbers.transition
    rows, seeds = numbers.dispersion(), numbers.frame("convection")["seed"].nunique()
    names = {
        "bottleneck": "bottleneck distance of diagrams scaled to [0, 1]",
        "minima_iqr": "interquartile range of the number of minima",
        "log_depth_sd": "standard deviation of log10 depth",
        "error_sd": "standard deviation of the relative error",
    }
    between = sum(low <= row["beta"] <= high for row in rows)
    words, right = [], []
    for column, name in names.items():
        peak = max(rows, key=lambda row, c=column: row[c])  # type: ignore[misc]
        inside = low <= peak["beta"] <= high
        values = ", ".join(f"{row['beta']:g}: {row[column]:.3g}" for row in rows)
        words.append(f"{name} at beta {values} (largest at {peak['beta']:g})")
        if column != "error_sd":
            right.append(inside)
    return Claim(
        name="variation at the transition",
        statement="The profiles of different seeds differ most at intermediate beta, where the "
        "error turns from low to high.",
        figure="profiles of several seeds across beta",
        measured=f"most networks succeed up to beta {low:g} and fail from {high:g}. "
        + "; ".join(words)
        + f". {seeds} seeds give no interval for the place of a maximum: the verdict is on the "
        f"largest of each, and {between} of the {len(rows)} speeds lie in between.",
        verdict=verdict(*right),
    )


def higher_dimensions(numbers: Numbers) -> Claim:
    """More dimensions show more critical points."""
    words, more = [], []
    deep = _deep(numbers)
    for beta in sorted(deep["beta"].unique()):
        part = deep[deep["beta"] == beta].sort_values("dim")
        counts = [
            f"{row.dim}-D ({row.steps}^{row.dim} samples) {row.minima_full} and {row.saddles_full}"
            for row in part.itertuples()
        ]
        words.append(f"beta {beta:g}: " + ", ".join(counts))
        by_dim = part.set_index("dim")["saddles_full"]
        if by_dim.loc[3] or by_dim.loc[4]:
            more.append(bool(by_dim.loc[4] > by_dim.loc[3]))
    return Claim(
        name="more critical points in 4-D",
        statement="The 4-D profile shows many more critical points than the 3-D one.",
        figure="3-D and 4-D profiles of PINNs",
        measured="minima and saddles, "
        + "; ".join(words)
        + ". Neighbours: all 3^n - 1. The grids differ in spacing, so "
        "counts measure dimension and resolution together. One network for each beta: no "
        "interval; the verdict asks for more saddles, however many.",
        seeds=1,
        verdict="not tested here" if not more else verdict(*more),
    )


def same_shape(numbers: Numbers) -> Claim:
    """The gross shape of a network's profile is the same in every dimension."""
    deep = _deep(numbers)
    betas = sorted(deep["beta"].unique())
    place = {(row.beta, row.dim): row.Index for row in deep.itertuples()}
    own = [numbers.shape_distance(place[beta, 3], place[beta, 4]) for beta in betas]
    others = [
        numbers.shape_distance(place[a, dim], place[b, dim])
        for dim in (3, 4)
        for a, b in combinations(betas, 2)
    ]
    return Claim(
        name="same shape in 3-D and 4-D",
        statement="In spite of the new critical points the gross shape stays the same.",
        figure="3-D and 4-D profiles of PINNs",
        measured="mean distance of the shares of samples below a loss, both scaled to [0, 1]: "
        f"{np.mean(own):.3f} between 3-D and 4-D of one network, {np.mean(others):.3f} between "
        "different betas in the same dimension. One network for each beta: no interval.",
        seeds=1,
        verdict=verdict(bool(np.mean(own) < np.mean(others))),
    )


def learning_rates(numbers: Numbers) -> Claim:
    """The segmentation network's basin is deepest at learning rates that are too small or large."""
    table = numbers.frame("unet", last=True)
    iou, depth = numbers.by(table, "rate", "iou"), numbers.by(table, "rate", "depth")
    best = max(iou, key=lambda rate: iou[rate].mean)
    paired = table.pivot(index="seed", columns="rate", values="depth")
    logs = {rate: np.log10(paired[rate].to_numpy(float)) for rate in depth}
    ratios = family({rate: paired_test(logs[rate], logs[best]) for rate in depth if rate != best})
    sides = [
        [ratios[rate] for rate in ratios if (rate < best) == smaller] for smaller in (True, False)
    ]
    deeper = [any(found.above for found in side) for side in sides if side]
    tested = " Rates on one side of the best alone were trained." if len(deeper) < 2 else ""
    words = ", ".join(
        f"{rate:g}: IoU {iou[rate].words(2)}, median depth {paired[rate].median():.3g}"
        + (
            f", log10 of depth over that of the best {ratios[rate].words(digits=2)}"
            if rate != best
            else ""
        )
        for rate in depth
    )
    return Claim(
        name="basin depth against learning rate",
        statement="Learning rates that are too small or too large leave a U-Net in a deeper basin.",
        figure="profiles of a U-Net across learning rates",
        measured=f"at the end of training, by learning rate {words}. Best: {best:g}. Ratios "
        f"are paired by seed; a basin is deeper when the ratio is above 0 after Holm.{tested}",
        verdict=graded(len(deeper) == 2 and all(deeper), any(deeper)),
    )


def during_training(numbers: Numbers) -> Claim:
    """The basin first deepens and then flattens."""
    table = numbers.frame("unet")
    final = table[table["last"]]
    best = float(final.groupby("rate")["iou"].mean().idxmax())
    paths = table[table["rate"] == best].pivot(index="seed", columns="epoch", values="depth")
    epochs = sorted(paths.columns)
    logs = [np.log(paths[epoch].to_numpy(float)) for epoch in epochs]
    found = family(
        {step: paired_test(later, first) for step, (first, later) in enumerate(pairwise(logs))}
    )
    rise, fall = found[0], found[1]
    words = ", ".join(f"epoch {epoch:g}: {paths[epoch].mean():.3g}" for epoch in epochs)
    return Claim(
        name="basin during training",
        statement="During training the basin gets deeper at first and flatter later.",
        figure="profiles of a U-Net over epochs",
        measured=f"mean depth at learning rate {best:g}, {words}; log ratios from one to the "
        f"next {rise.words(digits=2)} and {fall.words(digits=2)}.",
        verdict=verdict(rise.above, fall.below),
    )


CLAIMS = (funnels, transition, higher_dimensions, same_shape, learning_rates, during_training)


def paragraphs(numbers: Numbers) -> dict[str, str]:
    """Return the findings in plain words."""
    low, high = numbers.transition
    minima = numbers.by(numbers.frame("convection", dim=2), "beta", "significant_full")
    easy, hard = min(minima), max(minima)
    final = numbers.frame("unet", last=True)
    iou, depth = numbers.by(final, "rate", "iou"), numbers.by(final, "rate", "depth")
    best = max(iou, key=lambda rate: iou[rate].mean)
    deepest = max(depth, key=lambda rate: depth[rate].mean)
    return {
        "What profiles show of PINNs": (
            f"At beta {easy:g} a network has {minima[easy].mean:.1f} minima that are deeper than a "
            f"thousandth of the range, at beta {hard:g} {minima[hard].mean:.1f} (means over seeds, "
            f"2-D). Most networks succeed up to beta {low:g} and fail from {high:g}."
        ),
        "What they show of a U-Net": (
            f"The learning rate with the largest mean IoU is {best:g} ({iou[best].words(2)}); the "
            f"largest mean depth is that of {deepest:g} ({depth[deepest].mean:.3g} against "
            f"{depth[best].mean:.3g} there)."
        ),
        "How to read a profile": (
            "The width of a basin at a height is the exact share of samples in that basin with a "
            "smaller loss, so area means volume of parameter space in the sampled cube; the cube "
            "has the stated half-width in units of the norm of the parameters. A profile says "
            "nothing about where a basin lies, and counts of minima depend on spacing and on "
            "which samples are neighbours."
        ),
    }
