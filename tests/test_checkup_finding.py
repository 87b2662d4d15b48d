"""Findings: what a statement rests on, and advices that contradict each other."""

from __future__ import annotations

import itertools

import pytest

from eigenscape.checkup import reconciled
from eigenscape.errors import InputError
from eigenscape.results import Finding
from eigenscape.stats import Precision


def precision(right: int, given: int = 20) -> Precision:
    return Precision(
        statement="hot",
        kind="diagnosis",
        says="The learning rate was too large.",
        given=given,
        right=right,
        positives=20,
        networks=40,
        families=("mlp",),
    )


def advice(basis: str, direction: str, knob: str = "learning rate", right: int = 0) -> Finding:
    """An advice; of a diagnosis, right so often of twenty."""
    return Finding(
        text=f"{basis} {right}: {direction} the {knob}.",
        basis=basis,
        precision=precision(right) if basis == "diagnosis" else None,
        knob=knob,
        direction=direction,
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"text": ""}, "no text"),
        ({"basis": "hunch"}, "'hunch'; expected one of measurement"),
        ({"basis": "diagnosis"}, "need each other"),
        ({"precision": precision(3)}, "need each other"),
        ({"knob": "rate"}, "a direction"),
        ({"direction": "raise"}, "a direction"),
        ({"basis": "description", "knob": "rate", "direction": "raise"}, "gives no advice"),
    ],
)
def test_a_finding_without_its_basis_is_refused(fields, said):
    with pytest.raises(InputError, match=said):
        Finding(**{"text": "It is so.", "basis": "measurement", **fields})


def test_the_better_founded_of_two_opposite_advices_stays_and_comes_first():
    other = Finding(text="Loss 0.3.", basis="measurement")
    ranked = [
        advice("measurement", "raise"),
        advice("diagnosis", "raise", right=19),
        advice("diagnosis", "raise", right=17),
        advice("guess", "raise"),
    ]
    for better, worse in itertools.combinations(ranked, 2):
        against = Finding(**{**vars(worse), "text": "the other way", "direction": "lower"})
        for order in ((other, against, better), (better, other, against)):
            found = reconciled(order)
            assert found[0] is better
            assert against not in found
            assert "to lower" in found[1].text
            assert "to raise it counts more" in found[1].text
            assert found[2:] == (other,)


def test_equally_founded_contradictions_are_both_left_out():
    up, down = advice("guess", "raise"), advice("guess", "lower")
    (said,) = reconciled((up, down))
    assert "contradict each other" in said.text
    assert said.basis == "description"


def test_what_does_not_contradict_is_left_as_it_is():
    findings = (
        Finding(text="Loss 0.3.", basis="measurement"),
        advice("guess", "raise"),
        advice("measurement", "raise"),
        advice("guess", "longer", knob="training"),
    )
    assert reconciled(findings) == findings


def test_no_two_opposite_advices_are_left():
    kinds = [("measurement", 0), ("diagnosis", 18), ("guess", 0)]
    for first, second, third in itertools.product(kinds, repeat=3):
        given = [
            advice(first[0], "raise", right=first[1]),
            advice(second[0], "lower", right=second[1]),
            advice(third[0], "lower", right=third[1]),
        ]
        left = [found.direction for found in reconciled(given) if found.is_advice]
        assert len(set(left)) <= 1
