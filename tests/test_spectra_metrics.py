"""Metrics of one spectrum: closed forms, invariances, recovery."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eigenscape.errors import InputError
from eigenscape.spectra._layer import Histogram
from eigenscape.spectra.metrics._bulk import fit_bulk
from eigenscape.spectra.metrics._norms import (
    erg_tail,
    log_alpha_norm,
    spectral_entropy,
    stable_rank,
)
from eigenscape.spectra.metrics._power_law import (
    _candidates,
    fit_power_law,
    fit_truncated_power_law,
)
from eigenscape.spectra.metrics._registry import is_tied
from eigenscape.spectra.metrics._shuffle import compare_shuffled
from eigenscape.theory import MarchenkoPastur, alpha_hill, spike_edge
from eigenscape.theory._spikes import spike_position
from tests._properties import examples


def pareto(n, exponent, seed=0):
    return np.sort((1 - np.random.default_rng(seed).random(n)) ** (-1 / (exponent - 1)))


@pytest.mark.parametrize(
    ("count", "step", "position", "alpha"),
    [
        (10, 0.3, 2, 2.666666666667),
        (11, 0.3, 2, 2.333333333333),
        (100, 0.05, 2, 1.816326530612),
        (101, 0.05, 1.5, 2.212121212121),
    ],
)
def test_hill_on_geometric_spectra(count, step, position, alpha):
    values = 7.0 * np.exp(step * np.arange(count))
    assert alpha_hill(values, 1 - 1 / position).alpha == pytest.approx(alpha, abs=1e-12)


@pytest.mark.parametrize(
    ("count", "fraction", "tail"),
    [(10, 0.9, 9), (10, 0.5, 5), (11, 0.5, 6), (10, 0.3, 3), (9, 1 / 3, 3), (10, 0.01, 2)],
)
def test_a_fraction_that_lands_on_a_whole_number_is_that_number(count, fraction, tail):
    values = np.exp(np.arange(1.0, count + 1))
    fit = alpha_hill(values, fraction)
    assert fit.tail_size == tail
    assert fit.threshold == values[count - tail]


@given(n=st.integers(4, 200), step=st.floats(0.01, 1.0), fraction=st.floats(0.1, 0.9))
@examples(80)
def test_hill_conventions_in_closed_form(n, step, fraction):
    values = np.exp(step * np.arange(n))
    size = alpha_hill(values, fraction).tail_size
    code = alpha_hill(values, fraction).alpha
    paper = alpha_hill(values, fraction, convention="paper").alpha
    assert code == pytest.approx(1 + 2 / (step * (size - 1)), rel=1e-9)
    assert paper == pytest.approx(1 + 2 / (step * size), rel=1e-9)


@given(scale=st.floats(1e-8, 1e8), seed=st.integers(0, 100))
@examples(50)
def test_exponents_do_not_depend_on_scale(scale, seed):
    values = pareto(60, 2.5, seed)
    assert alpha_hill(scale * values).alpha == pytest.approx(alpha_hill(values).alpha, rel=1e-12)
    fit, moved = fit_power_law(values), fit_power_law(scale * values)
    assert moved.alpha == pytest.approx(fit.alpha, rel=1e-9)
    assert moved.xmin == pytest.approx(scale * fit.xmin, rel=1e-12)
    assert moved.tail_size == fit.tail_size


def test_hill_distance_is_that_of_the_fitted_law():
    values = pareto(500, 3.0)
    fit = alpha_hill(values)
    tail = values[-fit.tail_size :]
    fitted = 1 - (tail / tail[0]) ** (1 - fit.alpha)
    expected = np.abs(fitted - np.arange(len(tail)) / len(tail)).max()
    assert fit.distance == pytest.approx(expected, rel=1e-12)


def test_ks_fit_on_the_published_case():
    fit = fit_power_law(pareto(400, 2.5))
    assert fit.alpha == pytest.approx(2.3836058398964, abs=1e-12)
    assert fit.xmin == pytest.approx(1.27924838126092, abs=1e-12)
    assert fit.distance == pytest.approx(0.0238762561437577, abs=1e-12)
    assert fit.sigma == pytest.approx(0.0805566464594825, abs=1e-12)
    assert fit.tail_size == 295


@given(seed=st.integers(0, 1000), n=st.integers(3, 150), power=st.floats(0.2, 4))
@examples(40)
def test_blocked_distances_equal_the_plain_scan(seed, n, power):
    values = np.sort(np.random.default_rng(seed).pareto(power, n) + 1e-3)
    logs = np.log(values)
    best = (math.inf, math.nan, 0)
    for i in range(n - 1):
        total = logs[i:].sum() - (n - i) * logs[i]
        alpha = 1 + (n - i) / total
        fitted = 1 - (values[i:] / values[i]) ** (1 - alpha)
        distance = np.abs(fitted - np.arange(n - i) / (n - i)).max()
        if distance < best[0] - 1e-13:
            best = (distance, alpha, n - i)
    fit = fit_power_law(values)
    assert fit.distance == pytest.approx(best[0], abs=1e-11)
    assert fit.alpha == pytest.approx(best[1], rel=1e-8)


def test_power_law_exponent_is_recovered():
    values = pareto(100_000, 2.5, seed=1)
    assert alpha_hill(values, 0.99999).alpha == pytest.approx(2.5, abs=0.02)


def test_peak_window_keeps_to_its_window():
    values = np.sort(np.concatenate([pareto(400, 3.0), np.linspace(0.01, 0.5, 100)]))
    counts, edges = np.histogram(np.log10(values), bins=100)
    peak = 10 ** edges[counts.argmax()]
    fit = fit_power_law(values, "peak")
    assert 0.95 * peak <= fit.xmin <= 1.5 * peak
    assert fit_power_law(values, "peak-reference").xmin <= 1.5 * peak


def test_small_fit_is_bias_corrected():
    values = np.exp(0.3 * np.arange(12))
    fit = fit_power_law(values, "small")
    size = fit.tail_size
    assert size >= 8
    assert fit.alpha == pytest.approx(1 + (size - 1) / (0.3 * size * (size - 1) / 2), rel=1e-12)


@pytest.mark.parametrize("values", [[1.0], [0.0, 1.0, 2.0], [2.0, 2.0, 2.0], []])
def test_power_law_refuses_what_has_none(values):
    with pytest.raises(InputError, match="at least 2 distinct positive"):
        fit_power_law(np.array(values))


def test_hill_refuses_zeros_and_single_values():
    with pytest.raises(InputError, match="at least 2"):
        alpha_hill(np.array([1.0]))
    with pytest.raises(InputError, match="zero eigenvalues"):
        alpha_hill(np.zeros(8))


def test_equal_eigenvalues_have_an_infinite_exponent():
    assert alpha_hill(np.full(10, 3.0)).alpha == math.inf


# --- truncated power law --------------------------------------------------------------------------


def test_truncated_law_is_recovered():
    generator = np.random.default_rng(2)
    proposals = (1 - generator.random(400_000)) ** (-1 / 1.0)  # exponent 2
    kept = proposals[generator.random(len(proposals)) < np.exp(-0.1 * (proposals - 1))][:40_000]
    fit = fit_truncated_power_law(np.sort(kept))
    assert fit.alpha == pytest.approx(2.0, abs=0.06)
    assert fit.rate == pytest.approx(0.1, rel=0.1)
    assert fit.gain > 100


def test_truncated_normaliser_meets_mpmath():
    mpmath = pytest.importorskip("mpmath")
    from eigenscape.spectra.metrics._power_law import _log_integral

    for alpha, rate in ((2.0, 0.1), (3.7, 1e-6), (0.5, 2.0), (1.0, 0.01), (-1.0, 0.3)):
        exact = mpmath.log(mpmath.expint(alpha, rate))
        assert _log_integral(alpha, rate) == pytest.approx(float(exact), abs=2e-6)


# --- norms ----------------------------------------------------------------------------------------


@given(seed=st.integers(0, 500), n=st.integers(2, 60))
@examples(50)
def test_norm_metrics_stay_in_their_ranges(seed, n):
    values = np.sort(np.random.default_rng(seed).pareto(1.0, n) + 1e-6)
    assert 1 <= stable_rank(values) <= n * (1 + 1e-12)
    assert 0 <= spectral_entropy(values, n) <= 1
    assert 1 <= erg_tail(values) <= n


def test_entropy_ends():
    assert spectral_entropy(np.ones(1024), 1024) == 1.0
    assert spectral_entropy(np.array([0.0] * 9 + [1.0]), 10) == pytest.approx(0, abs=1e-7)
    assert spectral_entropy(np.array([1.0]), 1) == 0.0


def test_log_alpha_norm_does_not_overflow():
    assert log_alpha_norm(np.array([1e200, 1e200]), 3.0) == pytest.approx(600 + math.log10(2))


def test_erg_tail_known_answers():
    values = np.concatenate([np.linspace(1e-6, 1e-3, 1000), np.linspace(5, 6, 2000)])
    assert erg_tail(values, rescale=False) == 2474
    assert erg_tail(np.concatenate([np.full(90, 0.5), np.ones(10)]), rescale=False) == 11
    assert erg_tail(np.full(100, 3.0)) == 100


# --- bulk and spikes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("thetas", "spikes"), [((), 0), ((0.5,), 0), ((1.0,), 1), ((3.0, 2.0, 1.5), 3)]
)
def test_planted_spikes_are_found_where_theory_puts_them(thetas, spikes):
    generator = np.random.default_rng(0)
    n, m = 400, 1600
    W = generator.standard_normal((n, m)) / math.sqrt(m)
    for theta in thetas:
        u, v = generator.standard_normal(n), generator.standard_normal(m)
        W += theta * np.outer(u / np.linalg.norm(u), v / np.linalg.norm(v))
    values = np.linalg.eigvalsh(W @ W.T)
    fit = fit_bulk(values, (1, n, m))
    assert fit.spikes == spikes
    assert fit.sigma * math.sqrt(m) == pytest.approx(1, rel=0.01)
    assert fit.edge == pytest.approx(2.25, rel=0.04)
    for value, strength, theta in zip(values[::-1], fit.strengths, thetas, strict=False):
        assert value == pytest.approx(spike_position(theta, n / m), rel=0.06)
        assert strength == pytest.approx(theta, rel=0.08)


@pytest.mark.parametrize("shape", [(1, 24, 24), (1, 64, 64), (9, 8, 16), (25, 1, 16)])
@pytest.mark.parametrize("law", ["normal", "uniform"])
def test_noise_has_a_spike_in_about_one_layer_of_a_thousand(shape, law):
    generator = np.random.default_rng(9)
    k, n, m = shape
    draws = 1000
    X = generator.standard_normal((draws * k, n, m), dtype=np.float32)
    if law == "uniform":
        X = generator.random((draws * k, n, m), dtype=np.float32) - np.float32(0.5)
    values = np.linalg.eigvalsh((X @ X.transpose(0, 2, 1)).astype(float)).reshape(draws, -1)
    found = sum(fit_bulk(np.sort(pool), shape).spikes > 0 for pool in values)
    assert found <= 5  # of 1,000, where 1 is expected: more with a probability of 0.06 %


def test_the_edge_of_a_pool_is_that_of_its_largest_slice():
    values = np.linspace(1, 2, 90)
    fit = fit_bulk(values, (9, 10, 20))
    middle = float(MarchenkoPastur(0.5).quantile(0.5))
    assert fit.edge == pytest.approx(spike_edge(10, 20, 9) * np.median(values) / middle)


def test_the_ends_of_a_histogram_are_those_of_the_spectrum():
    found = Histogram.of(np.logspace(-2, 3, 50))
    assert (found.low, found.high) == pytest.approx((-2, 3))
    assert sum(found.counts) == 50


def test_a_single_value_is_not_tied():
    assert not is_tied(np.array([2.0]), torch.float32)


def test_soft_rank_is_at_most_one():
    X = np.random.default_rng(4).standard_normal((80, 80))
    fit = fit_bulk(np.linalg.eigvalsh(X @ X.T), (1, 80, 80))
    assert 0 < fit.soft_rank <= 1


def test_soft_rank_of_a_shuffled_spectrum_compares_the_largest():
    found = compare_shuffled(np.array([1.0, 2.0, 8.0]), np.array([1.0, 2.0, 4.0]), (1, 3, 9))
    assert (found.soft_rank, found.lambda_max) == (0.5, 4.0)


def test_the_peak_window_goes_from_just_below_the_peak_to_half_above_it():
    # 100 bins of log10 over [0.1, 10]; the fullest begins at 10^0.5 or just below
    ends = [0.1, 10.0]
    peak = 10 ** (-1 + 2 * 75 / 100)
    crowd = peak * (1 + 1e-3 * np.arange(1, 6))
    inside, outside = peak * np.array([0.96, 1.49]), peak * np.array([0.94, 1.51])
    values = np.sort(np.concatenate([ends, crowd, inside, outside]))
    chosen = values[_candidates(values, "peak")]
    assert chosen.tolist() == sorted([*crowd, *inside])
    wide = values[_candidates(values, "peak-reference")]  # from the logarithm of the lower end
    assert wide.tolist() == [v for v in values if math.log10(0.95 * peak) <= v <= 1.5 * peak]


def test_shuffling_a_random_matrix_changes_little():
    generator = np.random.default_rng(1)
    X, Y = generator.standard_normal((2, 100, 200))
    found = compare_shuffled(
        np.linalg.eigvalsh(X @ X.T), np.linalg.eigvalsh(Y @ Y.T), (1, 100, 200)
    )
    assert found.distance < 0.1
    assert found.soft_rank == pytest.approx(1, abs=0.1)
    assert found.traps == 0
