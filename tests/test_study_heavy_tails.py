"""The study of heavy tails at a fifth of the small scale's work: two seeds, d = 60."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from eigenscape.report import inline_svg
from eigenscape.results import load
from eigenscape.theory._spikes import spike_position
from eigenscape_studies._claim import VERDICTS
from eigenscape_studies.heavy_tails import STUDY
from eigenscape_studies.heavy_tails._numbers import Numbers, picked
from eigenscape_studies.heavy_tails._plan import RIDGES, Cell, HeavyTailsPlan, experiments


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    tiny = replace(STUDY, scales={"small": HeavyTailsPlan(d=60, seeds=(0, 1))})
    folder = tmp_path_factory.mktemp("study")
    first = tiny.run(folder=folder, engine="threads")
    again = tiny.run(folder=folder, engine="threads")
    assert again.claims == first.claims
    assert again.seconds == first.seconds
    return first


def test_claims_stand_next_to_measurements(result):
    assert len(result.claims) == 13
    for claim in result.claims:
        assert claim.verdict in VERDICTS
        assert claim.figure
        assert not claim.seeds or re.search(r"\d", claim.measured)
    by_name = {claim.name: claim for claim in result.claims}
    assert by_name["heavy tail without gradient noise"].seeds == 2
    assert by_name["small rates are slow"].verdict == "not tested here"


def test_the_loss_effect_is_stated_from_the_measurements(result):
    text = result.paragraphs["What it does to the loss"]
    rows = result.table("summary")
    rows = rows[(rows["series"] == "losses") & (rows["value"] == 1.0) & (rows["step"] == 10)]
    for metric in ("readout_test", "readout_test_reference"):
        mean = rows[rows["metric"] == metric]["mean"].iloc[0]
        assert f"to {mean:.3f}, a change of" in text
    assert len(re.findall(r"it (falls|rises|does not change)", text)) == 2
    assert len(re.findall(r"95 % interval [+-]\d", text)) == 2


@pytest.mark.slow
def test_page_and_file(result, tmp_path):
    path = STUDY.write_page(result, tmp_path / "report.html")
    page = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 2e6
    assert page.count("<svg") == 7
    assert page.count('class="verdict') == 13
    back = load(result.save(tmp_path / "result.json"))
    assert back == result
    assert back.plot().axes


@pytest.mark.slow
def test_another_list_of_seeds_gives_other_numbers(result):
    tiny = replace(STUDY, scales={"small": HeavyTailsPlan(d=60, seeds=(0, 1))})
    other = tiny.run(seed_list=(1, 7), engine="threads")
    mine, theirs = (
        r.table("summary").query("metric == 'alpha_hill'")["mean"] for r in (result, other)
    )
    assert len(mine) == len(theirs)
    assert (mine.to_numpy() != theirs.to_numpy()).any()


def test_page_shortens_coordinates_and_no_text(result):
    figure = result.plot()
    figure.axes[0].set_title("threshold 0.04664")
    svg = inline_svg(figure, 0)
    assert "threshold 0.04664" in svg
    assert not re.search(r' d="[^"]*\d\.\d{3}', svg)


# ---- claims of made-up runs

PLAN = HeavyTailsPlan(d=200, seeds=(0, 1, 2, 3))
RANDOM = 2.45
GD = PLAN.gd(2000)


def size(optimizer, rate):
    """How large a step is, in units of what ends in a heavy tail."""
    return rate if optimizer == "adam" else rate / GD


def as_claimed(series, optimizer, value, step, metric):
    """A world in which every claim of the paper is true; the number without its noise."""
    rate = value if series in ("rates", "paths", "losses", "normed") else 1.0
    done = step / 10 * min(size(optimizer, rate), 1.2) if size(optimizer, rate) > 0.3 else 0.0
    normed = series == "normed"
    if metric == "alpha_hill":
        decay = 0.1 * (1 - value) if series == "schedule" else 0.0
        return RANDOM - 0.5 * done ** (2 if series == "losses" else 1) + decay - 0.1 * normed
    if metric == "outliers":
        if series == "threshold":
            return float(value >= 1)
        return 10 * done if step > 1 else float(size(optimizer, rate) > 0.3) * (step == 1)
    if metric == "similarity":
        return 0.5 * (value > 1)
    if metric == "block_right":
        return 0.05 + 0.06 * done * 10 * (step < 5) + 0.5 * done * (step >= 5)
    if metric == "kta" or metric == "kta_centred":
        return 0.01 + 0.02 * value * (step == 1) * (1.0 if value <= 1 else 0.05)
    if series == "losses":  # lowest half way at the largest rate, above that it overfits
        return (
            1.0
            - 0.3 * (step == 4) * (value == 1.0)
            + 0.1 * (step == 10) * (value == 1.0)
            - (0.2 * (step == 10) * (value == 1.0))
        )
    direction = {"samples": -1e-4, "noise": 0.5, "ridge": 1.0, "schedule": -0.2}.get(series, 0.0)
    return 1.0 + direction * value - 0.2 * normed


METRICS = (
    *("alpha_hill", "outliers", "similarity", "block_right", "kta", "kta_centred"),
    *("readout_test", "readout_test_reference", "readout_train", "readout_train_reference"),
    "update_stable_rank",
)


def made_up(world=as_claimed, noise=1e-4):
    """Numbers of a world: the cells of the plan, all steps, noise whose mean over seeds is 0."""
    rng = np.random.default_rng(0)
    theory = {name: Numbers(PLAN, pd.DataFrame(), {}, []).theory(name) for name in ("adam", "gd")}
    cells = dict.fromkeys((cell.series, cell.optimizer, cell.value) for cell in experiments(PLAN))
    points = {"noise": 0.3, "samples": float(PLAN.many), "schedule": 1.0}
    cells |= dict.fromkeys((series, "adam", value) for series, value in points.items())
    cells |= dict.fromkeys(("ridge", "adam", value) for value in RIDGES)
    rows = []
    for series, optimizer, value in cells:
        away = noise * rng.normal(size=(len(PLAN.seeds), 11, len(METRICS)))
        away -= away.mean(axis=0)
        for seed in PLAN.seeds:
            for step in range(11) if series == "paths" else (0, 1, 2, 4, 10):
                row = {
                    name: world(series, optimizer, value, step, name)
                    + away[seed, step, place] * (name != "outliers")
                    for place, name in enumerate(METRICS)
                }
                if series == "threshold":
                    planted = (PLAN.h * PLAN.d) ** 0.25 * value * (1 + 0.01 * seed)
                    position = spike_position(planted / PLAN.h**0.5, PLAN.d / PLAN.h)
                    row["spectral_norm"] = (PLAN.h * position) ** 0.5
                place = Cell(series, optimizer, value, seed)._asdict()
                rows.append({**place, "step": step, "alpha_null": RANDOM, **row})
    assert theory["gd"].threshold > 100 * theory["adam"].threshold
    return Numbers(PLAN, pd.DataFrame(rows), {}, [])


def judged(world=as_claimed, **options):
    found = STUDY.judge(made_up(world, **options), command="c", seeds=len(PLAN.seeds))
    return {claim.name: claim for claim in found}


def changed(metric, rule, series=None):
    """The world as claimed, with one metric otherwise."""

    def world(where, optimizer, value, step, name):
        told = as_claimed(where, optimizer, value, step, name)
        if name == metric and (series is None or where == series):
            return rule(where, optimizer, value, step, told)
        return told

    return world


def test_claims_hold_in_a_world_where_they_are_true():
    claims = judged()
    verdicts = {name: claim.verdict for name, claim in claims.items()}
    assert verdicts.pop("small rates are slow") == "not tested here"
    # With both feature scalings the loss ends 0.1 below its start.
    assert set(verdicts.values()) == {"holds"}, verdicts


def test_claims_fail_in_a_world_of_noise():
    def still(series, optimizer, value, step, name):
        if name == "outliers":
            return 0.0
        return {"alpha_hill": RANDOM}.get(name, 1.0)

    claims = judged(still, noise=1e-2)
    for name, claim in claims.items():
        if name in ("small rates are slow", "heavy tail without gradient noise"):
            continue
        # Nothing falls, but there is no fall at the large rate either to measure that against.
        wanted = "in part" if name == "no spike, no tail" else "fails"
        if name == "one-step thresholds":
            wanted = "in part"  # that the rates lie far apart is put in by the spikes
        assert claim.verdict == wanted, claim
        if name not in ("alignment rises in one step", "the best exponent"):  # chosen by seed
            assert "not significant" in claim.measured


@pytest.mark.parametrize(
    ("name", "metric", "rule", "series"),
    [
        # larger rates do not lower the alignment again
        (
            "alignment rises in one step",
            "kta",
            lambda series, optimizer, value, step, told: 0.01 + 0.02 * value * (step == 1),
            "rates",
        ),
        # decay leaves the loss alone
        ("schedules shape the spectrum", "readout_test", lambda *_: 1.0, "schedule"),
        # normalisation leaves the loss alone
        ("weight normalisation", "readout_test", lambda *_: 1.0, "normed"),
        # heavier tails do not overfit
        (
            "the best exponent",
            "readout_test",
            lambda series, optimizer, value, step, told: 1.0 - 0.05 * value * min(step, 4),
            "losses",
        ),
        # the training loss does not rise with the noise
        ("label noise", "readout_train", lambda *_: 1.0, "noise"),
        # a spike, but nothing learnt of the teacher
        ("one-step thresholds", "similarity", lambda *_: 0.1, "threshold"),
        # the overlap grows, and the exponent does not fall
        (
            "from spike to decay to tail",
            "alpha_hill",
            lambda series, optimizer, value, step, told: RANDOM - 0.6 * (step > 0) * (value == 1),
            "paths",
        ),
        # the loss falls with one of the scalings alone
        (
            "heavy tails and the test loss",
            "readout_test",
            lambda series, optimizer, value, step, told: 1.0 + 0.01 * step * value,
            "losses",
        ),
    ],
)
def test_a_claim_of_two_halves_holds_in_part_where_one_is_not_so(name, metric, rule, series):
    claim = judged(changed(metric, rule, series))[name]
    assert claim.verdict == "in part", claim


@pytest.mark.parametrize(("fall", "wanted"), [(0.0, "holds"), (0.03, "in part"), (0.2, "fails")])
def test_a_fall_without_a_spike_is_told_with_its_tolerance(fall, wanted):
    def rule(series, optimizer, value, step, told):
        return RANDOM - fall * step / 10 if (optimizer, value) == ("gd", PLAN.gd(100)) else told

    claim = judged(changed("alpha_hill", rule, "rates"))["no spike, no tail"]
    assert claim.verdict == wanted
    assert "a tenth of the fall at Adam 1" in claim.measured
    if fall:
        assert f"gd 20 (below the theory's threshold): {-fall:+.3f} [" in claim.measured


def test_a_large_rate_that_spares_the_spectrum_is_no_heavy_tail():
    def rule(series, optimizer, value, step, told):
        return RANDOM if optimizer == "gd" else told

    assert (
        judged(changed("alpha_hill", rule, "paths"))["heavy tail without gradient noise"].verdict
        == "in part"
    )


def test_what_is_best_for_a_seed_is_chosen_on_the_others():
    free, biased = [], []
    for noise in np.random.default_rng(1).normal(size=(300, 10, 5)):  # cells by seeds, no effect
        cells = dict(enumerate(noise))
        best = picked(cells, largest=True)
        free.append(np.mean([cells[cell][seed] for seed, cell in enumerate(best)]))
        biased.append(max(row.mean() for row in noise))
    assert abs(np.mean(free)) < 0.1
    assert np.mean(biased) > 0.5
