"""Growing: networks side by side against one at a time; plans, costs, resuming, failures."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from eigenscape.diagnosis import (
    GrowPlan,
    MeasureOptions,
    estimate_cost,
    gather_populations,
    measure,
    population_tasks,
    read_population,
    resolve_plan,
    train_population,
)
from eigenscape.diagnosis.growing import _cost, _folder
from eigenscape.diagnosis.growing._cell import train_cell, trained_cell, training_rows
from eigenscape.diagnosis.growing._classification import classes_of, logits_of
from eigenscape.diagnosis.growing._cost import fit_budget
from eigenscape.diagnosis.growing._plan import RATES
from eigenscape.diagnosis.growing._training import train_networks
from eigenscape.diagnosis.measuring._metrics import measure_groups
from eigenscape.errors import InputError, TaskError
from eigenscape.models import NetworkData, Objective, Recipe, load_probe
from eigenscape.results import decode, encode
from eigenscape.runs import execute
from eigenscape.zoo import accuracy

FILE = Path(__file__).with_name("_grow_family.py")
QUICK = MeasureOptions(curve_steps=10, probes=4, hessian_samples=50)


@pytest.fixture(scope="module")
def family():
    return load_probe(f"{FILE}:family")


def plan_of(family, **changes):
    chosen = {"data": (60, 120), "rates": (0.01, 0.1, 1.0), "measuring": QUICK, **changes}
    return GrowPlan.of(family, **chosen)


def sgd(model, inputs, labels, order, plan, rate):
    """The same training, written plainly with torch's own optimizer."""
    optimizer = torch.optim.SGD(
        model.parameters(), rate, momentum=plan.momentum, weight_decay=plan.weight_decay
    )
    model.train()
    for epoch in order:
        for part in epoch.split(plan.batch_size):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs[part]), labels[part]).backward()
            optimizer.step()
    return model.eval()


@pytest.mark.parametrize("limit", [10**6, 1])
def test_side_by_side_is_one_at_a_time(family, limit, monkeypatch):
    from eigenscape.models import _side_by_side

    monkeypatch.setattr(_side_by_side, "VMAP_LIMIT", limit)
    plan = plan_of(family, epochs=3)
    inputs, labels = (part[:90] for part in family.train.whole())
    networks = [family.build(seed, 6) for seed in (0, 1)]
    samples = NetworkData.shared(inputs, labels, 2)
    found = train_networks(networks, samples, rates=[0.05, 0.2], seeds=[0, 1], plan=plan)
    for i, (rate, seed) in enumerate(((0.05, 0), (0.2, 1))):
        generator = torch.Generator().manual_seed(seed)
        order = [torch.randperm(90, generator=generator) for _ in range(3)]
        own = sgd(family.build(seed, 6), inputs, labels, order, plan, rate)
        for name, tensor in found.state(i).items():
            torch.testing.assert_close(tensor, own.state_dict()[name], rtol=1e-3, atol=1e-4)


def test_a_network_does_not_feel_the_others(family):
    plan = plan_of(family)
    whole = trained_cell(family, [plan], 3, 60)
    one = trained_cell(family, [replace(plan, rates=(0.1,))], 3, 60)
    torch.testing.assert_close(whole.center[2:4], one.center, rtol=1e-4, atol=1e-5)


def test_one_that_diverges_does_not_hurt_the_others(family):
    plan = plan_of(family, rates=(0.1, 1e25))
    networks = trained_cell(family, [plan], 3, 60)
    assert networks.center[:2].isfinite().all()
    assert not networks.center[2:].isfinite().all()
    (found,) = train_cell(family, [plan], 3, 60)
    assert [row["lr"] for row in found["rows"]] == [0.1]
    assert "learning rate 1e+25: not finite" in found["failed"][0]


def test_rows_are_what_measuring_says(family):
    plan = plan_of(family)
    networks = trained_cell(family, [plan], 6, 120)
    (found,) = train_cell(family, [plan], 6, 120)
    models = []
    for row in (2, 3):  # the second rate's two seeds
        model = family.build(0, 6)
        model.load_state_dict(networks.state(row))
        models.append(model)
    samples = networks.data.select([2, 3])
    pair = Objective(models, nn.functional.cross_entropy, samples, check=False)
    held_out = NetworkData.shared(*family.test.whole(), 2)
    own = measure_groups(pair, [range(2)], held_out, QUICK)[0].metrics
    row = found["rows"][1]
    assert {name: row[name] for name in own} == pytest.approx(own, rel=1e-3, abs=0.01)
    each = [100 * accuracy(model, *family.test.whole()) for model in models]
    assert row["test_acc"] == pytest.approx(np.mean(each))
    assert row["test_acc_sd"] == pytest.approx(np.std(each, ddof=1))


def test_data_are_nested_and_noise_is_apart_from_order(family):
    noisy = plan_of(family, label_noise=0.5)
    small, large = (training_rows(family, noisy, count) for count in (60, 240))
    assert torch.equal(small[0], large[0][:60])
    assert torch.equal(small[1], large[1][:60])
    wrong = (large[1] != family.train.whole()[1][large[0]]).float()
    assert wrong.mean() == pytest.approx(0.5)
    assert 0.25 < wrong[:60].mean() < 0.75  # not the first ones


def test_grown_together_is_grown_alone(family):
    plan = plan_of(family)
    plans = {"clean": plan, "noisy": replace(plan, label_noise=0.2)}
    outcomes = execute(population_tasks(family, plans), engine="threads", jobs=1)
    both = gather_populations(family, plans, [outcome.value for outcome in outcomes])
    alone = train_population(family, plan, engine="threads", jobs=1)
    names = ["width", "data", "lr", "test_acc", "train_error"]
    np.testing.assert_allclose(both[0].table[names], alone.table[names], atol=1.0)
    assert both[0].name == "clean"
    assert len(alone) == plan.configurations
    assert "curve_steps" in alone.protocol
    with pytest.raises(InputError, match="label_noise and in which seeds"):
        population_tasks(family, {"a": plan, "b": replace(plan, epochs=9)})


def test_a_width_that_fails_is_named_and_the_rest_kept(tmp_path):
    family = load_probe(f"{FILE}:unlucky")
    plan = plan_of(family)
    population = train_population(family, plan, folder=tmp_path, engine="threads", jobs=1)
    assert set(population.table["width"]) == {3.0}
    assert any("thirteen is unlucky" in note for note in population.notes)
    assert estimate_cost(family, plan).seconds > 0
    saved = read_population(population.save(tmp_path / "population.json").parent)
    assert saved.notes == population.notes
    broken = replace(plan, widths=(13,))
    with pytest.raises(TaskError, match="thirteen"):
        train_population(family, broken, engine="threads", jobs=1)


@pytest.mark.slow
def test_killed_and_resumed_is_bit_for_bit_the_same(tmp_path):
    family = load_probe(f"{FILE}:family")
    plan = plan_of(family, epochs=60)
    script = (
        "from eigenscape.diagnosis import *\n"
        "from eigenscape.diagnosis.measuring._options import MeasureOptions\n"
        "from eigenscape.models import load_probe\n"
        f"f = load_probe({str(FILE) + ':family'!r})\n"
        "p = GrowPlan.of(f, data=(60, 120), rates=(0.01, 0.1, 1.0), epochs=60,\n"
        "    measuring=MeasureOptions(curve_steps=10, probes=4, hessian_samples=50))\n"
        f"train_population(f, p, folder={str(tmp_path / 'cut')!r}, engine='threads', jobs=1)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script])
    cells = tmp_path / "cut" / "cells"
    deadline = time.monotonic() + 120
    while not list(cells.glob("*.npz")):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(list(cells.glob("*.npz")))
    assert 1 <= done < 4
    seen = []
    resumed = train_population(
        family,
        plan,
        folder=tmp_path / "cut",
        engine="threads",
        jobs=1,
        progress=lambda progress: seen.append(progress.resumed),
    )
    assert seen[0] == done
    whole = train_population(family, plan, engine="threads", jobs=1)
    assert resumed.table.equals(whole.table)


def test_a_step_is_timed_as_the_difference_of_two_runs(family, monkeypatch):
    clock = iter([0, 1, 10, 12, 100, 104, 1000, 1007])  # training, curves; then both, longer
    monkeypatch.setattr(_cost, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    training, curve = _cost._time(family, plan_of(family), 3)
    assert training == pytest.approx((4 - 1) / _cost._STEPS)
    assert curve == pytest.approx((7 - 2) / _cost._STEPS)


def test_rates_are_three_times_a_step_around_the_tasks_own():
    assert RATES[2] == 1
    assert np.array(RATES[1:]) / RATES[:-1] == pytest.approx(3)


def test_the_estimate_is_a_quarter_more_than_its_steps(family, monkeypatch):
    plan = plan_of(family)
    monkeypatch.setattr(_cost, "_time", lambda task, plan, width: (2.0, 3.0))  # training, curve
    training = sum(plan.epochs * max(1, data // plan.batch_size) for data in plan.data)
    curves = plan.measuring.curve_steps * len(plan.data)
    expected = 1.25 * len(plan.widths) * (2 * training + 3 * curves)
    assert estimate_cost(family, plan).seconds == pytest.approx(expected)


@pytest.fixture
def a_second_each(monkeypatch):
    """Cost without a clock: a second for each network."""

    def fake(_, plan):
        return _cost.Cost(networks=plan.networks, curves=0, seconds=plan.networks, work=0.0)

    monkeypatch.setattr(_cost, "_SLOWER", 1.0)
    monkeypatch.setattr(_cost, "estimate_cost", fake)
    monkeypatch.setattr(_folder, "estimate_cost", fake)


@pytest.mark.usefixtures("a_second_each")
def test_a_plan_stays_the_plan_of_its_folder(family, tmp_path):
    asked = plan_of(family, seeds=(0, 1, 2, 3))
    plan, cheaper = resolve_plan(tmp_path, family, asked, budget=40)
    assert plan.seeds == (0, 1, 2)
    assert cheaper.networks == 36
    other, _ = resolve_plan(
        tmp_path, family, replace(asked, seeds=(0, 1))
    )  # no cell is finished yet
    assert other.seeds == (0, 1)
    plan, _ = resolve_plan(tmp_path, family, asked, budget=40)
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "one.npz").touch()
    again, _ = resolve_plan(tmp_path, family, asked, budget=1e9)
    assert again == plan
    with pytest.raises(InputError, match=r"another plan; changed: seeds \(.* there, .* now\)"):
        resolve_plan(tmp_path, family, replace(asked, seeds=(0, 1, 2)))
    other = replace(family, train=family.test, test=family.train)
    with pytest.raises(InputError, match="another task"):
        resolve_plan(tmp_path, other, asked)
    (tmp_path / "plan.json").write_text(json.dumps({"schema": "x"}))
    with pytest.raises(InputError, match=r"asked, plan, task are missing.*another folder"):
        resolve_plan(tmp_path, family, asked)


@pytest.mark.usefixtures("a_second_each")
def test_trimming_goes_in_the_stated_order(family):
    plan = plan_of(
        family,
        widths=(3, 6, 9),
        data=(60, 80, 120),
        rates=(0.01, 0.03, 0.1, 0.3, 1),
        seeds=(0, 1, 2),
    )
    found = [fit_budget(family, plan, seconds)[0] for seconds in (134.9, 90.9, 54.9, 36.9, 24.9)]
    shapes = [(len(p.seeds), len(p.rates), len(p.data), len(p.widths)) for p in found]
    assert shapes == [(2, 5, 3, 3), (2, 5, 3, 3), (2, 3, 3, 3), (2, 3, 2, 3), (2, 3, 2, 2)]
    assert found[2].rates == (0.01, 0.1, 1)
    with pytest.raises(InputError, match="smallest plan"):
        fit_budget(family, plan, 5)


def test_the_fingerprint_sees_data_weights_and_architecture(family):
    again = load_probe(f"{FILE}:family")
    assert again.fingerprint == family.fingerprint
    inputs, labels = family.train.whole()
    others = (
        replace(family, train=(inputs + 1, labels)),
        replace(family, make=lambda w: nn.Sequential(nn.Linear(64, w), nn.Linear(w, 10))),
        replace(family, widths=(3, 7)),
    )

    class Wavy(nn.Module):  # the same weights, another forward pass
        def __init__(self, width):
            super().__init__()
            self.layers = nn.Linear(64, width), nn.Linear(width, 10)
            self.first, self.second = self.layers

        def forward(self, x):
            return self.second((BEND * self.first(x)).sin())

    BEND = 1.0
    one = replace(family, make=Wavy).fingerprint
    BEND = 20.0
    two = replace(family, make=Wavy).fingerprint
    assert len({family.fingerprint, one, two, *(other.fingerprint for other in others)}) == 6


def test_a_build_that_is_not_repeatable_is_refused(family):
    drawn = np.random.default_rng()

    def unseeded(width):
        model = nn.Sequential(nn.Linear(64, width), nn.Linear(width, 10))
        model[0].weight.data.fill_(drawn.random())
        return model

    with pytest.raises(InputError, match="other weights"):
        train_population(replace(family, make=unseeded), plan_of(family), engine="threads")


def test_a_task_that_changes_between_processes_is_refused(family, monkeypatch):
    from eigenscape.models import _task

    _, arguments = family.__reduce__()
    assert _task._again(*arguments).fingerprint == family.fingerprint
    with pytest.raises(InputError, match="another task when it is run again"):
        _task._again(arguments[0], "0" * 32)


def test_heads_may_be_wider_than_the_labels(family):
    wide = replace(family, make=lambda width: nn.Sequential(nn.Linear(64, 12)))
    assert classes_of(wide) == 10
    assert logits_of(wide) == 12
    grown = train_population(wide, plan_of(wide, widths=(3,)), engine="threads")
    assert grown.protocol["classes"] == 12
    assert measure(wide.build(0, 3), wide.train.whole(), options=QUICK).protocol["classes"] == 12


def test_a_family_travels_by_its_file(family):
    import pickle

    again = pickle.loads(pickle.dumps(family))
    assert again.fingerprint == family.fingerprint
    assert again.source == f"{FILE}:family"


@pytest.mark.slow
def test_processes_give_the_same(family):
    plan = plan_of(family)
    one = train_population(family, plan, engine="threads", jobs=1)
    two = train_population(family, plan, engine="local", jobs=2)
    assert two.table.equals(one.table)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"widths": ()}, "widths"),
        ({"widths": (0,)}, "widths"),
        ({"train": (torch.ones(3, 2), torch.ones(2))}, "train"),
        ({"make": 3}, "make is a int"),
        ({"recipe": 0.1}, "recipe is a float"),
        ({"recipe": Recipe(epochs=1, batch_size=9, learning_rate=1, optimizer="adam")}, "sgd"),
        ({"loss": 3, "train": 5, "widths": (1.5,)}, "train: .*loss is a int.*widths are"),
    ],
)
def test_bad_tasks(family, bad, words):
    with pytest.raises(InputError, match=words):
        plan_of(replace(family, **bad))


def test_bad_plans(family):
    with pytest.raises(InputError, match="240 training samples"):
        plan_of(family, data=(500,))
    with pytest.raises(InputError, match="fewer than a batch of 30"):
        plan_of(family, data=(20, 60))
    with pytest.raises(InputError, match="data is empty"):
        plan_of(family, data=())
    with pytest.raises(InputError, match="seeds") as caught:
        plan_of(family, seeds=(0,), epochs=0, label_noise=2, momentum=1, rates=(0.0,))
    for word in ("epochs", "label_noise", "momentum", "rates"):
        assert word in str(caught.value)


def test_build_must_return_a_module(family):
    with pytest.raises(InputError, match="expected a module"):
        replace(family, make=lambda width: width).build(0, 3)


def test_plan_goes_through_json(family):
    plan = plan_of(family, label_noise=0.1)
    assert decode(json.loads(json.dumps(encode(plan))), GrowPlan) == plan


def test_environment_is_left_alone(family):
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    seen = os.environ.copy()
    train_cell(family, [plan_of(family)], 3, 60)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.get_num_threads() == threads
    assert os.environ == seen
