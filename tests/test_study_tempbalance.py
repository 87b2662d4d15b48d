"""The study of TempBalance: its plan, paired runs, and a tiny study from end to end."""

from dataclasses import replace

import numpy as np
import pytest

from eigenscape.errors import InputError
from eigenscape.models import build
from eigenscape_studies.networks import FNO1d, relative_error, train_operator
from eigenscape_studies.tempbalance import STUDY
from eigenscape_studies.tempbalance import _plan as plan
from eigenscape_studies.tempbalance import _tasks as tasks
from eigenscape_studies.tempbalance import _training as training

# ---- the plan


def tried_rows(task, best):
    """Runs of a tuning task in which one rate is the best."""
    cell = task.arguments["cell"]
    place = {"cell": cell.name, "amount": task.arguments["amount"], "seed": task.arguments["seed"]}
    better = 1 if cell.measure == "accuracy" else -1
    return [
        {**place, "rate": rate, "value": 50 + better * (rate == best)}
        for _, rate in task.arguments["runs"]
    ]


@pytest.mark.parametrize("scale", plan.PLANS)
def test_a_scale_names_every_run_once_and_tunes_on_seeds_that_are_judged_nowhere(scale):
    chosen = plan.PLANS[scale]
    found = {
        "pretraining": {task.name: {"state": {}} for task in tasks.pretraining(chosen, {})},
    }
    before = tasks.tuning(chosen, found)
    found["tuning"] = {task.name: {"rows": tried_rows(task, best=0.004)} for task in before}
    judged, others = tasks.trainings(chosen, found), tasks.curve(chosen, found)
    names = [task.name for task in (*before, *judged, *others)] + list(found["pretraining"])
    assert len(names) == len(set(names))
    assert len(judged) == sum(sum(sweep.seeds.values()) for sweep in chosen.sweeps)
    seeds = [{task.arguments["seed"] for task in part} for part in (before, judged, others)]
    assert not seeds[0] & seeds[1]
    assert seeds[2] < seeds[1]
    assert min(seeds[1]) == 100  # smaller ones were seen while the study was made
    assert len(chosen.seeds) >= 20
    assert sum(task.arguments["traced"] for task in judged) == 1
    for task in before:  # the same list for every cell
        assert task.arguments["runs"] == [(plan.BASE, rate) for rate in plan.RATES]
    least = {sweep.cell.name: min(sweep.seeds) for sweep in chosen.sweeps}
    for task in judged:
        fewest = task.arguments["amount"] == least[task.arguments["cell"].name]
        ways = [method for method, _ in task.arguments["runs"]]
        assert ways[:5] == list(plan.JUDGED if fewest else plan.FEWER)
        assert {rate for _, rate in task.arguments["runs"]} == {0.004}
    for task in others:
        assert {rate for _, rate in task.arguments["runs"]} == set(plan.RATES) - {0.004}
        assert {method for method, _ in task.arguments["runs"]} == set(plan.FEWER)


def test_small_and_full_have_the_sizes_that_the_page_states():
    sizes = {
        name: [dict(sweep.seeds) for sweep in scale.sweeps] for name, scale in plan.PLANS.items()
    }
    assert sizes["small"] == [
        {20: 24, 40: 10, 80: 6},
        {10: 8, 20: 8, 40: 6},
        {16: 8, 32: 8, 64: 8, 128: 8},
    ]
    assert [sweep.cell.name for sweep in plan.PLANS["full"].sweeps] == [
        "FNO, Burgers",
        "U-Net, Darcy",
        "FNO, Darcy",
        "GPT, dialects",
    ]
    assert list(STUDY.scales) == ["small", "full"]


@pytest.mark.parametrize(("asked", "main", "other", "tuning"), [(3, 3, 3, 3), (40, 40, 6, 4)])
def test_seeds_are_those_of_the_main_cell_and_the_most_elsewhere(asked, main, other, tuning):
    chosen = STUDY.plan("small", asked)
    first = chosen.sweeps[0]
    counts = [len(chosen.judged(first, amount)) for amount in (20, 80)]
    assert (*counts, len(chosen.tuned_on(first))) == (main, other, tuning)
    assert chosen.pretrained == tuple(range(100, 100 + min(asked, 8)))


def test_listed_seeds_are_trained_and_have_language_models_of_their_own():
    chosen = STUDY.plan("small", None, (7, 3, 900))
    assert chosen.judged(chosen.sweeps[0], 20) == chosen.pretrained == (7, 3, 900)
    names = [task.name for task in tasks.pretraining(chosen, {})]
    assert names == [f"GPT, dialects, pretraining {seed}" for seed in (7, 3, 900)]
    found = {"pretraining": {name: {"state": {"w": place}} for place, name in enumerate(names)}}
    before = tasks.tuning(chosen, found)
    found["tuning"] = {task.name: {"rows": tried_rows(task, best=0.004)} for task in before}
    states = {
        task.arguments["seed"]: task.arguments["state"]["w"]
        for task in (*before, *tasks.trainings(chosen, found))
        if task.arguments["cell"].name == "GPT, dialects"
    }
    assert states == {7: 0, 3: 1, 900: 2, 1000: 1, 1001: 2, 1002: 0}
    with pytest.raises(InputError, match="seed 1000: from 1000 on seeds are for tuning"):
        STUDY.plan("small", None, (1, 1000))


# ---- the runs

FNO = replace(plan.FNO_BURGERS, epochs=8, test=6, every=1, grid=32)
UNET = replace(plan.UNET_DARCY, epochs=8, test=4, every=1, grid=8)
GPT = replace(plan.GPT_DIALECTS, epochs=3, test=60, every=1, sentences=32)


RATE = {FNO.name: 0.025, UNET.name: 0.015, GPT.name: 2e-3}


def ran(cell, methods, *, amount=6, seed=4, state=None, traced=False):
    runs = [(method, RATE[cell.name]) for method in methods]
    return tasks.train_task(cell, amount, seed, runs, traced, state)


@pytest.fixture(scope="module")
def state():
    return tasks.pretrain_task(GPT.sentences, GPT.width, seed=1)["state"]


@pytest.fixture(scope="module")
def of_operators():
    ways = (plan.BASE, plan.SIGMOID, plan.INVERSE)
    return {
        FNO.name: ran(FNO, [*ways, plan.PERMUTED], traced=True),
        UNET.name: ran(UNET, ways, traced=True),
    }


def test_a_task_repeats_and_does_not_depend_on_its_company(of_operators):
    for cell, method in ((FNO, plan.PERMUTED), (UNET, plan.BASE)):
        every = of_operators[cell.name]["rows"]
        (alone,) = ran(cell, [method])["rows"]
        assert alone == next(row for row in every if row["method"] == method)


def test_the_ways_start_alike_and_end_apart(of_operators):
    for found in of_operators.values():
        rows = found["rows"]
        assert len({row["first_spread"] for row in rows}) == 1
        assert len({row["value"] for row in rows}) == len(rows)
        assert len({row["steps"] for row in rows}) == 1
        assert not any(row["diverged"] for row in rows)
        spread = {row["method"]: row["spread"] for row in rows}
        assert spread[plan.SIGMOID] < spread[plan.BASE] < spread[plan.INVERSE]
    steps = {row["step"] for row in of_operators[FNO.name]["traces"]}
    assert steps == set(range(9))


def test_base_is_a_training_without_tempbalance(of_operators):
    data = training.make_data(FNO, 6, 4)
    model = build(FNO1d, 4)
    train_operator(
        model,
        data.train_inputs,
        data.train_targets,
        epochs=FNO.epochs,
        batch_size=FNO.batch_size,
        learning_rate=RATE[FNO.name],
        seed=4,
    )
    uniform = training._operator(FNO, data, 4, {"rule": "uniform"}, RATE[FNO.name])
    error = relative_error(model, data.test_inputs, data.test_targets)
    base = of_operators[FNO.name]["rows"][0]
    assert base["method"] == plan.BASE
    assert base["value"] == error == uniform.value


def test_the_balanced_layers_are_those_of_the_published_runs(of_operators):
    layers = {row["layer"] for row in of_operators[FNO.name]["traces"]}
    assert layers == {*(f"blocks.{i}.pointwise" for i in range(4)), "project"}
    trace = training.train_one(FNO, training.make_data(FNO, 4, 0), 0, plan.BASE, 0.01, None).trace
    assert training.spreads(trace)[1] == pytest.approx(list(trace.spread().values())[-1])


def test_a_language_model_is_fine_tuned_by_block(state):
    found = ran(GPT, [plan.BASE, plan.STRONG], amount=8, state=state, traced=True)
    again = ran(GPT, [plan.STRONG], amount=8, state=state)
    rows = {row["method"]: row for row in found["rows"]}
    assert rows[plan.STRONG] == again["rows"][0] != rows[plan.BASE]
    assert rows[plan.STRONG]["measure"] == "accuracy"
    assert all(0 <= row["value"] <= 100 for row in rows.values())
    means = {}
    last = max(row["step"] for row in found["traces"])
    for row in found["traces"]:
        if row["method"] == plan.BASE and row["step"] == last:
            means.setdefault(row["layer"].split(".")[1], []).append(row["alpha"])
    blocks = [np.mean(alphas) for alphas in means.values()]
    assert len(blocks) == 4
    assert rows[plan.BASE]["spread"] == pytest.approx(np.std(blocks))


TINY = plan.TempBalancePlan(
    seeds=(0, 1, 2),
    curve=2,
    sweeps=(
        plan.Sweep(FNO, {4: 3, 8: 2}, tuning=2),
        plan.Sweep(UNET, {4: 2}, tuning=2),
        plan.Sweep(replace(plan.FNO_DARCY, epochs=6, test=4, grid=12), {4: 2}, tuning=2),
        plan.Sweep(GPT, {8: 3, 16: 2}, tuning=2),
    ),
)


@pytest.mark.slow
def test_a_tiny_study_runs_from_end_to_end_and_goes_on_from_its_folder(tmp_path):
    study = replace(STUDY, scales={"small": TINY})
    first = study.run(folder=tmp_path, engine="threads")
    again = study.run(folder=tmp_path, engine="threads")
    assert repr(again.tables) == repr(first.tables)  # one amount has no slope: NaN
    assert again.claims == first.claims
    assert {row["method"] for row in first.tables["runs"]} == {
        *plan.JUDGED,
        plan.STRONG,
    }
    assert len(STUDY.pictures(first)) == 5
    few = study.run(seeds=2, folder=tmp_path, engine="threads")
    assert few.seeds == 2
