"""The studies on grown populations and planted faults: statistics, claims, pictures, refusals."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from eigenscape.errors import InputError
from eigenscape.results import load
from eigenscape_studies import signed
from eigenscape_studies._data import mnist_family
from eigenscape_studies.md_tree_population import STUDY
from eigenscape_studies.md_tree_population._numbers import Numbers
from eigenscape_studies.md_tree_population._plan import (
    BASELINES,
    CARRIED,
    ONE,
    PAPER,
    TREE,
    PopulationPlan,
)
from eigenscape_studies.planted_faults import STUDY as FAULTS
from eigenscape_studies.planted_faults import _plan as fault_plan
from eigenscape_studies.planted_faults._tasks import Numbers as FaultNumbers
from eigenscape_studies.planted_faults._tasks import _changed
from tests._data import data_file

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


def test_margins_add_the_repeats():
    assert numbers().margins()[0] == {"low": 0.0, "high": 1.0, "n": 30, "right": 18}


def test_without_the_images_it_says_where_to_put_them(monkeypatch, tmp_path):
    mnist_family.cache_clear()
    monkeypatch.delenv("EIGENSCAPE_DATA", raising=False)
    with pytest.raises(InputError, match="EIGENSCAPE_DATA is not set"):
        STUDY.run()
    monkeypatch.setenv("EIGENSCAPE_DATA", str(tmp_path))
    with pytest.raises(InputError, match="does not hold"):
        STUDY.run()


def test_the_images_are_the_test_images_of_mnist(monkeypatch):
    folder = data_file("mnist").parent
    monkeypatch.setenv("EIGENSCAPE_DATA", str(folder))
    mnist_family.cache_clear()
    family = mnist_family()
    labels = torch.cat([family.train.whole()[1], family.test.whole()[1]])
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert torch.bincount(labels).tolist() == counts
    inputs = torch.cat([family.train.whole()[0], family.test.whole()[0]])
    assert inputs.shape == (10_000, 196)
    assert abs(float(inputs.mean())) < 1e-4
    assert float(inputs.std()) == pytest.approx(1.0, abs=1e-3)


def test_no_fault_is_in_its_population():
    for fault in fault_plan.FAULTS:
        widths, data = fault_plan._GRIDS[fault.data_set]
        assert fault.width not in widths
        assert fault.data not in data
        assert fault.rate not in fault_plan.RATES
        assert fault_plan.FIRST_SEED > 2
    assert sum(fault.truth != "none" for fault in fault_plan.FAULTS) >= 6
    assert {fault.truth for fault in fault_plan.FAULTS} == {
        "small",
        "large",
        "width",
        "data",
        "none",
    }


def test_advice_turns_one_knob():
    fault = fault_plan.FAULTS[0]
    assert _changed(fault, "widen", 4.0) == (4 * fault.width, fault.data, fault.rate)
    assert _changed(fault, "raise temperature", 8.0)[2] == pytest.approx(8 * fault.rate)
    assert _changed(fault, "add data", 100.0)[1] == 898  # no more than there are


def fault_row(truth, said, expected=5.0, got=4.0):
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
        "diagnosis": said,
        "action": named,
        "ratio": 8.0,
        "expected": expected,
        "got": got,
        "right": truth == said,
        "best_action": "raise temperature",
        "best_gain": 6.0,
        **actions,
    }


def test_fault_claims_show_the_wrong_ones():
    rows = [
        fault_row("small", "small"),
        fault_row("large", "small", got=-2.0),
        fault_row("none", "no failure found", got=float("nan")),
    ]
    found = FaultNumbers(rows, "no images")
    claims = {claim.name: claim for claim in FAULTS.judge(found, command="c", seeds=3)}
    assert claims["the fault is found"].verdict == "in part"
    assert "1 of 2 faults" in claims["the fault is found"].measured
    assert claims["the advice helps"].verdict == "in part"
    words = FAULTS.paragraphs(found)
    assert "digits: large is taken for temperature too small" in words["Where it is wrong"]
    assert "no images" in words["Left out"]


@pytest.mark.slow
def test_a_small_run_from_end_to_end(monkeypatch, tmp_path):
    monkeypatch.setenv("EIGENSCAPE_DATA", str(data_file("mnist").parent))
    plan = PopulationPlan(seeds=(0, 1), widths=(3, 10), data=(250, 500), cells=(1, 4), draws=2)
    tiny = replace(STUDY, scales={"small": plan})
    result = tiny.run(folder=tmp_path, engine="threads")
    again = tiny.run(folder=tmp_path, engine="threads")
    assert again.claims == result.claims
    assert again.seconds == result.seconds
