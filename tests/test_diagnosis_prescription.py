"""One model, all questions: the advice, its grounds, its score; and the command around it."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from eigenscape.checkpoints import save_checkpoint
from eigenscape.cli import main
from eigenscape.diagnosis import (
    MDTree,
    Measurement,
    Population,
    Prescription,
    asked_questions,
    cv_score,
    prescribe,
    read_population,
)
from eigenscape.diagnosis._advice_score import advice_score
from eigenscape.diagnosis._cv_score import held_out
from eigenscape.diagnosis._diagnosis import NO_FAILURE
from eigenscape.diagnosis._labels import step_ratios
from eigenscape.diagnosis._leaves import LeafRecord
from eigenscape.diagnosis._policy import Advice, advise
from eigenscape.errors import InputError
from tests._grow_family import network
from tests.test_diagnosis import small_table

FILE = Path(__file__).with_name("_grow_family.py")


@pytest.fixture(scope="module")
def population():
    protocol = {"classes": 10, "curve_steps": 3}
    return Population.from_frame(small_table(), name="small", protocol=protocol)


HOT = {"train_error": 6.0, "mode_connectivity_peak": -3.0, "hessian_t": 4.5}
COLD = {"train_error": 0.0, "mode_connectivity_peak": -16.0, "hessian_t": 7.5}


def test_hot_and_cold_are_told_apart(population):
    hot, cold = (prescribe(population, metrics) for metrics in (HOT, COLD))
    answers = [
        {found.question: found.verdict for found in said.diagnoses}["temperature"]
        for said in (hot, cold)
    ]
    assert answers == ["large", "small"]
    assert cold.action == "raise temperature"
    assert cold.verdict == "small"
    assert cold.ratio == 2.0
    assert "raise the learning rate" in cold.sentences[0]
    assert f"Expected: {cold.gain:+.1f} points" in cold.sentences[0]
    record = cold.outcome.precision
    assert f"in {record.right} of {record.given}" in cold.sentences[0]
    # the advice for hot ones gained more than the noise in 12 of 16: an optimum is among them
    assert hot.verdict == "not known"
    assert [why.kind for why in hot.abstained] == ["outcome"]
    assert "12 of 16 held-out configurations" in hot.sentences[0]
    assert hot.answered[0].verdict == "large"


def test_ratios_say_how_far_the_best_is():
    table = Population.from_frame(small_table()).table
    ratios = step_ratios(table)
    cell = ((table["width"] == 8) & (table["data"] == 1)).to_numpy()
    best = table["temperature"][cell].iloc[table["test_acc"][cell].argmax()]
    own = table["temperature"][cell].to_numpy()
    up, down = ratios["raise temperature"][cell], ratios["lower temperature"][cell]
    np.testing.assert_allclose(own[own <= best] * up[own <= best], best)
    np.testing.assert_allclose(own[own >= best] * down[own >= best], best)


def test_one_checkpoint_says_that_it_tells_less(population):
    found = prescribe(population, {"train_error": 6.0, "hessian_t": 4.5})
    assert [one.question for one in found.diagnoses] == ["temperature"]
    assert found.diagnoses[0].variant == "one-checkpoint"
    assert any("no connectivity" in note for note in found.notes)
    assert set(found.frame()["action"]) >= {"raise temperature", "lower temperature", "widen"}


def test_nothing_to_gain_is_no_failure(population):
    found = prescribe(population, HOT, seed_noise=1e6)
    assert found.action is None
    assert found.verdict == NO_FAILURE
    assert found.gain == 0
    assert "No failure found" in found.sentences[0]
    assert "16 of 16" in found.sentences[0]


def test_outside_the_population_nothing_is_said(population):
    found = prescribe(population, {**HOT, "hessian_t": 40.0})
    assert found.verdict == "not known"
    assert {why.kind for why in found.abstained} == {"range"}
    assert "Its ln Hessian trace is 40" in found.sentences[0]
    assert found.brief == found.sentences[:1]
    # nor what the networks gained that are not like it
    assert found.alien
    assert found.frame().empty
    assert not any("configurations of" in line for line in found.sentences[3:])
    assert len(found.plot().axes) == len(found.diagnoses)


def test_an_advice_does_not_lead_out_of_the_population(population):
    free = prescribe(population, COLD)
    own = free.ratio
    at = 1 / 48  # the largest temperature of the population is 1 / 16
    assert prescribe(population, COLD, sizes={"temperature": at}).ratio == own
    near = prescribe(population, COLD, sizes={"temperature": 1 / 20})
    assert near.ratio == pytest.approx(20 / 16)
    assert any("lead out of the population" in note for note in near.notes)
    beyond = prescribe(population, COLD, sizes={"temperature": 1.0})
    assert beyond.verdict == "not known"


def test_another_protocol_is_refused_or_warned(population):
    with pytest.raises(InputError, match="curve_steps"):
        prescribe(population, HOT, protocol={"curve_steps": 4})
    with pytest.warns(UserWarning, match="curve_steps"):
        prescribe(population, HOT, protocol={"curve_steps": 4}, on_mismatch="warn")


def test_missing_metrics_are_named(population):
    with pytest.raises(InputError, match="hessian_t"):
        prescribe(population, {"train_error": 1.0})
    with pytest.raises(InputError, match="not finite"):
        prescribe(population, {**HOT, "train_error": math.nan})


def test_one_temperature_cannot_be_asked(population):
    one = population.select(population.table["bs"] == 64)
    with pytest.raises(InputError, match="one temperature"):
        prescribe(one, HOT)
    assert "temperature" not in asked_questions(one)


@pytest.mark.parametrize("lost", [{"diagnoses": ()}, {"cv_scores": {}}, {"sentences": ()}])
def test_a_prescription_without_its_grounds_is_refused(population, lost):
    with pytest.raises(InputError, match="needs diagnoses, a CVScore for each, and sentences"):
        replace(prescribe(population, HOT), **lost)


def test_a_prescription_goes_through_json(population, tmp_path):
    found = prescribe(population, HOT)
    again = Prescription.load(found.save(tmp_path / "p.json"))
    assert again.sentences == found.sentences
    assert again.frame().equals(found.frame())
    assert again.verdict == found.verdict
    data = json.loads((tmp_path / "p.json").read_text())
    assert data["verdict"] == "not known"
    assert data["abstained"][0]["kind"] == "outcome"


def test_the_picture_shows_every_question(population):
    found = prescribe(population, HOT)
    figure = found.plot()
    assert len(figure.axes) == len(found.diagnoses) + 1
    words = " ".join(text.get_text() for axis in figure.axes for text in axis.texts)
    assert "6 against" in words
    titles = " ".join(axis.get_title(loc="left") for axis in figure.axes)
    for question in ("temperature", "width", "data"):
        assert f"{question.capitalize()}? " in titles


def test_trust_is_measured_on_cells_that_were_not_seen(population):
    score = cv_score(population)
    assert score.accuracy > 90
    assert score.better
    table = population.table.copy()
    rng = np.random.default_rng(0)
    metrics = list(population.metrics)
    table[metrics] = table[metrics].to_numpy()[rng.permutation(len(table))]
    noise = cv_score(population.with_table(table))
    assert noise.balanced_accuracy < score.balanced_accuracy - 20
    assert not noise.better
    assert "always the same answer" in score.words()


def test_trust_of_one_cell_is_unknown(population):
    one = population.select((population.table["width"] == 8) & (population.table["data"] == 1))
    assert math.isnan(cv_score(one).accuracy)
    assert "too few" in cv_score(one).words()


def leaf(label, size=9, **gains):
    known = {"raise temperature": 0.0, "lower temperature": 0.0, "widen": 0.0, "add data": 0.0}
    return LeafRecord(
        label=label,
        words="",
        counts={label: size},
        gains={**known, **gains},
        quartiles={},
        ratios={"widen": 4.0},
    )


def test_a_leaf_names_what_it_lacks():
    whole = leaf("small")
    quartiles = dict.fromkeys(whole.gains, (0.0, 0.0))
    whole = replace(whole, quartiles=quartiles, counts={"small": 9, "large": 0, "optimal": 0})
    whole.check("temperature")
    for name in ("gains", "quartiles"):
        less = {key: value for key, value in getattr(whole, name).items() if key != "widen"}
        with pytest.raises(InputError, match="a leaf lacks widen"):
            replace(whole, **{name: less}).check("temperature")
    with pytest.raises(InputError, match="a leaf lacks large"):
        replace(whole, counts={"small": 9, "optimal": 0}).check("temperature")


def test_the_largest_gain_of_those_that_have_a_say_is_advised():
    hot = leaf("large", **{"lower temperature": 3.0, "widen": 9.0})
    narrow, other = leaf("width", widen=5.0), leaf("temperature", widen=50.0)
    assert advise({"temperature": hot, "width": narrow}) == Advice("widen", 5.0, 4.0, "width: ")
    assert advise({"temperature": hot, "width": other}).action == "lower temperature"
    few = leaf("width", size=5, widen=50.0)
    assert advise({"temperature": hot, "width": few}).action == "lower temperature"
    assert advise({"temperature": hot}) == Advice(
        "widen", 9.0, 4.0, "temperature: "
    )  # it speaks for all
    assert advise({"width": other}).action is None


def test_nothing_is_advised_beyond_the_end_of_the_population(population):
    table = population.table.assign(data_amount=100.0 * population.table["data"], para_amount=50.0)
    known = population.with_table(table)
    one = {"train_error": 6.0, "hessian_t": 4.5}
    free = prescribe(known, one, sizes={"data_amount": 100.0})
    assert not any("not asked" in note for note in free.notes)
    ends = prescribe(known, one, sizes={"data_amount": 200.0, "para_amount": 50.0})
    assert ends.action not in ("widen", "add data")
    assert sum("cannot tell what more would gain" in note for note in ends.notes) == 2


def test_seed_noise_is_that_of_one_seed():
    rng = np.random.default_rng(0)
    table = small_table()
    table["test_acc_sd"] = rng.normal(0, 2.0, (len(table), 2)).std(axis=1, ddof=1)
    protocol = {"seeds": 2}
    many = [
        Population.from_frame(
            table.assign(test_acc_sd=rng.normal(0, 2.0, (len(table), 2)).std(axis=1, ddof=1)),
            protocol=protocol,
        ).seed_noise
        for _ in range(60)
    ]
    assert np.mean(many) == pytest.approx(2.0, rel=0.12)
    assert Population.from_frame(table).seed_noise == pytest.approx(table["test_acc_sd"].median())


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda columns: columns.pop("rfi_width"), "lacks columns rfi_width"),
        (lambda columns: columns.pop("width"), "missing columns: width"),
        (lambda columns: columns["lr" if "lr" in columns else "bs"].pop(), "of different lengths"),
        (lambda columns: columns["test_acc"].__setitem__(0, None), "test_acc is not finite"),
        (
            lambda columns: columns["data"].__setitem__(0, "much"),
            r"columns\[.data.\]: expected a number",
        ),
    ],
)
def test_a_damaged_population_is_refused(population, tmp_path, damage, words):
    data = population.to_dict()
    damage(data["columns"])
    path = tmp_path / "p.json"
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=words):
        read_population(path)


def test_advice_is_worth_more_than_a_lot(population):
    score = advice_score(population, held_out(population, asked_questions(population)), 0.5)
    assert score.random < score.gain.mean <= score.best
    assert score.constant <= score.best
    assert score.calibration.low < 1 < score.calibration.high
    assert f"{score.gain.mean:.2f}" in score.words()
    one = population.select((population.table["width"] == 8) & (population.table["data"] == 1))
    assert advice_score(one, held_out(one, ("temperature",)), 0.5) is None


def test_the_box_of_a_grown_population_is_its_own():
    table = small_table()
    table["hessian_t"] -= 8  # far below the paper's box of 4 to 9
    grown = Population.from_frame(table, protocol={"curve_steps": 3})
    foreign = Population.from_frame(table)
    assert MDTree.fit(grown).train_accuracy >= MDTree.fit(foreign).train_accuracy
    assert MDTree.fit(foreign).thresholds[2] >= 4
    assert MDTree.fit(grown).thresholds[2] < 2
    with pytest.raises(InputError, match="box"):
        MDTree.fit(grown, box="mine")


# ---------------------------------------------------------------- the command


def run(capsys, *words):
    code = main(["diagnose", *map(str, words)])
    out = capsys.readouterr()
    return code, out.out, out.err


#: The last rate is far too large, so that both answers occur.
GROW = [
    "--probe",
    f"{FILE}:family",
    "--data",
    "60",
    "120",
    "--rates",
    "0.02",
    "0.5",
    "20",
    "--engine",
    "threads",
]


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    folder = tmp_path_factory.mktemp("population")
    assert main(["diagnose", "grow", "--out", str(folder), "--jobs", "1", *GROW]) == 0
    return folder


def test_grow_writes_a_population(grown, capsys):
    assert {path.name for path in grown.iterdir()} == {
        "population.json",
        "population.png",
        "plan.json",
        "cells",
    }
    population = read_population(grown)
    assert len(population) == 12
    code, out, err = run(
        capsys,
        "grow",
        "--out",
        grown,
        *GROW,
        "--format",
        "json",
    )
    assert code == 0
    assert json.loads(out)["schema"] == "eigenscape.population/2"
    assert "to do: 24 networks and 12 curves" in err


def test_grow_refuses_another_plan(grown, capsys):
    code, _, err = run(capsys, "grow", "--probe", f"{FILE}:family", "--out", grown, "--seeds", "3")
    assert code == 2
    assert "another plan" in err


def test_grow_estimates_without_growing(capsys, tmp_path):
    code, out, err = run(
        capsys, "grow", "--probe", f"{FILE}:family", "--out", tmp_path / "no", "--estimate"
    )
    assert code == 0
    assert out == ""
    assert "widths 3, 6; data 30, 60, 120" in err
    assert not (tmp_path / "no").exists()


def test_grow_estimates_what_a_budget_leaves(capsys, tmp_path):
    words = ("grow", "--probe", f"{FILE}:family", "--out", tmp_path / "no", "--estimate")
    code, _, err = run(capsys, *words, "--budget", "0.001s")
    assert code == 2
    assert "the smallest plan of" in err
    assert run(capsys, *words, "--budget", "2h")[0] == 0
    assert not (tmp_path / "no").exists()


def test_a_pair_of_models_is_diagnosed(grown, capsys, tmp_path):
    code, out, _ = run(
        capsys,
        f"{FILE}:pair",
        "--population",
        grown,
        "--out",
        tmp_path,
        "--format",
        "json",
        "--quiet",
    )
    data = json.loads(out)
    assert code == 0
    assert {found["question"] for found in data["diagnoses"]} >= {"temperature"}
    assert {path.name for path in tmp_path.iterdir()} == {"prescription.json", "prescription.png"}
    code, out, _ = run(capsys, f"{FILE}:pair", "--population", grown)
    assert "training error" in out
    assert out.splitlines()[-1][0].isdigit()


def test_checkpoints_are_diagnosed_with_their_family(grown, capsys, tmp_path):
    torch.manual_seed(1)
    path = save_checkpoint(network(6).state_dict(), tmp_path / "a.safetensors")
    words = (path, "--population", grown, "--probe", f"{FILE}:family", "--data", "60")
    code, out, err = run(capsys, *words, "--width", "6", "--format", "json")
    assert code == 0
    assert json.loads(out)["diagnoses"][0]["variant"] == "one-checkpoint"
    assert "one network" in err
    code, _, err = run(capsys, *words, "--width", "5")
    assert code == 2
    assert "does not fit make(5)" in err
    code, _, err = run(capsys, path, "--population", grown)
    assert code == 2
    assert "alone cannot be measured" in err


def test_metrics_from_a_file_are_diagnosed(grown, capsys, tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps({"train_error": 3.0, "hessian_t": 4.0, "protocol": {"classes": 9}}))
    code, _, err = run(capsys, path, "--population", grown)
    assert code == 2
    assert "classes: 10 there, 9 here" in err
    path.write_text(json.dumps({"train_error": 3.0, "hessian_t": 4.0}))
    assert run(capsys, path, "--population", grown)[0] == 0
    path.write_text(json.dumps({"train_error": "much"}))
    assert "no numbers: train_error" in run(capsys, path, "--population", grown)[2]
    path.write_text(json.dumps({"color": 1}))
    assert "has no metrics" in run(capsys, path, "--population", grown)[2]


def test_a_population_without_a_protocol_cannot_measure(capsys, tmp_path):
    table = tmp_path / "table.csv"
    small_table().to_csv(table, index=False)
    code, _, err = run(capsys, f"{FILE}:pair", "--population", table)
    assert code == 2
    assert "train a population" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("absent.py:model", "--population", "nowhere"), "cannot read"),
        (("grow", "--probe", "absent.py:family", "--out", "x"), "no file"),
        (("grow", "--probe", f"{FILE}:nothing", "--out", "x"), "returned a int"),
    ],
)
def test_bad_words(capsys, words, said):
    code, _, err = run(capsys, *words)
    assert code == 2
    assert said in err


def test_a_checkup_has_the_diagnosis(grown, capsys, tmp_path):
    code = main(
        [
            "checkup",
            "--probe",
            f"{FILE}:probe",
            "--population",
            str(grown),
            "--out",
            str(tmp_path),
            "--quiet",
        ]
    )
    out = capsys.readouterr().out
    assert code == 0
    assert "No diagnosis by" in out
    page = (tmp_path / "report.html").read_text()
    assert "Temperature? " in page
    assert "What each change gained" not in page  # by networks that are not like it
    code = main(["checkup", str(tmp_path / "x"), "--population", str(grown)])
    assert code == 2
    table = tmp_path / "table.csv"
    small_table().to_csv(table, index=False)
    code = main(
        [
            "checkup",
            "--probe",
            f"{FILE}:probe",
            "--population",
            str(table),
            "--out",
            str(tmp_path / "second"),
            "--quiet",
        ]
    )
    assert code == 0
    assert (
        "Not examined: the diagnosis, because of: the population does not state"
        in capsys.readouterr().out
    )


def test_a_measurement_file_is_read_back(grown, capsys, tmp_path):
    from eigenscape.diagnosis import MeasureOptions, measure
    from eigenscape.models import load_probe

    family = load_probe(f"{FILE}:family")
    options = MeasureOptions.from_protocol(read_population(grown).protocol)
    found = measure(family.build(3, 6), family.train.whole(), options=options)
    path = found.save(tmp_path / "measured.json")
    assert Measurement.load(path).metrics == found.metrics
    assert run(capsys, path, "--population", grown)[0] == 0
