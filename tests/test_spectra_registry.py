"""Metrics of other packages: columns in the table, the file and the report; mistakes are errors."""

import gc
import json
import math
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from eigenscape.allocation import Allocation, allocate
from eigenscape.errors import EigenscapeError, InputError, TaskError
from eigenscape.report import Page
from eigenscape.report._page import render
from eigenscape.results import encode
from eigenscape.spectra import (
    METRICS,
    ComparisonResult,
    SpectraOptions,
    SpectraResult,
    analyze,
    compare,
    costly_metrics,
    metric,
)


@pytest.fixture
def added():
    names = []

    def add(name, function, **told):
        metric(name, **told)(function)
        names.append(name)

    yield add
    for name in names:
        METRICS.remove(name)


def gap(eigenvalues, context):
    assert np.all(np.diff(eigenvalues) >= 0)
    return {"gap": eigenvalues[-1] / eigenvalues[-2], "seen": context.numbers["stable_rank"]}


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(32, 40), nn.Linear(40, 24))


def test_a_metric_from_outside_is_a_column_everywhere(added, tmp_path):
    added("gap", gap)
    result = analyze(network())
    row = result["0"]
    assert row.extras["gap"] == pytest.approx(row.eigenvalues[-1] / row.eigenvalues[-2])
    assert row.number("gap") == row.extras["gap"]
    assert row.extras["seen"] == row.stable_rank
    assert result.extra_columns == ("gap", "seen")
    for full in (False, True):
        assert result.frame(full=full)["gap"].tolist() == [r.extras["gap"] for r in result]
    again = SpectraResult.load(result.save(tmp_path / "result.json"))
    assert again["1"].extras == result["1"].extras
    assert ">gap</th>" in render(Page("Title", {"x": result}))
    assert allocate(result, column="gap").metric == "gap"


def test_every_number_of_this_package_is_as_without_it(added):
    before = analyze(network()).frame(full=True)
    added("gap", gap)
    after = analyze(network()).frame(full=True).drop(columns=["gap", "seen"])
    assert before.equals(after)


def test_on_request_only(added):
    added("asked", lambda eigenvalues, context: {"asked": 1.0}, on_request=True)
    assert "asked" in costly_metrics()
    assert analyze(network())["0"].extras == {}
    assert analyze(network(), metrics="asked")["0"].extras == {"asked": 1.0}


def test_layers_with_few_eigenvalues_are_left_to_those_that_want_them(added):
    added("few", lambda eigenvalues, context: {"few": float(len(eigenvalues))}, few=True)
    added("gap", gap)
    result = analyze({"low": torch.randn(40, 3) @ torch.randn(3, 40), "w": torch.randn(40, 40)})
    assert result["low"].extras == {"few": 3.0}
    assert set(result["w"].extras) == {"few", "gap", "seen"}
    assert math.isnan(result.frame()["gap"].iloc[0])


def test_layers_without_a_spectrum_have_no_metrics(added):
    added("gap", gap, few=True)
    bad = torch.randn(20, 20)
    bad[0, 0] = math.nan
    result = analyze({"nan": bad, "zero": torch.zeros(20, 20)})
    assert [row.extras for row in result] == [{}, {}]
    assert [row.label for row in result] == ["not-finite", "dead"]


def test_order_decides_what_a_metric_can_see(added):
    added("first", lambda eigenvalues, context: {"n": float(len(context.numbers))}, order=50)
    assert METRICS.names()[0] == "first"
    assert analyze(network())["0"].extras["n"] == 0.0


def test_a_name_twice_is_an_error():
    with pytest.raises(InputError, match="the metric 'hill' is registered already"):
        metric("hill")(gap)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"alpha_hill": 1.0}, r"returns alpha_hill, which another metric has"),
        ({"name": 1.0, "lambda_max": 2.0}, r"returns lambda_max, name, which is a column"),
        ({"x": "high"}, r"'bad' returned x='high'; expected a number. Try: float"),
        ({"x": True}, r"x=True; expected a number"),
        (3.0, r"'bad' returned 3.0; expected numbers by name"),
    ],
)
def test_wrong_answers_are_errors(added, answer, words):
    added("bad", lambda eigenvalues, context: answer)
    with pytest.raises(TaskError, match=words):
        analyze(network(), jobs=1)


def test_workers_without_the_metric_say_so(added, tmp_path):
    from eigenscape.spectra._schedule import examine_task

    torch.save(network().state_dict(), tmp_path / "model.pt")
    told = {
        "source": str(tmp_path / "model.pt"),
        "stamp": [],
        "config": "{}",
        "options": json.dumps(encode(SpectraOptions())),
        "memory": 1 << 25,
        "names": ["0"],
    }
    from eigenscape.layers import HANDLERS

    parts = [list(HANDLERS.names()), list(METRICS.names())]
    assert examine_task(**told, parts=parts)["rows"][0]["layer"]["name"] == "0"
    with pytest.raises(InputError, match=r"theirs is not registered.*eigenscape\.metrics"):
        examine_task(**told, parts=[parts[0], [*parts[1], "theirs"]])


def test_a_worker_holds_one_checkpoint_at_a_time(tmp_path):
    from eigenscape.spectra._schedule import _opened

    held = []
    for name in ("a.pt", "b.pt"):
        torch.save(network().state_dict(), tmp_path / name)
        opened = _opened(str(tmp_path / name), "", json.dumps(encode(SpectraOptions())))
        held.append(weakref.ref(opened[0]))
        del opened
    gc.collect()
    assert [reference() is None for reference in held] == [True, False]


# --- options


def test_options_as_an_object_and_by_field():
    options = SpectraOptions(fit="small", min_eigenvalues=20)
    assert analyze(network(), options=options)["0"].fit == "small"
    assert analyze(network(), options=options, fit="peak")["0"].fit == "peak"
    with pytest.raises(InputError, match=r"options must be a SpectraOptions"):
        analyze(network(), options={"fit": "small"})
    with pytest.raises(InputError, match=r"metrics must be among tpl, bottom, shuffle"):
        SpectraOptions(metrics="nothing")


# --- files


@pytest.mark.parametrize("bad", ["nan", "zero", "low"])
def test_every_row_comes_back_from_a_file(tmp_path, bad):
    weights = {"nan": torch.full((20, 20), math.nan), "zero": torch.zeros(20, 20)}
    weights["low"] = torch.randn(40, 3) @ torch.randn(3, 40)
    result = analyze({bad: weights[bad], "w": torch.randn(30, 40)}, metrics=costly_metrics())
    again = SpectraResult.load(result.save(tmp_path / "result.json"))
    assert again.layers[1].eigenvalues is None
    assert again.layers[1].layer == result.layers[1].layer
    assert again.layers[1].layer.build is None
    assert again == SpectraResult.load(again.save(tmp_path / "again.json"))
    for before, after in zip(result, again, strict=True):
        assert str(before.columns()) == str(after.columns()), before.name
        assert (before.description, before.histogram) == (after.description, after.histogram)
    assert again.plot() is not None


def test_a_comparison_comes_back_from_a_file(tmp_path):
    result = compare(network(), {"0.weight": torch.full((40, 32), math.nan)})
    again = ComparisonResult.load(result.save(tmp_path / "result.json"))
    assert again == result
    assert math.isnan(again.changes[0].alpha_hill_after)


def test_an_allocation_comes_back_from_a_file(tmp_path):
    result = allocate({"a": 2.0, "b": 4.0}, kind="experts", total=5)
    again = Allocation.load(result.save(tmp_path / "result.json"))
    assert again == result
    assert [type(row.budget) for row in again.rows] == [int, int]
    sigmoid = allocate({"a": 2.0, "b": 4.0}, rule="tb_sigmoid", s=(2.0, 1.0))
    assert Allocation.load(sigmoid.save(tmp_path / "other.json")).settings["s"] == (2.0, 1.0)


def test_a_file_with_the_old_key_is_refused(tmp_path):
    path = analyze(network()).save(tmp_path / "result.json")
    path.write_text(path.read_text().replace('"n_eigenvalues"', '"eigenvalues"'))
    with pytest.raises(InputError, match=r"eigenvalues is unknown|n_eigenvalues is missing"):
        SpectraResult.load(path)


def test_a_metric_that_fails_is_named(added):
    added("failing_example", lambda values, context: {}["oops"])
    with pytest.raises(
        EigenscapeError, match=r"'failing_example' failed on the layer '0' with Key"
    ):
        analyze(network())
