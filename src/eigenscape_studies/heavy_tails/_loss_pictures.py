"""Pictures of alignment and losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigenscape.results import PALETTE
from eigenscape.theory import marchenko_pastur_alpha
from eigenscape_studies._draw import curve, draw, label, legend, panels
from eigenscape_studies._result import StudyResult
from eigenscape_studies.heavy_tails._plan import OPTIMIZERS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SCALINGS = (
    ("readout_test", "features as in the paper"),
    ("readout_test_reference", "features as in the code"),
)


def rates(result: StudyResult) -> Figure:
    """Draw exponent, similarity, alignment and losses against the learning rate."""
    summary = result.table("summary")
    figure, axes = panels(2, 5, 13, 5.6)
    metrics = (
        ("alpha_hill", "PL_Alpha_Hill (1)"), ("similarity", "|v1 · teacher| (1)"),
        ("kta_centred", "centred alignment (1)"), ("readout_test", "test loss, paper's features"),
        ("readout_test_reference", "test loss, code's features"),
    )  # fmt: skip
    for i, optimizer in enumerate(OPTIMIZERS):
        for j, (metric, unit) in enumerate(metrics):
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
        ("samples", "samples n", True), ("noise", "label noise (label units)", False),
        ("ridge", "ridge lambda (1)", True), ("schedule", "decay factor per step (1)", False),
    )  # fmt: skip
    for j, (series, unit, logarithmic) in enumerate(columns):
        rows_all = summary[summary["series"] == series]
        for i, (metric, name) in enumerate(_SCALINGS):
            axis = axes[i, j]
            for step, colour, words in ((0, "grey", "untrained"), (10, "blue", "10 steps")):
                rows = curve(rows_all, "value", metric=metric, step=step)
                draw(axis, rows, "value", words, colour)
            if logarithmic:
                places = sorted(rows_all["value"].unique())
                axis.set_xscale("log")
                axis.set_xticks(places, [f"{place:g}" for place in places])
                axis.minorticks_off()
            label(axis, name, unit, "test loss (squared label units)")
    legend(axes[0, 0])
    return figure
