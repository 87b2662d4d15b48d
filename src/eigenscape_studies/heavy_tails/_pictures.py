"""The study's pictures, drawn from the result's tables alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eigenscape.results import PALETTE
from eigenscape.theory import MarchenkoPastur, first_step, marchenko_pastur_alpha
from eigenscape_studies import Pictures, StudyResult
from eigenscape_studies._claim import rate_words
from eigenscape_studies._draw import below, curve, draw, label, legend, panels, ticks
from eigenscape_studies.heavy_tails._plan import OPTIMIZERS
from eigenscape_studies.laboratory import draw_edge, link_moments

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BINS = 45
_SCALINGS = (
    ("readout_test", "features as in the paper"),
    ("readout_test_reference", "features as in the code"),
)


def pictures(result: StudyResult) -> Pictures:
    """Return heading to figure and caption."""
    size = result.tables["sizes"][0]
    shape = f"W is {size['h']} x {size['d']}, n = {size['few']}"
    seeds = f"lines: mean of {result.seeds} seeds; bands: 95 % intervals"
    return {
        "From bulk to spike to heavy tail": (
            spectra(result),
            f"Density of the eigenvalues of W^T W, one seed; {shape}. Orange: the law of a random "
            "matrix; dotted: where its noise ends. Top row: Adam at 0.01 stays there. Middle: "
            "Adam at 1. Bottom: gradient descent.",
        ),
        "Step by step": (paths(result), f"{shape}; {seeds}. Dashed: random matrix."),
        "One step, and where theory puts the threshold": (
            threshold(result),
            f"{shape}; {seeds}. Vertical: the threshold of the closed form; dashed: the closed "
            "form's largest singular value and similarity.",
        ),
        "Weights and updates come to share directions": (
            overlaps(result),
            "Squared overlaps of the leading 20 right singular vectors of W (vertical) with those "
            "of the next update (horizontal), one seed, and the mass of the top ten block; "
            f"{shape}; {seeds}.",
        ),
        "Against the learning rate": (
            rates(result),
            f"After one and after ten steps; {shape}; {seeds}.",
        ),
        "The test loss, under both feature scalings": (
            loss_curves(result),
            f"Ridge read-out, n = {size['many']} = 8 d; {seeds}. Left pair: against the steps. "
            "Right pair: against the tail exponent at the same steps, one mark for each step; the "
            "vertical line is the exponent of a random matrix.",
        ),
        "Against samples, label noise, ridge and decay": (
            loss_against(result),
            "Test loss of the ridge read-out before training and after ten steps of Adam at 1; "
            f"n = {size['many']} where not varied; {seeds}. Upper row: features of the paper's "
            "text. Lower row: features of the published code.",
        ),
    }


def spectra(result: StudyResult) -> Figure:
    """Draw the strip of spectra."""
    rows = result.table("spectra")
    size = result.tables["sizes"][0]
    kinds = list(dict.fromkeys(zip(rows["optimizer"], rows["rate"], strict=True)))
    steps = sorted(rows["step"].unique())
    figure, axes = panels(len(kinds), len(steps), 13, 6.2, sharey=True, sharex="row")
    for i, (optimizer, rate) in enumerate(kinds):
        for j, step in enumerate(steps):
            found = rows[(rows["optimizer"] == optimizer) & (rows["rate"] == rate)]
            found = found[found["step"] == step]
            if found.empty:
                axes[i, j].set_axis_off()
                continue
            _panel(axes[i, j], np.asarray(found["eigenvalues"].iloc[0]), size["h"], size["d"])
            place = {"optimizer": optimizer, "value": rate, "step": step, "metric": "alpha_hill"}
            alpha = curve(result.table("summary"), "step", series="paths", **place)
            words = f"step {step}: α {alpha['mean'].iloc[0]:.2f}" if len(alpha) else f"step {step}"
            axes[i, j].set_title(words)
        axes[i, 0].set_ylabel(f"{OPTIMIZERS[optimizer]} {rate:g}\ndensity (per decade)")
    for axis in axes[-1]:
        axis.set_xlabel("log10 eigenvalue")
    return figure


def _panel(axes: Axes, values: NDArray[np.float64], h: int, d: int) -> None:
    logs = np.log10(values)
    counts, edges = np.histogram(logs, bins=_BINS)
    share = counts / counts.sum() / np.diff(edges)
    axes.stairs(np.maximum(share, 1e-4), edges, baseline=1e-4, fill=True, color=PALETTE["blue"])
    law = MarchenkoPastur(min(h, d) / max(h, d), float(max(h, d)))
    x = np.geomspace(law.lower * 1.001, law.upper * 0.999, 200)
    axes.plot(np.log10(x), law.density(x) * x * np.log(10), color=PALETTE["orange"], lw=1.6)
    draw_edge(axes, h, d)
    axes.set_yscale("log")
    axes.set_ylim(3e-3, 6)


def paths(result: StudyResult) -> Figure:
    """Draw exponent, outliers and similarity against the steps."""
    summary, size = result.table("summary"), result.tables["sizes"][0]
    figure, axes = panels(1, 4, 13, 3.5)
    names = {
        "alpha_hill": ("Tail exponent", "PL_Alpha_Hill (1)"),
        "outliers": ("Beyond the edge of noise", "eigenvalues (count)"),
        "similarity": ("Similarity of the first vector", "|v1 · teacher| (1)"),
        "subspace_similarity": ("Similarity of the first ten", "|P10 teacher| (1)"),
    }
    colours = ("grey", "blue", "purple", "green", "vermilion", "orange")
    shown = summary[summary["series"].isin(["paths", "decayed path"])]
    runs = list(
        dict.fromkeys(zip(shown["series"], shown["optimizer"], shown["value"], strict=True))
    )
    for axis, (metric, (title, unit)) in zip(axes[0], names.items(), strict=True):
        for (series, optimizer, value), colour in zip(runs, colours, strict=False):
            rows = curve(
                summary, "step", series=series, optimizer=optimizer, value=value, metric=metric
            )
            words = f"{OPTIMIZERS[optimizer]} {value:g}"
            draw(axis, rows, "step", "Adam 1, decay 0.6" if series != "paths" else words, colour)
        label(axis, title, "step", unit)
    null = marchenko_pastur_alpha(min(size["h"], size["d"]) / max(size["h"], size["d"]))
    axes[0, 0].axhline(null, color=PALETTE["black"], ls="--", lw=1)
    axes[0, 1].set_yscale("symlog", linthresh=1)
    axes[0, 1].set_ylim(bottom=0)
    below(figure, axes[0, 0])
    return figure


def threshold(result: StudyResult) -> Figure:
    """Draw the largest singular value and the similarity after one step, with theory."""
    summary, size = result.table("summary"), result.tables["sizes"][0]
    figure, axes = panels(1, 4, 13, 3.5)
    for i, optimizer in enumerate(OPTIMIZERS):
        theory = first_step(optimizer, size["few"], size["d"], size["h"], link_moments("softplus"))
        grid = np.geomspace(0.22, 5.5, 200)
        for j, (metric, unit, function) in enumerate(
            (
                ("spectral_norm", "largest singular value (1)", theory.top_singular_value),
                ("similarity", "|v1 · teacher| (1)", theory.similarity),
            )
        ):
            axis = axes[0, 2 * i + j]
            rows = curve(
                summary, "value", series="threshold", optimizer=optimizer, metric=metric, step=1
            )
            draw(axis, rows, "value", "measured", "blue", ls="none")
            expected = [function(float(x) * theory.threshold) for x in grid]
            axis.plot(grid, expected, "--", color=PALETTE["vermilion"], label="closed form")
            axis.axvline(1, color=PALETTE["black"], lw=0.8)
            ticks(axis, [0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"])
            label(
                axis,
                f"{OPTIMIZERS[optimizer]}\nthreshold {rate_words(theory.threshold)}",
                "learning rate / threshold",
                unit,
            )
            legend(axis, loc="upper left")
    return figure


def overlaps(result: StudyResult) -> Figure:
    """Draw the maps of squared overlaps and the block mass."""
    maps = result.tables["overlap_maps"]
    rates_ = sorted({item["rate"] for item in maps})
    figure, axes = panels(2, 6, 13, 4.6)
    for i, rate in enumerate(rates_):
        for j, item in enumerate([item for item in maps if item["rate"] == rate][:5]):
            axis = axes[i, j]
            image = axis.imshow(item["squares"], vmin=0, vmax=1, cmap="cividis")
            label(axis, f"Adam {rate:g}: W after {item['step'] - 1}", "update's vector", "")
            axis.set_xticks([0, 9, 19], ["1", "10", "20"])
            axis.set_yticks([0, 9, 19], ["1", "10", "20"])
        axes[i, 0].set_ylabel("vector of W")
    bar = figure.colorbar(image, ax=axes[:, 4].tolist(), shrink=0.8)
    bar.set_label("squared overlap (1)")
    summary = result.table("summary")
    for i, side in enumerate(("left", "right")):
        for rate, colour in ((0.01, "grey"), (1.0, "blue")):
            place = {"optimizer": "adam", "value": rate, "metric": f"block_{side}"}
            rows = curve(summary, "step", series="paths", **place)
            draw(axes[i, 5], rows, "step", f"Adam {rate:g}", colour)
        label(axes[i, 5], f"Top ten, {side}", "step", "shared mass (1)")
        axes[i, 5].set_ylim(0, 1)
        legend(axes[i, 5])
    return figure


def rates(result: StudyResult) -> Figure:
    """Draw exponent, similarity, alignment and losses against the learning rate."""
    summary = result.table("summary")
    figure, axes = panels(2, 5, 13, 5.6)
    metrics = {
        "alpha_hill": "PL_Alpha_Hill (1)",
        "similarity": "|v1 · teacher| (1)",
        "kta_centred": "centred alignment (1)",
        "readout_test": "test loss, paper's features",
        "readout_test_reference": "test loss, code's features",
    }
    for i, optimizer in enumerate(OPTIMIZERS):
        for j, (metric, unit) in enumerate(metrics.items()):
            axis = axes[i, j]
            for step, colour, marker in ((1, "sky", "s"), (10, "blue", "o")):
                rows = curve(
                    summary, "value", series="rates", optimizer=optimizer, metric=metric, step=step
                )
                word = "step" if step == 1 else "steps"
                draw(axis, rows, "value", f"{step} {word}", colour, marker)
            normed = curve(
                summary, "value", series="normed", optimizer=optimizer, metric=metric, step=10
            )
            draw(axis, normed, "value", "10, normalised", "vermilion", "^", ls=":")
            start = curve(
                summary, "value", series="rates", optimizer=optimizer, metric=metric, step=0
            )
            axis.axhline(
                start["mean"].mean(), color=PALETTE["black"], ls="--", lw=0.9, label="start"
            )
            axis.set_xscale("log")
            label(axis, OPTIMIZERS[optimizer], "learning rate (1)", unit)
    legend(axes[0, 0])
    return figure


def loss_curves(result: StudyResult) -> Figure:
    """Draw the test loss against steps and against the exponent, for both scalings."""
    summary, size = result.table("summary"), result.tables["sizes"][0]
    figure, axes = panels(1, 4, 13, 3.6)
    colours = ("grey", "green", "orange", "blue")
    values = sorted(summary[summary["series"] == "losses"]["value"].unique())
    null = marchenko_pastur_alpha(min(size["h"], size["d"]) / max(size["h"], size["d"]))
    for i, (metric, name) in enumerate(_SCALINGS):
        for value, colour in zip(values, colours, strict=False):
            rows = curve(summary, "step", series="losses", value=value, metric=metric)
            draw(axes[0, i], rows, "step", f"Adam {value:g}", colour)
            alpha = curve(summary, "step", series="losses", value=value, metric="alpha_hill")
            both = rows.merge(alpha[["step", "mean"]], on="step", suffixes=("", "_alpha"))
            draw(axes[0, 2 + i], both, "mean_alpha", f"Adam {value:g}", colour)
        label(axes[0, i], name, "step", "test loss (squared label units)")
        label(axes[0, 2 + i], name, "PL_Alpha_Hill (1)", "test loss (squared label units)")
        axes[0, 2 + i].axvline(null, color=PALETTE["black"], ls="--", lw=0.9)
        axes[0, 2 + i].invert_xaxis()
    legend(axes[0, 0])
    return figure


def loss_against(result: StudyResult) -> Figure:
    """Draw the test loss before and after training against what else was varied."""
    summary = result.table("summary")
    figure, axes = panels(2, 4, 13, 5.6)
    columns = (
        ("samples", "samples n", True),
        ("noise", "label noise (label units)", False),
        ("ridge", "ridge lambda (1)", True),
        ("schedule", "decay factor per step (1)", False),
    )
    for j, (series, unit, logarithmic) in enumerate(columns):
        rows_all = summary[summary["series"] == series]
        for i, (metric, name) in enumerate(_SCALINGS):
            axis = axes[i, j]
            for step, colour, words in ((0, "grey", "untrained"), (10, "blue", "10 steps")):
                rows = curve(rows_all, "value", metric=metric, step=step)
                draw(axis, rows, "value", words, colour)
            if logarithmic:
                ticks(axis, sorted(rows_all["value"].unique()))
            label(axis, name, unit, "test loss (squared label units)")
    legend(axes[0, 0])
    return figure
