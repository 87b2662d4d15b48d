"""One model's diagnosis: the answer, the path to it, and the expected gain."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from eigenscape.diagnosis._leaves import LeafRecord
from eigenscape.diagnosis._metrics import METRICS, Protocol, check_protocol
from eigenscape.diagnosis._route import Step, find_leaves
from eigenscape.diagnosis._shapes import TreeShape, get_shape
from eigenscape.diagnosis._tree import MDTree
from eigenscape.errors import InputError
from eigenscape.results import Environment, Result

if TYPE_CHECKING:
    import pandas as pd

#: Points of test accuracy below which an expected gain is not told from seed noise, where the
#: population does not state its own. An assumption: the published tables have no seed noise.
SEED_NOISE = 0.5
NO_FAILURE = "no failure found"
#: What is said where too few networks of the population are like the model.
NOT_KNOWN = "not known"
#: Beyond the population's range by this share of it, a metric is still taken for inside: a single
#: network scatters (seeds of a configuration by 0.1 to 0.2 in ln trace), the range is of means.
_SLACK = 0.05
_ANSWER = {
    "small": "the temperature is too small (raise the learning rate or lower the batch size)",
    "large": "the temperature is too large (lower the learning rate or raise the batch size)",
    "width": "the network is too narrow (widen it)",
    "data": "there is too little data (add data)",
    "temperature": "the temperature is off, rather than the size (the temperature tree says which "
    "way)",
}


@dataclass(frozen=True, kw_only=True)
class Diagnosis(Result):
    """The diagnosis of one model by a tree.

    Args:
        question: what was asked.
        variant: of which tree.
        thresholds: of the tree.
        verdict: the leaf's answer, or ``"no failure found"``.
        action: the action that the answer calls for; None if nothing is to be done, or if the
            tree has no population to know it from.
        gain: its expected gain in points of test accuracy; None without a population.
        seed_noise: the gain below which the verdict is ``"no failure found"``.
        path: the comparisons.
        leaf: the population's record of the leaf; None without one.
        outside: metrics beyond the population's range; the answer extrapolates.
        sentences: all of it in sentences.
    """

    schema: ClassVar[str] = "eigenscape.diagnosis/2"
    question: str
    variant: str
    thresholds: tuple[float, ...]
    verdict: str
    action: str | None
    gain: float | None
    seed_noise: float
    path: tuple[Step, ...]
    leaf: LeafRecord | None
    outside: tuple[str, ...]
    sentences: tuple[str, ...]

    def __post_init__(self) -> None:
        if not {step.feature for step in self.path} <= set(self.shape.features):
            raise InputError(f"the path has other metrics than {', '.join(self.shape.features)}")
        if self.leaf is not None:
            self.leaf.check(self.question)

    @property
    def shape(self) -> TreeShape:
        """The comparisons of the tree."""
        return get_shape(self.question, self.variant)

    def frame(self) -> pd.DataFrame:
        """Return the comparisons, one row each."""
        import pandas as pd

        rows = [{**asdict(step), "goes": "below" if step.below else "above"} for step in self.path]
        return pd.DataFrame(rows)


def diagnose(
    tree: MDTree,
    metrics: Mapping[str, float],
    *,
    protocol: Protocol | None = None,
    seed_noise: float | None = None,
    on_mismatch: Literal["refuse", "warn"] = "refuse",
) -> Diagnosis:
    """Diagnose one model.

    Args:
        tree: a fitted tree, or one without data.
        metrics: the model's metrics, by the tree's names.
        protocol: how they were measured; None where that is not stated, and then not checked.
        seed_noise: points of test accuracy; an expected gain below it is "no failure found". None
            for the population's own, or ``SEED_NOISE`` where it has none.
        on_mismatch: what to do where the protocols differ: ``refuse``, or ``warn`` and continue.

    Raises:
        InputError: missing metrics, or metrics that were measured in another way.
    """
    if on_mismatch not in ("refuse", "warn"):
        raise InputError(f"on_mismatch is {on_mismatch!r}; expected refuse or warn")
    values = tree.check_metrics(metrics)
    try:
        check_protocol(tree.protocol, protocol or {}, "this model")
    except InputError as error:
        if on_mismatch == "refuse":
            raise
        warnings.warn(str(error), UserWarning, stacklevel=2)
    path = tuple(tree.decision_path(metrics))
    leaf = _leaf(tree, values)
    answer = tree.predict_one(metrics)
    if seed_noise is None:
        seed_noise = SEED_NOISE if tree.seed_noise is None else tree.seed_noise
    known = leaf is not None and leaf.size > 0
    action, gain = leaf.best_action() if leaf is not None and known else (None, None)
    nothing = gain is not None and gain < seed_noise
    outside = _outside(tree, metrics)
    return Diagnosis(
        environment=Environment.capture(),
        question=tree.question,
        variant=tree.variant,
        thresholds=tree.thresholds,
        verdict=NO_FAILURE if nothing else answer,
        action=None if nothing else action,
        gain=gain,
        seed_noise=seed_noise,
        path=path,
        leaf=leaf,
        outside=outside,
        sentences=(
            _head(tree.question, answer, nothing),
            _way(path),
            *_evidence(tree, leaf, action, gain, seed_noise),
            *(f"Out of range, extrapolating: {words}." for words in outside),
        ),
    )


def _leaf(tree: MDTree, values: Any) -> LeafRecord | None:
    import numpy as np

    if not tree.leaves:
        return None
    index = find_leaves(tree.shape, tree.thresholds, np.asarray([values], dtype=np.float64))
    return tree.leaves[int(index[0])]


def _head(question: str, answer: str, nothing: bool) -> str:
    if nothing:
        return f"No {question} problem found within the range that the population covers."
    return f"Diagnosis: {_ANSWER[answer]}."


def _way(path: tuple[Step, ...]) -> str:
    words = []
    for step in path:
        metric = METRICS[step.feature]
        unit = "" if metric.unit == "1" else f" {metric.unit}"
        sign = "at or below" if step.below else "above"
        words.append(f"{metric.words} {step.value:.4g}{unit} is {sign} {step.threshold:.4g}{unit}")
    return f"Because {', and '.join(words)}."


def _evidence(
    tree: MDTree, leaf: LeafRecord | None, action: str | None, gain: float | None, noise: float
) -> list[str]:
    if leaf is None:
        return [
            "These thresholds have no population: they are the centre of the paper's "
            "search box, made for ResNet18 on CIFAR-10, and rarely fit another family."
        ]
    counts = ", ".join(f"{count} {name}" for name, count in leaf.counts.items())
    found = [
        f"Of the {leaf.size} configurations of {tree.population} that end here ({leaf.words}): "
        f"{counts}."
    ]
    if action is None or gain is None:
        return [*found, "No configuration of the population ended here, so no gain is known."]
    low, high = leaf.quartiles[action]
    found.append(
        f"There, to {action} as far as is best gained {gain:.2f} points of test accuracy on "
        f"average (middle half {low:.2f} to {high:.2f})."
    )
    others = ", ".join(
        f"{name} {value:.2f}" for name, value in leaf.gains.items() if name != action
    )
    found.append(f"The other actions: {others}.")
    if gain < noise:
        found.append(f"That is below the seed noise of {noise:.2f} points: nothing to act on.")
    return found


def _outside(tree: MDTree, metrics: Mapping[str, float]) -> tuple[str, ...]:
    found = []
    for name, (low, high) in tree.ranges.items():
        slack = _SLACK * (high - low)
        if not low - slack <= metrics[name] <= high + slack:
            found.append(
                f"{METRICS[name].words} {metrics[name]:.4g}, population {low:.4g} to {high:.4g}"
            )
    return tuple(found)
