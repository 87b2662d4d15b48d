"""The validation of verdicts: truths of known outcomes, a choice that sees one half, judgements."""

import json
from dataclasses import replace

import numpy as np
import pytest

from eigenscape.spectra import precisions
from eigenscape.stats import Precision, share
from eigenscape_studies import get_study
from eigenscape_studies.verdicts import _choice
from eigenscape_studies.verdicts._choice import choose_all, committed, from_plain, to_plain
from eigenscape_studies.verdicts._families import FAMILIES
from eigenscape_studies.verdicts._judge import judged
from eigenscape_studies.verdicts._measure import METRICS
from eigenscape_studies.verdicts._plan import ARMS, REGIMES, VerdictsPlan
from eigenscape_studies.verdicts._precisions import LOOKS, SAYS, held_back, shipped_text
from eigenscape_studies.verdicts._rules import Cut, Rule, fitted, lower_limits
from eigenscape_studies.verdicts._truth import (
    LAYER_STATEMENTS,
    STATEMENTS,
    Outcomes,
    repeat_noise,
    truths,
)

# ---- truths


def outcomes(spread=0.01, noise=0.0, **means):
    """Losses around means; what is not named is as good as the checkpoint."""
    wobble = np.random.default_rng(0).normal(0, spread, 200)
    names = ("checkpoint", "earlier", *ARMS)
    values = {name: means.get(name.replace(" ", "_"), means["checkpoint"]) for name in names}
    rows = {name: np.full((2, 200), value) + wobble for name, value in values.items()}
    return Outcomes(rows, dict.fromkeys(ARMS, noise))


def true_of(**means):
    return {name for name, true in truths(outcomes(**means)).items() if true}


def test_what_would_have_helped_is_what_is_true():
    assert true_of(checkpoint=1.0) == {"well trained"}
    assert true_of(checkpoint=1.0, same=0.5, higher=0.5) == {"under-trained", "train longer"}
    assert true_of(checkpoint=1.0, far_higher=0.5) == {"under-trained", "raise the rate"}
    assert true_of(checkpoint=1.0, lower=0.5) == {"rate too high", "lower the rate or stop earlier"}
    assert true_of(checkpoint=1.0, earlier=0.5) == {"over-fitted", "lower the rate or stop earlier"}
    assert true_of(checkpoint=1.0, more_data=0.5) == {"too few data", "more data", "well trained"}
    assert true_of(checkpoint=1.0, no_decay=0.5) == {"decay too large"}


def test_an_earlier_moment_and_training_on_are_compared():
    """Training on helps an over-fitted network less than an earlier moment did."""
    assert "under-trained" not in true_of(checkpoint=3.0, earlier=1.0, same=2.5)
    assert "over-fitted" in true_of(checkpoint=3.0, earlier=1.0, same=2.5)
    assert "over-fitted" not in true_of(checkpoint=3.0, earlier=1.5, same=1.0)


@pytest.mark.parametrize(
    ("gain", "spread", "noise", "better"),
    [
        (0.02, 0.01, 0.0, False),  # below 3 % of 1
        (0.04, 0.01, 0.0, True),
        (0.04, 0.01, 0.001, False),  # two errors of repeats: 2 sqrt(.001 / 2) = .045
        (0.05, 0.01, 0.001, True),
    ],
)
def test_a_gain_is_beyond_noise_and_the_threshold(gain, spread, noise, better):
    made = outcomes(spread=spread, noise=noise, checkpoint=1.0, same=1.0 - gain)
    assert made.better("same", "checkpoint") is better


def test_small_losses_need_a_hundredth_of_a_nat():
    assert not outcomes(spread=0, checkpoint=0.02, same=0.011).better("same", "checkpoint")
    assert outcomes(spread=0, checkpoint=0.03, same=0.019).better("same", "checkpoint")


def test_scatter_over_examples_counts():
    """The paired differences scatter: the mean of 50 of them has an error of about .14."""
    rng = np.random.default_rng(0)
    losses = {"a": rng.normal(1.0, 1.0, (1, 50)), "b": rng.normal(1.1, 0.01, (1, 50))}
    assert not Outcomes(losses, {}).better("a", "b")


def test_divergence_is_never_better():
    losses = {"a": np.full((2, 9), np.inf), "b": np.full((1, 9), 1.0)}
    found = Outcomes(losses, {"a": 0.0})
    assert (found.better("a", "b"), found.better("b", "a"), found.better("a", "a")) == (
        False,
        True,
        False,
    )


def test_noise_is_pooled_and_leaves_divergence_out():
    one = {arm: [np.array([1.0]), np.array([2.0])] for arm in ARMS}  # variance .5
    two = {arm: [np.array([1.0]), np.array([4.0])] for arm in ARMS}  # variance 4.5
    bad = {arm: [np.array([1.0]), np.array([np.nan])] for arm in ARMS}
    assert repeat_noise([one, two, bad])["same"] == 2.5


# ---- rules and their choice

FEW = ("spikes", "log_norm")


def rows_of(count=60, seed=0, half="building", informative="median spikes"):
    """Networks of three families, of which one number tells every truth but for a few."""
    rng = np.random.default_rng(seed)
    names = [f"{how} {name}" for name in METRICS for how in ("median", "min", "max")]
    rows = []
    for place in range(count):
        numbers = dict(zip(names, rng.normal(size=len(names)), strict=True))
        truth = bool(numbers[informative] + rng.normal(0, 0.2) > 0)
        rows.append(
            {
                "half": half,
                "family": f"{half} {place % 3}",
                "numbers": numbers,
                "truths": dict.fromkeys(STATEMENTS, truth),
                "first wave": ("under-trained",) if place % 2 else (),
            }
        )
    return rows


def layers_of(count=60, seed=1, half="building"):
    rng = np.random.default_rng(seed)
    rows = []
    for place in range(count):
        numbers = {name: float(rng.normal()) for name in ("largest dispersion", *METRICS)}
        truth = numbers["largest dispersion"] < 0
        kept = {"half": half, "family": f"{half} {place % 3}", "numbers": numbers}
        rows.append(
            kept | {"truths": dict.fromkeys(LAYER_STATEMENTS, truth), "first wave": ()},
        )
    return rows


@pytest.fixture(scope="module")
def choices():
    """What a few of the numbers choose."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_choice, "METRICS", FEW)
        yield choose_all(rows_of(), layers_of())


def test_the_informative_number_is_found(choices):
    rule = choices["under-trained"]["chosen"].rule
    assert "median spikes" in {cut.number for cut in rule.cuts}
    (cut,) = choices["at its random start"]["chosen"].rule.cuts
    assert (cut.number, cut.above) == ("largest dispersion", False)
    assert abs(cut.threshold) < 0.2


def test_the_choice_never_sees_the_held_back_half(choices):
    poison = rows_of(seed=5, half="held back", informative="median log_norm")
    layers = layers_of(seed=6, half="held back") + layers_of()
    assert to_plain(choose_all(poison + rows_of(), layers)) == to_plain(choices)


def test_a_rule_with_no_number_says_nothing():
    rule = Rule((Cut("x", True, 1.0), Cut("y", False, 1.0)))
    assert rule.says({"numbers": {"x": 2.0, "y": 0.0}})
    assert not rule.says({"numbers": {"x": 2.0, "y": 2.0}})
    assert not rule.says({"numbers": {"x": float("nan"), "y": 0.0}})
    assert Rule(()).says({"numbers": {}})


def test_a_rule_that_would_speak_too_rarely_is_not_fitted():
    rows = [{"numbers": {"x": float(x)}, "truths": {"t": x == 19}} for x in range(20)]
    assert fitted(rows, "t", (("x", True),)).words() == "x above 15.5"
    assert fitted(rows[:3], "t", (("x", True),)) is None


def test_lower_limits_are_wilsons():
    right, given = np.array([0, 3, 8, 10]), np.array([4, 9, 10, 10])
    expected = [share(int(r), int(n)).low for r, n in zip(right, given, strict=True)]
    assert lower_limits(right, given) == pytest.approx(expected)


def test_choices_are_written_and_read(choices):
    plain = json.loads(json.dumps(to_plain(choices)))
    assert to_plain(from_plain(plain)) == to_plain(choices)


# ---- judgement


def test_counts_are_of_each_half_and_family(choices):
    held = rows_of(30, seed=3, half="held back")
    found = judged(rows_of() + held, choices)
    row = held_back(found, "under-trained", "constant")
    positives = sum(each["truths"]["under-trained"] for each in held)
    assert (row.given, row.right, row.networks) == (30, positives, 30)
    assert (row.recall, row.coverage, row.precision) == (1.0, 1.0, row.base_rate)
    assert row.families == ("held back 0", "held back 1", "held back 2")
    first = held_back(found, "under-trained", "first wave")
    assert first.given == 15
    parts = [
        each["given"]
        for each in found
        if (each["contender"], each["statement"]) == ("first wave", "under-trained")
        and each["half"] == "held back"
    ]
    assert parts[0] == sum(parts[1:])


# ---- what ships


def test_committed_rules_cover_every_statement():
    assert set(committed()) == {*STATEMENTS, *LAYER_STATEMENTS}


def test_the_shipped_table_is_of_the_committed_rules():
    chosen = [row for row in precisions() if row.rule != "the labels of the first wave"]
    assert [row.statement for row in chosen] == list(SAYS)
    for row in chosen:
        assert row.rule == committed()[row.statement]["chosen"].rule.words()
    assert {row.looks for row in precisions()} == {LOOKS}


# given, right and true of all, on 54 networks and 486 layers of the held-back half
RECORD = (
    ("under-trained", 7, 6, 24),
    ("over-fitted", 14, 2, 6),
    ("rate too high", 2, 1, 1),
    ("too few data", 23, 2, 11),
    ("decay too large", 2, 2, 6),
    ("well trained", 0, 0, 20),
    ("train longer", 7, 5, 20),
    ("raise the rate", 4, 4, 9),
    ("lower the rate or stop earlier", 14, 2, 7),
    ("more data", 23, 2, 11),
    ("at its random start", 38, 14, 14),
    ("near its random start", 38, 20, 20),
    ("under-trained", 26, 15, 24),
    ("over-fitted", 25, 4, 6),
    ("rate too high", 25, 1, 1),
    ("well trained", 3, 2, 20),
    ("train longer", 26, 13, 20),
    ("raise the rate", 26, 7, 9),
    ("lower the rate or stop earlier", 25, 5, 7),
    ("at its random start", 41, 14, 14),
    ("near its random start", 41, 20, 20),
)


def test_the_shipped_table_is_what_was_measured():
    """A second record of the counts: what is quoted, and what ships, follow from these alone."""
    assert len(precisions()) == len(RECORD)
    for row, (statement, *counts) in zip(precisions(), RECORD, strict=True):
        assert (row.statement, row.given, row.right, row.positives) == (statement, *counts)
        assert row.networks == (486 if row.unit == "layers" else 54)
        assert row.says == SAYS[row.statement]
        if row.given:
            found = share(row.right, row.given)
            assert (row.precision, row.low, row.high) == found[:3]
            assert row.passes == (found.mean >= 0.8 and found.low >= 0.6)
    assert not any(row.printed or row.passes for row in precisions())


def test_only_a_first_look_is_printed():
    counts = {"given": 20, "right": 19, "positives": 20, "networks": 40}
    first = Precision(statement="x", kind="action", says="Do x.", families=("a",), **counts)
    assert first.printed
    second = replace(first, looks=2)
    assert second.passes
    assert not second.printed


# ---- the study


@pytest.fixture
def tiny(monkeypatch):
    """Both families train for a few steps, and the second stands for the held-back half."""
    other = replace(FAMILIES["tabular mlp"], half="held back")
    monkeypatch.setitem(FAMILIES, "tabular mlp", other)
    plan = VerdictsPlan(seeds=(0, 1), families=("digits mlp", "tabular mlp"), length=0.01, real=())
    return replace(get_study("verdicts"), scales={"small": plan})


@pytest.mark.slow
def test_the_study_runs_end_to_end_and_resumes(tiny, tmp_path):
    result = tiny.run(folder=tmp_path, engine="threads")
    again = tiny.run(folder=tmp_path, engine="threads")
    assert len(result.table("networks")) == 2 * 2 * len(REGIMES)
    assert result.claims == again.claims
    assert {row["half"] for row in result.table("judgement").to_dict("records")} == {
        "building",
        "held back",
    }
    shipped = json.loads(shipped_text(result))["rows"]
    assert [row["statement"] for row in shipped][: len(SAYS)] == list(SAYS)
    layers = result.table("layers")
    assert (layers.loc[layers["frozen"], "moved"] == 0).all()
    assert layers.loc[layers["regime"] == "dead rows", "zero rows"].max() == 0.5
    assert "Verdicts" in tiny.html(result)


@pytest.mark.study
def test_the_small_scale(tmp_path):
    result = get_study("verdicts").run("small", folder=tmp_path)
    assert len(result.table("networks")) == 72
