"""What to change about one model, or why that is not known; in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from eigenscape.diagnosis._abstain import ALIEN, Reason
from eigenscape.diagnosis._advice_score import AdviceScore, Outcome
from eigenscape.diagnosis._cv_score import CVScore
from eigenscape.diagnosis._diagnosis import NO_FAILURE, NOT_KNOWN, Diagnosis
from eigenscape.diagnosis._population import Population
from eigenscape.errors import InputError
from eigenscape.results import Finding, Result

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = (
    *("action", "gain", "quartile 1", "quartile 3", "ratio", "advised"),
    *("leaf", "configurations"),
)
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
_VERDICT = {
    "raise temperature": "small",
    "lower temperature": "large",
    "widen": "width",
    "add data": "data",
}


@dataclass(frozen=True, kw_only=True)
class Prescription(Result):
    """What to change about one model, or why that is not known.

    Args:
        population: by which it was diagnosed.
        metrics: of the model.
        diagnoses: one for each question that could be asked.
        cv_scores: question to the score of its tree on held-out cells.
        abstained: the reasons to give no verdict; empty where one is given.
        action: that is advised; None where no change is expected to gain more than the seed noise,
            or where it is not known.
        ratio: the factor on the hyperparameter that gained most in the population's networks like
            this one.
        outcome: what became of the same advice on cells that its trees had not seen: how often it
            was right, and what it gained; None where it was never given.
        score: of all advice on held-out cells; None where no cell could be held out.
        seed_noise: below which a gain does not count.
        notes: what was left out or not checked, and what is wrong with the population.
        sentences: all of it in sentences.
    """

    schema: ClassVar[str] = "eigenscape.prescription/2"
    also_written: ClassVar[tuple[str, ...]] = ("verdict",)
    population: str
    metrics: Mapping[str, float]
    diagnoses: tuple[Diagnosis, ...]
    cv_scores: Mapping[str, CVScore]
    abstained: tuple[Reason, ...]
    action: str | None
    ratio: float
    outcome: Outcome | None
    score: AdviceScore | None
    seed_noise: float
    notes: tuple[str, ...]
    sentences: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.action is not None and self.action not in _QUESTION_OF:
            raise InputError(f"action is {self.action!r}; expected of {', '.join(_QUESTION_OF)}")
        asked = [found.question for found in self.diagnoses]
        if not asked or not set(asked) <= set(self.cv_scores) or not self.sentences:
            raise InputError("a prescription needs diagnoses, a CVScore for each, and sentences")
        if self.outcome is None and not self.abstained:
            raise InputError("a verdict needs its outcome on held-out cells")
        if self.abstained and self.action is not None:
            raise InputError(f"it abstains, and advises to {self.action}")

    @property
    def answer(self) -> str:
        """The advice, or the first reason why none is given."""
        if self.abstained:
            return f"No diagnosis by {self.population}: {self.abstained[0].words}."
        return self.sentences[0]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The advice with how often it was right, or why none is given and what would help."""
        if self.abstained:
            todo = f"What would help: {self.abstained[0].remedy}"
            return (Finding(text=self.answer, basis="description", todo=todo),)
        assert self.outcome is not None
        record = self.outcome.precision
        return (Finding(text=self.answer, basis="diagnosis", precision=record),)

    @property
    def brief(self) -> tuple[str, ...]:
        """The advice, then the answer of each tree with its path: for a page of many parts."""
        ways = [
            f"{found.question.capitalize()}: {' '.join(found.sentences[:2])}"
            for found in self.answered
        ]
        return (self.sentences[0], *ways)

    @property
    def alien(self) -> bool:
        """Whether the model is not of the population's kind, which then tells nothing of it."""
        return any(why.kind in ALIEN for why in self.abstained)

    @property
    def answered(self) -> tuple[Diagnosis, ...]:
        """The trees that have a verdict; none if the model is not of the population's kind."""
        return tuple(found for found in self.diagnoses if not (self.alien or found.abstained))

    @property
    def gain(self) -> float:
        """The expected gain in points of test accuracy; 0 if nothing is advised, NaN if unknown."""
        if self.abstained or self.outcome is None:
            return math.nan
        return expected_of(self.outcome, self.metrics)

    @property
    def verdict(self) -> str:
        """The answer of the advised knob, ``"no failure found"``, or ``"not known"``."""
        if self.abstained:
            return NOT_KNOWN
        return NO_FAILURE if self.action is None else _VERDICT[self.action]

    def frame(self) -> pd.DataFrame:
        """Return one row for each action: gain in the leaf, quartiles, factor, evidence.

        No row where the model is not of the population's kind: what its networks gained is no
        evidence then.
        """
        import pandas as pd

        rows: list[dict[str, Any]] = []
        if self.alien:
            return pd.DataFrame(rows, columns=_COLUMNS)
        for action, question in _QUESTION_OF.items():
            found = self._asked(question)
            leaf = found.leaf
            if leaf is None:
                continue
            low, high = leaf.quartiles[action]
            rows.append(
                {
                    "action": action,
                    "gain": leaf.gains[action],
                    "quartile 1": low,
                    "quartile 3": high,
                    "ratio": leaf.ratios.get(action, math.nan),
                    "advised": action == self.action,
                    "leaf": leaf.words,
                    "configurations": leaf.size,
                }
            )
        return pd.DataFrame(rows, columns=_COLUMNS)

    def _asked(self, question: str) -> Diagnosis:
        """Return who speaks for an action: its own question, else the temperature's."""
        own = [found for found in self.diagnoses if found.question == question]
        return own[0] if own else self.diagnoses[0]


def expected_of(outcome: Outcome, metrics: Mapping[str, float]) -> float:
    """Return what following an advice is expected to gain, in points; 0 of nothing."""
    if outcome.promise is None:
        return 0.0
    return outcome.promise.expected(metrics["train_error"])


def advice_words(
    population: Population,
    action: str | None,
    ratio: float,
    outcome: Outcome | None,
    metrics: Mapping[str, float],
    noise: float,
    why: tuple[Reason, ...],
) -> str:
    """Return the advice, or why there is none, as a sentence."""
    if why:
        said = " ".join(f"{one.sentence[0].upper()}{one.sentence[1:]}" for one in why)
        return f"No diagnosis by {population.name}. {said}"
    assert outcome is not None
    record, promise = outcome.precision, outcome.promise
    worth = f"right {record.right} of {record.given} times ({record.interval.words(2)})"
    if action is None:
        return (
            f"{NO_FAILURE[0].upper()}{NO_FAILURE[1:]}: no change of one hyperparameter is expected "
            f"to gain more than the seed noise of {noise:.2f} points; said of configurations "
            f"whose cell was held out, this was {worth}."
        )
    times = f", about {ratio_words(ratio)} times" if ratio != 1 else ""
    assert promise is not None
    if "temperature" in action:
        low, high = (f(population.table["temperature"]) for f in (min, max))
        times += (
            f" (but not beyond {low:.3g} to {high:.3g} of learning rate over batch size: the "
            "population has nothing there)"
        )
    spread = "" if math.isnan(promise.spread) else f" (single ones spread by {promise.spread:.1f})"
    return (
        f"Advice: {_HOW[action]}{times}. Expected: {expected_of(outcome, metrics):+.1f} points of "
        f"test accuracy{spread}. Given to configurations whose cell was held out, it gained "
        f"{outcome.gain.words(1)} points ({outcome.gain.seeds} cells), and more than the seed "
        f"noise of {noise:.2f} points in {record.right} of {record.given} "
        f"({record.interval.words(2)})."
    )


def ratio_words(ratio: float) -> str:
    """Return the factor on a hyperparameter as text.

    >>> ratio_words(0.12345), ratio_words(100.0), ratio_words(1234.5)
    ('0.12', '100', '1234')
    """
    return f"{ratio:.2g}" if ratio < 100 else f"{ratio:.0f}"


def grounds(
    diagnoses: Sequence[Diagnosis], cv_scores: Mapping[str, CVScore], action: str | None
) -> list[str]:
    """The advised question first, whole; then the others."""
    wanted = _QUESTION_OF.get(action or "", "temperature")
    lines: list[str] = []
    for found in sorted(diagnoses, key=lambda found: found.question != wanted):
        lines += [f"{found.question.capitalize()}: {found.sentences[0]}", *found.sentences[1:4]]
        lines.append(cv_scores[found.question].words())
    return lines
