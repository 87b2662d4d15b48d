"""Statistics: against scipy, and against the numbers of textbooks."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from eigenscape.errors import InputError
from eigenscape.stats import (
    bootstrap,
    fit_line,
    holm,
    interval,
    paired_test,
    rank_correlation,
    ranks,
    share,
)

#: Student (1908), Biometrika 6: additional hours of sleep by two drugs.
SLEEP_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SLEEP_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]

numbers = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30).filter(lambda v: np.std(v) > 1e-3)


@given(numbers, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_intervals_are_those_of_scipy(values, level):
    found = interval(values, level=level)
    wanted = scipy_stats.t.interval(
        level, len(values) - 1, np.mean(values), scipy_stats.sem(values)
    )
    scale = max(map(abs, values))
    assert found.low == pytest.approx(wanted[0], rel=1e-9, abs=1e-9 * scale)
    assert found.high == pytest.approx(wanted[1], rel=1e-9, abs=1e-9 * scale)


def test_what_is_not_finite_is_left_out():
    assert interval([1.0, math.nan, 2.0, math.inf, 3.0]) == interval([1.0, 2.0, 3.0])
    assert interval([]).seeds == 0
    assert math.isnan(interval([2.0]).low)
    assert interval([2.0]).mean == 2.0
    assert not interval([2.0]).significant


def test_the_sleep_data_of_student():
    found = paired_test(SLEEP_2, SLEEP_1)
    assert found.difference == pytest.approx(1.58)
    assert found.p == pytest.approx(0.00283289, rel=1e-5)  # R: t.test(..., paired = TRUE)
    assert (found.low, found.high) == pytest.approx((0.7001142, 2.4598858), rel=1e-6)
    assert paired_test(SLEEP_1, SLEEP_2).p == found.p


@given(st.integers(0, 100), st.integers(3, 20))
def test_paired_tests_are_those_of_scipy(seed, count):
    a, b = np.random.default_rng(seed).normal(size=(2, count))
    wanted = scipy_stats.ttest_rel(a, b).pvalue
    assert paired_test(a, b).p == pytest.approx(wanted, rel=1e-9)
    assert paired_test(a, b, method="wilcoxon").p == scipy_stats.wilcoxon(a - b).pvalue


def test_random_signs():
    # all of one sign: 2 of the 2^n patterns have a mean as large
    assert paired_test(range(1, 9), [0] * 8, method="signs").p == 2 / 2**8
    drawn = paired_test(range(1, 21), [0] * 20, method="signs").p
    assert drawn == paired_test(range(1, 21), [0] * 20, method="signs").p == 1 / 10_001
    a, b = np.random.default_rng(1).normal(size=(2, 30))
    assert paired_test(a, b, method="signs").p == pytest.approx(paired_test(a, b).p, abs=0.03)


@pytest.mark.parametrize("method", ["t", "wilcoxon", "signs"])
def test_pairs_without_a_difference(method):
    assert paired_test([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], method=method).p == 1.0
    assert math.isnan(paired_test([1.0], [2.0], method=method).p)
    assert paired_test([1.0, math.nan, 2.0], [0.0, 1.0, 1.5], method=method).pairs == 2


@pytest.mark.parametrize("method", ["wilson", "clopper-pearson"])
@pytest.mark.parametrize(("hits", "trials"), [(0, 10), (1, 10), (5, 10), (10, 10), (81, 263)])
def test_shares_are_those_of_scipy(method, hits, trials):
    wanted = scipy_stats.binomtest(hits, trials).proportion_ci(
        0.95, method={"wilson": "wilson"}.get(method, "exact")
    )
    found = share(hits, trials, method=method)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-12)
    assert found.mean == hits / trials


def test_wilsons_interval_of_the_textbook():
    # Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263 and 0 of 20
    assert share(81, 263).words(4) == "0.3080 [0.2553, 0.3662]"
    assert share(0, 20).words(4) == "0.0000 [0.0000, 0.1611]"
    assert share(81, 263, method="clopper-pearson").words(4) == "0.3080 [0.2527, 0.3676]"


def test_the_bootstrap_covers_the_mean():
    rng = np.random.default_rng(0)
    covered = [
        (found := bootstrap(rng.normal(3.0, 1.0, 40), draws=400, seed=k)).low <= 3.0 <= found.high
        for k in range(200)
    ]
    assert 0.89 <= np.mean(covered) <= 0.98
    values = rng.exponential(size=50)
    wanted = scipy_stats.bootstrap(
        (values,), np.median, method="percentile", n_resamples=4000, rng=np.random.default_rng(0)
    ).confidence_interval
    found = bootstrap(values, np.median, draws=4000)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=0.05)


@given(st.lists(st.integers(0, 5), min_size=3, max_size=20), st.integers(0, 99))
def test_rank_correlations_are_those_of_scipy(x, seed):
    y = np.random.default_rng(seed).integers(0, 5, len(x))
    found = rank_correlation(x, y, draws=20)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert math.isnan(found.rho)
        return
    assert found.rho == pytest.approx(scipy_stats.spearmanr(x, y).statistic, abs=1e-12)
    assert found.low <= found.high
    wanted = scipy_stats.spearmanr(x, y).pvalue
    assert found.p == pytest.approx(wanted, rel=1e-6, abs=1e-9) or np.isnan(wanted)


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=20))
def test_ranks_are_those_of_scipy(values):
    assert ranks(values).tolist() == scipy_stats.rankdata(values).tolist()


@given(st.integers(0, 99), st.integers(3, 30))
def test_lines_are_those_of_scipy(seed, count):
    x, y = np.random.default_rng(seed).normal(size=(2, count))
    wanted, found = scipy_stats.linregress(x, y), fit_line(x, y)
    assert found.slope == pytest.approx(wanted.slope, rel=1e-9, abs=1e-12)
    assert found.start == pytest.approx(wanted.intercept, rel=1e-9, abs=1e-12)
    reach = scipy_stats.t.ppf(0.975, count - 2) * wanted.stderr
    assert found.high - found.slope == pytest.approx(reach, rel=1e-7)
    assert found.turned().slope == -found.slope


def test_holm_gives_the_numbers_of_the_textbook():
    # R: p.adjust(c(.01, .04, .03, .005, .2, .5), "holm")
    given = [0.01, 0.04, 0.03, 0.005, 0.2, 0.5]
    assert holm(given).tolist() == pytest.approx([0.05, 0.12, 0.12, 0.03, 0.4, 0.5])
    assert holm([0.02, math.nan, 0.03])[[0, 2]].tolist() == pytest.approx([0.04, 0.04])
    assert math.isnan(holm([0.02, math.nan])[1])
    assert holm([]).tolist() == []
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_no_correction_and_bonferroni(p):
    found = holm(p)
    assert (found >= np.array(p)).all()
    assert (found <= np.minimum(1, len(p) * np.array(p))).all()
    assert found.tolist() == pytest.approx(holm(p[::-1])[::-1].tolist())


def test_holm_keeps_its_promise_on_tests_that_depend_on_one_another():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(2000, 1)) + rng.normal(size=(2000, 30))
    p = 2 * scipy_stats.norm.sf(np.abs(shared) / math.sqrt(2))
    families = np.mean([(holm(row) < 0.05).any() for row in p])
    assert families < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)
    assert np.mean((p < 0.05).any(axis=1)) > 0.3  # what one interval in twenty does to thirty


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: interval([1, 2], level=95),
        lambda: share(3, 2),
        lambda: share(0, 0),
        lambda: share(1, 2, method="wald"),
        lambda: paired_test([1], [1, 2]),
        lambda: paired_test([1], [1], method="z"),
        lambda: fit_line([1], [[1]]),
        lambda: holm([0.1, 1.1]),
        lambda: holm([[0.1]]),
        lambda: holm([math.inf]),
    ],
)
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(InputError, match="expected"):
        wrong()


@pytest.mark.parametrize("function", [paired_test, rank_correlation, fit_line])
def test_pairs_of_different_lengths_are_refused(function):
    with pytest.raises(InputError, match="two equal lengths"):
        function([1.0, 2.0, 3.0], [1.0, 2.0])
