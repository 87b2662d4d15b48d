"""The paper's claims, held against the measurements."""

from __future__ import annotations

from typing import Any

from eigenscape.topology import CONNECTIVITIES
from eigenscape_studies._claim import Claim
from eigenscape_studies._interval import Interval
from eigenscape_studies.landscape_topology._numbers import METRICS, QUOTED, Numbers

#: A relative error above this counts as a failure: the network explains less than half of the norm.
FAILED = 0.5


def make_claims(numbers: Numbers, command: str) -> tuple[Claim, ...]:
    """Return every claim with its verdict, computed from the measurements."""
    found = (
        rougher_with_speed, persistence_with_speed, curvature_with_speed, failure_point,
        tracks_error, within_a_speed, accuracy_of_shortcuts, fewer_saddles, higher_persistence,
        curvature_of_shortcuts, tracks_accuracy,
    )  # fmt: skip
    return tuple(Claim(**make(numbers), command=command) for make in found)


def _verdict(*parts: bool) -> str:
    return "holds" if all(parts) else "in part" if any(parts) else "fails"


def _means(by_beta: dict[float, Interval], digits: int = 1) -> str:
    return ", ".join(f"{beta:g}: {found.mean:.{digits}f}" for beta, found in by_beta.items())


def _scientific(by_beta: dict[float, Interval]) -> str:
    return ", ".join(f"{beta:g}: {found.mean:.2g}" for beta, found in by_beta.items())


def _pinns(numbers: Numbers, *metrics: str) -> tuple[str, list[bool]]:
    words, right = [], []
    for metric in metrics:
        found = numbers.against("beta", metric)
        words.append(f"{METRICS[metric]} {found.words()}")
        right.append(found.rho > 0 and found.significant)
    return "; ".join(words), right


def rougher_with_speed(numbers: Numbers) -> dict[str, Any]:
    """The number of minima and saddles grows with the speed of the convection."""
    words, right = _pinns(numbers, f"minima_{QUOTED}", f"saddles_{QUOTED}")
    counts = "; ".join(
        f"minima ({name}) at beta {_means(numbers.by_beta(f'minima_{name}'))}"
        for name in CONNECTIVITIES
    )
    return {
        "name": "rougher with difficulty",
        "statement": "The landscape of a PINN in the plane of its top two Hessian eigenvectors has "
        "more saddles the larger the speed beta of the convection.",
        "figure": "number of saddle points against beta",
        "measured": f"rank correlation with beta: {words}. Means: {counts}.",
        "seeds": len(numbers.pinns["seed"].unique()),
        "verdict": _verdict(*right),
    }


def persistence_with_speed(numbers: Numbers) -> dict[str, Any]:
    """The average persistence grows with the speed."""
    names = (f"persistence_{QUOTED}", f"persistence_essential_{QUOTED}")
    words, right = _pinns(numbers, *names)
    return {
        "name": "deeper with difficulty",
        "statement": "The average persistence grows with beta.",
        "figure": "average persistence against beta",
        "measured": f"rank correlation with beta: {words}. Means without the essential pair at "
        f"beta {_scientific(numbers.by_beta(names[0]))}.",
        "seeds": len(numbers.pinns["seed"].unique()),
        "verdict": _verdict(*right),
    }


def curvature_with_speed(numbers: Numbers) -> dict[str, Any]:
    """Largest eigenvalue and trace grow with the speed."""
    words, right = _pinns(numbers, "top_eigenvalue", "trace")
    return {
        "name": "sharper with difficulty",
        "statement": "The largest Hessian eigenvalue and the trace grow with beta.",
        "figure": "Hessian metrics against beta",
        "measured": f"rank correlation with beta: {words}. Mean largest eigenvalue at beta "
        f"{_scientific(numbers.by_beta('top_eigenvalue'))}.",
        "seeds": len(numbers.pinns["seed"].unique()),
        "verdict": _verdict(*right),
    }


def failure_point(numbers: Numbers) -> dict[str, Any]:
    """Training fails beyond some speed."""
    table = numbers.pinns
    shares = table.groupby("beta")["relative_l2"].agg(lambda error: (error > FAILED).mean())
    first = next((float(beta) for beta, share in shares.items() if share > 0.5), None)
    words = ", ".join(
        f"{beta:g}: {found.mean:.3f}" for beta, found in numbers.by_beta("relative_l2").items()
    )
    if first is None:
        verdict, tail = "fails", "No speed fails in most seeds."
    else:
        verdict = "holds" if first <= 9 else "in part"
        tail = f"The first speed at which most seeds fail (error above {FAILED:g}): {first:g}."
    return {
        "name": "failure beyond a speed",
        "statement": "Networks fail from about beta 7 on (seed 0, beta 1 to 10 in the paper).",
        "figure": "absolute error against beta",
        "measured": f"mean relative error at beta {words}. {tail} Here the equation holds at 1000 "
        "interior points; with few points training fails earlier.",
        "seeds": len(table["seed"].unique()),
        "verdict": verdict,
    }


def tracks_error(numbers: Numbers) -> dict[str, Any]:
    """Topology and curvature go with the error."""
    words, right = [], []
    for metric, name in METRICS.items():
        found = numbers.against("relative_l2", metric)
        words.append(f"{name} {found.words()}")
        right.append(found.rho > 0 and found.significant)
    return {
        "name": "topology goes with the error",
        "statement": "Saddles, average persistence, largest eigenvalue and trace all rise with the "
        "error of a PINN.",
        "figure": "metrics against absolute error",
        "measured": "rank correlation with the relative error over all networks: "
        + "; ".join(words)
        + ".",
        "seeds": len(numbers.pinns["seed"].unique()),
        "verdict": _verdict(*right),
    }


def within_a_speed(numbers: Numbers) -> dict[str, Any]:
    """A control: does it tell which seed is worse at the same speed?"""
    from eigenscape_studies._rank import rank_correlation

    table = numbers.pinns
    grouped = table.groupby("beta")
    error = grouped["relative_l2"].rank() - grouped["relative_l2"].transform("size") / 2
    words, right = [], []
    for metric in (f"minima_{QUOTED}", "top_eigenvalue"):
        place = grouped[metric].rank() - grouped[metric].transform("size") / 2
        found = rank_correlation(place, error)
        words.append(f"{METRICS[metric]} {found.words()}")
        right.append(found.rho > 0 and found.significant)
    return {
        "name": "control: at one speed",
        "statement": "If the link of topology and error were more than their common growth with "
        "beta, it would also show between the seeds of one beta (our control; not in the paper).",
        "figure": "none",
        "measured": "rank correlation with the error within each beta, pooled: "
        + "; ".join(words)
        + ".",
        "seeds": len(table["seed"].unique()),
        "verdict": _verdict(*right),
    }


def _pairs(numbers: Numbers) -> int:
    return len(numbers.classifiers) // 2


def accuracy_of_shortcuts(numbers: Numbers) -> dict[str, Any]:
    """Residual networks are more accurate."""
    gap, (residual, plain) = numbers.paired("accuracy"), numbers.means("accuracy")
    return {
        "name": "shortcuts help",
        "statement": "With residual connections the network is more accurate (ResNet-20 on "
        "CIFAR-10: about 92 % against 90 %).",
        "figure": "accuracy of ResNet-20 with and without shortcuts",
        "measured": f"deep digit classifiers: residual {residual:.1%}, plain {plain:.1%}; plain "
        f"minus residual {gap.words(4)}.",
        "seeds": _pairs(numbers),
        "verdict": "holds" if gap.high < 0 else "fails",
    }


def fewer_saddles(numbers: Numbers) -> dict[str, Any]:
    """Residual networks have fewer saddles and minima."""
    words, right = [], []
    for name in CONNECTIVITIES:
        column = f"saddles_{name}"
        gap, (residual, plain) = numbers.paired(column), numbers.means(column)
        tail = "" if gap.low > 0 or gap.high < 0 else ", not significant"
        words.append(
            f"{name}: residual {residual:.1f}, plain {plain:.1f}, plain minus residual "
            f"{gap.words(1)}{tail}"
        )
        right.append(gap.low > 0)
    return {
        "name": "shortcuts: fewer saddles",
        "statement": "Without residual connections the landscape has many saddles; with them a "
        "single minimum and none.",
        "figure": "merge trees of ResNet-20 with and without shortcuts",
        "measured": "saddles, " + "; ".join(words) + ".",
        "seeds": _pairs(numbers),
        "verdict": _verdict(*right),
    }


def higher_persistence(numbers: Numbers) -> dict[str, Any]:
    """Residual networks have the higher average persistence, depending on how it is defined."""
    words, signs = [], []
    for column, name in (
        (f"persistence_essential_{QUOTED}", "with the essential pair"),
        (f"persistence_{QUOTED}", "over finite pairs alone (0 where there is none)"),
    ):
        gap, (residual, plain) = numbers.paired(column), numbers.means(column)
        tail = "" if gap.low > 0 or gap.high < 0 else ", not significant"
        words.append(
            f"{name}: residual {residual:.3g}, plain {plain:.3g}, plain minus residual "
            f"{gap.mean:.3g} [{gap.low:.3g}, {gap.high:.3g}]{tail}"
        )
        signs.append(gap.high < 0)
    return {
        "name": "shortcuts: higher persistence",
        "statement": "With residual connections the average persistence is higher.",
        "figure": "average persistence of ResNet-20 with and without shortcuts",
        "measured": "; ".join(words) + ". With a single minimum there is no finite pair, so the "
        "paper's mean can only be that of the essential pair, max minus min: it measures the range "
        "of the loss.",
        "seeds": _pairs(numbers),
        "verdict": _verdict(*signs),
    }


def curvature_of_shortcuts(numbers: Numbers) -> dict[str, Any]:
    """Residual networks are flatter."""
    words, right = [], []
    for column, name in (("top_eigenvalue", "largest eigenvalue"), ("trace", "trace")):
        gap, (residual, plain) = numbers.paired(column, log=True), numbers.means(column)
        tail = "" if gap.low > 0 or gap.high < 0 else ", not significant"
        words.append(
            f"{name}: residual {residual:.3g}, plain {plain:.3g}, mean log ratio "
            f"{gap.words(2)}{tail}"
        )
        right.append(gap.low > 0)
    return {
        "name": "shortcuts: flatter",
        "statement": "With residual connections the largest eigenvalue and the trace are smaller.",
        "figure": "Hessian metrics of ResNet-20 with and without shortcuts",
        "measured": "; ".join(words) + ".",
        "seeds": _pairs(numbers),
        "verdict": _verdict(*right),
    }


def tracks_accuracy(numbers: Numbers) -> dict[str, Any]:
    """Fewer saddles and a higher persistence go with a higher accuracy."""
    saddles = numbers.against("accuracy", f"saddles_{QUOTED}")
    persistence = numbers.against("accuracy", f"persistence_essential_{QUOTED}")
    return {
        "name": "topology goes with accuracy",
        "statement": "Over classifiers, accuracy falls with the number of saddles and rises with "
        "the average persistence.",
        "figure": "metrics against accuracy",
        "measured": f"rank correlation with test accuracy: saddles {saddles.words()}; average "
        f"persistence with the essential pair {persistence.words()}.",
        "seeds": _pairs(numbers),
        "verdict": _verdict(
            saddles.rho < 0 and saddles.significant, persistence.rho > 0 and persistence.significant
        ),
    }
