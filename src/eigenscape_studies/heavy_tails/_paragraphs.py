"""The findings in plain words, with the numbers that were measured."""

from __future__ import annotations

from eigenscape_studies._interval import rate_words
from eigenscape_studies.heavy_tails._numbers import Numbers
from eigenscape_studies.heavy_tails._threshold import measured_threshold, theory_of


def first_paragraph(numbers: Numbers) -> str:
    """Say what happens to the spectrum."""
    null = float(numbers.data["alpha_null"].dropna().iloc[0])
    small = numbers.mean("paths", "adam", 0.01, 10, "alpha_hill")
    large = numbers.mean("paths", "adam", 1.0, 10, "alpha_hill")
    share = numbers.mean("paths", "adam", 1.0, 10, "outliers").mean / numbers.scale.d
    return (
        f"Trained on the full batch, without any gradient noise, ten steps of Adam at learning "
        f"rate 1 take PL_Alpha_Hill from that of a random matrix ({null:.3f}) to {large.words()} "
        f"and {100 * share:.0f} % of the eigenvalues beyond the edge of noise; at learning rate "
        f"0.01 it stays at {small.words()}."
    )


def where_paragraph(numbers: Numbers) -> str:
    """Say where the thresholds lie."""
    words = []
    for optimizer, name in (("adam", "Adam"), ("gd", "gradient descent")):
        theory = theory_of(numbers, optimizer)
        found = measured_threshold(numbers, optimizer)
        words.append(
            f"{rate_words(theory.threshold)} for {name} (measured {rate_words(found.mean)} "
            f"[{rate_words(found.low)}, {rate_words(found.high)}])"
        )
    gd = theory_of(numbers, "gd")
    return (
        "The first gradient is nearly rank one and points partly at the teacher. One step plants "
        "that direction in the random weights, and a planted direction shows as a spike once it is "
        f"stronger than (h d)^(1/4), by the formula of Baik, Ben Arous and Peche: from {words[0]} "
        f"and from {words[1]}. Adam's first step is the sign of the gradient and so needs no large "
        "rate. A rate is large enough to move the whole bulk, and to end in a heavy tail, when a "
        f"step is as large as the weights in Frobenius norm: 1 for Adam and, reckoned with the "
        f"first gradient, {rate_words(gd.frobenius)} for gradient descent."
    )
