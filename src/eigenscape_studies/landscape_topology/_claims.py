"""The paper's claims, compared with the measurements."""

from __future__ import annotations

from collections.abc import Iterable

from eigenscape.stats import Interval
from eigenscape.topology import NEIGHBORHOODS
from eigenscape_studies import Claim, verdict
from eigenscape_studies._family import Comparison
from eigenscape_studies._topology import FAILED
from eigenscape_studies.landscape_topology._numbers import (
    CURVATURE,
    METRICS,
    PERSISTENCE,
    QUOTED,
    SADDLES,
    WITHIN,
    Numbers,
)

#: The speed from which on the paper's networks fail.
_FAILS = 7.0


def _means(by_beta: dict[float, Interval], digits: int = 1) -> str:
    return ", ".join(f"{beta:g}: {found.mean:.{digits}f}" for beta, found in by_beta.items())


def _scientific(by_beta: dict[float, Interval]) -> str:
    return ", ".join(f"{beta:g}: {found.mean:.2g}" for beta, found in by_beta.items())


def _ranked(numbers: Numbers, outcome: str, metrics: Iterable[str]) -> tuple[str, list[bool]]:
    """Return the rank correlations with an outcome in words, and whether each is positive."""
    words, right = [], []
    for metric in metrics:
        found = numbers.family[outcome, metric]
        words.append(f"{METRICS[metric]} {found.words(digits=2)}")
        right.append(found.above)
    return "; ".join(words), right


def _with_speed(
    numbers: Numbers, metrics: tuple[str, str], name: str, statement: str, figure: str, means: str
) -> Claim:
    """Hold that two metrics grow with the speed of the convection."""
    words, right = _ranked(numbers, "beta", metrics)
    return Claim(
        name=name,
        statement=statement,
        figure=figure,
        measured=f"rank correlation with beta: {words}. {means}.",
        verdict=verdict(*right),
    )


def rougher_with_speed(numbers: Numbers) -> Claim:
    """The number of minima and saddles grows with the speed of the convection."""
    counts = "; ".join(
        f"minima ({name}) at beta {_means(numbers.by_beta(f'minima_{name}'))}"
        for name in NEIGHBORHOODS
    )
    return _with_speed(
        numbers,
        (f"minima_{QUOTED}", f"saddles_{QUOTED}"),
        "rougher with difficulty",
        "The landscape of a PINN in the plane of its top two Hessian eigenvectors has more "
        "saddles the larger the speed beta of the convection.",
        "number of saddle points against beta",
        f"Means: {counts}",
    )


def persistence_with_speed(numbers: Numbers) -> Claim:
    """The average persistence grows with the speed."""
    names = (f"persistence_{QUOTED}", f"persistence_essential_{QUOTED}")
    return _with_speed(
        numbers,
        names,
        "deeper with difficulty",
        "The average persistence grows with beta.",
        "average persistence against beta",
        f"Means without the essential pair at beta {_scientific(numbers.by_beta(names[0]))}",
    )


def curvature_with_speed(numbers: Numbers) -> Claim:
    """Largest eigenvalue and trace grow with the speed."""
    return _with_speed(
        numbers,
        ("top_eigenvalue", "hessian_trace"),
        "sharper with difficulty",
        "The largest Hessian eigenvalue and the trace grow with beta.",
        "Hessian metrics against beta",
        f"Mean largest eigenvalue at beta {_scientific(numbers.by_beta('top_eigenvalue'))}",
    )


def failure_point(numbers: Numbers) -> Claim:
    """Training fails beyond some speed."""
    table = numbers.pinns
    shares = table.groupby("beta")["relative_l2"].agg(lambda error: (error > FAILED).mean())
    first = next((float(beta) for beta, share in shares.items() if share > 0.5), None)
    words = ", ".join(
        f"{beta:g}: {error.mean:.3f}" for beta, error in numbers.by_beta("relative_l2").items()
    )
    if first is None:
        parts, tail = [False], "No speed fails in most seeds."
    else:
        last = max((float(beta) for beta in shares.index if beta < first), default=0.0)
        parts = [last <= _FAILS <= first]
        tail = (
            f"Most seeds fail (error above {FAILED:g}) from somewhere between beta {last:g} and "
            f"{first:g}; it holds where {_FAILS:g} lies in there."
        )
    return Claim(
        name="failure beyond a speed",
        statement="Networks fail from about beta 7 on (seed 0, beta 1 to 10 in the paper).",
        figure="absolute error against beta",
        measured=f"mean relative error at beta {words}. {tail} Here the equation holds at 1000 "
        "interior points.",
        verdict=verdict(*parts),
    )


def tracks_error(numbers: Numbers) -> Claim:
    """Topology and curvature go with the error."""
    words, right = _ranked(numbers, "relative_l2", METRICS)
    return Claim(
        name="topology goes with the error",
        statement="Saddles, average persistence, largest eigenvalue and trace all rise with the "
        "error of a PINN.",
        figure="metrics against absolute error",
        measured=f"rank correlation with the relative error over all networks: {words}.",
        verdict=verdict(*right),
    )


def within_a_speed(numbers: Numbers) -> Claim:
    """A control: does it rank the seeds at the same speed?"""
    found = {metric: numbers.family["within", metric] for metric in WITHIN}
    words = [f"{METRICS[metric]} {one.words(digits=2)}" for metric, one in found.items()]
    return Claim(
        name="control: at one speed",
        statement="If the link of topology and error were more than their common growth with "
        "beta, it would also show between the seeds of one beta (our control; not in the paper).",
        figure="none",
        measured="rank correlation with the error within each beta, pooled: "
        + "; ".join(words)
        + ". The ranks of one beta depend on one another, and the intervals take them for "
        "independent.",
        verdict=verdict(*(one.above for one in found.values())),
    )


def _shortcut(numbers: Numbers, column: str, name: str, digits: int) -> tuple[Comparison, str]:
    """Return plain minus residual, pair by pair, with both means in words."""
    gap, (residual, plain) = numbers.family["plain", column], numbers.means(column)
    return gap, (
        f"{name}: residual {residual:.{digits}f}, plain {plain:.{digits}f}, plain minus residual "
        f"{gap.words(digits=digits)}"
    )


def _pairs(numbers: Numbers) -> int:
    return len(numbers.classifiers) // 2


def accuracy_of_shortcuts(numbers: Numbers) -> Claim:
    """Residual networks are more accurate."""
    gap, (residual, plain) = numbers.family["plain", "accuracy"], numbers.means("accuracy")
    return Claim(
        name="shortcuts help",
        statement="With residual connections the network is more accurate (ResNet-20 on "
        "CIFAR-10: about 92 % against 90 %).",
        figure="accuracy of ResNet-20 with and without shortcuts",
        measured=f"deep digit classifiers: residual {residual:.1%}, plain {plain:.1%}; plain "
        f"minus residual {gap.words(digits=4)}.",
        seeds=_pairs(numbers),
        verdict=verdict(gap.below),
    )


def fewer_saddles(numbers: Numbers) -> Claim:
    """Residual networks have fewer saddles and minima."""
    words, right = [], []
    for column, name in SADDLES.items():
        gap, said = _shortcut(numbers, column, name, 1)
        words.append(said)
        right.append(gap.above)
    residual = numbers.classifiers[numbers.classifiers["family"] == "residual"]
    single = int((residual[f"minima_{QUOTED}"] == 1).sum())
    right.append(single == len(residual))
    return Claim(
        name="shortcuts: fewer saddles",
        statement="Without residual connections the landscape has many saddles; with them a "
        "single minimum and none.",
        figure="merge trees of ResNet-20 with and without shortcuts",
        measured="saddles, "
        + "; ".join(words)
        + f". A single minimum, and so no saddle ({QUOTED}): {single} of {len(residual)} residual "
        "networks.",
        seeds=_pairs(numbers),
        verdict=verdict(*right),
    )


def higher_persistence(numbers: Numbers) -> Claim:
    """Residual networks have the higher average persistence, depending on how it is defined."""
    words, signs = [], []
    for column, name in PERSISTENCE.items():
        gap, said = _shortcut(numbers, column, name, 4)
        words.append(said)
        signs.append(gap.below)
    return Claim(
        name="shortcuts: higher persistence",
        statement="With residual connections the average persistence is higher.",
        figure="average persistence of ResNet-20 with and without shortcuts",
        measured="; ".join(words) + ". With a single minimum there is no finite pair, so the "
        "paper's mean can only be that of the essential pair, max minus min: it measures the range "
        "of the loss.",
        seeds=_pairs(numbers),
        verdict=verdict(*signs),
    )


def curvature_of_shortcuts(numbers: Numbers) -> Claim:
    """Residual networks are flatter."""
    words, right = [], []
    for column, name in CURVATURE.items():
        gap, (residual, plain) = numbers.family["plain", column], numbers.means(column)
        words.append(
            f"{name}: residual {residual:.3g}, plain {plain:.3g}, mean log ratio "
            f"{gap.words(digits=2)}"
        )
        right.append(gap.above)
    return Claim(
        name="shortcuts: flatter",
        statement="With residual connections the largest eigenvalue and the trace are smaller.",
        figure="Hessian metrics of ResNet-20 with and without shortcuts",
        measured="; ".join(words) + ".",
        seeds=_pairs(numbers),
        verdict=verdict(*right),
    )


def tracks_accuracy(numbers: Numbers) -> Claim:
    """Fewer saddles and a higher persistence go with a higher accuracy."""
    saddles = numbers.family["accuracy", f"saddles_{QUOTED}"]
    persistence = numbers.family["accuracy", f"persistence_essential_{QUOTED}"]
    return Claim(
        name="topology goes with accuracy",
        statement="Over classifiers, accuracy falls with the number of saddles and rises with "
        "the average persistence.",
        figure="metrics against accuracy",
        measured=f"rank correlation with test accuracy: saddles {saddles.words(digits=2)}; "
        f"average persistence with the essential pair {persistence.words(digits=2)}.",
        seeds=_pairs(numbers),
        verdict=verdict(saddles.below, persistence.above),
    )


CLAIMS = (
    *(rougher_with_speed, persistence_with_speed, curvature_with_speed, failure_point),
    *(tracks_error, within_a_speed, accuracy_of_shortcuts, fewer_saddles, higher_persistence),
    *(curvature_of_shortcuts, tracks_accuracy),
)


def paragraphs(numbers: Numbers) -> dict[str, str]:
    """Return the findings in plain words."""
    return {
        "What topology says about PINNs": _difficulty(numbers),
        "What it says about shortcuts": _shortcuts(numbers),
        "How far a count can be trusted": _trust(numbers),
        "How many comparisons": _counted(numbers),
    }


def _difficulty(numbers: Numbers) -> str:
    minima = numbers.by_beta(f"minima_{QUOTED}")
    error = numbers.by_beta("relative_l2")
    easy, hard = min(minima), max(minima)
    ranked = {name: numbers.against("relative_l2", metric) for metric, name in METRICS.items()}
    known = {name: found for name, found in ranked.items() if found.rho == found.rho}
    best = max(known, key=lambda name: abs(known[name].rho))
    return (
        f"From beta {easy:g} to {hard:g} the relative error goes from {error[easy].mean:.3f} to "
        f"{error[hard].mean:.2f} and the mean number of minima in the plane of the top two Hessian "
        f"eigenvectors from {minima[easy].mean:.1f} to {minima[hard].mean:.1f}. Of the metrics "
        f"here, {best} follows the error most closely ({known[best].words()}); the largest "
        f"eigenvalue: {ranked['largest eigenvalue'].words()}."
    )


def _shortcuts(numbers: Numbers) -> str:
    accuracy, saddles = numbers.means("accuracy"), numbers.means(f"saddles_{QUOTED}")
    gap = numbers.family["plain", f"saddles_{QUOTED}"]
    return (
        f"Residual networks read {accuracy[0]:.1%} of the held-out digits, plain ones "
        f"{accuracy[1]:.1%}. Their landscapes have {saddles[0]:.1f} and {saddles[1]:.1f} saddles "
        f"on average; plain minus residual {gap.words()}."
    )


def _trust(numbers: Numbers) -> str:
    table = numbers.pinns
    cross, full = table["minima_cross"].sum(), table["minima_full"].sum()
    kept = table["significant_full"].sum()
    return (
        f"The count depends on which samples are neighbours: over all PINNs here {cross} minima "
        f"with the 4 axis neighbours, {table[f'minima_{QUOTED}'].sum()} with the 6 of the "
        f"Freudenthal triangulation, {full} with all 8; {kept} of the last are deeper than a "
        "thousandth of the range of the loss. It also depends on the half-width of the plane "
        "(here a tenth of the norm of the parameters). Counts can be compared only where all of "
        "these are the same."
    )


def _counted(numbers: Numbers) -> str:
    """Count the comparisons, and what is left after Holm."""
    found = numbers.family
    alone = sum(one.low > 0 or one.high < 0 for one in found.values())
    left = sum(one.above or one.below for one in found.values())
    return (
        f"The claims rest on {len(found)} comparisons: rank correlations, and differences of "
        f"residual and plain networks. Each has an interval of its own; {alone} leave out zero, "
        f"and one in twenty does by chance. After Holm over all of them {left} are left, and every "
        "verdict is on these."
    )
