"""Claims about settings: rates and alignment, schedules, weight normalisation."""

from __future__ import annotations

import numpy as np

from eigenscape_studies import Claim, verdict
from eigenscape_studies.heavy_tails._numbers import Numbers, differences, picked
from eigenscape_studies.heavy_tails._plan import GAMMAS

#: What a schedule or a normalisation may change, by its name in sentences.
_METRICS = {
    "alpha_hill": "alpha",
    "readout_test": "test loss (paper features)",
    "readout_test_reference": "test loss (code features)",
}
_LARGEST = 10.0  # of Adam's rates


def alignment(numbers: Numbers) -> Claim:
    """One large step raises the kernel-target alignment, a still larger one lowers it again."""
    gaps, words = {}, []
    for metric, name in (("kta", "plain"), ("kta_centred", "centred")):
        after = {
            rate: numbers.pick("rates", "adam", rate, 1, metric)
            for rate in numbers.values("rates", "adam")
        }
        best = picked(after, largest=True)
        top = np.array([after[rate][seed] for seed, rate in enumerate(best)])
        gaps[name, "raises"] = top - numbers.pick("rates", "adam", 0.01, 0, metric)
        gaps[name, "lowers"] = after[_LARGEST] - top
        start, end = (
            numbers.mean("rates", "adam", rate, step, metric)
            for rate, step in ((0.01, 0), (_LARGEST, 1))
        )
        rates = ", ".join(f"{rate:g}" for rate in sorted(set(best)))
        words.append((name, f"start {start.words(4)}, best at Adam {rates}", end.words(4)))
    found = differences(gaps)
    return Claim(
        name="alignment rises in one step",
        statement="One large step raises the kernel-target alignment; rates that are larger "
        "still lower it again.",
        figure="alignment against the learning rate, one step",
        measured="; ".join(
            f"{name}: {told}, a change of {found[name, 'raises'].words(digits=4)}; at Adam "
            f"{_LARGEST:g} {end}, from the best {found[name, 'lowers'].words(digits=4)}"
            for name, told, end in words
        )
        + ". The best rate of a seed is that of the other seeds. Gradient descent is not tested.",
        verdict=verdict(
            *(gap.above if half == "raises" else gap.below for (_, half), gap in found.items())
        ),
    )


def schedule(numbers: Numbers) -> Claim:
    """A decaying rate changes where the spectrum ends, and the loss."""
    found = differences(
        {
            (gamma, metric): numbers.pick("schedule", "adam", gamma, 10, metric)
            - numbers.pick("schedule", "adam", 1.0, 10, metric)
            for metric in _METRICS
            for gamma in GAMMAS
        }
    )
    plain = numbers.mean("schedule", "adam", 1.0, 10, "alpha_hill")
    return Claim(
        name="schedules shape the spectrum",
        statement="A step decay of the learning rate changes the final spectrum and loss.",
        figure="losses against the decay factor",
        measured=f"Adam 1 at n = 8 d, 10 steps, PL_Alpha_Hill {plain.words()} without decay. "
        "Change by decay, paired: "
        + "; ".join(
            f"{name} "
            + ", ".join(f"{gamma:g}: {found[gamma, metric].words(digits=3)}" for gamma in GAMMAS)
            for metric, name in _METRICS.items()
        )
        + ".",
        verdict=verdict(*(gap.above or gap.below for gap in found.values())),
    )


def normalisation(numbers: Numbers) -> Claim:
    """Weight normalisation changes the final spectrum and the loss."""
    ends = {("adam", 1.0): "Adam", ("gd", numbers.plan.gd(2000)): "gradient descent"}
    found = differences(
        {
            (*end, metric): numbers.pick("normed", *end, 10, metric)
            - numbers.pick("rates", *end, 10, metric)
            for end in ends
            for metric in _METRICS
        }
    )
    return Claim(
        name="weight normalisation",
        statement="Weight normalisation changes the final spectrum and loss.",
        figure="the same against the learning rate, with normalisation",
        measured="Change by normalisation after 10 steps, n = 2 d, paired: "
        + "; ".join(
            f"{name} {end[1]:g} "
            + ", ".join(
                f"{word} {found[(*end, metric)].words(digits=3)}"
                for metric, word in _METRICS.items()
            )
            for end, name in ends.items()
        )
        + ".",
        verdict=verdict(*(gap.above or gap.below for gap in found.values())),
    )


SETTINGS_CLAIMS = (alignment, schedule, normalisation)
