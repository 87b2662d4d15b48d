"""Random-matrix laws against closed forms, published tables and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eigenscape.errors import InputError
from eigenscape.theory import (
    MarchenkoPastur,
    alpha_hill,
    hill_null,
    marchenko_pastur_alpha,
    noise_edge,
    spike_edge,
    spike_strength,
    wishart_eigenvalues,
)
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


def test_the_law_begins_and_ends_at_its_edges():
    for q in np.linspace(0.01, 1, 100):
        law = MarchenkoPastur(float(q), variance=2.0)
        # at an edge the arc sines are of one and minus one, give or take a last bit
        assert law.cdf([law.lower, law.upper]) == pytest.approx([0.0, 1.0], abs=1e-7)
    # of a bulk that does not hold 1, where nothing may be taken the root of
    assert MarchenkoPastur(0.5, variance=0.1).density([-1.0, 7.0]).tolist() == [0.0, 0.0]


def test_a_single_row_is_chi_squared():
    generator = np.random.default_rng(2)
    draws = np.array([wishart_eigenvalues(1, 30, generator) for _ in range(2000)])
    assert draws.shape == (2000, 1)
    assert draws.mean() == pytest.approx(30, abs=5 * math.sqrt(60 / 2000))


@pytest.mark.parametrize(("n", "m"), [(768, 768), (256, 1024)])
def test_null_meets_draws_larger_than_its_table(n, m):
    generator = np.random.default_rng(11)
    draws = [alpha_hill(wishart_eigenvalues(n, m, generator)).alpha for _ in range(24)]
    null = hill_null(n, m)
    assert np.mean(draws) == pytest.approx(null.mean, abs=4 * null.spread / math.sqrt(24))
    assert np.std(draws, ddof=1) == pytest.approx(null.spread, rel=0.5)


def test_spread_of_the_null_falls_with_the_root_of_the_slices():
    one, sixteen, sixty_four = (hill_null(64, 64, k) for k in (1, 16, 64))
    assert sixty_four.spread == pytest.approx(sixteen.spread / 2, rel=0.03)
    assert one.limit == sixty_four.limit
    dependent = hill_null(64, 64, 64, independent=False)  # overlapping windows do not average
    assert dependent.spread == one.spread


def test_paper_and_code_differ_by_the_threshold_itself():
    code, paper = hill_null(64, 64), hill_null(64, 64, paper=True)
    for name in ("mean", "low", "high"):
        assert getattr(paper, name) - 1 == pytest.approx(31 / 32 * (getattr(code, name) - 1))
    assert paper.spread == pytest.approx(31 / 32 * code.spread)
    assert paper.limit == code.limit


def test_band_is_missing_where_the_table_does_not_reach():
    for null in (hill_null(200, 200, fraction=0.1), hill_null(2, 2, 3), hill_null(12, 12, 1, 0.2)):
        assert math.isnan(null.low)
        assert math.isnan(null.high)
        assert null.spread > 0
    for fraction in (1 / 6, 0.25, 1 / 3, 0.5, 0.7, 5 / 6):
        null = hill_null(120, 200, fraction=fraction)
        assert 1 < null.low < null.mean < null.high


def share_outside(draw, n, m, slices, *, fraction=0.5, complex_entries=False, draws=1500):
    """The share of pools of random matrices outside the band of their shape."""
    null = hill_null(n, m, slices, fraction, complex_entries=complex_entries)
    X = draw((draws * slices, n, m))
    values = np.linalg.eigvalsh(X @ X.conj().transpose(0, 2, 1)).reshape(draws, -1)
    alphas = [alpha_hill(np.sort(pool), fraction).alpha for pool in values]
    return np.mean([not null.low <= alpha <= null.high for alpha in alphas])


@pytest.mark.parametrize("law", ["normal", "uniform"])
@pytest.mark.parametrize(
    ("n", "m", "slices", "fraction"),
    [(20, 20, 1, 0.5), (16, 64, 1, 1 / 3), (5, 20, 9, 0.5), (1, 16, 25, 0.5), (40, 60, 1, 0.4)],
)
def test_one_random_matrix_in_a_hundred_lies_outside_the_band(law, n, m, slices, fraction):
    generator = np.random.default_rng(7)
    draw = {
        "normal": generator.standard_normal,
        "uniform": lambda shape: generator.random(shape) - 0.5,
    }
    outside = share_outside(draw[law], n, m, slices, fraction=fraction)
    assert 0.001 < outside < 0.02  # the two laws' outer ends: from half a per cent to one


@pytest.mark.slow
def test_band_and_spikes_over_the_shapes_of_layers():
    """Beside the two laws of the table a truncated normal one; BENCHMARKS.md has more draws."""
    from scipy.special import ndtri

    shapes = [(1, 16, 64), (1, 50, 50), (1, 64, 64), (1, 100, 400), (1, 64, 768), (9, 16, 16)]
    shapes += [(9, 32, 64), (9, 64, 64), (25, 1, 16), (49, 3, 64)]
    laws = {
        "normal": lambda generator, shape: generator.standard_normal(shape),
        "uniform": lambda generator, shape: generator.random(shape) - 0.5,
        "truncated": lambda generator, shape: ndtri(0.0228 + 0.9544 * generator.random(shape)),
    }
    draws = 500
    for law, draw in laws.items():
        generator = np.random.default_rng(13)
        outside, spiked = [], 0
        for k, n, m in shapes:
            null, edge = hill_null(n, m, k), spike_edge(n, m, k)
            middle = float(MarchenkoPastur(n / m).quantile(0.5))
            found = 0
            for _ in range(draws // 50):
                X = draw(generator, (50 * k, n, m))
                pools = np.sort(
                    np.linalg.eigvalsh(X @ X.transpose(0, 2, 1)).reshape(50, -1), axis=1
                )
                found += sum(not null.low <= alpha_hill(p).alpha <= null.high for p in pools)
                spiked += int((pools[:, -1] > edge * np.median(pools, axis=1) / middle).sum())
            outside.append(found / draws)
        assert max(outside) <= 0.026, (law, outside)  # of one shape, with a probability of 0.1 %
        assert 0.002 < np.mean(outside) < 0.012, (law, outside)
        assert spiked / draws / len(shapes) < 0.003, (law, spiked)


def test_complex_matrices_have_a_band_of_their_own():
    generator = np.random.default_rng(3)

    def draw(shape):
        return generator.standard_normal(shape) + 1j * generator.standard_normal(shape)

    assert share_outside(draw, 20, 30, 1, complex_entries=True) < 0.02
    assert share_outside(draw, 12, 12, 16, complex_entries=True, draws=400) < 0.03
    own, real = (hill_null(96, 96, complex_entries=law) for law in (True, False))
    assert own.spread == pytest.approx(real.spread / math.sqrt(2), rel=0.1)


def test_heavy_tailed_entries_are_not_covered():
    generator = np.random.default_rng(5)
    assert share_outside(lambda shape: generator.standard_t(3, shape), 48, 48, 1, draws=300) > 0.2


def test_tracy_widom_quantiles_meet_the_tables():
    # Bejan (2005), Table 2, order 1
    for p, value in ((0.90, 0.4501), (0.95, 0.9793), (0.99, 2.0234)):
        assert tracy_widom_quantile(p) == pytest.approx(value, abs=0.02)


def test_tracy_widom_approximation_is_as_close_as_it_says():
    from scipy.special import airy

    nodes, weights = np.polynomial.legendre.leggauss(60)

    def cdf(s):  # Bornemann (2010): the determinant of 1 - Ai((x + y) / 2) / 2 on (s, infinity)
        x, root = s + 8 * (nodes + 1), np.sqrt(8 * weights)
        kernel = airy((x[:, None] + x) / 2)[0] / 2
        return np.linalg.det(np.eye(60) - root[:, None] * kernel * root)

    assert cdf(0.9793) == pytest.approx(0.95, abs=1e-5)
    for p, below in ((0.01, 0.015), (0.5, 0.015), (0.99, 0.015), (0.999, 0.026), (0.9999, 0.039)):
        found = tracy_widom_quantile(p)
        assert cdf(found - below) < p < cdf(found + below)
    assert cdf(tracy_widom_quantile(0.9999)) < 0.9999


def test_noise_edge_is_exceeded_as_often_as_it_says():
    generator = np.random.default_rng(5)
    n, m, draws = 50, 100, 2000
    edge = noise_edge(n, m, level=0.9) * m
    above = sum(wishart_eigenvalues(n, m, generator)[-1] > edge for _ in range(draws))
    assert 0.06 < above / draws < 0.14


def test_noise_edge_is_johnstones():
    # n = 4, m = 5: (2 + 2)^2 / 5, and (2 + 2) / 5 (1/2 + 1/2)^(1/3)
    expected = 16 / 5 + tracy_widom_quantile(0.99) * 4 / 5
    assert noise_edge(4, 5, level=0.99) == pytest.approx(expected, rel=1e-12)
    assert noise_edge(1, 1) == math.inf


def test_spike_edge_allows_for_the_fitted_scale():
    # as the matrix grows, the median is known exactly
    for n, m in ((16, 16), (100, 400), (4000, 4000)):
        known = noise_edge(n, m)
        assert known < spike_edge(n, m) < known * (1 + 6 / n)
    # the largest of 9 slices, by F^9, above that of one at the same scatter
    nine = noise_edge(64, 64, level=1 - 1e-3 / 9)
    assert nine < spike_edge(64, 64, 9) < 1.03 * nine
    assert spike_edge(64, 64, alarm=1e-4) > spike_edge(64, 64)
    assert spike_edge(1, 1) == math.inf  # a single entry has no bulk to stand out from
    assert spike_edge(1, 2) < math.inf


@pytest.mark.parametrize("q", [0.0, -1.0, 1.5, math.nan])
def test_bad_ratios_teach(q):
    with pytest.raises(InputError, match="q must lie in"):
        MarchenkoPastur(q)


def test_bad_fraction_teaches():
    with pytest.raises(InputError, match="fraction"):
        marchenko_pastur_alpha(0.5, 1.0)
