"""Where no verdict is given, and why: both sides of every border; the two known false diagnoses."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from eigenscape.checkup import checkup
from eigenscape.diagnosis import (
    GrowPlan,
    MDTree,
    MeasureOptions,
    Population,
    check_health,
    cv_score,
    diagnose,
    fingerprint_of,
    measure,
    prescribe,
    train_population,
)
from eigenscape.diagnosis._abstain import (
    leaf_reasons,
    metric_reasons,
    proven,
    size_reasons,
    tree_reasons,
    unchecked,
)
from eigenscape.diagnosis._cv_score import ahead_of
from eigenscape.diagnosis._policy import FEWEST, NOTHING, Advice, advise
from eigenscape.diagnosis._promise import Followed, Promise, calibration, promises, shrunk
from eigenscape.errors import InputError
from eigenscape.models import Objective
from eigenscape.stats import Interval, Precision
from eigenscape.zoo import MLP, digits
from tests._grow_family import family
from tests._properties import examples
from tests.test_diagnosis import small_table
from tests.test_diagnosis_prescription import leaf


def record(right, given, networks=50):
    return Precision(
        statement="s",
        kind="diagnosis",
        says="It is.",
        given=given,
        right=right,
        positives=right,
        networks=networks,
        families=("f",),
    )


@pytest.fixture(scope="module")
def population():
    return Population.from_frame(small_table(), name="small", protocol={"classes": 10})


# borders ------------------------------------------------------------------------------------------


def test_six_is_the_fewest_of_which_an_answer_can_be_told():
    assert FEWEST == 6
    assert not record(FEWEST - 1, FEWEST - 1).printed
    assert record(FEWEST, FEWEST).printed


@pytest.mark.parametrize(
    ("size", "right", "given", "kinds"),
    [
        (0, 0, 0, ["leaf"]),
        (5, 30, 30, ["leaf"]),
        (30, 5, 5, ["leaf"]),
        (6, 6, 6, []),
        (30, 24, 30, []),  # .80 [.63, .90]
        (30, 23, 30, ["leaf"]),  # .77
        (10, 8, 10, ["leaf"]),  # .80 [.49, .94]
    ],
)
def test_a_thin_leaf_or_a_poor_answer_is_no_verdict(size, right, given, kinds):
    found = leaf_reasons(leaf("small", size=size), record(right, given))
    assert [why.kind for why in found] == kinds
    if kinds and min(size, given) < FEWEST:
        assert f"{size} configurations" in found[0].words
        assert f"{given} of those held out" in found[0].words
    elif kinds:
        assert f"{right} of {given}" in found[0].words


def test_nothing_wrong_needs_a_leaf_and_a_precision_of_its_own():
    good, poor, few = record(30, 30), record(20, 30), record(5, 5)
    assert leaf_reasons(leaf("small", size=30), poor, good) == ()
    assert [why.kind for why in leaf_reasons(leaf("small", size=30), good, poor)] == ["outcome"]
    assert [why.kind for why in leaf_reasons(leaf("small", size=5), good, good)] == ["leaf"]
    assert [why.kind for why in leaf_reasons(leaf("small", size=30), few, good)] == ["leaf"]


@pytest.mark.parametrize(("low", "better"), [(-0.1, False), (0.0, False), (0.1, True)])
def test_a_tree_must_be_told_from_the_constant_answer(population, low, better):
    score = replace(cv_score(population), ahead=Interval(4.0, low, 8.0, 6))
    assert score.better is better
    assert [why.kind for why in tree_reasons(score)] == ([] if better else ["tree"])
    assert ("not better" in score.words()) is not better
    assert [why.kind for why in tree_reasons(None)] == ["untested"]


def test_the_difference_to_the_constant_is_by_cells():
    right = np.array([1, 1, 1, 0, 1, 1], dtype=bool)
    always = np.array([0, 1, 0, 0, 1, 0], dtype=bool)
    found = ahead_of(right, always, np.array([3, 3, 3, 7, 7, 7]))
    assert found.mean == pytest.approx(100 * (right.mean() - always.mean()))
    assert found.seeds == 2
    # two cells, differences 2 and 1 of three: mean 50 %, standard error 50 / 3 points, t(1) = 12.7
    assert found.high - found.mean == pytest.approx(12.7062 * 50 / 3, rel=1e-4)
    same = ahead_of(right, right, np.arange(6))
    assert not same.low > 0


def test_metrics_at_the_end_of_the_range_are_inside(population):
    tree = MDTree.fit(population)
    ends = dict(tree.ranges)
    for name, (low, high) in ends.items():
        middle = {key: (a + b) / 2 for key, (a, b) in ends.items()}
        for value, outside in ((low, 0), (high, 0), (low - 1e-9, 1), (high + 1e-9, 1)):
            found = metric_reasons(tree, {**middle, name: value})
            assert len(found) == outside


@given(st.integers(5, 60), st.integers(0, 10_000))
@examples(5)
def test_one_more_lies_outside_with_two_in_n_plus_one(count, seed):
    draws = np.random.default_rng(seed).standard_normal((4000, count + 1))
    new, old = draws[:, 0], draws[:, 1:]
    outside = ((new < old.min(axis=1)) | (new > old.max(axis=1))).mean()
    expected = 2 / (count + 1)
    assert abs(outside - expected) < 5 * math.sqrt(expected / 4000)


@pytest.mark.parametrize(
    ("sizes", "count"),
    [
        ({}, 0),
        ({"data_amount": 200.0, "para_amount": 50.0, "temperature": 1 / 16}, 0),
        ({"data_amount": 99.0}, 1),
        ({"data_amount": 201.0}, 1),
        ({"para_amount": 49.0}, 1),
        ({"para_amount": 801.0, "data_amount": 1e9}, 2),
        ({"temperature": 1 / 17}, 0),
        ({"temperature": 1 / 257}, 1),
        ({"temperature": 1 / 15}, 1),
    ],
)
def test_sizes_beyond_the_population(population, sizes, count):
    table = population.table
    known = population.with_table(
        table.assign(data_amount=100 * table["data"], para_amount=3.125 * table["width"] ** 2)
    )
    found = size_reasons(known, sizes)
    assert [why.kind for why in found] == ["range"] * count
    assert size_reasons(population, {"data_amount": 1e9}) == ()  # the table does not have it


def test_an_outcome_must_have_been_right_often_enough():
    assert proven(record(24, 30), "it", "more") == ()
    (why,) = proven(record(23, 30), "it", "more")
    assert "right for 23 of 30" in why.words
    (why,) = proven(record(0, 0), "it", "more")
    assert "for no held-out" in why.words


# advice -------------------------------------------------------------------------------------------


def test_nothing_is_advised_where_no_change_gained():
    quiet = leaf("small", **{"raise temperature": 0.4, "widen": 0.5})
    assert advise({"temperature": quiet}, 0.6).action == NOTHING
    assert advise({"temperature": quiet}, 0.5).action == "widen"
    assert advise({"temperature": quiet}, 0.5, without=["widen"]).action == NOTHING
    assert advise({"temperature": leaf("small", size=5)}, 0.6).action is None
    gone = leaf("small", **dict.fromkeys(quiet.gains, math.nan))
    assert advise({"temperature": gone}, 0.6).action is None


def test_only_a_leaf_whose_answer_is_told_names_its_action():
    hot = leaf("large", **{"lower temperature": 3.0})
    narrow = leaf("width", widen=2.0)
    leaves = {"temperature": hot, "width": narrow}
    assert advise(leaves, 1.0).action == "lower temperature"
    assert advise(leaves, 1.0, told=["width: "]).action == "widen"
    assert advise(leaves, 1.0, told=[]) == Advice(None, math.nan, math.nan)


# promises -----------------------------------------------------------------------------------------


def group(cells, gains, errors):
    return Followed(
        np.array(gains, dtype=float), np.array(errors, dtype=float), np.array(cells, dtype=int)
    )


def test_a_promise_is_a_line_in_the_training_error_around_a_shrunken_mean():
    cells = [0, 0, 1, 1, 2, 2]
    errors = [0, 10, 2, 12, 4, 14]
    one = group(cells, [1 + 0.5 * e for e in errors], errors)
    (found,) = promises([one])
    assert found.slope == pytest.approx(0.5)
    assert found.expected(8.0) == pytest.approx(5.0)
    assert found.expected(1000.0) == pytest.approx(8.0)  # no more than was seen
    assert found.expected(-1000.0) == pytest.approx(1.0)
    assert found.spread == pytest.approx(0.0, abs=1e-6)
    few = group(cells[:5], one.gains[:5], errors[:5])
    assert promises([few])[0].slope == 0
    two_cells = group([0, 0, 0, 1, 1, 1], one.gains, errors)
    assert promises([two_cells])[0].slope == 0


@given(st.integers(0, 10_000), st.floats(0.1, 50))
@examples(20)
def test_shrunken_means_lie_between_their_own_and_the_mean_of_all(seed, apart):
    rng = np.random.default_rng(seed)
    groups = [rng.normal(apart * rng.standard_normal(), 1.0, n) for n in (3, 6, 12)]
    found, own = np.array(shrunk(groups)), np.array([g.mean() for g in groups])
    middle = np.concatenate(groups).mean()
    assert np.all(np.abs(found - middle) <= np.abs(own - middle) + 1e-9)
    assert np.all((found - middle) * (own - middle) >= -1e-9)
    moved = np.array(shrunk([5 + 2 * g for g in groups]))
    np.testing.assert_allclose(moved, 5 + 2 * found, rtol=1e-8, atol=1e-8)


def test_shrinkage_by_hand():
    # means 2 and 8 of two values each; within 2, between (18 * 2 / 1 ... ) by analysis of variance
    first, second = np.array([1.0, 3.0]), np.array([7.0, 9.0])
    within, apart, size = 2.0, 2 * 9 + 2 * 9, 2.0
    between = (apart - within) / size
    weight = between / (between + within / 2)
    assert shrunk([first, second]) == pytest.approx([5 - 3 * weight, 5 + 3 * weight])


def test_promises_that_are_kept_and_those_that_are_not():
    rng = np.random.default_rng(0)
    errors = rng.uniform(0, 20, 60)
    cells = np.repeat(np.arange(10), 6)
    kept = calibration([group(cells, 0.5 * errors + rng.normal(0, 0.5, 60), errors)])
    assert kept.low < 1 < kept.high
    assert kept.points == 60
    noise = calibration([group(cells, rng.normal(3, 5, 60), errors)])
    assert noise.low < 0.9
    assert math.isnan(calibration([group([0, 0], [1, 2], [1, 2])]).low)


# fingerprints -------------------------------------------------------------------------------------


def of(models, inputs=None, classes=3, loss=""):
    return fingerprint_of(
        models, torch.eye(8) if inputs is None else inputs, classes=classes, loss=loss
    )


def mlp(*widths, end=3, act=nn.ReLU):
    sizes = [8, *widths]
    parts = [p for a, b in itertools.pairwise(sizes) for p in (nn.Linear(a, b), act())]
    return nn.Sequential(*parts, nn.Linear(sizes[-1], end))


def test_an_architecture_is_its_shapes_up_to_the_width():
    known = of([mlp(4, 4), mlp(8, 8)])
    assert known.shapes == ("w0 x 8", "w0", "w0 x w0", "w0", "3 x w0", "3")
    same = (mlp(4, 4), mlp(5, 5), mlp(100, 100))
    assert all(known.architecture_differences(of([model])) == () for model in same)
    others = (mlp(4, 5), mlp(4), mlp(4, 4, 4), mlp(4, 4, act=nn.Tanh))
    assert all(known.architecture_differences(of([model])) for model in others)
    twice = of([mlp(4, 8), mlp(8, 16)])
    assert twice.shapes[2] == "w1 x w0"
    one = of([mlp(4, 4)])
    assert one.architecture_differences(of([mlp(5, 5)]))  # one width: any other is another network
    assert known.architecture_differences(of([mlp(4, 4)], classes=4))
    uneven = of([mlp(4), mlp(4, 4)])
    assert uneven.shapes == ()
    assert uneven.layers == ()


def test_the_loss_is_checked_where_both_are_known():
    known = of([mlp(4)], loss="cross-entropy")
    assert known.architecture_differences(of([mlp(4)])) == ()
    assert known.architecture_differences(of([mlp(4)], loss="cross-entropy")) == ()
    (found,) = known.architecture_differences(of([mlp(4)], loss="mse_loss"))
    assert "cross-entropy" in found


def test_data_are_the_same_examples_or_of_one_distribution():
    inputs = torch.randn(4000, 8, generator=torch.Generator().manual_seed(0)) + 1
    model = [mlp(4)]
    known = of(model, inputs[:2000])
    part = of(model, inputs[torch.randperm(2000)[:400]])
    found, reached = known.shared_examples(part)
    assert found == reached > 10
    assert known.data_differences(part) == ()
    near = of(model, inputs[:2000] * (1 + 1e-7))  # another kernel's last bits
    assert known.shared_examples(near)[0] > 0.9 * 128
    fresh = of(model, inputs[2000:])
    assert known.shared_examples(fresh)[0] == 0
    assert known.data_differences(fresh) == ()
    for other in (inputs[2000:] + 0.5, 1.5 * inputs[2000:], -inputs[2000:]):
        (words,) = known.data_differences(of(model, other))
        assert "0 of" in words
        assert "another" in words
    slight = of(model, inputs[2000:] + 0.01)
    assert known.data_differences(slight) == ()
    assert "shape" in known.data_differences(of(model, inputs[:, :7]))[0]


def test_real_data_of_one_kind_and_of_another():
    split = digits(test_fraction=0.5)
    model = [MLP(64, [4], 10)]
    known = of(model, split.train_inputs, 10)
    assert known.data_differences(of(model, split.test_inputs, 10)) == ()
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    assert known.data_differences(of(model, split.test_inputs[:, order], 10))


def test_a_fingerprint_goes_through_a_file_and_is_in_what_is_measured(population, tmp_path):
    inputs = torch.randn(40, 8)
    model = mlp(4)
    labels = torch.arange(40) % 3
    own = replace(population, fingerprint=of([mlp(4), mlp(8)], inputs))
    back = Population.load(own.save(tmp_path / "population.json"))
    assert back.fingerprint == own.fingerprint
    assert back.select(np.arange(len(back)) < 5).fingerprint == own.fingerprint
    quick = MeasureOptions(probes=2, hessian_samples=4)
    measured = measure(model, (inputs, labels), options=quick, loss=nn.functional.cross_entropy)
    assert measured.fingerprint.loss == "cross-entropy"
    assert own.fingerprint.architecture_differences(measured.fingerprint) == ()
    smooth = nn.CrossEntropyLoss(label_smoothing=0.3)
    again = measure(model, (inputs, labels), options=quick, loss=smooth)
    assert again.fingerprint.loss == "CrossEntropyLoss"
    assert measure(model, (inputs, labels), options=quick).fingerprint.loss == ""


def test_what_could_not_be_checked_is_said(population):
    (note,) = unchecked(population, None)
    assert "small does not state" in note
    own = replace(population, fingerprint=of([mlp(4)], loss="cross-entropy"))
    assert len(unchecked(own, None)) == 1
    assert unchecked(own, own.fingerprint) == ()
    assert "loss" in unchecked(own, of([mlp(4)]))[0]


# the two known false diagnoses --------------------------------------------------------------------


@pytest.fixture(scope="module")
def grown():
    task = family()
    quick = MeasureOptions(curve_steps=20, probes=4)
    plan = GrowPlan.of(task, data=(60, 120), rates=(0.02, 0.5, 20.0), measuring=quick)
    return train_population(task, plan, engine="threads", jobs=1)


def test_a_network_of_another_architecture_gets_no_advice(grown):
    """``checkup --probe`` said to raise the rate nine times, and to lower it, on one page."""
    torch.manual_seed(0)
    train = family().train.whole()
    deep = MLP(64, [6, 6], 10)
    page = checkup(
        deep, objective=Objective(deep, nn.functional.cross_entropy, train), population=grown
    )
    said = next(found for found in page.statements if "No diagnosis by" in found.text)
    assert "the model's architecture is another" in said.text.lower()
    assert "eigenscape diagnose grow" in said.text
    assert not said.is_advice
    assert not any(found.knob == "learning rate" for found in page.statements)
    prescription = page.around["Diagnosis"]
    assert prescription.verdict == "not known"
    assert prescription.abstained[0].kind == "architecture"
    for asked in prescription.diagnoses:  # nor does a tree of its own
        assert (asked.verdict, asked.action) == ("not known", None)
        assert asked.abstained[0].kind == "architecture"
    assert not any("Diagnosis:" in said for said in prescription.sentences)
    own = MLP(64, [6], 10)
    page = checkup(
        own, objective=Objective(own, nn.functional.cross_entropy, train), population=grown
    )
    kinds = [why.kind for why in page.around["Diagnosis"].abstained]
    assert "architecture" not in kinds
    assert "data" not in kinds


def cold_population():
    """Mostly too cold, and metrics that say nothing: the tree is no better than a constant."""
    rng = np.random.default_rng(4)
    rows = []
    for width, data, (place, rate) in itertools.product(
        (4, 8, 16), (100, 200, 400), enumerate((1e-4, 1e-3, 1e-2, 0.1, 1.0))
    ):
        rows.append(
            {
                "width": width,
                "data": data,
                "lr": rate,
                "test_acc": (10.0, 30.0, 60.0, 85.0, 70.0)[place] + rng.normal(0, 1),
                "test_acc_sd": 1.0,
                "train_error": rng.uniform(1, 60),
                "hessian_t": rng.uniform(2, 9),
            }
        )
    protocol = {"classes": 10, "seeds": 2, "curve_steps": 3}
    return Population.from_rows(rows, protocol=protocol, name="cold")


def test_an_empty_leaf_of_a_poor_tree_is_no_verdict():
    """``diagnose`` said that the temperature is too large, from a leaf of no configuration."""
    population = cold_population()
    tree = MDTree.fit(population, variant="one-checkpoint")
    score = cv_score(population, variant="one-checkpoint")
    assert score.accuracy <= score.majority == pytest.approx(75.0)
    assert score.balanced_accuracy < 60
    ends = tree.ranges
    inside = {name: (low + high) / 2 for name, (low, high) in ends.items()}
    large = [i for i, one in enumerate(tree.leaves) if one.label == "large"]
    assert len(large) == 1
    thin = tree.leaves[large[0]]
    assert thin.size < FEWEST
    model = {"train_error": ends["train_error"][1], "hessian_t": ends["hessian_t"][0]}
    assert tree.predict_one(model) == "large"
    found = diagnose(tree, model, score=score)
    assert found.verdict == "not known"
    assert found.action is None
    assert [why.kind for why in found.abstained] == ["tree", "leaf"]
    head = found.sentences[0]
    assert head.startswith("No verdict on the temperature.")
    assert f"{score.accuracy:.0f} % right (balanced {score.balanced_accuracy:.0f} %)" in head
    assert f"against {score.majority:.0f} % for always the same answer" in head
    assert f"{thin.size} configurations of the population are like this model" in head
    whole = prescribe(population, model)
    assert whole.verdict == "not known"
    assert math.isnan(whole.gain)
    assert whole.action is None
    assert whole.sentences[0].startswith("No diagnosis by cold.")
    assert inside


def test_a_note_over_a_population_says_what_its_table_says():
    (note,) = [one for one in check_health(cold_population()).problems if "near chance" in one]
    assert "9 of 45 configurations are near chance" in note
    assert "9 at temperatures below their cell's best (0.0001 to 0.0001)" in note
    assert "raise the lowest temperatures" in note
    assert "lower the highest" not in note
    table = cold_population().table
    hot = table.assign(test_acc=np.where(table["lr"] == 1.0, 10.0, table["test_acc"] + 40))
    hot["test_acc"] = hot["test_acc"].clip(upper=100)
    (note,) = [
        one
        for one in check_health(
            Population.from_frame(hot, protocol={"classes": 10}, name="hot")
        ).problems
        if "near chance" in one
    ]
    assert "above their cell's best (1 to 1)" in note
    assert "lower the highest temperatures" in note
    assert "raise the lowest" not in note


def test_a_file_whose_verdict_and_reasons_disagree_is_refused(population):
    found = prescribe(population, {"train_error": 6.0, "hessian_t": 4.5})
    with pytest.raises(InputError, match="abstains"):
        replace(found, abstained=(*proven(record(0, 0), "it", "more"),), action="widen")
    with pytest.raises(InputError, match="needs its outcome"):
        replace(found, abstained=(), outcome=None)
    tree = diagnose(
        MDTree.fit(population),
        {"train_error": 6.0, "mode_connectivity_peak": -3.0, "hessian_t": 4.5},
        score=cv_score(population),
    )
    with pytest.raises(InputError, match="reasons"):
        replace(tree, verdict="not known")


def test_a_promise_is_a_line():
    line = Promise(mean=1.0, slope=0.0, at=0.0, low=1.0, high=1.0, spread=math.nan)
    assert line.expected(50.0) == 1.0
