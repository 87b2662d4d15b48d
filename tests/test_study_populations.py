"""The studies on grown populations and planted faults: statistics, claims, pictures, refusals."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from eigenscape.diagnosis import Population, prescribe
from eigenscape.errors import InputError
from eigenscape.results import load
from eigenscape_studies import signed
from eigenscape_studies._data import mnist_family, mnist_part
from eigenscape_studies.md_tree_population import STUDY
from eigenscape_studies.md_tree_population._numbers import Numbers
from eigenscape_studies.md_tree_population._plan import (
    BASELINES,
    CARRIED,
    ONE,
    PAPER,
    TREE,
    PopulationPlan,
    family_of,
)
from eigenscape_studies.planted_faults import STUDY as FAULTS
from eigenscape_studies.planted_faults import _plan as fault_plan
from eigenscape_studies.planted_faults._tasks import Numbers as FaultNumbers
from eigenscape_studies.planted_faults._tasks import _changed, change_of
from tests._data import data_file
from tests.test_diagnosis import small_table

METHODS = (TREE, PAPER, ONE, *BASELINES, CARRIED, "permuted metrics", "majority")


def numbers(tree=90.0, validation=65.0, permuted=66.0, repeats=3):
    """Made-up scores: every method at 65 but the tree; seeds differ by a little."""
    rng = np.random.default_rng(0)
    given = {TREE: tree, "validation": validation, "permuted metrics": permuted}
    transfer = [
        {
            "setting": setting,
            "repeat": repeat,
            "method": method,
            "accuracy": given.get(method, 65.0) + rng.normal(0, 0.5),
            "balanced_accuracy": 60.0,
        }
        for setting in ("all", "narrow", "little data", "only wider", "only more data")
        for repeat in range(repeats)
        for method in METHODS
    ]
    few = [
        {
            "repeat": repeat,
            "cells": cells,
            "configurations": 5 * cells,
            "method": method,
            "accuracy": given.get(method, 65.0) - 20 / cells + rng.normal(0, 0.5),
        }
        for repeat in range(repeats)
        for cells in (1, 4)
        for method in (TREE, "validation", "free landscape")
    ]
    margin = [
        {"repeat": r, "low": low, "high": low + 1, "n": 10, "right": right}
        for r in range(repeats)
        for low, right in ((0, 6), (4, 10))
    ]
    health = [
        {
            "population": "clean 0",
            "configurations": 10,
            "inside": 0.9,
            "collapsed": 0.0,
            "small": 0.6,
            "large": 0.4,
            "seed_noise": 0.7,
        }
    ]
    policies = {
        "advice": 9.0,
        "advice, one checkpoint": 8.0,
        "by lot": 4.0,
        "best of each": 10.0,
        "always raise temperature": 2.0,
        "always lower temperature": 2.0,
        "always widen": 7.0,
        "always add data": 5.0,
    }
    advice = [
        {"repeat": repeat, "policy": name, "gain": gain + rng.normal(0, 0.1)}
        for repeat in range(repeats)
        for name, gain in policies.items()
    ]
    rows = {"transfer": transfer, "few": few, "margin": margin, "health": health, "advice": advice}
    return Numbers(repeats=repeats, networks=100, rows=rows)


def verdicts(found):
    return {claim.name: claim.verdict for claim in STUDY.judge(found, command="c", seeds=3)}


def test_claims_follow_the_scores():
    found = verdicts(numbers())
    assert found["from clean to noisy labels"] == "holds"
    assert found["few configurations"] == "holds"
    assert found["control: permuted"] == "holds"
    assert found["errors are where they cost little"] == "holds"
    assert found["the advice is worth following"] == "holds"
    null = verdicts(numbers(tree=65.0, permuted=90.0))
    assert null["from clean to noisy labels"] != "holds"
    assert null["control: permuted"] == "fails"
    assert verdicts(numbers(tree=50.0))["from clean to noisy labels"] == "fails"


def test_what_is_not_significant_is_called_so():
    claims = STUDY.judge(numbers(tree=65.0), command="c", seeds=3)
    claim = next(claim for claim in claims if claim.name == "from little data")
    assert "not significant" in claim.measured
    assert signed(numbers().gap("all", TREE, "validation")).startswith("+2")


def test_pictures_and_file(tmp_path):
    result = STUDY.result(STUDY.plan("small", 3), numbers(), scale="small", command="c")
    for figure, caption in STUDY.pictures(result).values():
        assert figure.axes
        assert "95 %" in caption
    assert load(result.save(tmp_path / "result.json")) == result


def test_no_two_repeats_share_an_image(monkeypatch):
    folder = data_file("mnist").parent
    monkeypatch.setenv("EIGENSCAPE_DATA", str(folder))
    mnist_part.cache_clear()
    plan = STUDY.plan("small")
    seen = []
    for repeat in plan.seeds:
        family = family_of(plan, repeat)
        assert family.train.examples == max(plan.data)
        seen += [family.train.whole()[0], family.test.whole()[0]]
    every = torch.cat(seen)
    whole = torch.cat([mnist_family().train.whole()[0], mnist_family().test.whole()[0]])
    assert len(every) == 10_000
    assert sorted(row.numpy().tobytes() for row in every) == sorted(
        row.numpy().tobytes() for row in whole
    )
    with pytest.raises(InputError, match="enough for 4"):
        STUDY.plan("small", 5)


def test_margins_add_the_repeats():
    assert numbers().margins()[0] == {"low": 0.0, "high": 1.0, "n": 30, "right": 18}


def test_without_the_images_it_says_where_to_put_them(monkeypatch, tmp_path):
    mnist_part.cache_clear()
    monkeypatch.delenv("EIGENSCAPE_DATA", raising=False)
    with pytest.raises(InputError, match="EIGENSCAPE_DATA is not set"):
        STUDY.run()
    monkeypatch.setenv("EIGENSCAPE_DATA", str(tmp_path))
    with pytest.raises(InputError, match="does not hold"):
        STUDY.run()


def test_the_images_are_the_test_images_of_mnist(monkeypatch):
    folder = data_file("mnist").parent
    monkeypatch.setenv("EIGENSCAPE_DATA", str(folder))
    mnist_part.cache_clear()
    family = mnist_family()
    labels = torch.cat([family.train.whole()[1], family.test.whole()[1]])
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert torch.bincount(labels).tolist() == counts
    inputs = torch.cat([family.train.whole()[0], family.test.whole()[0]])
    assert inputs.shape == (10_000, 196)
    assert abs(float(inputs.mean())) < 1e-4
    assert float(inputs.std()) == pytest.approx(1.0, abs=1e-3)


def test_no_fault_is_in_its_population():
    for fault in (*fault_plan.FAULTS, *fault_plan.CONTROLS):
        widths, data = fault_plan._GRIDS[fault.data_set]
        assert fault.width not in widths
        assert fault.rate not in fault_plan.RATES
        assert (fault.data == max(data)) == (fault in fault_plan.CONTROLS)
        assert fault.data not in sorted(data)[:-1]
    seeds = [seed for pair in fault_plan.PAIRS for seed in pair]
    assert len(set(seeds)) == len(seeds)
    assert min(seeds) > 2
    assert len({fault.name for fault in (*fault_plan.FAULTS, *fault_plan.CONTROLS)}) == 18
    truths = [fault.truth for fault in fault_plan.FAULTS]
    assert {name: truths.count(name) for name in truths} == dict.fromkeys(
        ("small", "large", "width", "data", "none"), 2
    )


def test_advice_turns_one_knob():
    fault = fault_plan.FAULTS[0]
    assert _changed(fault, "widen", 4.0) == (4 * fault.width, fault.data, fault.rate)
    assert _changed(fault, "raise temperature", 8.0)[2] == pytest.approx(8 * fault.rate)
    assert _changed(fault, "add data", 100.0)[1] == 898  # no more than there are


def fault_row(truth, said, expected=5.0, got=4.0, *, given=True, pair=0, precision=0.9):
    actions = {"raise temperature": 6.0, "lower temperature": -1.0, "widen": 2.0, "add data": 3.0}
    named = {
        "small": "raise temperature",
        "large": "lower temperature",
        "width": "widen",
        "data": "add data",
    }.get(said, "none")
    return {
        "fault": f"digits: {truth}",
        "truth": truth,
        "pair": pair,
        "diagnosis": said if given else "not known",
        "temperature": said,
        "direction": "right" if truth == said else "wrong",
        "why_not": "" if given else "outcome",
        "action": named,
        "given": given and named != "none",
        "ratio": 8.0,
        "precision": precision,
        "expected": expected,
        "got": got,
        "seed_noise": 1.0,
        "right": given and {"none": "no failure found"}.get(truth, truth) == said,
        "best_action": "raise temperature",
        "best_gain": 6.0,
        **actions,
    }


def fault_claims(rows):
    found = FaultNumbers(rows, "no images")
    return {claim.name: claim for claim in FAULTS.judge(found, command="c", seeds=3)}, found


def test_fault_claims_show_the_wrong_ones():
    nan = float("nan")
    rows = [
        fault_row("small", "small"),
        fault_row("large", "small", got=-2.0),
        fault_row("none", "no failure found", expected=nan, got=nan),
    ]
    claims, found = fault_claims(rows)
    assert claims["the fault is found"].verdict == "in part"
    assert "Found: 1 of 2 (50 % [9, 91]" in claims["the fault is found"].measured
    assert "another fault: 1; no verdict: 0" in claims["the fault is found"].measured
    assert claims["the advice helps"].verdict == "in part"
    assert "not significant" in claims["the advice helps"].measured
    alarms = claims["nothing planted, nothing advised"]
    assert "False alarms: 0 of 1" in alarms.measured
    assert "nothing wrong: 1" in alarms.measured
    assert alarms.verdict == "in part"  # one network is not enough
    words = FAULTS.paragraphs(found)
    assert words["In one sentence"].startswith("1 of 2 planted faults were found, 1 taken")
    assert "no images" in words["Left out"]


def test_a_false_alarm_is_counted_and_what_it_gained():
    rows = [fault_row("none", "small", got=got, pair=i) for i, got in enumerate((3.0, -1.0))]
    claims, _ = fault_claims([fault_row("small", "small"), *rows])
    alarms = claims["nothing planted, nothing advised"]
    assert "False alarms: 2 of 2" in alarms.measured
    assert "of which 1 gained more" in alarms.measured
    assert alarms.verdict == "fails"
    assert "a direction is named in 2 of 2" in claims["the temperature's direction"].measured


@pytest.mark.parametrize(("slope", "verdict"), [(1.0, "holds"), (0.4, "in part"), (0.0, "fails")])
def test_promises_are_held_against_what_was_got(slope, verdict):
    rng = np.random.default_rng(0)
    rows = []
    for i, promised in enumerate(np.linspace(1, 20, 12)):
        row = fault_row(
            "small", "small", expected=promised, got=slope * promised + rng.normal(0, 1)
        )
        rows.append({**row, "fault": f"digits: {i}"})
    claims, _ = fault_claims(rows)
    assert claims["the gain is as promised"].verdict == verdict
    assert "12 networks (12 of 12 advices were given" in claims["the gain is as promised"].measured


@pytest.mark.parametrize(("helped", "verdict"), [(0, "holds"), (9, "in part"), (12, "fails")])
def test_what_is_withheld_is_followed_all_the_same(helped, verdict):
    rows = [
        fault_row("small", "small", got=5.0 if i < helped else 0.0, given=False, pair=i)
        for i in range(12)
    ]
    claims, _ = fault_claims(rows)
    claim = claims["what is withheld would not have helped often enough"]
    assert f"{helped} of 12" in claim.measured
    assert "90 % were to be expected" in claim.measured
    assert claim.verdict == verdict
    assert "no verdict: 12" in claims["the fault is found"].measured


def test_a_withheld_change_is_known_and_one_of_another_kind_is_not():
    population = Population.from_frame(
        small_table(), name="small", protocol={"classes": 10, "curve_steps": 3}
    )
    hot = {"train_error": 6.0, "mode_connectivity_peak": -3.0, "hessian_t": 4.5}
    said = prescribe(population, hot)
    assert said.action is None
    assert change_of(said) == ("lower temperature", 0.5)
    far = prescribe(population, {**hot, "hessian_t": 40.0})
    assert change_of(far)[0] is None
    cold = prescribe(
        population, {"train_error": 0.0, "mode_connectivity_peak": -16.0, "hessian_t": 7.5}
    )
    assert change_of(cold) == (cold.action, cold.ratio)


@pytest.mark.slow
def test_a_small_run_from_end_to_end(monkeypatch, tmp_path):
    monkeypatch.setenv("EIGENSCAPE_DATA", str(data_file("mnist").parent))
    plan = PopulationPlan(
        seeds=(0, 1), widths=(3, 5, 10), data=(125, 250, 500), cells=(1, 4), draws=2
    )
    tiny = replace(STUDY, scales={"small": plan})
    result = tiny.run(folder=tmp_path, engine="threads")
    again = tiny.run(folder=tmp_path, engine="threads")
    assert again.claims == result.claims
    assert again.seconds == result.seconds
