"""Claims about the effect of heavy tails on the loss, and a paragraph on the feature scaling."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from eigenscape.stats import Interval, interval
from eigenscape_studies import Claim, verdict
from eigenscape_studies.heavy_tails._numbers import Numbers, differences, picked
from eigenscape_studies.heavy_tails._plan import LOSS_PROBES, LOSS_RATES, NOISES, RIDGES

SCALINGS = (
    ("readout_test", "the features of the paper's text, tanh(W x / sqrt d)"),
    ("readout_test_reference", "the features of the published code, tanh(W x / d)"),
)

_TEST = {
    "readout_test": "test, paper features",
    "readout_test_reference": "test, code features",
}
_TRAIN = {
    "readout_train": "training, paper features",
    "readout_train_reference": "training, code features",
}
#: The lower end of "between about 2 and 2.5".
_LOWEST = 2.0
#: An exponent this far below the null is not that of a random matrix (ten standard deviations).
_APART = 0.02


def effects(numbers: Numbers) -> dict[str, Interval]:
    """Return the change of the test loss by ten steps of Adam 1 at n = 8 d, by feature scaling."""
    return {metric: numbers.change("losses", 1.0, 10, metric) for metric, _ in SCALINGS}


def sign(effect: Interval) -> str:
    """Return the direction of an effect.

    >>> sign(Interval(-0.05, -0.06, -0.04, 3)), sign(Interval(0.0, -1.0, 1.0, 3))
    ('falls', 'does not change beyond its interval')
    """
    if effect.high < 0:
        return "falls"
    return "rises" if effect.low > 0 else "does not change beyond its interval"


def loss_paragraph(numbers: Numbers) -> str:
    """Describe the effect of the heavy tail on the test loss under both scalings."""
    found = effects(numbers)
    parts = []
    for metric, words in SCALINGS:
        start = numbers.mean("losses", "adam", 1.0, 0, metric)
        end = numbers.mean("losses", "adam", 1.0, 10, metric)
        parts.append(
            f"with {words}, it {sign(found[metric])}: from {start.mean:.3f} to {end.mean:.3f}, a "
            f"change of {found[metric].mean:+.3f} (95 % interval {found[metric].low:+.3f} to "
            f"{found[metric].high:+.3f})"
        )
    alpha = numbers.mean("losses", "adam", 1.0, 10, "alpha_hill")
    signs = {sign(effect) for effect in found.values()}
    moral = (
        "The weights are the same in both: whether a heavy tail goes with a better or a worse "
        "read-out depends here on a factor sqrt(d) in the features, which makes the same ridge "
        "stronger by about d."
        if len(signs) > 1
        else "Both scalings agree here."
    )
    few = " and ".join(
        f"{numbers.mean('rates', 'adam', 1.0, 0, metric).mean:.3f} to "
        f"{numbers.mean('rates', 'adam', 1.0, 10, metric).mean:.3f} ({name})"
        for metric, name in (("readout_test", "paper"), ("readout_test_reference", "code"))
    )
    return (
        f"Ten full-batch steps of Adam at learning rate 1 bring PL_Alpha_Hill to {alpha.words()} "
        f"at n = {numbers.plan.many} = 8 d. What they do to the test loss of the ridge read-out "
        f"depends on how the features are scaled: {'; '.join(parts)}. {moral} At n = 2 d the loss "
        f"goes from {few}. Both changes are paired over {len(numbers.plan.seeds)} seeds."
    )


def generalisation(numbers: Numbers) -> Claim:
    """Heavier tails go with a lower test loss."""
    found = differences(
        {metric: numbers.moved("losses", "adam", 1.0, 10, metric) for metric, _ in SCALINGS}
    )
    words = [
        f"{name}: change of the test loss by ten steps of Adam 1 {found[metric].words(digits=3)}, "
        f"alpha {numbers.mean('losses', 'adam', 1.0, 10, 'alpha_hill').words()}"
        for metric, name in SCALINGS
    ]
    falls = [effect.below for effect in found.values()]
    return Claim(
        name="heavy tails and the test loss",
        statement="Heavier tails go with a lower test loss.",
        figure="losses against the learning rate, n = 8 d",
        measured="; ".join(words) + ".",
        verdict=verdict(*falls),
    )


def sweet_spot(numbers: Numbers) -> Claim:
    """The lowest loss lies at an exponent between 2 and 2.5, and heavier tails overfit."""
    gaps, places, alphas = {}, {}, {}
    for metric, _ in SCALINGS:
        cells = {
            (rate, step): numbers.pick("losses", "adam", rate, step, metric)
            for rate in LOSS_RATES
            for step in LOSS_PROBES
        }
        best = picked(cells, largest=False)
        lowest, alphas_there = (
            np.array(
                [numbers.pick("losses", "adam", *place, name)[i] for i, place in enumerate(best)]
            )
            for name in (metric, "alpha_hill")
        )
        gaps[metric, "gain"] = lowest - cells[LOSS_RATES[0], 0]
        gaps[metric, "heavier"] = cells[1.0, 10] - lowest
        places[metric] = ", ".join(f"Adam {rate:g} step {step}" for rate, step in sorted(set(best)))
        alphas[metric] = interval(alphas_there)
    found = differences(gaps)
    words, parts = [], []
    for metric, name in SCALINGS:
        gain, heavier, alpha = found[metric, "gain"], found[metric, "heavier"], alphas[metric]
        inside = alpha.low >= _LOWEST and alpha.high < numbers.null - _APART
        parts += [gain.below and inside, heavier.above]
        words.append(
            f"{name}: lowest at {places[metric]}, alpha {alpha.words()}; change of the loss from "
            f"the start {gain.words(digits=3)}, from there to the heaviest tail (Adam 1, step 10) "
            f"{heavier.words(digits=3)}"
        )
    return Claim(
        name="the best exponent",
        statement="The lowest test loss lies at PL_Alpha_Hill between about 2 and 2.5; heavier "
        "tails overfit.",
        figure="losses against alpha, n = 8 d",
        measured="; ".join(words) + ". The lowest of a seed is that of the other seeds. The "
        f"untrained matrix has {numbers.null:.3f}, inside that range: the range alone does not "
        "tell a trained matrix from noise, so an exponent counts here only when it is at least "
        f"{_APART} below, and the loss below that of the start.",
        verdict=verdict(*parts),
    )


def samples(numbers: Numbers) -> Claim:
    """More samples lower the test loss."""
    sizes = numbers.values("samples", "adam")
    return _along(
        numbers,
        "samples",
        tuple(sizes),
        name="more samples",
        statement="With more samples the same training ends at a lower test loss.",
        figure="losses against n",
        remark=f" The read-out has {numbers.plan.h} features.",
        metrics=_TEST,
        direction=-1,
    )


def noise(numbers: Numbers) -> Claim:
    """More label noise raises the losses."""
    return _along(
        numbers,
        "noise",
        NOISES,
        name="label noise",
        statement="More label noise raises the losses.",
        figure="losses against the label noise",
        metrics={**_TEST, **_TRAIN},
        direction=1,
    )


def ridge(numbers: Numbers) -> Claim:
    """The strength of the ridge changes the read-out's loss."""
    return _along(
        numbers,
        "ridge",
        RIDGES,
        name="ridge strength",
        statement="The losses depend on the strength of the ridge.",
        figure="losses against the ridge strength",
        remark=" The training loss is not tested here.",
        metrics=_TEST,
        direction=0,
    )


def _along(
    numbers: Numbers,
    series: str,
    values: tuple[float, ...],
    *,
    name: str,
    statement: str,
    figure: str,
    metrics: dict[str, str],
    direction: int,
    remark: str = "",
) -> Claim:
    """Hold that each step along a series raises (1) or lowers (-1) losses, or that any does (0)."""
    found = differences(
        {
            (metric, b): numbers.pick(series, "adam", b, 10, metric)
            - numbers.pick(series, "adam", a, 10, metric)
            for metric in metrics
            for a, b in pairwise(values)
        }
    )
    words, parts = [], []
    for metric, told in metrics.items():
        steps = {b: found[metric, b] for b in values[1:]}
        first = numbers.mean(series, "adam", values[0], 10, metric)
        words.append(
            f"{told} {values[0]:g} {first.words()}, then "
            + ", ".join(f"{b:g} {gap.words(digits=3)}" for b, gap in steps.items())
        )
        if direction:
            parts += [gap.above if direction > 0 else gap.below for gap in steps.values()]
        else:
            parts.append(any(gap.above or gap.below for gap in steps.values()))
    sizes = "" if series == "samples" else ", n = 8 d"
    return Claim(
        name=name,
        statement=statement,
        figure=figure,
        measured=f"After 10 steps of Adam 1{sizes}, the first loss and the change from each value "
        f"to the next, paired: {'; '.join(words)}.{remark}",
        verdict=verdict(*parts),
    )


LOSS_CLAIMS = (generalisation, sweet_spot, samples, noise, ridge)
