"""The study of TempBalance: statistics with known answers, claims of made-up runs, pictures."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from eigenscape.errors import InputError
from eigenscape.results import load
from eigenscape.stats import Interval, fit_line, holm
from eigenscape_studies import StudyResult, signed
from eigenscape_studies.tempbalance import STUDY
from eigenscape_studies.tempbalance import _plan as plan
from eigenscape_studies.tempbalance._numbers import Key, Numbers, choose, tuning_scores

# ---- statistics


def test_a_line_has_the_slope_and_the_interval_of_the_textbook():
    rng = np.random.default_rng(0)
    x = np.repeat([1.0, 2.0, 3.0], 7)
    y = 1.5 * x - 2 + rng.normal(size=21)
    line, known = fit_line(x, y), scipy_stats.linregress(x, y)
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
RATES = (0.01, 0.02, 0.04)
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
                for method in plan.JUDGED if amount == 20 else plan.FEWER:
                    told = change(method, amount) + noise * rng.normal() * (method != plan.BASE)
                    value = base - told if measure == "accuracy" else base * (1 + told / 100)
                    rows.append(
                        {
                            "cell": cell,
                            "amount": amount,
                            "seed": seed,
                            "method": method,
                            "measure": measure,
                            "rate": 0.02,
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
        {
            "cell": cell,
            "amount": amount,
            "seed": 1000 + i,
            "rate": rate,
            "value": 2 + (rate != 0.02),
        }
        for cell in cells
        for amount in (20, 40, 80)
        for rate in RATES
        for i in (0, 1)
    ]
    traces = [
        {
            "cell": "FNO",
            "method": method,
            "seed": 0,
            "step": step,
            "layer": layer,
            "alpha": 2 + step,
            "lr_factor": 1 + step,
        }
        for method in (plan.BASE, plan.SIGMOID)
        for step in (0, 1)
        for layer in "ab"
    ]
    others = [
        {**row, "rate": rate}
        for row in rows
        if row["cell"] == "FNO"
        and (row["amount"], row["method"]) in [(20, method) for method in plan.FEWER]
        and row["seed"] < 3
        for rate in (0.01, 0.04)
    ]
    chosen = {(cell, amount): 0.02 for cell in cells for amount in (20, 40, 80)}
    return Numbers(
        cells=cells, rows=rows, tuning=tuning, others=others, traces=traces, chosen=chosen
    )


def effect(method, amount):
    """TempBalance helps, the more the fewer the data; nothing else does anything."""
    return {plan.SIGMOID: -6 + np.log2(amount / 20), plan.LINEAR: -2.0}.get(method, 0.0)


def narrowing(method, amount):
    ratio = {plan.SIGMOID: 0.2, plan.LINEAR: 0.5, plan.INVERSE: 1.5}.get(method, 1.0)
    return ratio / amount**0.1


def test_changes_of_errors_and_spreads_are_paired():
    numbers = numbers_of(made_up(effect, narrowing))
    assert numbers.main == ("FNO", 20)
    np.testing.assert_allclose(numbers.changes("FNO", 40, plan.SIGMOID), -5)
    np.testing.assert_allclose(numbers.changes("GPT", 40, plan.SIGMOID), 5)
    np.testing.assert_allclose(numbers.spread_changes("GPT", 80, plan.SIGMOID), -80)
    for cell in CELLS:
        assert numbers.ahead(cell, 20, plan.LINEAR).mean == pytest.approx(4)
        np.testing.assert_allclose(numbers.gain_lines(cell)[:, 0], -1)
    assert numbers.family[Key("spread by amount", "FNO", 0, plan.BASE, "")].below


def test_a_slope_is_of_the_seeds_that_have_every_amount():
    rows = made_up(effect, narrowing)
    few = [row for row in rows if row["amount"] < 80 or row["seed"] < 5]
    for row in few:
        if (row["cell"], row["amount"], row["seed"], row["method"]) == ("GPT", 80, 4, plan.SIGMOID):
            row["value"] = float("nan")
    numbers = numbers_of(few)
    slopes = {
        cell: numbers.family[Key("gain by amount", cell, 0, plan.SIGMOID, "")] for cell in CELLS
    }
    assert {cell: found.seeds for cell, found in slopes.items()} == {"FNO": 5, "GPT": 4}
    assert slopes["FNO"].mean == pytest.approx(-1)
    alone = [row for row in rows if row["amount"] == 20]
    numbers = numbers_of(alone)
    found = numbers.family[Key("gain by amount", "FNO", 0, plan.SIGMOID, "")]
    assert found.words() == "undefined"
    assert found.of == len(numbers.family) - 4  # two slopes of two cells cannot be had
    assert verdicts(alone)["the less data, the larger the gain"].verdict == "fails"


def test_the_family_is_every_comparison_and_holm_is_over_all_of_them():
    numbers = numbers_of(made_up(effect, narrowing, noise=3.0))
    # of two cells: error and spread of four ways with the fewest examples and of two at two other
    # amounts; one against linear and two slopes a cell; two controls in the main cell
    assert len(numbers.family) == 2 * 2 * (4 + 2 * 2) + 2 * 3 + 2
    assert {found.of for found in numbers.family.values()} == {len(numbers.family)}
    p = [found.p for found in numbers.family.values()]
    assert [found.holm for found in numbers.family.values()] == pytest.approx(list(holm(p)))
    change = numbers.changes("GPT", 20, plan.INVERSE)
    wanted = scipy_stats.ttest_1samp(change, 0)
    found = numbers.change("GPT", 20, plan.INVERSE)
    assert found.p == pytest.approx(wanted.pvalue)
    limits = wanted.confidence_interval()
    assert (found.low, found.high) == pytest.approx((limits.low, limits.high))


def test_a_diverged_run_is_left_out_of_its_pairs():
    rows = made_up(effect, narrowing)
    rows[1] |= {"value": float("nan"), "diverged": True}
    numbers = numbers_of(rows)
    assert numbers.change("FNO", 20, plan.SIGMOID).seeds == SEEDS - 1
    assert numbers.diverged() == 1
    assert "1 training diverged" in STUDY.paragraphs(numbers)["What was trained"]


@pytest.mark.parametrize(("measure", "best"), [("nRMSE", 0.01), ("accuracy", 0.04)])
def test_the_best_rate_on_the_tuning_seeds_is_chosen(measure, best):
    rows = [
        {"cell": "a", "amount": 9, "seed": seed, "rate": rate, "value": rate * seed}
        for seed in (1, 2)
        for rate in RATES
    ]
    assert choose(rows, {"a": measure}) == {("a", 9): best}
    level = [{**row, "value": 0.5} for row in rows]
    assert choose(level, {"a": measure}) == {("a", 9): 0.01}
    lost = [
        {**row, "value": float("nan")} if (row["rate"], row["seed"]) == (best, 2) else row
        for row in rows
    ]
    assert tuning_scores(lost, measure)[best].seeds == 0
    assert choose(lost, {"a": measure}) == {("a", 9): 0.02}
    with pytest.raises(InputError, match="a, 9 examples: every rate diverged"):
        choose([{**row, "value": float("nan")} for row in rows], {"a": measure})


def test_seeds_count_alike_however_hard_their_data_are():
    values = {0.01: (0.1, 10.0), 0.02: (0.2, 6.0)}  # half as good on one, 1.7 times on the other
    rows = [
        {"cell": "a", "amount": 9, "seed": seed, "rate": rate, "value": value}
        for rate, pair in values.items()
        for seed, value in enumerate(pair)
    ]
    assert choose(rows, {"a": "nRMSE"}) == {("a", 9): 0.01}


def test_the_curve_has_every_rate_and_all_judged_seeds_at_the_chosen_one():
    numbers = numbers_of(made_up(effect, narrowing))
    rows = numbers.curve()
    assert [row["rate"] for row in rows if row["what"] == "base"] == list(RATES)
    by_rate = {row["rate"]: row["seeds"] for row in rows if row["what"] == f"{plan.SIGMOID} change"}
    assert by_rate == {0.01: 3, 0.02: SEEDS, 0.04: 3}
    assert [row["chosen"] for row in rows if row["what"] == "base"] == [False, True, False]
    spreads = [row["mean"] for row in rows if row["what"] == f"{plan.INVERSE} spread change"]
    assert spreads == pytest.approx([50, 50, 50])
    text = STUDY.paragraphs(numbers)["The other rates of the main cell"]
    assert "0.02 (12 seeds): base 0.255" in text
    assert f"{plan.SIGMOID} change -6.0 [-6.0, -6.0] %" in text
    against = [row["mean"] for row in rows if row["what"] == "base against the chosen rate"]
    assert against == pytest.approx([0, 0, 0])  # the made-up base is the same at every rate


# ---- claims, pictures, page


def verdicts(rows, cells=CELLS):
    judged = STUDY.judge(numbers_of(rows, cells), command="eigenscape study", seeds=SEEDS)
    return {claim.name: claim for claim in judged}


def test_claims_hold_where_the_effect_was_put_in():
    cells = {"FNO": "nRMSE", "U-Net": "nRMSE", "GPT": "accuracy"}
    claims = verdicts(made_up(effect, narrowing, cells=cells, noise=0.1), cells)
    assert len(claims) == 10
    not_run = claims.pop("large models")
    assert (not_run.verdict, not_run.seeds) == ("not tested here", 0)
    for claim in claims.values():
        assert claim.verdict == "holds", claim
        assert claim.seeds == SEEDS
    words = claims["lower error with little data"].measured
    assert "TB-sigmoid changes the nRMSE by -6." in words or "by -5.9" in words
    assert "narrower in 12 of 12 seeds" in claims["alphas become alike"].measured
    assert "wider in 12 of 12 seeds" in claims["control: inverse factors"].measured


def test_claims_fail_in_plain_words_where_there_is_no_effect():
    claims = verdicts(made_up(lambda *_: 0.0, lambda *_: 1.0, noise=3.0))
    for name in (
        "lower error with little data",
        "fine-tuning with few labels",
        "sigmoid against linear",
        "the less data, the larger the gain",
        "control: the metric matters",
    ):
        assert claims[name].verdict == "fails", claims[name]
        assert "not significant" in claims[name].measured
    assert claims["alphas become alike"].verdict == "fails"
    assert claims["control: inverse factors"].verdict == "fails"
    assert claims["other operators"].verdict == "not tested here"  # there is none


def test_claims_fail_where_the_effect_is_the_wrong_way_round():
    harm = verdicts(made_up(lambda *given: -effect(*given), lambda m, a: 1 / narrowing(m, a)))
    for name in (
        "lower error with little data",
        "fine-tuning with few labels",
        "control: the metric matters",
        "sigmoid against linear",
        "the less data, the larger the gain",
        "alphas become alike",
        "less data, less alike",
        "control: inverse factors",
    ):
        assert harm[name].verdict == "fails", harm[name]
    assert "TB-sigmoid changes the nRMSE by +" in harm["lower error with little data"].measured
    control = verdicts(
        made_up(lambda method, _: -6.0 * (method != plan.BASE), narrowing, noise=0.1)
    )
    assert control["lower error with little data"].verdict == "holds"
    assert control["control: the metric matters"].verdict == "fails"


def test_claims_of_several_parts_hold_in_part():
    few = verdicts(made_up(lambda m, a: effect(m, a) * (a == 20), narrowing, noise=0.05))
    assert few["fine-tuning with few labels"].verdict == "in part"
    one = made_up(effect, lambda m, a: narrowing(m, a) if a == 20 else 1.0)
    assert verdicts(one)["alphas become alike"].verdict == "in part"
    assert verdicts(one)["control: inverse factors"].verdict == "in part"


def test_what_an_interval_alone_leaves_out_is_not_significant_after_holm():
    rows = made_up(lambda *_: 0.0, lambda *_: 1.0)
    gains = np.linspace(-1, 1, SEEDS) + 0.5  # t = 2.6: p = 0.02 by itself
    for row in rows:
        if (row["cell"], row["amount"], row["method"]) == ("FNO", 20, plan.SIGMOID):
            row["value"] *= 1 - gains[row["seed"]] / 100
    numbers = numbers_of(rows)
    found = numbers.change("FNO", 20, plan.SIGMOID)
    assert found.high < 0
    assert 0.01 < found.p < 0.05 < found.holm
    claim = verdicts(rows)["lower error with little data"]
    assert claim.verdict == "fails"
    after = f"not significant after Holm over {len(numbers.family)} comparisons"
    assert (
        f"by {found.mean:+.1f} [{found.low:+.1f}, {found.high:+.1f}] %, {after}" in claim.measured
    )
    text = STUDY.paragraphs(numbers)["How many comparisons"]
    assert f"{len(numbers.family)} comparisons are made here" in text
    assert "TB-sigmoid: better in 0, worse in 0 of 6" in text
    assert "Of the error: none." in text


@pytest.fixture(scope="module")
def result():
    numbers = numbers_of(made_up(effect, narrowing, noise=1.0))
    return STUDY.result(STUDY.plan("small", SEEDS), numbers, scale="small", command="c")


def test_pictures_show_what_the_tables_hold(result):
    drawn = STUDY.pictures(result)
    assert len(drawn) == 5
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
    assert back.tables["comparisons"] == result.tables["comparisons"]
    page = STUDY.html(back)
    assert page.count("<svg") == 5
    assert page.count('class="verdict') == 10
