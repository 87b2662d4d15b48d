"""Curvature: eigenpairs, trace, density and result, against dense matrices, known answers."""

import json
import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from eigenscape import models, zoo
from eigenscape.cli import main
from eigenscape.errors import InputError
from eigenscape.landscape import (
    HessianResult,
    hessian,
    hessian_trace,
    spectral_density,
    top_eigenpairs,
)
from eigenscape.models import Objective
from eigenscape.results import load
from eigenscape.zoo._cifar_resnet import load_cifar_resnet
from eigenscape.zoo._classifiers import SmallCNN
from tests._data import data_file
from tests._properties import examples, near


class Point(nn.Module):
    """Parameters and nothing else."""

    def __init__(self, count):
        super().__init__()
        self.theta = nn.Parameter(torch.linspace(-1, 1, count, dtype=torch.float64))


def quadratic(A):
    """The objective 1/2 theta^T A theta."""
    A = torch.as_tensor(A, dtype=torch.float64)
    form = lambda model, batch: model.theta @ batch[0] @ model.theta / 2  # noqa: E731
    return Objective(Point(len(A)), None, A[None], forward=form, size=lambda _: 1)


def symmetric(values, seed=0):
    """A matrix with these eigenvalues and random eigenvectors."""
    values = torch.as_tensor(values, dtype=torch.float64)
    draw = torch.randn(len(values), len(values), generator=torch.Generator().manual_seed(seed))
    Q = torch.linalg.qr(draw.double())[0]
    return Q @ torch.diag(values) @ Q.T


def network(dtype=torch.float64, activation="relu"):
    """An MLP of fewer than 600 parameters, trained a little on the digits."""
    data = zoo.digits(seed=0)
    between = {"relu": nn.ReLU, "tanh": nn.Tanh}[activation]
    model = models.build(
        lambda: nn.Sequential(nn.Linear(64, 7), between(), nn.Linear(7, 10)), seed=1
    )
    zoo.train(
        model,
        data.train_inputs,
        data.train_labels,
        seed=0,
        epochs=2,
        learning_rate=0.1,
        batch_size=32,
    )
    batch = (data.train_inputs[:100], data.train_labels[:100])
    return Objective(model, nn.functional.cross_entropy, batch, dtype=dtype)


def dense(objective):
    """The Hessian by torch.func, forward over reverse: another route than the product's."""

    def loss(theta):
        batch, _ = next(iter(objective.data))
        return objective.batch_loss(objective.tensors(theta), batch)

    with warnings.catch_warnings():  # torch compiles its forward rules with what it deprecates
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.func.hessian(loss)(objective.center)


@pytest.fixture(scope="module")
def tanh():
    objective = network(activation="tanh")
    return objective, dense(objective)


# ---------------------------------------------------------------- eigenpairs


@pytest.mark.parametrize("which", ["largest", "smallest", "magnitude", "both"])
def test_eigenpairs_are_those_of_the_dense_hessian(tanh, which):
    objective, H = tanh
    known = torch.linalg.eigvalsh(H)
    places = {
        "largest": [-1, -2, -3, -4, -5],
        "smallest": [4, 3, 2, 1, 0],
        "magnitude": sorted(known.abs().argsort()[-5:].tolist(), reverse=True),
        "both": [-1, -2, -3, 1, 0],
    }[which]
    found = top_eigenpairs(objective, 5, which=which, tolerance=1e-5)
    assert found.values.numpy() == pytest.approx(known[places].numpy(), rel=1e-6)
    assert float(found.residuals.max()) <= 1e-5
    lengths = (H @ found.vectors - found.vectors * found.values).norm(dim=0) / found.values.abs()
    assert lengths.numpy() == pytest.approx(found.residuals.numpy(), abs=1e-10)
    gram = found.vectors.T @ found.vectors
    assert float((gram - torch.eye(5)).abs().max()) < 1e-8
    top = found.vectors.gather(0, found.vectors.abs().argmax(0, keepdim=True))
    assert bool((top > 0).all())


def test_the_default_tolerance_gives_six_digits_at_a_fraction_of_the_products(tanh):
    objective, H = tanh
    found = top_eigenpairs(objective, 3)
    assert found.values.numpy() == pytest.approx(
        torch.linalg.eigvalsh(H)[-3:].flip(0).numpy(), rel=1e-6
    )
    assert float(found.residuals.max()) <= 1e-3
    assert found.products < 60


def test_a_seed_gives_the_same_pairs_and_leaves_the_generator_alone(tanh):
    state = torch.get_rng_state()
    first, second = (top_eigenpairs(tanh[0], 2, seed=5) for _ in range(2))
    assert torch.equal(first.vectors, second.vectors)
    assert torch.equal(torch.get_rng_state(), state)
    other = top_eigenpairs(tanh[0], 2, seed=6)
    assert other.values.numpy() == pytest.approx(first.values.numpy(), rel=1e-5)


@pytest.mark.parametrize("count", [1, 5, 19, 21, 60, 200])
def test_sizes_from_one_to_beyond_the_basis(count):
    values = np.linspace(-1, 3, count) ** 3
    for k in {1, min(4, count), count if count < 30 else 1}:
        found = top_eigenpairs(quadratic(symmetric(values)), k, tolerance=1e-8)
        assert found.values.numpy() == pytest.approx(np.sort(values)[::-1][:k], abs=1e-7)


def test_repeated_eigenvalues_come_as_often_as_they_are():
    # eight outputs: each eigenvalue of the inputs' second moments, eight times
    inputs = torch.randn(100, 20, generator=torch.Generator().manual_seed(0)).double()
    model = nn.Linear(20, 8, bias=False).double()
    objective = Objective(model, nn.functional.mse_loss, (inputs, torch.zeros(100, 8).double()))
    known = torch.linalg.eigvalsh(inputs.T @ inputs * 2 / 800).flip(0)
    found = top_eigenpairs(objective, 10)
    assert found.values.numpy() == pytest.approx(known.repeat_interleave(8)[:10].numpy(), rel=1e-5)


def diagonal(values):
    """The objective 1/2 sum(values theta^2): as many parameters as wanted, and fast."""
    values = torch.as_tensor(values, dtype=torch.float64)
    form = lambda model, batch: (model.theta**2 * batch[0]).sum() / 2  # noqa: E731
    return Objective(Point(len(values)), None, values[None], forward=form, size=lambda _: 1)


@pytest.mark.parametrize(
    ("count", "copies", "k", "edge"),
    [
        (500, 2, 2, 0.95),
        pytest.param(2000, 3, 5, 0.95, marks=pytest.mark.slow),
        pytest.param(2000, 3, 4, 0.99, marks=pytest.mark.slow),
        pytest.param(2000, 4, 2, 0.5, marks=pytest.mark.slow),
    ],
)
def test_no_start_misses_a_copy_above_a_dense_bulk_without_a_word(count, copies, k, edge):
    values = np.concatenate([np.ones(copies), np.linspace(0, edge, count - copies)])
    objective, known = diagonal(values), np.sort(values)[::-1]
    for seed in range(20):
        found = top_eigenpairs(objective, k, seed=seed)
        right = np.allclose(found.values, known[:k], rtol=2e-3)
        assert right or not found.settled
        if edge <= 0.95:
            assert right, f"start {seed} misses a copy"
        left = known[k]  # the largest of the others: a further copy, or the bulk's edge
        assert found.rest[1] >= left * (1 - 1e-9)


def test_what_a_search_does_not_exclude_is_said():
    values = np.concatenate([np.ones(3), np.linspace(0, 0.999, 3000)])
    found = hessian(diagonal(values), n_eigenvalues=4, trace_probes=0, groups=None, seed=1)
    assert any("are not excluded (beyond, with 99 %)" in note for note in found.notes)
    unseen = hessian(diagonal(values), n_eigenvalues=2, trace_probes=0, groups=None, checks=0)
    assert any("were not looked for" in note for note in unseen.notes)
    apart = np.concatenate([[3.0, 2.0], np.linspace(0, 1, 100)])
    assert not any(
        "excluded" in note or "looked for" in note
        for note in hessian(diagonal(apart), n_eigenvalues=2, trace_probes=0, groups=None).notes
    )


@pytest.mark.parametrize("which", ["largest", "smallest", "both", "magnitude"])
def test_the_rest_lies_within_its_bounds(which):
    bulk = np.random.default_rng(0).uniform(-1, 1, 300)
    values = np.sort(np.concatenate([bulk, [2.0, 2.0, 1.5, -1.8, -1.8]]))
    found = top_eigenpairs(diagonal(values), 4, which=which)
    if which != "largest":  # where the fourth is the bulk's edge
        assert found.settled
    left = list(values)
    for value in found.values.tolist():
        left.remove(min(left, key=lambda each, value=value: abs(each - value)))
    assert found.rest[0] <= min(left)
    assert found.rest[1] >= max(left)
    assert found.rest[1] < 2.1
    assert found.rest[0] > -1.9


@pytest.mark.parametrize("which", ["largest", "smallest", "magnitude"])
@pytest.mark.parametrize("copies", [1, 2])
def test_the_recurrence_says_whether_its_eigenvalue_is_repeated(which, copies):
    sign = -1 if which == "smallest" else 1
    values = sign * np.concatenate([np.ones(copies), np.linspace(-0.5, 0.9, 2000)])
    excluded = 0
    for seed in range(10):
        how = {"which": which, "method": "recurrence", "seed": seed}
        found = top_eigenpairs(diagonal(values), checks=60, **how)
        assert found.settled or copies == 2  # then it ends as soon as the copy shows
        ends = [sign * end for end in found.rest]
        excluded += max(ends) < 1 - 1e-3
        assert max(ends) >= 0.9
        blind = top_eigenpairs(diagonal(values), **how)
        assert max(sign * end for end in blind.rest) >= 1
        assert blind.products < found.products
    assert excluded == 10 if copies == 1 else excluded <= 1  # wrongly, in 1 % of all cases


def test_bounds_hold_as_often_as_they_say():
    from eigenscape.landscape.curvature._unseen import bounds

    values = torch.cat((torch.linspace(0, 0.98, 99).double(), torch.ones(1).double()))
    draw = torch.Generator().manual_seed(0)
    failed = 0
    for _ in range(200):
        basis = [torch.randn(100, generator=draw).double()]
        basis[0] /= basis[0].norm()
        alphas, betas = [], []
        for _ in range(9):
            product = values * basis[-1]
            alphas.append(float(product @ basis[-1]))
            for _ in range(2):
                product -= torch.stack(basis).T @ (torch.stack(basis) @ product)
            betas.append(float(product.norm()))
            basis.append(product / betas[-1])
        low, high = bounds(alphas, betas, 100, failure=0.5)
        failed += high < 1 or low > 0
    assert 0 < failed <= 100 + 2 * 7  # at most half, and two standard errors


@pytest.mark.parametrize("scale", [0.0, 2.0, -2.0])
def test_zero_and_multiples_of_the_identity(scale):
    found = top_eigenpairs(quadratic(scale * torch.eye(40)), 3)
    assert found.values.tolist() == pytest.approx([scale] * 3, rel=1e-12)
    assert float(found.residuals.max()) < 1e-12
    assert bool(torch.isfinite(found.vectors).all())


def test_a_loss_without_curvature_has_zero_eigenvalues():
    model = nn.Linear(40, 2)
    objective = Objective(model, None, torch.ones(3, 40), forward=lambda m, b: m(b).mean())
    found = hessian(objective, n_eigenvalues=2, trace_probes=10, density=True)
    assert found.top_eigenvalues == (0.0, 0.0)
    assert found.hessian_trace == found.trace_stderr == 0.0
    assert sum(found.density.density(found.density.grid())[0]) > 0


@examples(15)
@given(st.lists(st.integers(-5, 5), min_size=21, max_size=40), st.integers(1, 4))
def test_any_spectrum(values, k):
    found = top_eigenpairs(quadratic(symmetric(values)), k, which="both", tolerance=1e-6)
    ordered = sorted(values)
    expected = ordered[: k // 2] + ordered[len(values) - (k - k // 2) :]
    size = max(abs(value) for value in values)
    assert found.values.numpy() == near(sorted(expected, reverse=True), 1e-5, size)


def test_products_that_run_out_show_in_the_residual():
    objective = quadratic(symmetric(np.linspace(0, 1, 400)))
    found = top_eigenpairs(objective, 2, tolerance=1e-9, max_products=20)
    assert found.products <= 20
    assert float(found.residuals.max()) > 1e-9


# ---------------------------------------------------------------- trace


@pytest.mark.parametrize("method", ["hutchinson", "hutch++"])
def test_the_trace_lies_within_its_error(tanh, method):
    objective, H = tanh
    found = [
        hessian_trace(objective, probes=90, method=method, seed=s, groups="layer") for s in range(8)
    ]
    z = [(each.value - float(H.trace())) / each.standard_error for each in found]
    assert max(map(abs, z)) < 3
    assert np.std(z) > 0.3  # an error that is far too large would pass the line above
    for each in found:
        assert each.products == 90
        assert sum(group.value for group in each.groups) == pytest.approx(each.value, rel=1e-10)
    blocks = {name: torch.diag(H)[part].sum() for name, part in objective.space.slices.items()}
    first = float(blocks["0.weight"] + blocks["0.bias"])
    z = [(each.groups[0].value - first) / each.groups[0].standard_error for each in found]
    assert max(map(abs, z)) < 3


def test_probing_every_coordinate_is_exact(tanh):
    objective, H = tanh
    found = hessian_trace(objective, probes=objective.space.count, groups="layer")
    assert found.method == "exact"
    assert found.standard_error == 0
    assert found.value == pytest.approx(float(H.trace()), rel=1e-12)
    owners = ["0", "0", "2", "2"]
    for group in found.groups:
        parts = objective.space.slices.values()
        share = sum(
            float(torch.diag(H)[part].sum())
            for part, owner in zip(parts, owners, strict=True)
            if owner == group.name
        )
        assert group.value == pytest.approx(share, rel=1e-12)


def test_hutch_plus_plus_is_exact_for_a_low_rank():
    values = [9.0, -4.0, 3.0, 2.0, 1.0] + [0.0] * 95
    objective = quadratic(symmetric(values))
    found = hessian_trace(objective, probes=18, method="hutch++", groups="layer")
    assert found.value == pytest.approx(11, abs=1e-10)
    assert found.standard_error < 1e-10
    plain = hessian_trace(objective, probes=18)
    assert abs(plain.value - 11) > 1e-3


def test_a_diagonal_hessian_needs_one_probe():
    A = torch.diag(torch.arange(1.0, 51.0))
    found = hessian_trace(quadratic(A), probes=2)
    assert found.value == pytest.approx(50 * 51 / 2, rel=1e-12)
    assert found.standard_error == pytest.approx(0, abs=1e-9)


def test_sampling_until_the_error_is_small():
    objective = quadratic(symmetric(np.linspace(0.5, 1.5, 900)))
    start = hessian_trace(objective, probes=2)
    found = hessian_trace(objective, probes=10, relative_error=0.004)
    assert found.products > 10 > start.products
    assert found.standard_error <= 0.004 * found.value
    assert hessian_trace(objective, probes=10, relative_error=1e-6, max_probes=40).products == 40
    assert hessian_trace(objective, probes=10, relative_error=1e-6).method == "exact"


def test_blocks_hold_their_layers(tanh):
    model = models.build(
        lambda: nn.Sequential(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4)), nn.Linear(4, 1)), 0
    )
    objective = Objective(model, nn.functional.mse_loss, (torch.eye(3), torch.ones(3, 1)))
    layers, blocks = (hessian_trace(objective, groups=by, seed=1) for by in ("layer", "block"))
    assert [group.name for group in layers.groups] == ["0.0", "0.1", "1"]
    assert [(group.name, group.parameters) for group in blocks.groups] == [("0", 36), ("1", 5)]
    assert blocks.groups[0].value == pytest.approx(
        layers.groups[0].value + layers.groups[1].value, rel=1e-6
    )


# ---------------------------------------------------------------- density


def test_moments_are_traces_of_powers(tanh):
    objective, H = tanh
    found = spectral_density(objective, probes=30, steps=30)
    count = objective.space.count
    for power, exact in ((1, H.trace()), (2, (H @ H).trace()), (3, (H @ H @ H).trace())):
        value, error = found.moment(power)
        assert abs(value - float(exact) / count) < 3 * error
    assert found.products == 900


def test_enough_steps_are_exact_for_each_probe():
    # all sign vectors weigh a diagonal matrix's eigenvalues alike: 1/P
    values = np.arange(1.0, 13.0)
    found = spectral_density(quadratic(np.diag(values)), probes=2, steps=50)
    for nodes, weights in zip(found.nodes, found.weights, strict=True):
        assert nodes == pytest.approx(values)
        assert weights == pytest.approx(np.full(12, 1 / 12))
    assert found.mass_below(4.5) == pytest.approx(4 / 12)


def test_a_breakdown_ends_the_process():
    found = spectral_density(quadratic(np.diag([0.0] * 30 + [2.0] * 10)), probes=3, steps=20)
    assert found.products == 6  # two eigenvalues: two steps for each probe
    for nodes, weights in zip(found.nodes, found.weights, strict=True):
        assert nodes == pytest.approx([0, 2], abs=1e-12)
        assert weights == pytest.approx([0.75, 0.25])


def test_the_density_is_normal_and_weighted():
    found = spectral_density(quadratic(np.diag([0.0] * 30 + [2.0] * 10)), probes=2, width=0.05)
    grid = found.grid(4001)
    curves = found.density(grid)
    assert np.trapezoid(curves, grid) == pytest.approx([1, 1], abs=1e-6)
    peak = 1 / (0.05 * math.sqrt(2 * math.pi))
    assert found.density([0.0, 2.0])[0] == pytest.approx([0.75 * peak, 0.25 * peak], rel=1e-6)


# ---------------------------------------------------------------- Gauss-Newton


def test_gauss_newton_is_positive_and_the_hessian_of_a_linear_model():
    objective = network(activation="relu")
    low = top_eigenpairs(objective, 1, which="smallest", matrix="ggn", tolerance=1e-2)
    high = top_eigenpairs(objective, 1, matrix="ggn")
    assert float(low.values) > -1e-10 * float(high.values)
    inputs = torch.randn(50, 9, generator=torch.Generator().manual_seed(2))
    linear = Objective(nn.Linear(9, 3), nn.functional.mse_loss, (inputs, torch.ones(50, 3)))
    pairs = [top_eigenpairs(linear, 4, matrix=matrix).values for matrix in ("hessian", "ggn")]
    assert pairs[0].numpy() == pytest.approx(pairs[1].numpy(), rel=1e-5)


# ---------------------------------------------------------------- networks


class Attention(nn.Module):
    """One transformer block over the rows of a digit, and a mean."""

    def __init__(self):
        super().__init__()
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.head = nn.Linear(8, 10)

    def forward(self, images):
        return self.head(self.block(images.reshape(-1, 8, 8)).mean(1))


class Heat(nn.Module):
    """A tanh network u(x, t) with the residual of the heat equation as its loss."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 9), nn.Tanh(), nn.Linear(9, 1))

    def residual(self, points):
        points = points.detach().requires_grad_()
        u = self.net(points)
        (slope,) = torch.autograd.grad(u.sum(), points, create_graph=True)
        (bend,) = torch.autograd.grad(slope[:, 0].sum(), points, create_graph=True)
        return ((slope[:, 1] - bend[:, 0]) ** 2).mean() + (
            (u[:, 0] - points[:, 0].sin()) ** 2
        ).mean()


def digits_objective(build, shape):
    data = zoo.digits(seed=0)
    batch = (data.train_inputs[:40].reshape(40, *shape), data.train_labels[:40])
    return Objective(
        models.build(build, 0), nn.functional.cross_entropy, batch, dtype=torch.float64
    )


def cnn():
    return digits_objective(lambda: SmallCNN(width=8), (1, 8, 8))


def attention():
    return digits_objective(Attention, (64,))


def heat():
    points = torch.rand(40, 2, generator=torch.Generator().manual_seed(0))
    model = models.build(Heat, 0)

    def loss(model, batch):
        with torch.enable_grad():  # the loss differentiates in its inputs
            return model.residual(batch)

    return Objective(model, None, points, forward=loss, dtype=torch.float64)


@pytest.mark.parametrize("build", [cnn, attention, heat])
def test_networks_of_other_kinds(build):
    objective = build()
    before = {name: tensor.clone() for name, tensor in objective.model.state_dict().items()}
    found = hessian(objective, n_eigenvalues=2, trace_probes=12, ends="both")
    assert max(found.residuals) <= 1e-3
    pairs = top_eigenpairs(objective, 2)
    rayleigh = (pairs.vectors * objective.hvp(pairs.vectors)).sum(0)
    assert found.top_eigenvalues == pytest.approx(rayleigh.tolist(), rel=1e-4)
    if build is not cnn:  # the blank corners of a digit put its ReLUs on their kinks
        # the loss itself bends along the first direction as the eigenvalue says
        v, step = pairs.vectors[:, 0].to(objective.dtype), 1e-3
        ends = [objective.value(objective.center + sign * step * v) for sign in (1, -1)]
        bend = (sum(ends) - 2 * objective.loss_at_center) / step**2
        assert bend == pytest.approx(found.top_eigenvalues[0], rel=0.03)
    assert all(torch.equal(before[n], t) for n, t in objective.model.state_dict().items())


def cifar(images):
    with np.load(data_file("cifar10/train4000_exact.npz")) as arrays:
        pixels = torch.from_numpy(arrays["images"][:images]).permute(0, 3, 1, 2) / 255
        labels = torch.from_numpy(arrays["labels"][:images]).long()
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
    model = load_cifar_resnet(data_file("cifar_resnet/resnet20-12fca82f.th"))
    return Objective(model, nn.functional.cross_entropy, ((pixels - mean) / std, labels))


@pytest.mark.slow
def test_the_largest_eigenvalue_of_a_published_network():
    found = top_eigenpairs(cifar(40))
    assert float(found.values) == pytest.approx(101.372, rel=1e-4)
    assert float(found.residuals) <= 1e-3


@pytest.mark.slow
def test_the_largest_eigenvalues_of_a_published_network_on_more_images():
    found = top_eigenpairs(cifar(200), 3)
    assert found.values.tolist() == pytest.approx([49.814, 20.418, 13.402], rel=1e-3)
    assert float(found.residuals.max()) <= 1e-3


# ---------------------------------------------------------------- the result


@pytest.fixture(scope="module")
def result():
    return hessian(network(), n_eigenvalues=3, ends="both", density=True, trace_probes=30)


def test_a_result_is_read_back_as_it_was(result, tmp_path):
    path = result.save(tmp_path / "result.json")
    assert load(path) == HessianResult.load(path) == result


def test_the_table_and_the_picture_hold_everything(result):
    table = result.frame()
    assert table["value"][:6].tolist() == [*result.top_eigenvalues, *result.smallest_eigenvalues]
    assert table["value"][6] == result.hessian_trace
    assert table["name"][7:].tolist() == ["0", "2"]
    assert len(result.plot().axes) == 4
    spent = result.products - result.trace_probes - result.density.products
    assert spent > 0


def test_the_answer_and_the_findings_say_what_the_numbers_justify(result):
    assert f"Hessian is {result.top_eigenvalues[0]:.6g}, with a residual of" in result.answer
    assert f"{result.parameters:,} parameters" in result.answer
    said = " ".join(finding.text for finding in result.findings)
    assert f"the gradient norm is {result.gradient_norm:.3g}" in said
    assert "ReLU" in " ".join(result.notes)
    assert ("Negative curvature" in said) == (
        result.smallest_eigenvalues[0] < -1e-3 * result.top_eigenvalues[0]
    )
    bowl = quadratic(torch.diag(torch.arange(1.0, 41.0)))
    with torch.no_grad():
        bowl.center.zero_()
    calm = hessian(bowl, n_eigenvalues=2, ends="both", trace_probes=5)
    assert calm.notes == calm.findings == ()


def test_a_saddle_is_called_one_and_a_coarse_trace_too():
    found = hessian(
        quadratic(symmetric([-3.0, *np.linspace(0, 1, 60)])), ends="both", trace_probes=2
    )
    first, *others = found.findings
    assert "Negative curvature: the eigenvalue -3" in first.text
    coarse = [finding for finding in others if "one standard error" in finding.text]
    assert bool(coarse) == (found.trace_stderr > 0.1 * abs(found.hessian_trace))


def test_what_did_not_converge_and_a_repeated_eigenvalue_are_findings():
    loose = hessian(
        quadratic(symmetric(np.linspace(0, 1, 400))), n_eigenvalues=1, time_budget=1e-6, groups=None
    )
    assert loose.findings[0].text.startswith("Not converged: residuals above the tolerance of 0.00")
    assert loose.findings[0].todo == "Try more products or time, or a looser tolerance"
    twice = hessian(diagonal([2.0, 2.0, *np.linspace(0, 1, 60)]), n_eigenvalues=3, trace_probes=0)
    assert any("is there 2 times" in finding.text for finding in twice.findings)


def test_some_parameters_give_a_diagonal_block(tanh):
    objective, H = tanh
    part = objective.space.slices["2.weight"]
    found = hessian(objective, n_eigenvalues=2, trace_probes=500, include=["2.weight"])
    block = H[part, part]
    assert found.parameters == 70
    assert found.hessian_trace == pytest.approx(float(block.trace()), rel=1e-9)
    assert found.top_eigenvalues == pytest.approx(
        torch.linalg.eigvalsh(block)[-2:].flip(0).tolist(), rel=1e-6
    )
    assert objective.space.count == len(H)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda f: top_eigenpairs(f, 0), "n_eigenvalues is 0"),
        (lambda f: top_eigenpairs(f, 31), "n_eigenvalues is 31, but there are 30 parameters"),
        (lambda f: top_eigenpairs(f, which="middle"), "which is 'middle'"),
        (lambda f: top_eigenpairs(f, tolerance=0), "tolerance is 0"),
        (lambda f: top_eigenpairs(f, matrix="fisher"), "matrix is 'fisher'.*hessian, ggn"),
        (lambda f: top_eigenpairs(f, 9, max_products=10), "max_products is 10.*36"),
        (lambda f: top_eigenpairs(f, 2, which="x", tolerance=2), "which is .*tolerance is"),
        (lambda f: hessian_trace(f, probes=1), "probes is 1"),
        (lambda f: hessian_trace(f, probes=5, method="hutch++"), "probes is 5; .* 6 or more"),
        (lambda f: hessian_trace(f, method="xtrace"), "method is 'xtrace'"),
        (lambda f: hessian_trace(f, groups="head"), "groups is 'head'"),
        (lambda f: hessian_trace(f, relative_error=0.0), "relative_error is 0"),
        (lambda f: spectral_density(f, probes=0, steps=1), "probes is 0.*steps is 1"),
        (lambda f: spectral_density(f, width=-1.0), "width is -1"),
        (lambda f: hessian(f, ends="left"), "ends is 'left'"),
        (
            lambda f: hessian(f, n_eigenvalues=16, ends="both"),
            "n_eigenvalues is 16 at both.*30 parameters",
        ),
        (lambda f: hessian(f, include=["bias"]), "no parameter matches 'bias'"),
    ],
)
def test_bad_arguments_are_named(call, words):
    with pytest.raises(InputError, match=words):
        call(quadratic(torch.eye(30)))


def test_a_second_derivative_that_is_not_finite_is_named():
    model = Point(30)
    with torch.no_grad():
        model.theta.zero_()
    root = Objective(
        model, None, torch.ones(1, 1), forward=lambda m, b: (m.theta**2).sum().sqrt() + b.sum()
    )
    with pytest.raises(InputError, match=r"not finite.*no second derivative.*Try"):
        top_eigenpairs(root)


# ---------------------------------------------------------------- command

PROBE = """
import torch
from eigenscape.models import Objective

def build():
    model = torch.nn.Linear(3, 1, bias=False)
    batch = (torch.diag(torch.tensor([1.0, 2.0, 3.0])), torch.zeros(3, 1))
    return model, torch.nn.functional.mse_loss, [batch]
"""


@pytest.fixture
def probe(tmp_path):
    path = tmp_path / "probe.py"
    path.write_text(PROBE)
    return f"{path}:build"


def test_the_command_prints_one_json_object(probe, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["hessian", "--probe", probe, "--top", "2", "--density", "--format", "json"]
    assert main([*words, "--out", str(out)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "eigenscape.hessian/1"
    assert found["top_eigenvalues"] == pytest.approx([6, 8 / 3], rel=1e-5)
    assert found["hessian_trace"] == pytest.approx(28 / 3, rel=1e-5)
    assert found["trace_stderr"] == 0
    assert max(found["residuals"]) < 1e-5
    assert HessianResult.load(out / "result.json").top_eigenvalues == tuple(
        found["top_eigenvalues"]
    )
    assert (out / "hessian.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("form", ["table", "csv", "md"])
def test_the_command_prints_tables(probe, capsys, form):
    assert main(["hessian", "--probe", probe, "--top", "1", "--format", form, "--quiet"]) == 0
    shown = capsys.readouterr()
    assert "largest 1" in shown.out
    assert "trace" in shown.out
    assert shown.err == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--top", "0"], "n_eigenvalues is 0"),
        (["--top", "4"], "n_eigenvalues is 4, but there are 3 parameters"),
        (["--top", "2", "--ends", "both"], "n_eigenvalues is 2 at both ends"),
        (["--top", "1", "--include", "bias"], "no parameter matches 'bias'"),
        (["--top", "1", "--trace-samples", "1"], "probes is 1"),
    ],
)
def test_the_command_refuses_in_one_sentence(probe, capsys, words, said):
    assert main(["hessian", "--probe", probe, *words]) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 1
