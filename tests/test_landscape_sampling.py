"""Sampling: every stored loss is the loss of the model at that point, however it was computed."""

import copy
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn

import eigenscape.landscape.grid._sample as sampling
from eigenscape.errors import InputError, TaskError
from eigenscape.landscape import Directions, Landscape, random_directions, sample
from eigenscape.landscape.grid._direction_makers import hessian_directions
from eigenscape.landscape.grid._shortcut_trace import _mark_tensor
from eigenscape.models import Objective
from eigenscape.results import load
from eigenscape.zoo._classifiers import SmallCNN

CE, MSE = nn.functional.cross_entropy, nn.functional.mse_loss


def classifier(dtype=torch.float64, seed=0):
    torch.manual_seed(seed)
    layers = (nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 3))
    return nn.Sequential(*layers).to(dtype)


def data(n=24, dtype=torch.float64):
    torch.manual_seed(7)
    return torch.randn(n, 6, dtype=dtype), torch.arange(n) % 3


@pytest.fixture
def objective():
    inputs, targets = data()
    return Objective(classifier(), CE, [(inputs[:10], targets[:10]), (inputs[10:], targets[10:])])


def loss_at(objective, directions, landscape, place):
    """The loss of an independent copy of the model, moved there by plain assignment."""
    vectors = directions.scaled(landscape.unit, float(objective.center.norm()))
    at = torch.tensor([axis[k] for axis, k in zip(landscape.coordinates, place, strict=True)])
    parts = objective.space.split(objective.center.double() + vectors @ at.double())
    model = copy.deepcopy(objective.model).to(torch.float64).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in parts:
                parameter.copy_(parts[name])
        total = sum(
            float(CE(model(x.double() if x.is_floating_point() else x), y)) * len(y)
            for (x, y), _ in objective.data
        )
    return total / objective.data.count


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(("dim", "steps"), [(1, 9), (2, 7), (3, 5), (4, 3)])
def test_stored_losses_are_those_of_an_independent_model(objective, fast, dim, steps):
    directions = random_directions(objective, dim, seed=2)
    landscape = sample(objective, directions, steps=steps, fast=fast)
    assert landscape.values.shape == (steps,) * dim
    assert landscape.values[(steps // 2,) * dim] == objective.loss_at_center
    generator = np.random.default_rng(dim)
    for place in generator.integers(0, steps, (6, dim)).tolist():
        wanted = loss_at(objective, directions, landscape, place)
        assert landscape.values[tuple(place)] == pytest.approx(wanted, rel=1e-10)


def test_coordinates_are_symmetric_and_a_bowl_has_one_minimum(objective):
    # a sampler that shifts every second row turns a bowl into a comb
    model = nn.Linear(2, 1, bias=False).double()
    inputs = torch.tensor([[1.0, 0.3], [0.2, 1.0]], dtype=torch.float64)
    bowl = Objective(model, MSE, (inputs, inputs.sum(1, keepdim=True)))
    landscape = sample(bowl, "hessian", radius=3.0, unit="absolute")
    axis = landscape.coordinates[0]
    assert axis[20] == 0.0
    assert np.array_equal(axis, -axis[::-1])
    assert axis[-1] == 3.0
    for connectivity in ("full", "freudenthal", "cross"):
        assert landscape.merge_tree(connectivity).n_minima == 1
    # exactly quadratic: third differences vanish
    for k in (0, 1):
        assert np.abs(np.diff(landscape.values, 3, axis=k)).max() < 1e-10 * landscape.values.max()
    check = landscape.curvature_check()
    assert check["on_grid"].tolist() == pytest.approx(check["rayleigh"].tolist(), rel=1e-6)


def test_second_difference_along_an_eigenvector_is_its_eigenvalue():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    objective = Objective(model, CE, data())
    directions = hessian_directions(objective, 2, tolerance=1e-6)
    landscape = sample(objective, directions, steps=3, radius=1e-3, unit="relative")
    check = landscape.curvature_check()
    assert check["on_grid"].tolist() == pytest.approx(check["rayleigh"].tolist(), rel=1e-3)


class Residual(nn.Module):
    """In-place work on a kept output, a layer called twice, an input that is used twice."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 6)
        self.first = nn.Linear(6, 6)
        self.twice = nn.Linear(6, 6)
        self.shortcut = nn.Conv1d(6, 6, 1)
        self.head = nn.Linear(6, 3)

    def forward(self, tokens):
        x = self.embed(tokens)
        y = self.first(x)
        y += x
        y = self.twice(self.twice(y).relu_())
        y += self.shortcut(x.transpose(1, 2)).transpose(1, 2)
        return self.head(y.mean(1))


def tokens(n=12):
    torch.manual_seed(3)
    return torch.randint(0, 11, (n, 5)), torch.arange(n) % 3


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (None, "evaluated in full"),
        (["embed.*", "head.*"], "evaluated in full"),
        (["first.*", "head.*", "shortcut.*"], "outputs of embed kept; outputs of first, shortcut"),
        (["head.*"], "outputs of embed, first, shortcut kept; outputs of head precomputed"),
        (["twice.*"], "outputs of embed, first, shortcut kept"),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shortcuts_change_nothing(layers, words, dtype):
    torch.manual_seed(0)
    objective = Objective(Residual().to(dtype), CE, tokens())
    fast, plain = (
        sample(objective, steps=7, include=layers, fast=fast, seed=1) for fast in (True, False)
    )
    assert words in fast.notes[-1]
    tolerance = 1e-5 if dtype is torch.float32 else 1e-12
    assert fast.values == pytest.approx(plain.values, rel=tolerance)
    assert plain.notes == ()
    assert all("forward" not in vars(module) for module in objective.model.modules())


@pytest.mark.parametrize("policy", ["frozen", "batch", "recompute"])
@pytest.mark.parametrize("layers", [None, ["head.*"], ["stages.1.*"]])
def test_shortcuts_obey_the_batch_norm_policy(policy, layers):
    torch.manual_seed(0)
    model = SmallCNN(width=2)
    images = torch.randn(10, 1, 8, 8)
    model(images)
    before = copy.deepcopy(model.state_dict())
    batches = [(images[:6], torch.arange(6)), (images[6:], torch.arange(4))]
    objective = Objective(model, CE, batches, batch_norm=policy)
    fast, plain = (sample(objective, steps=3, include=layers, fast=fast) for fast in (True, False))
    assert fast.values == pytest.approx(plain.values, rel=1e-5)
    assert ("recomputed at every point" in fast.notes[-1]) == (policy == "recompute")
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_a_shortcut_that_would_be_wrong_is_found_out():
    class Sneaky(nn.Module):
        """The outputs of a layer are changed by a value that is not among its inputs."""

        def __init__(self):
            super().__init__()
            self.moved, self.first = nn.Linear(6, 6), nn.Linear(6, 3)
            self.first.partner = [self.moved]
            self.first.register_forward_hook(lambda m, _, out: out * m.partner[0].weight.mean())

        def forward(self, x):
            return self.first(x) + 0 * self.moved(x).mean()

    torch.manual_seed(0)
    objective = Objective(Sneaky().double(), CE, data())
    fast, plain = (sample(objective, steps=3, fast=fast) for fast in (True, False))
    assert fast.values == pytest.approx(plain.values, rel=1e-12)


def test_a_loss_of_derivatives_is_evaluated_in_full():
    class Slope(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1)).double()

        def forward(self, x):
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                (slope,) = torch.autograd.grad(self.inner(x).sum(), x, create_graph=True)
            return slope

    torch.manual_seed(0)
    points = torch.randn(9, 2, dtype=torch.float64)
    objective = Objective(Slope(), MSE, (points, 0 * points))
    fast, plain = (sample(objective, steps=3, fast=fast).values for fast in (True, False))
    assert fast == pytest.approx(plain, rel=1e-12)
    assert np.ptp(plain) > 0


def test_too_little_memory_for_layers_is_no_failure(objective):
    landscape = sample(objective, steps=3, cache_bytes=10)
    assert "would take" in landscape.notes[-1]


class Trap(nn.Module):
    """Raises at the n-th forward pass."""

    def __init__(self, error):
        super().__init__()
        self.inner, self.norm, self.error, self.left = nn.Linear(6, 3), nn.BatchNorm1d(3), error, -1

    def forward(self, x):
        self.left -= 1
        if self.left == 0:
            raise self.error
        return self.norm(self.inner(x))


@pytest.mark.parametrize("error", [RuntimeError("boom"), KeyboardInterrupt()])
@pytest.mark.parametrize("fast", [True, False])
def test_the_model_is_put_back_after_an_error(error, fast, tmp_path):
    model = Trap(error).train()
    objective = Objective(model, CE, data(dtype=torch.float32), batch_norm="batch")
    before = copy.deepcopy(model.state_dict())
    model.left = 30
    with pytest.raises((TaskError, KeyboardInterrupt)):
        sample(objective, steps=9, fast=fast, folder=tmp_path, chunk=5)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert all(module.training for module in model.modules())
    assert all("forward" not in vars(m) and not m._forward_hooks for m in model.modules())
    assert list(tmp_path.glob("points_*.npz"))  # what was finished is kept
    model.left = -1
    resumed = sample(objective, steps=9, fast=fast, folder=tmp_path)
    assert 0 < resumed.evaluations < 81
    assert np.array_equal(resumed.values, sample(objective, steps=9, fast=fast).values)


KILLED = """
import sys, time, torch
from torch import nn
from eigenscape.models import Objective
from eigenscape.landscape import sample
torch.manual_seed(0)
class Slow(nn.Linear):
    def forward(self, x):
        time.sleep(0.002)
        return super().forward(x)
torch.set_num_threads(1)
data = torch.randn(9, 4), torch.arange(9) % 3
objective = Objective(Slow(4, 3), nn.functional.cross_entropy, data)
landscape = sample(objective, steps=15, folder=sys.argv[1], chunk=5)
landscape.save(sys.argv[1] + ".json")
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_and_gives_the_same_bits(tmp_path):
    command = [sys.executable, "-c", KILLED]
    process = subprocess.Popen([*command, str(tmp_path / "killed")])
    deadline = time.monotonic() + 30
    while (
        len(list((tmp_path / "killed").glob("points_*.npz"))) < 10 and time.monotonic() < deadline
    ):
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    finished = len(list((tmp_path / "killed").glob("points_*.npz")))
    assert 10 <= finished < 45
    for name in ("killed", "whole"):
        subprocess.run([*command, str(tmp_path / name)], check=True)
    killed, whole = (load(tmp_path / f"{name}.json") for name in ("killed", "whole"))
    assert killed.evaluations <= 225 - 5 * finished
    assert whole.evaluations == 225
    assert np.array_equal(killed.values, whole.values)


def test_another_landscape_in_the_folder_is_refused_and_damage_is_repaired(objective, tmp_path):
    first = sample(objective, steps=5, folder=tmp_path, chunk=4)
    with pytest.raises(InputError, match=r"changed: .*steps \(5 there, 7 now\)"):
        sample(objective, steps=7, folder=tmp_path)
    with pytest.raises(InputError, match=r"changed: seed \(0 there, 1 now\), directions\. Try"):
        sample(objective, steps=5, seed=1, folder=tmp_path)
    other = Objective(classifier(seed=1), CE, data())
    with pytest.raises(InputError, match="data, center"):
        sample(other, steps=5, folder=tmp_path)
    damaged = next(tmp_path.glob("points_12_*.npz"))
    content = bytearray(damaged.read_bytes())
    place = content.index(first.values.reshape(-1)[12].tobytes())
    content[place] ^= 1  # one bit of one loss
    damaged.write_bytes(content)
    again = sample(objective, steps=5, folder=tmp_path)  # in the folder's own pieces
    assert again.evaluations == 4
    assert np.array_equal(again.values, first.values)
    assert again.notes[-1] == "files were damaged and computed again: points 12 to 15"
    assert "damaged" not in " ".join(sample(objective, steps=5, folder=tmp_path).notes)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InputError, match="not the manifest"):
        sample(objective, steps=5, folder=tmp_path)


def test_a_seed_gives_the_same_bits(objective):
    state = torch.get_rng_state()
    one, two = (sample(objective, steps=5, seed=3) for _ in range(2))
    assert np.array_equal(one.values, two.values)
    assert not np.array_equal(one.values, sample(objective, steps=5, seed=4).values)
    assert torch.equal(state, torch.get_rng_state())


def test_losses_that_are_not_finite_are_kept_as_infinity_and_counted():
    model = nn.Linear(1, 1, bias=False).double()
    nn.init.constant_(model.weight, 1.0)
    ones = torch.ones(1, 1, dtype=torch.float64)
    objective = Objective(model, lambda out, _: out.log().mean(), (ones, ones))
    landscape = sample(objective, "hessian", dim=1, steps=5, radius=2.0, unit="absolute")
    assert np.isinf(landscape.values).tolist() == [True, True, False, False, False]
    assert (landscape.values[:2] > 0).all()
    assert landscape.not_finite == 2
    assert "2 of 5 losses are not finite" in landscape.notes[0]


def test_an_even_grid_says_that_it_has_no_center(objective):
    landscape = sample(objective, steps=4)
    assert "no point of the grid is at the center" in landscape.notes[0]
    assert landscape.curvature_check()["on_grid"].isna().all()


def test_odd_models(tmp_path):
    class Complex(nn.Module):
        def __init__(self):
            super().__init__()
            self.shift = nn.Parameter(torch.ones(3))
            self.weight = nn.Parameter(torch.randn(6, 3, dtype=torch.complex64))

        def forward(self, x):
            return (x.to(torch.complex64) @ self.weight).abs() + self.shift

    torch.manual_seed(0)
    tied = classifier(torch.float32)
    tied[4] = nn.Linear(5, 8)
    tied.append(tied[0])  # used twice
    tied[0], tied[4] = nn.Linear(6, 6), nn.Linear(5, 6)
    tied[2] = nn.Linear(6, 5)
    tied[5] = tied[0]
    frozen = classifier(torch.float32)
    frozen[0].requires_grad_(False)
    for model in (Complex(), tied, frozen, classifier(torch.bfloat16)):
        objective = Objective(model, CE, data(dtype=torch.float32))
        fast, plain = (
            sample(objective, steps=5, normalize="model", fast=fast) for fast in (True, False)
        )
        assert fast.values == pytest.approx(plain.values, rel=1e-5)
        assert fast.values[2, 2] == objective.loss_at_center
        assert np.ptp(fast.values) > 0


def test_a_pass_is_told_from_another_by_sums_and_samples():
    assert _mark_tensor(torch.tensor([1 + 2j])) == ((1,), torch.complex64, 3.0, 1.0, 2.0)
    assert _mark_tensor(torch.tensor([[1, 2]])) == ((1, 2), torch.int64, 3, 1, 2)
    first, second = torch.zeros(2, 500, dtype=torch.complex64)
    second[77] = 1j
    assert _mark_tensor(first) != _mark_tensor(second)


def test_progress_and_the_estimate_are_told(objective):
    told, costs = [], []
    sample(objective, steps=31, progress=told.append, on_estimate=costs.append)
    assert (told[0].done, told[-1].done, told[-1].total) == (0, 961, 961)
    assert costs[0].points == 961
    assert costs[0].seconds > 0
    assert "961 points" in str(costs[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 2}, "3 or more"),
        ({"steps": 4.0}, "whole number"),
        ({"steps": 41, "dim": 8}, r"41\^8 is 7.98e\+12 points"),
        ({"radius": -1.0}, "above 0"),
        ({"radius": float("nan")}, "above 0"),
        ({"dim": 0}, "1 or more"),
        ({"dim": 100, "steps": 3}, "at most"),
        ({"directions": "pca"}, "expected 'random', 'hessian' or Directions"),
        ({"unit": "meter"}, "absolute, relative, direction"),
        ({"unit": "absolute"}, "give a radius too"),
        ({"normalize": "weight"}, "filter, layer, model, none"),
        ({"include": ["x.*"]}, "no parameter matches"),
        ({"chunk": 0}, "chunk"),
        ({"time_budget": 1e-9}, r"more than the budget"),
        ({"time_budget": -1}, "above 0"),
    ],
)
def test_bad_options_are_refused(objective, options, message):
    with pytest.raises(InputError, match=message):
        sample(objective, **options)


def test_directions_of_another_space_are_refused(objective):
    directions = random_directions(objective)
    with pytest.raises(InputError, match="coordinates"):
        sample(objective, directions, include=["0.*"])
    with pytest.raises(InputError, match="2 directions are given"):
        sample(objective, directions, dim=3)
    with pytest.raises(InputError, match="these are given"):
        sample(objective, directions, normalize="layer")


def test_memory_and_disk_are_asked_for_first(objective, monkeypatch):
    from eigenscape.landscape.grid import _sample_estimate as costs

    monkeypatch.setattr(costs, "_memory", lambda: 10)
    with pytest.raises(InputError, match="GiB of memory"):
        sample(objective)
    monkeypatch.setattr(costs, "_memory", lambda: 0)
    monkeypatch.setattr(costs.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(InputError, match="on the disk"):
        sample(objective, folder="nowhere/yet")


def test_the_landscape_as_files_table_and_dataset(objective, tmp_path):
    landscape = sample(objective, "hessian", dim=3, steps=5)
    for name in ("a.json", "a.nc"):
        again = Landscape.load(landscape.save(tmp_path / name))
        assert np.array_equal(again.values, landscape.values)
        assert again.to_dict() == landscape.to_dict()
    assert isinstance(load(tmp_path / "a.json"), Landscape)
    table = landscape.frame()
    assert list(table.columns) == ["alpha_1", "alpha_2", "alpha_3", "loss"]
    row = table.iloc[5 * 5 * 1 + 5 * 2 + 3]
    assert row["loss"] == landscape.values[1, 2, 3]
    assert row["alpha_3"] == landscape.coordinates[2][3]
    dataset = landscape.to_xarray()
    assert float(dataset.loss.sel(alpha_1=0, alpha_2=0, alpha_3=0)) == objective.loss_at_center
    (tmp_path / "b.nc").write_bytes(b"CDF no")
    with pytest.raises(InputError, match="not a landscape"):
        Landscape.load(tmp_path / "b.nc")
    with pytest.raises(InputError, match="no such file"):
        Landscape.load(tmp_path / "c.nc")


def test_infinite_losses_survive_both_files(tmp_path):
    model = nn.Linear(1, 1, bias=False).double()
    nn.init.constant_(model.weight, 1.0)
    ones = torch.ones(1, 1, dtype=torch.float64)
    objective = Objective(model, lambda out, _: out.log().mean(), (ones, ones))
    landscape = sample(objective, "hessian", dim=1, steps=5, radius=2.0, unit="absolute")
    for name in ("a.json", "a.nc"):
        assert np.array_equal(
            Landscape.load(landscape.save(tmp_path / name)).values, landscape.values
        )
    json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_pictures(objective, dim):
    figure = sample(objective, dim=dim, steps=5).plot()
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert "random 1, × direction" in labels
    assert "fraction of samples" in labels


def test_given_directions_keep_their_own_scale():
    model = nn.Linear(1, 1, bias=False).double()
    nn.init.constant_(model.weight, 2.0)
    ones = torch.ones(1, 1, dtype=torch.float64)
    objective = Objective(model, MSE, (ones, 0 * ones))
    line = Directions(vectors=torch.tensor([[3.0]]), names=("d",))
    assert sample(objective, line, steps=3).values.tolist() == [1.0, 4.0, 25.0]
    relative = sample(objective, line, steps=3, unit="relative", radius=0.5)
    assert relative.values.tolist() == [1.0, 4.0, 9.0]
    assert relative.norms == (2.0,)


def test_points_are_never_held_all_at_once(objective):
    walk = sampling.Walk(objective, random_directions(objective, 3).vectors)
    assert walk.bytes <= 2 * 3 * 8 * objective.space.count
