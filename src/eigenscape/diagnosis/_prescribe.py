"""Diagnosing one model with every question that it and a population can answer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from eigenscape.diagnosis._abstain import Reason, kin_reasons, proven, size_reasons, unchecked
from eigenscape.diagnosis._advice_score import AdviceScore, Outcome, advice_score
from eigenscape.diagnosis._cv_score import CVScore, asked_questions, cv_score, held_out, noise_of
from eigenscape.diagnosis._diagnosis import Diagnosis, diagnose, withheld
from eigenscape.diagnosis._fingerprint import Fingerprint
from eigenscape.diagnosis._health import check_health
from eigenscape.diagnosis._metrics import Protocol
from eigenscape.diagnosis._policy import NOTHING, Advice, advise
from eigenscape.diagnosis._population import Population
from eigenscape.diagnosis._prescription import (
    Prescription,
    advice_words,
    expected_of,
    grounds,
    ratio_words,
)
from eigenscape.diagnosis._tree import MDTree, clear_labels
from eigenscape.errors import InputError
from eigenscape.results import Environment


class _Fitted(NamedTuple):
    """What does not depend on the model.

    Args:
        trees: question to its tree.
        scores: question to its score.
        told: the places of the leaves whose answer is told.
        worth: what following the advice gained.
        notes: what was left out, and what is wrong with the population.
    """

    trees: dict[str, MDTree]
    scores: dict[str, CVScore]
    told: list[str]
    worth: AdviceScore | None
    notes: list[str]


def _fit(
    population: Population,
    questions: Sequence[str],
    variant: str,
    search: str | None,
    noise: float,
) -> _Fitted:
    folds = held_out(population, questions, variant, search)
    trees: dict[str, MDTree] = {}
    scores: dict[str, CVScore] = {}
    notes: list[str] = []
    for question in questions:
        kind = variant if question == "temperature" else "peak"
        try:
            clear_labels(population, question)
        except InputError as error:
            if question == "temperature":
                raise
            notes.append(f"{question}: not asked ({error})")
            continue
        trees[question] = MDTree.fit(population, question=question, variant=kind, search=search)
        scores[question] = cv_score(population, question, variant=kind, folds=folds, noise=noise)
        notes += check_health(population, question).problems
    told = [
        record.statement
        for score in scores.values()
        if score.better
        for record in score.leaves
        if record.printed
    ]
    return _Fitted(trees, scores, told, advice_score(population, folds, noise, told), notes)


def prescribe(
    population: Population,
    metrics: Mapping[str, float],
    *,
    protocol: Protocol | None = None,
    sizes: Mapping[str, float] | None = None,
    fingerprint: Fingerprint | None = None,
    search: str | None = None,
    seed_noise: float | None = None,
    on_mismatch: Literal["refuse", "warn"] = "refuse",
) -> Prescription:
    """Diagnose one model by a population, with every question that both can answer.

    With the metrics of a pair of networks the full trees are asked; of one network, the temperature
    tree that needs no pair (its leaf tells what widening and more data gained, too). The
    temperature tree names a direction; the trees for width and data count where they name
    their own knob. Of these actions the one of the largest gain is advised, if that is above the
    seed noise.

    No verdict is given, and :attr:`Prescription.abstained` says why, where the model is of another
    architecture, was trained on other data, or lies outside the population's range; where no tree
    has a verdict (:func:`diagnose`); and where the same advice was not right often enough on cells
    that its trees had not seen (:attr:`eigenscape.stats.Precision.printed`).

    Args:
        population: trained on the same data and model family.
        metrics: of the model, by the names of ``METRICS``.
        protocol: how they were measured; None where that is not stated, and then not checked.
        sizes: ``data_amount``, ``para_amount`` and ``temperature`` (learning rate over batch size)
            of the model, those that are known: a population without anything larger cannot tell
            what more data, or a wider network, would gain.
        fingerprint: of the model and its data (:func:`measure`); None where it is not known, and
            then not checked.
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
            f"{population.name} has one temperature (learning rate / batch size), so it "
            "cannot tell whether another is better. "
            "Try: train a population with three temperatures or more"
        )
    noise = noise_of(population) if seed_noise is None else seed_noise
    key = (questions, variant, search, noise)
    fitted = population.fits.get(key)
    if not isinstance(fitted, _Fitted):
        fitted = population.fits[key] = _fit(population, *key)
    diagnoses = [
        diagnose(
            tree,
            metrics,
            score=fitted.scores[question],
            protocol=protocol,
            on_mismatch=on_mismatch,
        )
        for question, tree in fitted.trees.items()
    ]
    sizes = sizes or {}
    alien = (
        *kin_reasons(population, fingerprint),
        *size_reasons(population, sizes),
        *_once(one for found in diagnoses for one in found.abstained if one.kind == "range"),
    )
    ends = _at_the_end(population, sizes)
    leaves = {found.question: found.leaf for found in diagnoses if found.leaf is not None}
    advice = advise(leaves, noise, ends, fitted.told)
    outcome = None if fitted.worth is None else fitted.worth.of(advice)
    why = alien or _unproven(advice, outcome, diagnoses, metrics, noise)
    diagnoses = [withheld(found, alien) for found in diagnoses]
    action = None if why or advice.action == NOTHING else advice.action
    ratio, limited = _within(population, action, advice.ratio, sizes)
    notes = [*population.notes, *unchecked(population, fingerprint), *fitted.notes]
    notes += [*ends.values(), *limited]
    if not pair:
        notes.append(
            "one network: no connectivity, so the temperature tree without it was asked, and its "
            "leaf speaks for width and data; a second network from another seed adds the trees "
            "for these"
        )
    return Prescription(
        environment=Environment.capture(),
        population=population.name,
        metrics=dict(metrics),
        diagnoses=tuple(diagnoses),
        cv_scores=fitted.scores,
        abstained=why,
        action=action,
        ratio=ratio,
        outcome=outcome,
        score=fitted.worth,
        seed_noise=noise,
        notes=tuple(dict.fromkeys(notes)),
        sentences=(
            advice_words(population, action, ratio, outcome, metrics, noise, why),
            *([fitted.worth.words()] if fitted.worth else []),
            *grounds(diagnoses, fitted.scores, action),
        ),
    )


def _once(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Return every reason once."""
    return tuple({one.words: one for one in reasons}.values())


def _unproven(
    advice: Advice,
    outcome: Outcome | None,
    diagnoses: Sequence[Diagnosis],
    metrics: Mapping[str, float],
    noise: float,
) -> tuple[Reason, ...]:
    """Return why an advice is not given, apart from what the model is."""
    more = "a population of more cells (widths and amounts of data)"
    if advice.action is None:
        found = _once(one for asked in diagnoses for one in asked.abstained)
        if found:
            return found
        words = "no change that a tree's answer names gained more than the seed noise in its leaf"
        return (Reason(kind="outcome", words=words, remedy=more),)
    what = (
        "that nothing is to be changed"
        if advice.action == NOTHING
        else f"to {advice.action} in such a model ({advice.place})"
    )
    if outcome is None:
        return (
            Reason(
                kind="outcome",
                words=f"{what} was said of no configuration whose cell was held out",
                remedy=more,
            ),
        )
    found = proven(outcome.precision, what, more)
    expected = expected_of(outcome, metrics)
    if found or advice.action == NOTHING or expected >= noise:
        return found
    words = (
        f"{what} changed held-out configurations by {outcome.gain.words(2)} points, and is "
        f"expected to gain {expected:.2f} here, below the seed noise of {noise:.2f}"
    )
    return (Reason(kind="outcome", words=words, remedy=more),)


def _within(
    population: Population, action: str | None, ratio: float, sizes: Mapping[str, float]
) -> tuple[float, list[str]]:
    """Return a factor on the temperature that does not lead out of the population."""
    if action is None:
        return math.nan, []
    if "temperature" not in action or "temperature" not in sizes:
        return ratio, []
    own = sizes["temperature"]
    low, high = (float(f(population.table["temperature"])) for f in (min, max))
    inside = min(max(own * ratio, low), high) / own
    if math.isclose(inside, ratio):
        return ratio, []
    return inside, [
        f"{action}: by {ratio_words(inside)} and not by {ratio_words(ratio)}, since that would "
        "lead out of the population's range"
    ]


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
