"""Claims about the effect of heavy tails on the loss, and a paragraph on the feature scaling."""

from __future__ import annotations

from itertools import pairwise

from eigenscape.stats import Interval
from eigenscape_studies import Claim, graded, verdict
from eigenscape_studies.heavy_tails._numbers import Numbers
from eigenscape_studies.heavy_tails._plan import LOSS_PROBES, LOSS_RATES, NOISES, RIDGES

SCALINGS = (
    ("readout_test", "the features of the paper's text, tanh(W x / sqrt d)"),
    ("readout_test_reference", "the features of the published code, tanh(W x / d)"),
)

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
        "So whether a heavy tail helps or harms this read-out is decided by a factor sqrt(d) in "
        "the features, which makes the same ridge stronger by about d, and not by the tail alone."
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
    found = effects(numbers)
    words = [
        f"{name}: change of the test loss by ten steps of Adam 1 {found[metric].words()}, alpha "
        f"{numbers.mean('losses', 'adam', 1.0, 10, 'alpha_hill').words()}"
        for metric, name in SCALINGS
    ]
    falls = [effect.high < 0 for effect in found.values()]
    return Claim(
        name="heavy tails and the test loss",
        statement="Heavier tails go with a lower test loss.",
        figure="losses against the learning rate, n = 8 d",
        measured="; ".join(words) + ".",
        verdict=verdict(*falls),
    )


def sweet_spot(numbers: Numbers) -> Claim:
    """The lowest loss lies at an exponent between 2 and 2.5."""
    words, right = [], []
    for metric, name in SCALINGS:
        cells = {
            (rate, step): numbers.mean("losses", "adam", rate, step, metric)
            for rate in LOSS_RATES
            for step in LOSS_PROBES
        }
        best = min(cells, key=lambda key, cells=cells: cells[key].mean)  # type: ignore[misc]
        alpha = numbers.mean("losses", "adam", best[0], best[1], "alpha_hill")
        gain = numbers.change("losses", best[0], best[1], metric)
        right.append(gain.high < 0 and alpha.mean >= 2 and alpha.high < numbers.null - _APART)
        words.append(
            f"{name}: lowest {cells[best].words()} at Adam {best[0]:g}, step {best[1]}, alpha "
            f"{alpha.words()} (change from the start {gain.words()})"
        )
    return Claim(
        name="the best exponent",
        statement="The lowest test loss lies at PL_Alpha_Hill between about 2 and 2.5; heavier "
        "tails overfit.",
        figure="losses against alpha, n = 8 d",
        measured="; ".join(words) + f". The untrained matrix has {numbers.null:.3f}, inside that "
        "range: the range alone does not tell a trained matrix from noise, so an exponent "
        f"counts here only when it is at least {_APART} below.",
        verdict=verdict(*right),
    )


def _ends(numbers: Numbers, series: str, value: float, metric: str) -> Interval:
    return numbers.mean(series, "adam", value, 10, metric)


def samples(numbers: Numbers) -> Claim:
    """More samples lower the test loss."""
    sizes = [int(n) for n in numbers.values("samples", "adam")]
    words, falls, steady = [], [], []
    for metric, name in (("readout_test", "paper"), ("readout_test_reference", "code")):
        found = [_ends(numbers, "samples", float(n), metric) for n in sizes]
        falls.append(found[-1].high < found[0].low)
        steady.append(all(b.mean < a.mean for a, b in pairwise(found)))
        words.append(
            f"{name} features: "
            + ", ".join(f"n {n} {item.words()}" for n, item in zip(sizes, found, strict=True))
        )
    return Claim(
        name="more samples",
        statement="With more samples the same training ends at a lower test loss.",
        figure="losses against n",
        measured="Test loss after 10 steps of Adam 1. "
        + "; ".join(words)
        + (
            ". It falls throughout."
            if all(steady)
            else ". It does not fall throughout: a weak "
            "ridge has its worst case where n is near the number of features."
        ),
        verdict=graded(all(falls) and all(steady), any(falls)),
    )


def noise(numbers: Numbers) -> Claim:
    """More label noise raises the loss."""
    statement = "More label noise raises the losses."
    return _along(numbers, "noise", NOISES, "label noise", statement, rising=True)


def ridge(numbers: Numbers) -> Claim:
    """The strength of the ridge changes the read-out's loss."""
    statement = "The losses depend on the strength of the ridge."
    return _along(numbers, "ridge", RIDGES, "ridge strength", statement, rising=False)


def _along(
    numbers: Numbers,
    series: str,
    values: tuple[float, ...],
    name: str,
    statement: str,
    *,
    rising: bool,
) -> Claim:
    words, right = [], []
    for metric, features in (("readout_test", "paper"), ("readout_test_reference", "code")):
        found = [_ends(numbers, series, value, metric) for value in values]
        worst = max(found, key=lambda item: item.mean)
        best = min(found, key=lambda item: item.mean)
        in_order = not rising or (found[-1] is worst and found[0] is best)
        right.append(best.high < worst.low and in_order)
        words.append(
            f"{features} features: "
            + ", ".join(
                f"{value:g} {item.words()}" for value, item in zip(values, found, strict=True)
            )
        )
    return Claim(
        name=name,
        statement=statement,
        figure=f"losses against the {name}",
        measured="Test loss after 10 steps of Adam 1, n = 8 d. " + "; ".join(words) + ".",
        verdict=verdict(*right),
    )


LOSS_CLAIMS = (generalisation, sweet_spot, samples, noise, ridge)
