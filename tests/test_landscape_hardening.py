"""Losses and models that once gave a wrong answer, or none: what a hostile user found."""

import json
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from eigenscape.cli import main
from eigenscape.errors import InputError
from eigenscape.landscape import hessian, sample
from eigenscape.models import Objective


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def data(count=30, width=8, classes=3):
    return torch.randn(count, width), torch.randint(0, classes, (count,))


def mlp():
    return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))


def agree(objective, **options):
    fast = sample(objective, steps=11, **options)
    plain = sample(objective, steps=11, fast=False, **options)
    np.testing.assert_allclose(fast.values, plain.values, rtol=1e-5)
    return fast


@pytest.mark.parametrize("seed", range(3))
def test_a_dead_layer_hides_nothing_from_the_fast_path(seed):
    """The second layer sees zeros at the center; elsewhere on the grid it does not."""
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))
    nn.init.constant_(model[0].bias, -4.0)
    fast = agree(Objective(model, functional.cross_entropy, data(64)), seed=seed)
    assert any("outputs of 0 precomputed" in note for note in fast.notes)


class Gated(nn.Module):
    """The layer's input moves only where the gate is open."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Parameter(torch.full((1, 8), 3.0))
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(x * self.gate.clamp(0, 2.5))


def test_a_clamp_hides_nothing_either():
    objective = Objective(Gated(), functional.cross_entropy, data())
    agree(objective, normalize="none", radius=0.3)


def test_losses_that_hold_tensors_of_their_own():
    inputs, targets = data()
    weight = torch.tensor([1.0, 2.0, 0.5])
    module = Objective(mlp(), nn.CrossEntropyLoss(weight=weight), (inputs, targets))
    torch.manual_seed(0)
    closure = Objective(
        module.model, lambda o, t: functional.cross_entropy(o, t, weight), (inputs, targets)
    )
    assert module.loss_at_center == pytest.approx(closure.loss_at_center, rel=1e-6)
    assert weight.dtype == torch.float32
    assert module.notes == ()
    assert "does not run in float64" in closure.notes[0]
    assert closure.notes[0] in sample(closure, steps=3).notes
    assert hessian(module, n_eigenvalues=1, trace_probes=2).top_eigenvalues[0] > 0


def test_a_loss_that_differentiates_by_its_inputs():
    class Field(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))

        def forward(self, x):
            return self.net(x)

    def residual(model, batch):
        points = batch.clone().requires_grad_()
        (slope,) = torch.autograd.grad(model(points).sum(), points, create_graph=True)
        return (slope**2).mean()

    objective = Objective(Field(), None, torch.rand(20, 2), forward=residual)
    landscape = sample(objective, steps=5)
    assert np.isfinite(landscape.values).all()
    assert landscape.values[2, 2] == objective.loss_at_center
    assert hessian(objective, n_eigenvalues=1, trace_probes=2).top_eigenvalues[0] != 0


@pytest.mark.parametrize(
    "cut", [lambda o, t: functional.cross_entropy(o, t).detach(), None], ids=["loss", "forward"]
)
def test_a_loss_without_a_gradient_has_no_hessian(cut):
    @torch.no_grad()
    def closed(model, batch):
        return functional.cross_entropy(model(batch[0]), batch[1])

    objective = Objective(mlp(), cut, data(), forward=None if cut else closed)
    with pytest.raises(InputError, match="no gradient in the parameters"):
        hessian(objective, n_eigenvalues=1)
    with pytest.raises(InputError, match="no gradient in the parameters"):
        objective.gradient()
    assert sample(objective, steps=3).values.shape == (3, 3)


def test_sums_are_refused_and_means_are_not():
    with pytest.raises(InputError, match="it is a sum"):
        Objective(mlp(), nn.CrossEntropyLoss(reduction="sum"), data())
    Objective(mlp(), nn.CrossEntropyLoss(), data())
    Objective(nn.Linear(8, 1), functional.mse_loss, (torch.randn(5, 8), torch.zeros(5, 1)))


def test_forward_passes_that_write():
    class Table(nn.Module):
        def __init__(self):
            super().__init__()
            self.rows = nn.Embedding(11, 8, max_norm=1.0)
            self.head = nn.Linear(8, 3)

        def forward(self, x):
            return self.head(self.rows(x).mean(1))

    tokens = torch.randint(0, 11, (20, 5)), torch.randint(0, 3, (20,))
    with pytest.raises(InputError, match="max_norm"):
        Objective(Table(), functional.cross_entropy, tokens)

    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(8, 3)
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, x):
            self.seen += 1e-3
            return self.head(x) * (1 + self.seen)

    objective = Objective(Counter(), functional.cross_entropy, data())
    sample(objective, steps=5)
    assert objective.value() == objective.loss_at_center
    assert objective.model.seen == 0


def test_labels_that_do_not_count_are_not_counted():
    class Answer:
        def __init__(self, loss):
            self.loss = loss

    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.rows = nn.Embedding(11, 6)

        def forward(self, input_ids, labels):
            logits = self.rows(input_ids)
            return Answer(functional.cross_entropy(logits.flatten(0, 1), labels.flatten()))

    tokens, labels = torch.randint(0, 11, (12, 7)), torch.randint(0, 6, (12, 7))
    labels[:4, 2:] = -100
    whole = [{"input_ids": tokens, "labels": labels}]
    halves = [{"input_ids": tokens[cut], "labels": labels[cut]} for cut in (slice(5), slice(5, 12))]
    model = Tagger()
    assert Objective(model, None, whole).loss_at_center == pytest.approx(
        Objective(model, None, halves).loss_at_center, rel=1e-6
    )


def test_models_that_cannot_be_moved():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch: scripting is on its way out
        scripted = torch.jit.script(mlp())
    with pytest.raises(InputError, match="TorchScript"):
        Objective(scripted, functional.cross_entropy, data())
    with pytest.raises(InputError, match="lie on meta"):
        Objective(mlp().to("meta"), functional.cross_entropy, data())


PROBE = """
import torch
from torch import nn
class Loud(nn.Linear):
    def forward(self, x):
        print("a line that is no JSON")
        return super().forward(x)
def build():
    torch.manual_seed(0)
    return Loud(8, 3), nn.CrossEntropyLoss(), (torch.randn(9, 8), torch.arange(9) % 3)
def meta():
    model, loss, batch = build()
    return model.to("meta"), loss, batch
"""


@pytest.mark.parametrize("verb", ["hessian", "landscape", "checkup"])
def test_what_a_model_prints_is_no_part_of_the_answer(verb, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "probe.py").write_text(PROBE)
    extra = {"hessian": ["--trace-samples", "3"], "landscape": ["--steps", "3"], "checkup": []}
    words = [verb, "--probe", "probe.py:build", "--format", "json", "--quiet", *extra[verb]]
    assert main(words) == 0
    json.loads(capsys.readouterr().out)
    assert main([verb, "--probe", "probe.py:meta", "--quiet"]) == 2  # nor is a layer large enough
    assert "lie on meta" in " ".join(capsys.readouterr().err.split())


def test_the_example_of_the_readme():
    from pathlib import Path

    from eigenscape.models import load_objective

    place = Path(__file__).parent.parent / "examples" / "digits_probe.py"
    objective, _ = load_objective(f"{place}:build")
    assert objective.loss_at_center < 0.5
    assert objective.data.count == 1347
