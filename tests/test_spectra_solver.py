"""Eigenvalue routes: accuracy, fallback, memory route, invariance."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eigenscape.errors import InputError
from eigenscape.layers._solver import (
    NonFiniteError,
    gram_spectrum,
    rounding_level,
    svd_spectrum,
)
from eigenscape.spectra import analyze
from eigenscape.spectra._examine import square_windows
from eigenscape.theory import alpha_hill
from tests._properties import examples


def with_ratio(n, m, ratio, seed=0):
    """A matrix whose eigenvalues fall geometrically over ``ratio``."""
    generator = torch.Generator().manual_seed(seed)
    U, _ = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64))
    V, _ = torch.linalg.qr(torch.randn(m, n, generator=generator, dtype=torch.float64))
    singular = torch.logspace(0, -np.log10(ratio) / 2, n, dtype=torch.float64)
    return (U * singular) @ V.T


@pytest.mark.parametrize("shape", [(1, 30, 50), (3, 50, 30), (2, 600, 700), (1, 1, 7)])
def test_gram_route_equals_singular_values(shape):
    stack = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    gram, svd = gram_spectrum(stack), svd_spectrum(stack)
    np.testing.assert_allclose(gram.values, svd.values, rtol=1e-8, atol=1e-12 * svd.values[-1])
    assert gram.route == "gram-float64"


def test_in_place_route_gives_the_same():
    stack = torch.randn(2, 300, 320, generator=torch.Generator().manual_seed(2))
    before = stack.clone()
    tight = gram_spectrum(stack, memory=1000)
    np.testing.assert_allclose(tight.values, gram_spectrum(stack).values, rtol=1e-9)
    assert torch.equal(stack, before)


@pytest.mark.parametrize("ratio", [1e2, 1e4, 1e6, 1e8])
def test_alpha_by_gram_agrees_with_svd_in_float64(ratio):
    stack = with_ratio(100, 150, ratio**2).unsqueeze(0)  # the threshold lies at `ratio`
    gram = alpha_hill(gram_spectrum(stack).values).alpha
    svd = alpha_hill(svd_spectrum(stack).values).alpha
    assert gram == pytest.approx(svd, rel=1e-9)


def test_float32_is_used_where_it_holds_and_left_where_it_does_not():
    easy = {"w": torch.randn(64, 256, generator=torch.Generator().manual_seed(3))}
    assert analyze(easy, precision="float32")["w"].route == "gram-float32"
    hard = {"w": with_ratio(64, 64, 1e12).float()}
    layer = analyze(hard, precision="float32")["w"]
    assert layer.route == "gram-float64"
    assert "again in float64" in " ".join(layer.notes)
    exact = analyze(hard)["w"].alpha_hill
    assert layer.alpha_hill == exact


def test_float32_overflow_falls_back():
    huge = {"w": 1e25 * torch.randn(64, 128, generator=torch.Generator().manual_seed(4))}
    layer = analyze(huge, precision="float32")["w"]
    assert layer.route == "gram-float64"
    assert layer.label == "random-like"


@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3))
@examples(25)
def test_alpha_is_invariant(seed, scale):
    generator = torch.Generator().manual_seed(seed)
    W = torch.randn(40, 60, generator=generator, dtype=torch.float64)
    Q, _ = torch.linalg.qr(torch.randn(60, 60, generator=generator, dtype=torch.float64))
    order = torch.randperm(40, generator=generator)
    kinds = {"w": W, "scaled": scale * W, "turned": W.T, "rotated": W @ Q, "permuted": W[order]}
    result = analyze(kinds)
    for layer in result:
        assert layer.alpha_hill == pytest.approx(result["w"].alpha_hill, rel=1e-9)
        assert layer.alpha_ks == pytest.approx(result["w"].alpha_ks, rel=1e-7)
        assert layer.stable_rank == pytest.approx(result["w"].stable_rank, rel=1e-9)


def test_scale_invariance_is_exact_to_1e12():
    W = torch.randn(100, 100, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    result = analyze({"a": W, "b": 4.0 * W})
    assert result["b"].alpha_hill == pytest.approx(result["a"].alpha_hill, rel=1e-12)


def test_low_rank_product_reports_its_rank():
    generator = torch.Generator().manual_seed(6)
    for dtype in (torch.float32, torch.float64):
        A = torch.randn(64, 4, generator=generator, dtype=dtype)
        B = torch.randn(4, 64, generator=generator, dtype=dtype)
        layer = analyze({"w": A @ B})["w"]
        assert layer.rank == 4
        assert layer.zeros == 60
        assert layer.label == "rank-deficient"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float8_e4m3fn])
def test_low_precision_storage_keeps_full_rank(dtype):
    W = torch.randn(256, 512, generator=torch.Generator().manual_seed(7))
    layer, exact = analyze({"w": W.to(dtype)})["w"], analyze({"w": W})["w"]
    assert layer.rank == 256
    assert layer.dtype == str(dtype).removeprefix("torch.")
    assert layer.alpha_hill == pytest.approx(exact.alpha_hill, rel=0.02)


def test_rounding_level_is_met_by_real_rounding():
    W = torch.randn(200, 300, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    error = W - W.bfloat16().double()
    largest = float(torch.linalg.matrix_norm(error, 2)) ** 2
    level = rounding_level(svd_spectrum(W.unsqueeze(0)).values, (1, 200, 300), torch.bfloat16)
    assert largest < level < 100 * largest


def test_not_finite_is_an_error_of_the_solver():
    stack = torch.zeros(1, 4, 4)
    stack[0, 1, 2] = float("nan")
    for route in (gram_spectrum, svd_spectrum):
        with pytest.raises(NonFiniteError):
            route(stack)


def test_windows_have_one_shape_whatever_the_matrix():
    W = torch.arange(12.0).reshape(1, 3, 4)
    pieces = square_windows(W, 2, 2)
    assert pieces[:, 0, 0].tolist() == [0, 2, 4, 6]  # corners of the four windows
    assert square_windows(W, 99, 5).shape == (2, 3, 3)
    result = analyze(
        {"wide": torch.randn(100, 400), "square": torch.randn(100, 100)}, windows=50, window_steps=4
    )
    assert result["wide"].alpha_null == result["square"].alpha_null
    assert result["wide"].matrices == 16


def test_rounding_floor_of_either_route():
    stack = with_ratio(20, 30, 100.0).unsqueeze(0) * 3
    gram, svd = gram_spectrum(stack), svd_spectrum(stack)
    assert gram.floor / gram.largest == pytest.approx(20 * 2.0**-52, rel=1e-9, abs=0)
    assert svd.floor / svd.largest == pytest.approx((30 * 2.0**-52) ** 2, rel=1e-9, abs=0)


@pytest.mark.parametrize("route", [gram_spectrum, svd_spectrum])
def test_a_route_by_itself_calls_no_eigenvalue_meaningless(route):
    found = route(torch.diag(torch.tensor([0.3, 0.1, 0.0])).unsqueeze(0))
    assert found.rank == 2
    assert found.positive == pytest.approx([0.01, 0.09], rel=1e-6)


def test_bottom_of_the_spectrum():
    layer = analyze({"w": with_ratio(50, 80, 1e20)}, metrics=("bottom",))["w"]
    assert layer.route == "svd-float64"
    assert layer.extras["condition_number"] == pytest.approx(1e10, rel=1e-3)


def test_jobs_and_threads_leave_no_trace():
    before = torch.get_num_threads()
    state = torch.get_rng_state()
    tensors = {f"w{i}": torch.randn(40, 40 + i) for i in range(6)}
    state = torch.get_rng_state()
    one, two = analyze(tensors, jobs=1), analyze(tensors, jobs=2)
    assert torch.get_num_threads() == before
    assert torch.equal(torch.get_rng_state(), state)
    assert [a.alpha_hill for a in one] == pytest.approx([b.alpha_hill for b in two], rel=1e-12)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"xmin": 1.5}, "fraction"),
        ({"xmin": "middle"}, "fraction"),
        ({"fit": "best"}, "fit must be one of"),
        ({"conv": "x", "hill": "y"}, "conv must be one of.*hill must be one of|hill.*conv|conv"),
        ({"metrics": ("everything",)}, "metrics must be among"),
        ({"min_eigenvalues": 1}, "at least 2"),
        ({"windows": 1}, "at least 2"),
        ({"colour": "blue"}, "unknown option colour"),
    ],
)
def test_bad_options_teach(options, word):
    with pytest.raises(InputError, match=word):
        analyze({"w": torch.randn(32, 32)}, **options)
