"""Directions: lengths by filter, right angles, eigenvectors, trajectories, planes."""

import copy

import pytest
import torch
from torch import nn

from eigenscape.checkpoints import save_checkpoint
from eigenscape.errors import InputError
from eigenscape.landscape import (
    Directions,
    difference_directions,
    plane_through,
    random_directions,
    sample,
    trajectory_directions,
)
from eigenscape.landscape.grid._direction_makers import hessian_directions
from eigenscape.models import Objective

MSE = nn.functional.mse_loss


def seeded(model, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model


def objective_of(model, inputs):
    return Objective(model, None, inputs, forward=lambda m, x: m(x).square().mean(), check=False)


@pytest.fixture
def mlp():
    model = seeded(nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4))).double()
    inputs = torch.randn(30, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    targets = torch.randn(30, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return Objective(model, MSE, (inputs, targets))


class Conv1D(nn.Module):
    """As in transformers: weights are stored input first."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4, 6))
        self.bias = nn.Parameter(torch.zeros(6))

    def forward(self, x):
        return x @ self.weight + self.bias


@pytest.mark.parametrize(
    ("model", "inputs", "filters"),
    [
        (nn.Linear(4, 3), torch.ones(2, 4), lambda w: w),
        (nn.Conv2d(4, 6, 3, groups=2), torch.ones(2, 4, 5, 5), lambda w: w.flatten(1)),
        (nn.Embedding(7, 3), torch.arange(7), lambda w: w),
        (Conv1D(), torch.ones(2, 4), lambda w: w.T),
        (nn.ConvTranspose1d(4, 6, 3), torch.ones(2, 4, 5), lambda w: w.transpose(0, 1).flatten(1)),
        (
            nn.ConvTranspose1d(4, 6, 3, groups=2),
            torch.ones(2, 4, 5),
            lambda w: torch.cat([part.transpose(0, 1).flatten(1) for part in w.chunk(2)]),
        ),
    ],
)
def test_each_filter_is_as_long_as_the_weights_of_one_output(model, inputs, filters):
    objective = objective_of(seeded(model), inputs)
    directions = random_directions(objective, 2)
    for vector in directions.vectors.T:
        parts = objective.space.split(vector.contiguous())
        lengths = filters(parts["weight"]).norm(dim=1)
        wanted = filters(model.weight.detach().double()).norm(dim=1)
        assert torch.allclose(lengths / wanted, torch.ones_like(wanted), rtol=1e-6)
        assert "bias" not in parts or not parts["bias"].any()


def test_other_normalisations(mlp):
    parts = mlp.space.split(mlp.center)
    by_layer = mlp.space.split(random_directions(mlp, normalize="layer").vectors[:, 0].contiguous())
    for name in ("0.weight", "2.weight"):
        assert float(by_layer[name].norm() / parts[name].norm()) == pytest.approx(1.0)
    with_1d = random_directions(mlp, normalize="filter", ignore_1d=False).vectors[:, 0]
    bias = mlp.space.split(with_1d.contiguous())["0.bias"]
    assert float(bias.norm() / parts["0.bias"].norm()) == pytest.approx(1.0)
    assert random_directions(mlp, normalize="model").norms == pytest.approx(
        [float(mlp.center.norm())] * 2
    )


def test_raw_directions_are_orthonormal_and_normalised_ones_report_their_angles(mlp):
    raw = random_directions(mlp, 4, normalize="none")
    assert torch.allclose(raw.vectors.T @ raw.vectors, torch.eye(4).double(), atol=1e-12)
    scaled = random_directions(mlp, 2)
    cosine = torch.cosine_similarity(*scaled.vectors.T, dim=0)
    assert float(scaled.gram[0, 1]) == pytest.approx(float(cosine))
    assert 0 < abs(float(cosine)) < 1


def test_a_seed_gives_the_same_bits_whatever_the_number_and_leaves_the_global_one(mlp):
    state = torch.get_rng_state()
    one, two = random_directions(mlp, 1, seed=3), random_directions(mlp, 3, seed=3)
    assert torch.equal(two.vectors, random_directions(mlp, 3, seed=3).vectors)
    assert torch.allclose(one.vectors[:, 0], two.vectors[:, 0])
    assert not torch.allclose(one.vectors, random_directions(mlp, 1, seed=4).vectors)
    assert torch.equal(state, torch.get_rng_state())


def test_scaling_a_convolution_before_batch_norm_changes_nothing():
    torch.manual_seed(0)
    images = torch.randn(12, 1, 6, 6, dtype=torch.float64)
    labels = torch.arange(12) % 3
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)
    ).double()
    model(images)
    scaled = copy.deepcopy(model)
    with torch.no_grad():
        scaled[0].weight *= 7.0
        scaled[1].running_mean *= 7.0
        scaled[1].running_var *= 49.0
        # eps is not scaled by itself
        scaled[1].eps *= 49.0
    first, second = (
        sample(Objective(m, nn.functional.cross_entropy, (images, labels)), steps=5).values
        for m in (model, scaled)
    )
    assert second == pytest.approx(first, rel=1e-9)


def test_hessian_directions_are_eigenvectors(mlp):
    directions = hessian_directions(mlp, 3, tolerance=1e-8)
    for vector, value in zip(directions.vectors.T, directions.rayleigh, strict=True):
        assert torch.allclose(mlp.hvp(vector), value * vector, atol=1e-6)
        assert float(vector[vector.abs().argmax()]) > 0
    assert torch.allclose(directions.gram, torch.eye(3).double(), atol=1e-8)
    assert list(directions.rayleigh) == sorted(directions.rayleigh, reverse=True)
    layered = hessian_directions(mlp, 2, normalize="layer")
    assert layered.rayleigh[0] < directions.rayleigh[0]
    assert layered.extra["eigenvalues"][0] == pytest.approx(directions.rayleigh[0], rel=1e-5)


def test_a_trajectory_in_a_plane_is_recovered(mlp):
    flat = random_directions(mlp, 2, normalize="none").vectors
    path = [(3.0, 0.0), (2.0, 1.0), (1.0, -1.0), (0.0, 0.0)]
    points = [mlp.center + flat @ torch.tensor(p, dtype=torch.float64) for p in path]
    directions = trajectory_directions(mlp, points)
    assert sum(directions.extra["explained_variance"]) == pytest.approx(1.0)
    assert max(directions.extra["residuals"]) < 1e-6
    assert directions.extra["losses"][-1] == pytest.approx(mlp.loss_at_center)
    lengths = [sum(c * c for c in row) for row in directions.extra["coordinates"]]
    assert lengths == pytest.approx([a * a + b * b for a, b in path], abs=1e-10)
    off = [
        mlp.center + 5 * torch.nn.functional.one_hot(torch.tensor(k), mlp.space.count)
        for k in (0, 1, 2)
    ]
    line = trajectory_directions(mlp, off, 1, center=False)
    # three equal right-angled rows, one direction: two thirds of the squares are left
    assert sum(r**2 for r in line.extra["residuals"]) == pytest.approx(2.0)
    with pytest.raises(InputError, match="span 2 directions"):
        trajectory_directions(mlp, points, 3)
    with pytest.raises(InputError, match="got none"):
        trajectory_directions(mlp, [])


def test_directions_to_modules_state_dicts_and_files_agree(mlp, tmp_path):
    other = seeded(copy.deepcopy(mlp.model), 5)
    path = save_checkpoint(other.state_dict(), tmp_path / "other.safetensors")
    found = [
        difference_directions(mlp, source).vectors for source in (other, other.state_dict(), path)
    ]
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
    inputs, targets = next(iter(mlp.data))[0]
    arrived = mlp.value(mlp.center + found[0][:, 0])
    assert arrived == pytest.approx(float(MSE(other(inputs), targets).detach()))


def test_a_plane_through_three_models_holds_them(mlp):
    b, c = (seeded(copy.deepcopy(mlp.model), seed) for seed in (5, 6))
    plane = plane_through(mlp, b, c)
    assert float(plane.gram[0, 1]) == pytest.approx(0.0, abs=1e-12)
    for model, at in zip((b, c), plane.extra["coordinates"][1:], strict=True):
        point = mlp.center + plane.vectors @ torch.tensor(at, dtype=torch.float64)
        assert mlp.value(point) == pytest.approx(Objective(model, MSE, _data(mlp)).value())
    with pytest.raises(InputError, match="directions without length"):
        plane_through(mlp, b, b)


def _data(objective):
    return next(iter(objective.data))[0]


def test_units():
    directions = Directions(vectors=torch.tensor([[3.0], [4.0]]), names=("d",))
    assert directions.scaled("direction", 10.0).norm() == pytest.approx(5.0)
    assert directions.scaled("absolute", 10.0).norm() == pytest.approx(1.0)
    assert directions.scaled("relative", 10.0).norm() == pytest.approx(10.0)
    with pytest.raises(InputError, match="unit 'relative'"):
        directions.scaled("relative", 0.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: random_directions(o, 0), "whole number from 1"),
        (lambda o: random_directions(o, 10**6), "whole number from 1"),
        (lambda o: random_directions(o, normalize="filters"), "filter, layer, model, none"),
        (lambda o: hessian_directions(o, normalize="x"), "filter, layer, model, none"),
        (lambda o: difference_directions(o, o.model), "directions without length"),
        (lambda o: difference_directions(o, nn.Linear(2, 2)), "do not fit"),
        (lambda o: difference_directions(o, o.center * float("nan")), "not finite"),
        (lambda o: Directions(vectors=torch.zeros(3, 1), names=("a",)), "a has the norm 0"),
        (
            lambda o: Directions(vectors=torch.full((3, 1), float("inf")), names=("a",)),
            "a has the norm inf",
        ),
        (lambda o: Directions(vectors=torch.ones(3), names=("a",)), r"expected \(P, n\)"),
        (lambda o: Directions(vectors=torch.ones(3, 1), names=("a",), unit="m"), "absolute, rel"),
    ],
)
def test_bad_directions_are_refused(mlp, make, message):
    with pytest.raises(InputError, match=message):
        make(mlp)


def test_nothing_but_biases_to_move_is_refused(mlp):
    biases = Objective(mlp.model, MSE, _data(mlp), include=["*.bias"])
    with pytest.raises(InputError, match="directions without length"):
        random_directions(biases)
    assert len(random_directions(biases, ignore_1d=False)) == 2
