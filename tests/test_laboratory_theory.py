"""The first step of the single-index laboratory against its closed forms (A1, A5, A6)."""

import math

import numpy as np
import pytest
import torch

from eigenscape.errors import InputError
from eigenscape.theory import alpha_hill, first_step, hill_null, marchenko_pastur_alpha
from eigenscape.theory._single_index import gaussian_mean, initial_gradient
from eigenscape.theory._single_index_spike import sign_gain, spike_overlap, spiked_singular_value
from eigenscape_studies.laboratory import LabOptions, SingleIndex, link_moments
from eigenscape_studies.laboratory._single_index import gradient

MOMENTS = link_moments("softplus")


@pytest.mark.parametrize(
    ("q", "alpha"),
    [(1, 2.1217), (0.8, 2.2981), (2 / 3, 2.4492), (0.5, 2.7058), (0.25, 3.4546), (0.1, 4.8731)],
)
def test_a1_random_baseline_by_aspect_ratio(q, alpha):
    assert marchenko_pastur_alpha(q) == pytest.approx(alpha, abs=1e-4)


def test_a1_draws_of_paper_size_lie_at_the_baseline():
    for seed in range(2):
        W = torch.randn(1500, 1000, generator=torch.Generator().manual_seed(seed)).double()
        alpha = alpha_hill(torch.linalg.eigvalsh(W.T @ W).numpy()).alpha
        assert alpha == pytest.approx(2.4492, abs=0.02)
    assert hill_null(1000, 1500).mean == pytest.approx(2.4492, abs=0.005)


def test_a5_initial_gradient_over_ten_seeds():
    """Rank one, its size, its direction, and the sign step's size and direction."""
    n, d, h = 2000, 500, 750
    theory = initial_gradient(n, d, h, MOMENTS)
    step = first_step("adam", n, d, h, MOMENTS)
    cosines, sizes, kappas, signed = [], [], [], []
    for seed in range(10):
        problem = SingleIndex.draw(LabOptions(n=n, d=d, h=h, seed=seed, n_test=1))
        loss, G = gradient(problem.W, problem.a, problem.train)
        U, s, V = torch.svd_lowrank(G, q=6, niter=6)
        cosines.append(abs(float(V[:, 0] @ problem.beta)))
        sizes.append(float(s[0]))
        assert abs(float(U[:, 0] @ problem.a)) / float(problem.a.norm()) > 0.999
        assert float(s[1] / s[0]) < 0.15
        assert loss == pytest.approx(theory.loss, rel=0.12)
        U, s, V = torch.svd_lowrank(torch.sign(G), q=6, niter=6)
        kappas.append(float(s[0]))
        signed.append(abs(float(V[:, 0] @ problem.beta)))
        assert abs(float(U[:, 0] @ torch.sign(problem.a))) / math.sqrt(h) > 0.999
    assert np.mean(cosines) == pytest.approx(theory.cosine, abs=0.03)
    assert max(abs(c - theory.cosine) for c in cosines) < 0.1
    assert np.mean(sizes) == pytest.approx(theory.singular_value, rel=0.06)
    assert np.mean(kappas) == pytest.approx(step.gain, rel=0.02)
    assert np.mean(signed) == pytest.approx(step.cosine, abs=0.03)


@pytest.mark.parametrize(
    ("sizes", "cosine", "size"),
    [
        ((2000, 500, 750), 0.508, 0.0532),
        ((800, 400, 600), 0.439, 0.0686),
        ((400, 200, 300), 0.430, 0.100),
    ],
)
def test_a5_theory_values(sizes, cosine, size):
    found = initial_gradient(*sizes, MOMENTS)
    assert found.cosine == pytest.approx(cosine, abs=0.011)
    assert found.singular_value == pytest.approx(size, rel=0.03)


def test_a5_kappa_in_closed_form():
    """The measured 0.854 +- 0.006 at (2000, 500, 750) follows from the arcsine law."""
    step = first_step("adam", 2000, 500, 750, MOMENTS)
    assert step.gain / math.sqrt(500 * 750) == pytest.approx(0.854, abs=0.012)


def test_a6_spike_where_the_bbp_formula_puts_it():
    n, d, h = 2000, 500, 750
    problem = SingleIndex.draw(LabOptions(n=n, d=d, h=h, seed=1))
    _, G = gradient(problem.W, problem.a, problem.train)
    S = torch.sign(G)
    U, s, V = torch.svd_lowrank(S, q=4, niter=6)
    offset = float(U[:, 0] @ problem.W @ V[:, 0])
    theory = first_step("adam", n, d, h, MOMENTS)
    assert offset == pytest.approx(theory.offset, abs=3)
    edge = math.sqrt(h) + math.sqrt(d)
    for eta in (0.02, 0.05):
        top = float(torch.linalg.matrix_norm(problem.W - eta * S, 2))
        assert top == pytest.approx(edge, rel=0.012)
    for eta in (0.08, 0.1, 0.2, 1.0):
        top = float(torch.linalg.matrix_norm(problem.W - eta * S, 2))
        measured = spiked_singular_value(eta * float(s[0]) - offset, h, d)
        assert top == pytest.approx(measured, rel=0.02)
        assert top == pytest.approx(theory.top_singular_value(eta), rel=0.06)


def test_thresholds_scale_as_the_paper_says():
    """Adam's threshold falls like d ** -1/2, that of gradient descent grows like d."""
    small, large = (
        {name: first_step(name, 2 * d, d, 3 * d // 2, MOMENTS) for name in ("adam", "gd")}
        for d in (1000, 100_000)
    )
    assert large["adam"].threshold / small["adam"].threshold == pytest.approx(0.1, rel=0.05)
    assert large["gd"].threshold / small["gd"].threshold == pytest.approx(100, rel=0.05)
    assert small["gd"].frobenius == pytest.approx(2.78e4, rel=0.02)


def test_closed_forms_at_their_ends():
    assert gaussian_mean(np.abs) == pytest.approx(math.sqrt(2 / math.pi), rel=5e-3)
    assert sign_gain(1.0) == pytest.approx(math.sqrt(1 / 3))
    assert spike_overlap(10.0, 10_000, 100) == pytest.approx(0.0)
    rng = np.random.default_rng(0)
    d, h, theta = 200, 300, 40.0
    noisy = rng.standard_normal((h, d))
    noisy[0, 0] += theta
    _, s, Vt = np.linalg.svd(noisy)
    assert s[0] == pytest.approx(spiked_singular_value(theta, h, d), rel=0.03)
    assert abs(Vt[0, 0]) == pytest.approx(spike_overlap(theta, h, d), abs=0.03)
    tall = spike_overlap(theta, d, h)
    assert abs(np.linalg.svd(noisy.T)[2][0, 0]) == pytest.approx(tall, abs=0.03)


def test_hermite_teachers_are_invisible_to_the_first_step():
    assert first_step("gd", 800, 400, 600, link_moments("hermite2")).cosine < 1e-9


def test_refusals():
    with pytest.raises(InputError, match="no optimizer 'sgd'; expected one of gd, adam"):
        first_step("sgd", 10, 10, 10, MOMENTS)
    with pytest.raises(InputError, match="at least 1"):
        initial_gradient(0, 10, 10, MOMENTS)
    with pytest.raises(InputError, match="no link 'sigmoid'; expected one of softplus"):
        link_moments("sigmoid")
