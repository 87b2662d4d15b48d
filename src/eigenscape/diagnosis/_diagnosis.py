"""One model's diagnosis by one tree: the answer and the path to it, or why there is none."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from eigenscape.diagnosis._abstain import (
    ALIEN,
    Reason,
    leaf_reasons,
    metric_reasons,
    tree_reasons,
)
from eigenscape.diagnosis._cv_score import SEED_NOISE, CVScore
from eigenscape.diagnosis._leaves import LeafRecord
from eigenscape.diagnosis._metrics import METRICS, Protocol, check_protocol
from eigenscape.diagnosis._route import Step, find_leaves
from eigenscape.diagnosis._shapes import TreeShape, get_shape
from eigenscape.diagnosis._tree import MDTree
from eigenscape.errors import InputError
from eigenscape.results import Environment, Result
from eigenscape.stats import Precision

if TYPE_CHECKING:
    import pandas as pd

NO_FAILURE = "no failure found"
#: The verdict where there are reasons to give none.
NOT_KNOWN = "not known"
_ASKED = {"temperature": "temperature", "width": "width", "data": "amount of data"}
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
        verdict: the leaf's answer, ``"no failure found"``, or ``"not known"`` where there are
            reasons to give none.
        abstained: these reasons; empty where a verdict is given.
        action: the action that the answer calls for; None if nothing is to be done, or not known.
        gain: what it gained in the leaf, in points of test accuracy, on the configurations that
            the tree was fitted to; NaN where there is none.
        seed_noise: the gain below which the verdict is ``"no failure found"``.
        precision: how often such a verdict was right on cells that its tree had not seen; None
            where that was not given.
        path: the comparisons.
        leaf: the population's record of the leaf; None without one.
        sentences: all of it in sentences.
    """

    schema: ClassVar[str] = "eigenscape.diagnosis/3"
    question: str
    variant: str
    thresholds: tuple[float, ...]
    verdict: str
    abstained: tuple[Reason, ...]
    action: str | None
    gain: float
    seed_noise: float
    precision: Precision | None
    path: tuple[Step, ...]
    leaf: LeafRecord | None
    sentences: tuple[str, ...]

    def __post_init__(self) -> None:
        if not {step.feature for step in self.path} <= set(self.shape.features):
            raise InputError(f"the path has other metrics than {', '.join(self.shape.features)}")
        if self.leaf is not None:
            self.leaf.check(self.question)
        if bool(self.abstained) != (self.verdict == NOT_KNOWN):
            raise InputError(f"a verdict of {self.verdict!r} with {len(self.abstained)} reasons")

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
    score: CVScore | None = None,
    protocol: Protocol | None = None,
    on_mismatch: Literal["refuse", "warn"] = "refuse",
) -> Diagnosis:
    """Diagnose one model by one tree.

    No verdict is given, and :attr:`Diagnosis.abstained` says why, where a metric lies outside the
    population's range; where the tree is not told from a constant answer on cells that it had not
    seen; where fewer than six configurations are like the model, or its leaf was not right often
    enough (:attr:`eigenscape.stats.Precision.printed`); and without a score.

    Args:
        tree: a fitted tree, or one without data.
        metrics: the model's metrics, by the tree's names.
        score: of :func:`cv_score`, on the population that the tree was fitted to; its seed noise
            is the gain below which the verdict is "no failure found".
        protocol: how they were measured; None where that is not stated, and then not checked.
        on_mismatch: what to do where the protocols differ: ``refuse``, or ``warn`` and continue.

    Raises:
        InputError: missing metrics, metrics that were measured in another way, or the score of
            another question.
    """
    if on_mismatch not in ("refuse", "warn"):
        raise InputError(f"on_mismatch is {on_mismatch!r}; expected refuse or warn")
    if score is not None and score.question != tree.question:
        raise InputError(
            f"the score is of the question {score.question!r}, the tree of {tree.question!r}"
        )
    values = tree.check_metrics(metrics)
    try:
        check_protocol(tree.protocol, protocol or {}, "this model")
    except InputError as error:
        if on_mismatch == "refuse":
            raise
        warnings.warn(str(error), UserWarning, stacklevel=2)
    path = tuple(tree.decision_path(metrics))
    index = int(find_leaves(tree.shape, tree.thresholds, np.asarray([values]))[0])
    leaf = tree.leaves[index] if tree.leaves else None
    seed_noise = SEED_NOISE if score is None else score.noise
    action, gain = leaf.best_action() if leaf is not None else (None, math.nan)
    nothing = gain < seed_noise
    record = None if score is None else score.fine if nothing else score.leaves[index]
    why = _reasons(tree, metrics, leaf, score)
    if leaf is not None and score is not None:
        why += leaf_reasons(leaf, score.leaves[index], score.fine if nothing else None)
    beyond = any(one.kind in ALIEN for one in why)
    verdict = NOT_KNOWN if why else NO_FAILURE if nothing else tree.predict_one(metrics)
    return Diagnosis(
        environment=Environment.capture(),
        question=tree.question,
        variant=tree.variant,
        thresholds=tree.thresholds,
        verdict=verdict,
        abstained=why,
        action=None if why or nothing else action,
        gain=gain,
        seed_noise=seed_noise,
        precision=record,
        path=path,
        leaf=leaf,
        sentences=(
            _head(tree.question, verdict, record, why),
            _way(path),
            *([] if beyond else _evidence(tree, leaf, seed_noise)),
        ),
    )


def withheld(found: Diagnosis, alien: tuple[Reason, ...]) -> Diagnosis:
    """Return a diagnosis without its verdict, where the population does not speak for the model.

    Args:
        found: what the tree answered.
        alien: in what the model differs from the population; if empty, ``found`` is returned.
    """
    if not alien:
        return found
    asked = _ASKED[found.question]
    return replace(
        found,
        verdict=NOT_KNOWN,
        abstained=tuple(dict.fromkeys((*alien, *found.abstained))),
        action=None,
        precision=None,
        sentences=(
            f"No verdict on the {asked}: the population does not speak for such a model.",
            found.sentences[1],
        ),
    )


def _reasons(
    tree: MDTree, metrics: Mapping[str, float], leaf: LeafRecord | None, score: CVScore | None
) -> tuple[Reason, ...]:
    if leaf is not None:
        return (*metric_reasons(tree, metrics), *tree_reasons(score))
    return (
        Reason(
            kind="untested",
            words="these thresholds have no population: they are the centre of the paper's "
            "search box, made for ResNet18 on CIFAR-10",
            remedy="train a population of your own (eigenscape diagnose grow)",
        ),
    )


def _head(question: str, verdict: str, record: Precision | None, why: tuple[Reason, ...]) -> str:
    if why:
        said = " ".join(_sentence(one.sentence) for one in why)
        return f"No verdict on the {_ASKED[question]}. {said}"
    assert record is not None
    worth = f"Such an answer was {record.words()}, on cells that its tree had not seen."
    if verdict == NO_FAILURE:
        return f"No {question} problem found within the range that the population covers. {worth}"
    return f"Diagnosis: {_ANSWER[verdict]}. {worth}"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _way(path: tuple[Step, ...]) -> str:
    words = []
    for step in path:
        metric = METRICS[step.feature]
        unit = "" if metric.unit == "1" else f" {metric.unit}"
        sign = "at or below" if step.below else "above"
        words.append(f"{metric.words} {step.value:.4g}{unit} is {sign} {step.threshold:.4g}{unit}")
    return f"Its way through the tree: {', and '.join(words)}."


def _evidence(tree: MDTree, leaf: LeafRecord | None, noise: float) -> list[str]:
    if leaf is None:
        return []
    counts = ", ".join(f"{count} {name}" for name, count in leaf.counts.items())
    found = [
        f"Of the {leaf.size} configurations of {tree.population} that end here ({leaf.words}): "
        f"{counts}."
    ]
    if not leaf.size:
        return found
    action, gain = leaf.best_action()
    low, high = leaf.quartiles[action]
    found.append(
        f"There, to {action}, by the one factor that is best for all ({leaf.ratios[action]:.3g}), "
        f"changed the test accuracy by {gain:+.2f} points on average (middle half {low:+.2f} to "
        f"{high:+.2f}); the tree was fitted to these same configurations."
    )
    others = ", ".join(
        f"{name} {value:+.2f}" for name, value in leaf.gains.items() if name != action
    )
    found.append(f"The other actions: {others}.")
    if gain < noise:
        found.append(f"That is below the seed noise of {noise:.2f} points: nothing to act on.")
    return found
