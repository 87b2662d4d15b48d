"""Dispersion of row and column norms: exact moments, coverage, known answers, invariances."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eigenscape.spectra import analyze
from eigenscape.spectra.metrics._dispersion import dispersion

SHAPES = ((1, 12, 8), (1, 16, 64), (1, 64, 64), (1, 48, 200), (1, 200, 48), (9, 16, 8), (4, 32, 64))
LAWS = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "uniform": lambda rng, shape: rng.uniform(-1, 1, shape),
    "Laplace": lambda rng, shape: rng.laplace(size=shape),
    "Student t, 3 degrees": lambda rng, shape: rng.standard_t(3, shape),
    "shifted": lambda rng, shape: 3 + rng.standard_normal(shape),
    "sparse": lambda rng, shape: rng.standard_normal(shape) * (rng.random(shape) < 0.5),
}


def matrix(rows=40, cols=60, seed=0, k=1):
    return torch.randn(
        k, rows, cols, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def test_over_every_order_of_the_entries_the_mean_is_0_and_the_deviation_1():
    entries = (0.1, -0.5, 2.0, 0.7, 1.1, -0.2)
    orders = [torch.tensor(order).reshape(1, 2, 3) for order in itertools.permutations(entries)]
    found = np.array([dispersion(order) for order in orders])
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(found.std(0), 1, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("shape", SHAPES)
def test_independent_entries_stay_within_two_in_95_percent(shape, law):
    rng, draws = np.random.default_rng(0), 400
    found = np.array([dispersion(torch.from_numpy(LAWS[law](rng, shape))) for _ in range(draws)])
    inside = (np.abs(found) < 1.96).mean(0)
    # 3.5 binomial errors, over 84 looks; centred chi-squared values of few degrees have .956
    assert np.all(np.abs(inside - 0.953) < 3.5 * math.sqrt(0.95 * 0.05 / draws)), inside
    assert np.all(np.abs(found.mean(0)) < 4 / math.sqrt(draws))


def test_known_answer_by_the_plain_formula():
    W = matrix()[0].numpy()
    n, m = W.shape
    y = W**2
    N = n * m
    z = {}
    for axis, (size, other) in {1: (n, m), 0: (m, n)}.items():
        ratio = other * y.mean(axis=axis).var(ddof=1) / y.var(ddof=1)
        z[axis] = (ratio - 1) / math.sqrt(2 / (size - 1) * (N - size) / (N + 1))
    found = dispersion(torch.from_numpy(W)[None])
    assert found.rows == pytest.approx(z[1], rel=0.01)  # without the term in the kurtosis over N
    assert found.columns == pytest.approx(z[0], rel=0.01)


def test_rows_of_other_sizes_are_seen_in_the_rows_alone():
    scaled = torch.linspace(0.9, 1.1, 200, dtype=torch.float64)[:, None] * matrix(200, 300)
    found = dispersion(scaled)
    assert found.rows > 5
    assert abs(found.columns) < 3
    turned = dispersion(scaled.transpose(1, 2))
    assert (turned.columns, turned.rows) == pytest.approx(found, rel=1e-9)


def test_orthogonal_rows_are_more_alike_than_independent_ones():
    Q, _ = torch.linalg.qr(matrix(100, 100)[0])
    assert dispersion(Q[None]).rows < -5


def test_a_single_giant_entry_raises_no_alarm():
    W = matrix(100, 100)
    W[0, 3, 4] = 1e4
    assert abs(dispersion(W).rows) < 3


@given(st.integers(0, 2**16), st.sampled_from((1e-150, 1e-3, 7.0, 1e60)))
def test_scale_and_order_of_rows_do_not_matter(seed, scale):
    W = matrix(9, 14, seed, k=3)
    moved = (W * scale)[:, torch.randperm(9, generator=torch.Generator().manual_seed(seed))]
    assert dispersion(moved) == pytest.approx(dispersion(W), rel=1e-6, abs=1e-6)


def test_matrices_of_a_pool_may_differ_in_scale():
    W = matrix(64, 48, k=6)
    sizes = torch.tensor([1.0, 20, 0.1, 3, 1, 400], dtype=torch.float64)[:, None, None]
    assert dispersion(W * sizes) == pytest.approx(dispersion(W), rel=1e-9)


def test_parts_and_the_whole_are_the_same(monkeypatch):
    W = matrix(70, 90, k=5)
    whole = dispersion(W)
    monkeypatch.setattr("eigenscape.spectra.metrics._dispersion._AT_ONCE", 1000)
    assert dispersion(W) == pytest.approx(whole, rel=1e-9)


@pytest.mark.parametrize(
    "W", [torch.ones(1, 20, 20), torch.sign(matrix(20, 20)), matrix(1, 20), matrix(20, 1)]
)
def test_no_value_where_there_is_nothing_to_compare(W):
    assert all(map(math.isnan, dispersion(W)))


def test_the_table_has_it_and_leaves_it_out_where_entries_depend():
    torch.manual_seed(0)
    conv = {"conv.weight": torch.randn(32, 32, 3, 3)}
    row = analyze(conv)["conv"]
    assert abs(row.row_dispersion) < 3
    assert row.columns()["row_dispersion"] == row.row_dispersion
    assert "column_dispersion" in analyze(conv).frame()
    assert math.isnan(analyze(conv, conv="fft")["conv"].row_dispersion)
    assert math.isnan(analyze({"w": torch.randn(64, 64)}, windows=16)["w"].row_dispersion)
    few = analyze({"w": torch.randn(32, 4) @ torch.randn(4, 64)})["w"]
    assert math.isnan(few.alpha_hill)
    assert math.isfinite(few.row_dispersion)
