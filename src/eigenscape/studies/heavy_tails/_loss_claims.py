"""What heavy tails do to the loss: claims, and the plain paragraph about the feature scaling."""

from __future__ import annotations

from collections.abc import Callable

from eigenscape.studies._interval import Interval
from eigenscape.studies.heavy_tails._numbers import Numbers
from eigenscape.studies.heavy_tails._plan import LOSS_PROBES, LOSS_RATES, NOISES, RIDGES

SCALINGS = (
    ("readout_test", "the features of the paper's text, tanh(W x / sqrt d)"),
    ("readout_test_reference", "the features of the published code, tanh(W x / d)"),
)


def effects(numbers: Numbers) -> dict[str, Interval]:
    """Return the change of the test loss by ten steps of Adam 1 at n = 8 d, by feature scaling."""
    return {metric: numbers.change("losses", 1.0, 10, metric) for metric, _ in SCALINGS}


def sign(effect: Interval) -> str:
    """Say which way an effect goes.

    >>> sign(Interval(-0.05, -0.06, -0.04, 3)), sign(Interval(0.0, -1.0, 1.0, 3))
    ('falls', 'does not change beyond its interval')
    """
    if effect.high < 0:
        return "falls"
    return "rises" if effect.low > 0 else "does not change beyond its interval"


def loss_paragraph(numbers: Numbers) -> str:
    """Say in plain words what the heavy tail does to the test loss under both scalings."""
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
    end = (
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
        f"Ten full-batch steps of Adam at learning rate 1 bring PL_Alpha_Hill to {alpha.words()} at "
        f"n = {numbers.scale.many} = 8 d. What they do to the test loss of the ridge read-out "
        f"depends on how the features are scaled: {'; '.join(parts)}. {end} At n = 2 d the loss "
        f"goes from {few}. Both changes are paired over {numbers.seeds} seeds."
    )


def generalisation(numbers: Numbers) -> dict[str, str]:
    """Heavier tails go with a lower test loss, up to a point."""
    words, better = [], []
    for metric, name in (("readout_test", "paper"), ("readout_test_reference", "code")):
        cells = {
            (rate, step): numbers.mean("losses", "adam", rate, step, metric)
            for rate in LOSS_RATES
            for step in LOSS_PROBES
        }
        best = min(cells, key=lambda key, cells=cells: cells[key].mean)  # type: ignore[misc]
        alpha = numbers.mean("losses", "adam", best[0], best[1], "alpha_hill")
        gain = numbers.change("losses", best[0], best[1], metric)
        end = numbers.change("losses", 1.0, 10, metric)
        better.append(gain.high < 0 and 2 <= alpha.mean <= 2.5)
        words.append(
            f"{name} features: lowest {cells[best].words()} at Adam {best[0]:g}, step {best[1]}, "
            f"alpha {alpha.words()} (change from the start {gain.words()}); Adam 1 at step 10: "
            f"change {end.words()}"
        )
    null = float(numbers.data["alpha_null"].dropna().iloc[0])
    return {
        "name": "heavy tails and generalisation",
        "statement": "Heavier tails go with a lower test loss up to a point; the lowest is said to "
        "lie at PL_Alpha_Hill between about 2 and 2.5, and heavier ones overfit.",
        "figure": "losses against the learning rate and against alpha, n = 8 d",
        "measured": "; ".join(words) + f". The untrained matrix has {null:.3f}, inside that range: "
        "the range alone does not tell a trained matrix from noise.",
        "verdict": "holds" if all(better) else "in part" if any(better) else "fails",
    }


def _ends(numbers: Numbers, series: str, value: float, metric: str) -> Interval:
    return numbers.mean(series, "adam", value, 10, metric)


def samples(numbers: Numbers) -> dict[str, str]:
    """More samples lower the test loss."""
    many = [(float(n), "samples") for n in numbers.values("samples", "adam")]
    cells = [*many, (1.0, "losses")]
    sizes = [int(n) for n, _ in many] + [numbers.scale.many]
    words, falls = [], []
    for metric, name in (("readout_test", "paper"), ("readout_test_reference", "code")):
        found = [_ends(numbers, series, value, metric) for value, series in cells]
        falls.append(found[-1].high < found[1].low)
        words.append(
            f"{name} features: "
            + ", ".join(f"n {n} {item.words()}" for n, item in zip(sizes, found, strict=True))
        )
    return {
        "name": "more samples",
        "statement": "With more samples the same training ends at a lower test loss.",
        "figure": "losses against n",
        "measured": "Test loss after 10 steps of Adam 1. " + "; ".join(words) + ".",
        "verdict": "holds" if all(falls) else "in part" if any(falls) else "fails",
    }


def noise(numbers: Numbers) -> dict[str, str]:
    """More label noise raises the loss."""
    return _along(
        numbers, "noise", NOISES, "label noise",
        "More label noise raises the losses at every learning rate.", rising=True,
    )  # fmt: skip


def ridge(numbers: Numbers) -> dict[str, str]:
    """The strength of the ridge changes the read-out's loss."""
    return _along(
        numbers, "ridge", RIDGES, "ridge strength",
        "The losses depend on the strength of the ridge.", rising=False,
    )  # fmt: skip


def _along(
    numbers: Numbers,
    series: str,
    values: tuple[float, ...],
    name: str,
    statement: str,
    *,
    rising: bool,
) -> dict[str, str]:
    words, right = [], []
    for metric, features in (("readout_test", "paper"), ("readout_test_reference", "code")):
        found = [_ends(numbers, series, value, metric) for value in values]
        first, last = found[0], found[-1]
        apart = last.low > first.high if rising else last.low > first.high or last.high < first.low
        right.append(apart)
        words.append(
            f"{features} features: "
            + ", ".join(f"{value:g} {item.words()}" for value, item in zip(values, found, strict=True))
        )
    return {
        "name": name,
        "statement": statement,
        "figure": f"losses against the {name}",
        "measured": "Test loss after 10 steps of Adam 1, n = 8 d. " + "; ".join(words) + ".",
        "verdict": "holds" if all(right) else "in part" if any(right) else "fails",
    }


LOSS_CLAIMS: tuple[Callable[[Numbers], dict[str, str]], ...] = (
    generalisation,
    samples,
    noise,
    ridge,
)
