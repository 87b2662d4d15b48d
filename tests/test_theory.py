"""Random-matrix laws against closed forms, published tables and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eigenscape.errors import InputError
from eigenscape.theory import (
    MarchenkoPastur,
    hill_null,
    marchenko_pastur_alpha,
    noise_edge,
    spike_strength,
)
from eigenscape.theory._random_spectra import wishart_eigenvalues
from eigenscape.theory._spikes import spike_position, tracy_widom_quantile
from tests._properties import examples

RATIOS = (1, 4 / 3, 2, 3, 4, 5, 8, 12, 16)
TOP_HALF = (2.1217, 2.3507, 2.7058, 3.1175, 3.4546, 3.7470, 4.4699, 5.2360, 5.8775)
TOP_THIRD = (2.8344, 3.1334, 3.6095, 4.1703, 4.6325, 5.0350, 6.0326, 7.0922, 7.9804)


@pytest.mark.parametrize(
    ("ratio", "half", "third"), list(zip(RATIOS, TOP_HALF, TOP_THIRD, strict=True))
)
def test_null_exponent_meets_the_table(ratio, half, third):
    assert marchenko_pastur_alpha(1 / ratio) == pytest.approx(half, abs=1e-4)
    assert marchenko_pastur_alpha(1 / ratio, 1 / 3) == pytest.approx(third, abs=1e-4)


@pytest.mark.parametrize("q", [1.0, 0.999, 0.7, 0.25, 0.01])
def test_density_integrates_to_the_cdf(q):
    law = MarchenkoPastur(q, variance=1.7)
    # x = c - r cos(t) takes the square-root edges away
    t = (np.arange(20_000) + 0.5) / 20_000 * math.pi
    centre, radius = (law.lower + law.upper) / 2, (law.upper - law.lower) / 2
    x = centre - radius * np.cos(t)
    mass = np.cumsum(law.density(x) * radius * np.sin(t)) * math.pi / 20_000
    assert mass[-1] == pytest.approx(1, abs=1e-5)
    middle = 10_000
    assert mass[middle] == pytest.approx(float(law.cdf(x[middle])), abs=2e-4)


@given(q=st.floats(0.01, 1.0), p=st.floats(0.001, 0.999))
@examples(60)
def test_quantile_inverts_the_cdf(q, p):
    law = MarchenkoPastur(q)
    assert float(law.cdf(law.quantile(p))) == pytest.approx(p, abs=1e-9)


@given(q=st.floats(0.02, 1.0), theta=st.floats(0.05, 20.0))
@examples(60)
def test_spike_strength_inverts_its_position(q, theta):
    position = spike_position(theta, q)
    expected = theta if theta > q**0.25 else 0.0
    # at the threshold the position has zero slope, so the inverse loses half the digits
    assert spike_strength(position, q) == pytest.approx(expected, rel=1e-5)


def test_bidiagonal_draws_have_the_law_of_the_dense_ones():
    generator = np.random.default_rng(3)
    n, m, draws = 20, 50, 400
    fast = np.array([wishart_eigenvalues(n, m, generator) for _ in range(draws)])
    dense = []
    for _ in range(draws):
        X = generator.standard_normal((n, m))
        dense.append(np.linalg.eigvalsh(X @ X.T))
    error = np.hypot(fast.std(0), np.std(dense, axis=0)) / math.sqrt(draws)
    assert np.all(np.abs(fast.mean(0) - np.mean(dense, axis=0)) < 5 * error)
    assert fast.sum(1).var() == pytest.approx(2 * n * m, rel=0.3)  # trace is chi-squared(nm)


@pytest.mark.parametrize(("n", "m"), [(768, 768), (256, 1024)])
def test_null_carried_from_small_draws_meets_large_ones(n, m):
    generator = np.random.default_rng(11)
    draws = []
    for _ in range(24):
        values = wishart_eigenvalues(n, m, generator)
        tail = values[n // 2 :]
        draws.append(1 + len(tail) / np.log(tail / tail[0]).sum())
    null = hill_null(n, m)
    assert np.mean(draws) == pytest.approx(null.mean, abs=4 * null.spread / math.sqrt(24))
    assert np.std(draws, ddof=1) == pytest.approx(null.spread, rel=0.5)


def test_pooled_slices_have_a_narrower_null():
    one, nine = hill_null(64, 64), hill_null(64, 64, 9)
    assert nine.spread < 0.6 * one.spread
    assert one.limit == nine.limit


def test_tracy_widom_quantiles_meet_the_tables():
    # Bejan (2005), Table 2, order 1
    for p, value in ((0.90, 0.4501), (0.95, 0.9793), (0.99, 2.0234)):
        assert tracy_widom_quantile(p) == pytest.approx(value, abs=0.02)


def test_noise_edge_is_exceeded_as_often_as_it_says():
    generator = np.random.default_rng(5)
    n, m, draws = 50, 100, 2000
    edge = noise_edge(n, m, level=0.9) * m
    above = sum(wishart_eigenvalues(n, m, generator)[-1] > edge for _ in range(draws))
    assert 0.06 < above / draws < 0.14


@pytest.mark.parametrize("q", [0.0, -1.0, 1.5, math.nan])
def test_bad_ratios_teach(q):
    with pytest.raises(InputError, match="q must lie in"):
        MarchenkoPastur(q)


def test_bad_fraction_teaches():
    with pytest.raises(InputError, match="fraction"):
        marchenko_pastur_alpha(0.5, 1.0)
