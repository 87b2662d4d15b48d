"""One model, all questions: the hyperparameter to change, evidence, held-out scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from eigenscape.diagnosis._cv_score import CVScore, asked_questions, cv_score, held_out_advice
from eigenscape.diagnosis._diagnosis import NO_FAILURE, NOT_KNOWN, Diagnosis, diagnose
from eigenscape.diagnosis._health import check_health
from eigenscape.diagnosis._metrics import Protocol
from eigenscape.diagnosis._policy import advise
from eigenscape.diagnosis._population import Population
from eigenscape.diagnosis._tree import MDTree, clear_labels
from eigenscape.errors import InputError
from eigenscape.results import Environment, Result

if TYPE_CHECKING:
    import pandas as pd

_QUESTION_OF = {
    "raise temperature": "temperature",
    "lower temperature": "temperature",
    "widen": "width",
    "add data": "data",
}
_HOW = {
    "raise temperature": "raise the learning rate (or lower the batch size)",
    "lower temperature": "lower the learning rate (or raise the batch size)",
    "widen": "widen the network",
    "add data": "train on more data",
}


@dataclass(frozen=True, kw_only=True)
class Prescription(Result):
    """What to change about one model.

    Args:
        population: by which it was diagnosed.
        metrics: of the model.
        diagnoses: one for each question that could be asked.
        cv_scores: question to the score of its tree on held-out cells.
        action: with the largest expected gain; None where none is above the seed noise.
        gain: its expected gain, in points of test accuracy.
        ratio: the factor on the hyperparameter: the median of the population's configurations like
            this one.
        seed_noise: below which a gain does not count.
        notes: what was left out, and what is wrong with the population.
        sentences: all of it in sentences.
    """

    schema: ClassVar[str] = "eigenscape.prescription/1"
    also_written: ClassVar[tuple[str, ...]] = ("verdict", "extrapolating")
    population: str
    metrics: Mapping[str, float]
    diagnoses: tuple[Diagnosis, ...]
    cv_scores: Mapping[str, CVScore]
    action: str | None
    gain: float
    ratio: float
    seed_noise: float
    notes: tuple[str, ...]
    sentences: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.action is not None and self.action not in _QUESTION_OF:
            raise InputError(f"action is {self.action!r}; expected of {', '.join(_QUESTION_OF)}")
        asked = [found.question for found in self.diagnoses]
        if not asked or not set(asked) <= set(self.cv_scores) or not self.sentences:
            raise InputError("a prescription needs diagnoses, a CVScore for each, and sentences")

    @property
    def brief(self) -> tuple[str, ...]:
        """The advice, then the answer of each tree with its path: for a page of many parts."""
        ways = [
            f"{found.question.capitalize()} "
            f"({self.cv_scores[found.question].balanced_accuracy:.0f} % balanced on unseen cells): "
            f"{' '.join(found.sentences[:2])}"
            for found in self.diagnoses
        ]
        return (self.sentences[0], *ways)

    @property
    def extrapolating(self) -> bool:
        """Whether a metric lies beyond those of the population."""
        return any(found.outside for found in self.diagnoses)

    @property
    def verdict(self) -> str:
        """The answer of the advised knob, ``"no failure found"``, or ``"not known"``."""
        if self.action is None:
            return NO_FAILURE if math.isfinite(self.gain) else NOT_KNOWN
        return _VERDICT[self.action]

    def frame(self) -> pd.DataFrame:
        """Return one row for each action: expected gain, quartiles, factor, evidence."""
        import pandas as pd

        rows = []
        for action, question in _QUESTION_OF.items():
            found = self._asked(question)
            leaf = found.leaf
            if leaf is None:
                continue
            low, high = leaf.quartiles[action]
            rows.append(
                {
                    "action": action,
                    "expected gain": leaf.gains[action],
                    "quartile 1": low,
                    "quartile 3": high,
                    "ratio": leaf.ratios.get(action, math.nan),
                    "advised": action == self.action,
                    "leaf": leaf.words,
                    "configurations": leaf.size,
                }
            )
        return pd.DataFrame(rows)

    def _asked(self, question: str) -> Diagnosis:
        """Return who speaks for an action: its own question, else the temperature's."""
        own = [found for found in self.diagnoses if found.question == question]
        return own[0] if own else self.diagnoses[0]


_VERDICT = {
    "raise temperature": "small",
    "lower temperature": "large",
    "widen": "width",
    "add data": "data",
}


def prescribe(
    population: Population,
    metrics: Mapping[str, float],
    *,
    protocol: Protocol | None = None,
    sizes: Mapping[str, float] | None = None,
    search: str | None = None,
    seed_noise: float | None = None,
    on_mismatch: Literal["refuse", "warn"] = "refuse",
) -> Prescription:
    """Diagnose one model by a population, with every question that both can answer.

    With the metrics of a pair of networks the full trees are asked; of one network, the temperature
    tree that needs no pair (its leaf tells what widening and more data gained, too). The
    temperature tree names a direction; the trees for width and data count where they name
    their own knob. Of these actions the one of the largest expected gain is advised, if that is
    above the seed noise.

    Args:
        population: trained on the same data and model family.
        metrics: of the model, by the names of ``METRICS``.
        protocol: how they were measured; None where that is not stated, and then not checked.
        sizes: ``data_amount`` and ``para_amount`` of the model, where they are known: a population
            without anything larger cannot tell what more data, or a wider network, would gain.
        search: of the trees.
        seed_noise: points of test accuracy below which a gain does not count; None for the
            population's.
        on_mismatch: what to do where the protocols differ: ``refuse``, or ``warn`` and continue.

    Raises:
        InputError: metrics that are missing or were measured in another way, or a population that
            has only one temperature.
    """
    pair = "mode_connectivity_peak" in metrics
    variant = "peak" if pair else "one-checkpoint"
    questions = asked_questions(population) if pair else ("temperature",)
    if "temperature" not in questions:
        raise InputError(
            f"{population.name} has one temperature, so it cannot tell whether another is better. "
            "Try: train a population with three temperatures or more"
        )
    diagnoses, cv_scores, notes = [], {}, list(population.notes)
    for question in questions:
        kind = variant if question == "temperature" else "peak"
        try:
            clear_labels(population, question)
        except InputError as error:
            if question == "temperature":
                raise
            notes.append(f"{question}: not asked ({error})")
            continue
        tree = MDTree.fit(population, question=question, variant=kind, search=search)
        diagnoses.append(
            diagnose(
                tree, metrics, protocol=protocol, seed_noise=seed_noise, on_mismatch=on_mismatch
            )
        )
        cv_scores[question] = cv_score(population, question, variant=kind, search=search)
        notes += check_health(population, question).problems
    noise = diagnoses[0].seed_noise
    leaves = {found.question: found.leaf for found in diagnoses if found.leaf is not None}
    ends = _at_the_end(population, sizes or {})
    notes += ends.values()
    action, gain, ratio = advise(leaves, ends)
    if not gain >= noise:
        action, ratio = None, math.nan
    worth = held_out_advice(population, questions, variant=variant, search=search)
    if not pair:
        notes.append(
            "one network: no connectivity, so the temperature tree without it was asked, and its "
            "leaf speaks for width and data, of lower confidence; a second network from another "
            "seed adds the trees for these"
        )
    return Prescription(
        environment=Environment.capture(),
        population=population.name,
        metrics=dict(metrics),
        diagnoses=tuple(diagnoses),
        cv_scores=cv_scores,
        action=action,
        gain=gain,
        ratio=ratio,
        seed_noise=noise,
        notes=tuple(dict.fromkeys(notes)),
        sentences=(
            _advice(action, gain, ratio, noise, _outside(diagnoses)),
            *worth,
            *_grounds(diagnoses, cv_scores, action),
        ),
    )


def _at_the_end(population: Population, sizes: Mapping[str, float]) -> dict[str, str]:
    """Return the actions that lead out of the population, each with what to say of it."""
    found = {}
    for action, column, words in (
        ("add data", "data_amount", "training samples"),
        ("widen", "para_amount", "parameters"),
    ):
        if column not in sizes or column not in population.table:
            continue
        most = float(population.table[column].max())
        if sizes[column] >= most:
            found[action] = (
                f"{action}: not asked; the model has {sizes[column]:,.0f} {words}, no network of "
                f"the population more than {most:,.0f}, so it cannot tell what more would gain"
            )
    return found


def _outside(diagnoses: list[Diagnosis]) -> tuple[str, ...]:
    """Return every metric that lies beyond the population, once."""
    return tuple(dict.fromkeys(words for found in diagnoses for words in found.outside))


def _advice(
    action: str | None, gain: float, ratio: float, noise: float, outside: tuple[str, ...]
) -> str:
    far = "; ".join(outside)
    if action is None and not math.isfinite(gain):
        return (
            "Not known: too few networks of the population ended where this model does to say what "
            "a change would gain; see what each tree says below."
        )
    if action is None:
        tail = f" (the best {gain:.2f})"
        doubt = f" But the model is outside the population ({far}): extrapolated." if far else ""
        return (
            f"{NO_FAILURE[0].upper()}{NO_FAILURE[1:]}: no change is expected to gain more than the "
            f"seed noise of {noise:.2f} points{tail}.{doubt}"
        )
    known = math.isfinite(ratio) and ratio != 1
    times = f", about {ratio_words(ratio)} times" if known else ""
    if far:
        return (
            f"Extrapolated, since the model is outside the population ({far}): {_HOW[action]}"
            f"{times}. No network of the population is like this one, so no gain is promised; the "
            "cause may be one that the population does not vary, such as wrong labels."
        )
    return (
        f"Advice: {_HOW[action]}{times}; networks like this one gained {gain:.2f} points of test "
        "accuracy by it on average."
    )


def ratio_words(ratio: float) -> str:
    """Return the factor on a hyperparameter as text.

    >>> ratio_words(0.12345), ratio_words(100.0), ratio_words(1234.5)
    ('0.12', '100', '1234')
    """
    return f"{ratio:.2g}" if ratio < 100 else f"{ratio:.0f}"


def _grounds(
    diagnoses: list[Diagnosis], cv_scores: Mapping[str, CVScore], action: str | None
) -> list[str]:
    """The advised question first, whole; then the others."""
    wanted = _QUESTION_OF.get(action or "", "temperature")
    ordered = sorted(diagnoses, key=lambda found: found.question != wanted)
    lines: list[str] = []
    for found in ordered:
        lines += [f"{found.question.capitalize()}: {found.sentences[0]}", *found.sentences[1:3]]
        lines += [line for line in found.sentences[3:] if line.startswith("Out of range")]
        lines.append(cv_scores[found.question].words())
    return lines
