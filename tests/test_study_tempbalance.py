"""The study of TempBalance: paired runs, statistics with known answers, claims of made-up runs."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import linregress

from eigenscape.errors import InputError
from eigenscape.models import build
from eigenscape.results import load
from eigenscape.stats import Interval, fit_line
from eigenscape_studies import StudyResult, signed
from eigenscape_studies.networks import FNO1d, relative_error, train_operator
from eigenscape_studies.tempbalance import STUDY
from eigenscape_studies.tempbalance import _plan as plan
from eigenscape_studies.tempbalance import _tasks as tasks
from eigenscape_studies.tempbalance import _training as training
from eigenscape_studies.tempbalance._numbers import (
    Numbers,
    choose,
    tuning_scores,
    with_tuned,
)

# ---- the plan


def tried_rows(task, best):
    """Runs of a tuning task in which one factor is the best."""
    cell = task.arguments["cell"]
    place = {"cell": cell.name, "amount": task.arguments["amount"], "seed": task.arguments["seed"]}
    better = 1 if cell.measure == "accuracy" else -1
    return [
        {**place, "factor": factor, "value": 50 + better * (factor == best)}
        for factor in plan.FACTORS
    ]


@pytest.mark.parametrize("scale", plan.PLANS)
def test_a_scale_names_every_run_once_and_tunes_on_seeds_of_its_own(scale):
    chosen = plan.PLANS[scale]
    before = tasks.pretraining(chosen, {})
    found = {"pretraining": {task.name: {"state": {}} for task in before}}
    trained = tasks.trainings(chosen, found)
    first, second = (
        [task for task in trained if (task.arguments["seed"] >= 1000) is late]
        for late in (False, True)
    )
    found["trainings"] = {task.name: {"rows": tried_rows(task, best=2.0)} for task in second}
    third = tasks.tuned(chosen, found)
    names = [task.name for task in (*trained, *third, *before)]
    assert len(names) == len(set(names))
    assert len(first) == len(third) == sum(sum(s.seeds.values()) for s in chosen.sweeps)
    judged, tuned_on = ({task.arguments["seed"] for task in part} for part in (first, second))
    assert not judged & tuned_on
    assert {task.arguments["seed"] for task in third} == judged
    assert len(chosen.seeds) >= 20
    assert sum(task.arguments["traced"] for task in trained) == 1
    found["trainings"] = {task.name: {"rows": tried_rows(task, best=1.0)} for task in second}
    assert tasks.tuned(chosen, found) == []
    for task in first:
        assert [method for method, _ in task.arguments["runs"]][:5] == list(plan.JUDGED)


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
    assert chosen.pretrained == tuple(range(min(asked, 8)))


def test_listed_seeds_are_trained_and_have_language_models_of_their_own():
    chosen = STUDY.plan("small", None, (7, 3, 900))
    assert chosen.judged(chosen.sweeps[0], 20) == chosen.pretrained == (7, 3, 900)
    names = [task.name for task in tasks.pretraining(chosen, {})]
    assert names == [f"GPT, dialects, pretraining {seed}" for seed in (7, 3, 900)]
    found = {"pretraining": {name: {"state": {"w": place}} for place, name in enumerate(names)}}
    states = {
        task.arguments["seed"]: task.arguments["state"]["w"]
        for task in tasks.trainings(chosen, found)
        if task.arguments["cell"].name == "GPT, dialects"
    }
    assert states == {7: 0, 3: 1, 900: 2, 1000: 1, 1001: 2, 1002: 0}
    with pytest.raises(InputError, match="seed 1000: from 1000 on seeds are for tuning"):
        STUDY.plan("small", None, (1, 1000))


# ---- the runs

FNO = replace(plan.FNO_BURGERS, epochs=8, test=6, every=1, grid=32)
UNET = replace(plan.UNET_DARCY, epochs=8, test=4, every=1, grid=8)
GPT = replace(plan.GPT_DIALECTS, epochs=3, test=60, every=1, sentences=32)


def ran(cell, methods, *, amount=6, seed=4, state=None, traced=False):
    runs = [(method, 1.0) for method in methods]
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
        learning_rate=FNO.learning_rate,
        seed=4,
    )
    uniform = training._operator(FNO, data, 4, {"rule": "uniform"}, 1.0)
    error = relative_error(model, data.test_inputs, data.test_targets)
    base = of_operators[FNO.name]["rows"][0]
    assert base["method"] == plan.BASE
    assert base["value"] == error == uniform.value


def test_the_balanced_layers_are_those_of_the_published_runs(of_operators):
    layers = {row["layer"] for row in of_operators[FNO.name]["traces"]}
    assert layers == {*(f"blocks.{i}.pointwise" for i in range(4)), "project"}
    trace = training.train_one(FNO, training.make_data(FNO, 4, 0), 0, plan.BASE, 1.0, None).trace
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


# ---- statistics


def test_a_line_has_the_slope_and_the_interval_of_the_textbook():
    rng = np.random.default_rng(0)
    x = np.repeat([1.0, 2.0, 3.0], 7)
    y = 1.5 * x - 2 + rng.normal(size=21)
    line, known = fit_line(x, y), linregress(x, y)
    assert line.slope == pytest.approx(known.slope)
    assert line.start == pytest.approx(known.intercept)
    assert line.high - line.slope == pytest.approx(2.0930240544 * known.stderr)  # t of 19
    assert line.turned().words() == f"{-line.slope:+.1f} [{-line.high:+.1f}, {-line.low:+.1f}]"
    assert fit_line([*x, 4.0], [*y, np.nan]) == line
    assert np.isnan(fit_line([1, 1, 1], [1, 2, 3]).slope)
    assert np.isnan(fit_line([1, 2], [1, 2]).slope)
    flat = fit_line([0, 1, 2, 3], [1, -1, -1, 1])
    assert flat.slope == pytest.approx(0)
    assert flat.words().endswith("not significant")


def test_what_is_not_significant_is_called_so():
    assert signed(Interval(-5.6, -12.2, 1.0, 16), " %") == "-5.6 [-12.2, +1.0] %, not significant"
    assert signed(Interval(-5.6, -8.2, -3.0, 16), " %") == "-5.6 [-8.2, -3.0] %"
    assert signed(Interval(5.6, np.nan, np.nan, 1)).endswith("not significant")


CELLS = {"FNO": "nRMSE", "GPT": "accuracy"}
CHOSEN = {(cell, amount): 1.0 for cell in CELLS for amount in (20, 40, 80)}
SEEDS = 12


def made_up(change, ratio, *, cells=CELLS, noise=0.0):
    """Runs whose method changes the base's number, in percent or points, and its spread.

    ``change`` and ``ratio`` are called with the method and the amount.
    """
    rows, rng = [], np.random.default_rng(5)
    for cell, measure in cells.items():
        for amount in (20, 40, 80):
            for seed in range(SEEDS):
                base = 50 + seed if measure == "accuracy" else 0.2 + 0.01 * seed
                for method in (*plan.JUDGED, plan.TUNED):
                    told = change(method, amount) + noise * rng.normal() * (method != plan.BASE)
                    value = base - told if measure == "accuracy" else base * (1 + told / 100)
                    rows.append(
                        {
                            "cell": cell,
                            "amount": amount,
                            "seed": seed,
                            "method": method,
                            "measure": measure,
                            "factor": 1.0,
                            "value": value,
                            "spread": (0.5 + 0.01 * seed) * ratio(method, amount),
                            "first_spread": 0.8,
                            "train_loss": 0.1,
                            "steps": 10,
                            "diverged": False,
                        }
                    )
    return rows


def numbers_of(rows, cells=CELLS):
    tuning = [
        {"cell": cell, "amount": amount, "seed": 1000, "factor": factor, "value": 0.1 * factor}
        for cell in cells
        for amount in (20, 40, 80)
        for factor in plan.FACTORS
    ]
    traces = [
        {
            "cell": "FNO",
            "method": method,
            "step": step,
            "layer": layer,
            "alpha": 2 + step,
            "lr_factor": 1 + step,
        }
        for method in (plan.BASE, plan.SIGMOID)
        for step in (0, 1)
        for layer in "ab"
    ]
    return Numbers(cells=cells, rows=rows, tuning=tuning, traces=traces, chosen=CHOSEN)


def effect(method, amount):
    """TempBalance helps, the more the fewer the data; nothing else does anything."""
    return {plan.SIGMOID: -6 + np.log2(amount / 20), plan.LINEAR: -2.0}.get(method, 0.0)


def narrowing(method, amount):
    ratio = {plan.SIGMOID: 0.2, plan.LINEAR: 0.5, plan.INVERSE: 1.5}.get(method, 1.0)
    return ratio / amount**0.1


def test_changes_gains_and_ratios_are_paired():
    numbers = numbers_of(made_up(effect, narrowing))
    assert numbers.main == ("FNO", 20)
    np.testing.assert_allclose(numbers.changes("FNO", 40, plan.SIGMOID), -5)
    np.testing.assert_allclose(numbers.changes("GPT", 40, plan.SIGMOID), 5)
    np.testing.assert_allclose(numbers.gains("FNO", 40, plan.SIGMOID), 5)
    np.testing.assert_allclose(numbers.gains("GPT", 40, plan.SIGMOID), 5)
    np.testing.assert_allclose(numbers.ratios("GPT", 80, plan.SIGMOID), 0.2)
    assert numbers.ahead("FNO", 80, plan.SIGMOID, plan.LINEAR).mean == pytest.approx(2)
    for cell in CELLS:
        assert numbers.line(cell, plan.SIGMOID).slope == pytest.approx(-1)
    assert numbers.spread_line("FNO").high < 0


def test_a_diverged_run_is_left_out_of_its_pairs():
    rows = made_up(effect, narrowing)
    rows[1] |= {"value": float("nan"), "diverged": True}
    numbers = numbers_of(rows)
    assert numbers.gain("FNO", 20, plan.SIGMOID).seeds == SEEDS - 1
    assert numbers.diverged() == 1
    assert "1 training diverged" in STUDY.paragraphs(numbers)["What was trained"]


@pytest.mark.parametrize(("measure", "best"), [("nRMSE", 0.5), ("accuracy", 2.0)])
def test_the_best_rate_on_the_tuning_seeds_is_chosen(measure, best):
    rows = [
        {"cell": "a", "amount": 9, "seed": seed, "factor": factor, "value": 0.1 * factor + seed}
        for seed in (1, 2)
        for factor in plan.FACTORS
    ]
    assert choose(rows, {"a": measure}) == {("a", 9): best}
    level = [{**row, "value": 0.5} for row in rows]
    assert choose(level, {"a": measure}) == {("a", 9): 1.0}
    lost = [{**row, "value": float("nan")} if row["factor"] == best else row for row in rows]
    assert tuning_scores(lost, measure)[best] == -np.inf
    assert choose(lost, {"a": measure}) == {("a", 9): 1.0}


def test_where_the_base_rate_is_best_it_stands_in_for_the_tuned_one():
    base = {"cell": "a", "amount": 9, "seed": 0, "method": plan.BASE, "factor": 1.0}
    other = {**base, "amount": 8}
    found = with_tuned([base, other], [{**other, "factor": 2.0}], {("a", 9): 1.0, ("a", 8): 2.0})
    tuned = [(row["amount"], row["factor"]) for row in found if row["method"] == plan.TUNED]
    assert tuned == [(9, 1.0), (8, 2.0)]


# ---- claims, pictures, page


def verdicts(rows, cells=CELLS):
    judged = STUDY.judge(numbers_of(rows, cells), command="eigenscape study", seeds=SEEDS)
    return {claim.name: claim for claim in judged}


def test_claims_hold_where_the_effect_was_put_in():
    cells = {"FNO": "nRMSE", "U-Net": "nRMSE", "GPT": "accuracy"}
    claims = verdicts(made_up(effect, narrowing, cells=cells, noise=0.1), cells)
    assert len(claims) == 11
    not_run = claims.pop("large models")
    assert (not_run.verdict, not_run.seeds) == ("not tested here", 0)
    for claim in claims.values():
        assert claim.verdict == "holds", claim
        assert claim.seeds == SEEDS
    words = claims["lower error with little data"].measured
    assert "TB-sigmoid changes the nRMSE by -6." in words or "by -5.9" in words
    assert "in 12 of 12 seeds" in claims["alphas become alike"].measured


def test_claims_fail_in_plain_words_where_there_is_no_effect():
    claims = verdicts(made_up(lambda *_: 0.0, lambda *_: 1.0, noise=3.0))
    for name in (
        "lower error with little data",
        "fine-tuning with few labels",
        "sigmoid against linear",
        "the less data, the larger the gain",
        "control: the metric matters",
        "control: a tuned learning rate",
    ):
        assert claims[name].verdict == "fails", claims[name]
        assert "not significant" in claims[name].measured
    assert claims["alphas become alike"].verdict == "fails"
    assert claims["alike in every cell"].verdict == "fails"
    assert claims["other operators"].verdict == "not tested here"  # there is none


def test_claims_fail_where_the_effect_is_the_wrong_way_round():
    harm = verdicts(made_up(lambda *given: -effect(*given), narrowing, noise=0.1))
    for name in ("lower error with little data", "fine-tuning with few labels"):
        assert harm[name].verdict == "fails"
    assert "TB-sigmoid changes the nRMSE by +" in harm["lower error with little data"].measured
    control = verdicts(
        made_up(lambda method, _: -6.0 * (method != plan.BASE), narrowing, noise=0.1)
    )
    assert control["lower error with little data"].verdict == "holds"
    assert control["control: the metric matters"].verdict == "fails"


@pytest.fixture(scope="module")
def result():
    numbers = numbers_of(made_up(effect, narrowing, noise=1.0))
    return STUDY.result(STUDY.plan("small", SEEDS), numbers, scale="small", command="c")


def test_pictures_show_what_the_tables_hold(result):
    drawn = STUDY.pictures(result)
    assert len(drawn) == 4
    forest = drawn["Change against base"][0]
    assert len([axis for axis in forest.axes if axis.get_visible()]) == 6
    assert "change of the nRMSE (%)" in {axis.get_xlabel() for axis in forest.axes}
    gain = drawn["Gain against the amount of data"][0]
    assert gain.axes[0].get_title().startswith("FNO\nslope -1.")
    for axis in drawn["Spread of alpha over the layers"][0].axes:
        assert axis.get_ylim()[0] == 0
        assert axis.get_ylabel()


def test_the_result_survives_a_file_and_makes_a_page(result, tmp_path):
    back = load(result.save(tmp_path / "result.json"))
    assert isinstance(back, StudyResult)
    assert back.claims == result.claims
    assert back.tables["changes"] == result.tables["changes"]
    page = STUDY.html(back)
    assert page.count("<svg") == 4
    assert page.count('class="verdict') == 11


TINY = plan.TempBalancePlan(
    seeds=(0, 1, 2),
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
    assert again.tables == first.tables
    assert again.claims == first.claims
    assert {row["method"] for row in first.tables["runs"]} == {
        *plan.JUDGED,
        plan.STRONG,
        plan.TUNED,
    }
    assert len(STUDY.pictures(first)) == 4
    few = study.run(seeds=2, folder=tmp_path, engine="threads")
    assert few.seeds == 2
