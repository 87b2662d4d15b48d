"""The objective: what it evaluates, what it differentiates, what it refuses."""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn.utils.parametrizations import orthogonal, weight_norm
from torch.utils.data import DataLoader, TensorDataset

from eigenscape.errors import InputError
from eigenscape.models import Data, Objective, ParameterSpace

CE, MSE = nn.functional.cross_entropy, nn.functional.mse_loss


def tensors(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def fill(model, seed=0):
    for number, parameter in enumerate(model.parameters()):
        with torch.no_grad():
            parameter.copy_(0.5 * tensors(*parameter.shape, seed=seed + number))
    return model


def classifier(dtype=torch.float64):
    return fill(nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))).to(dtype)


def data(n=20, dtype=torch.float64):
    return tensors(n, 4, seed=9, dtype=dtype), torch.arange(n) % 3


def dense(objective):
    """The Hessian by torch.func, without any product of this package."""
    space = objective.space
    inputs, targets = data()

    def loss(vector):
        return CE(functional_call(objective.model, space.split(vector), (inputs,)), targets)

    return torch.func.jacrev(torch.func.jacrev(loss))(objective.center)


def test_products_agree_with_the_dense_hessian():
    objective = Objective(classifier(), CE, data())
    whole = dense(objective)
    vectors = tensors(objective.space.count, 3, seed=5)
    assert torch.allclose(objective.hvp(vectors), whole @ vectors, atol=1e-12)
    assert torch.allclose(objective.hvp(vectors[:, 0]), whole @ vectors[:, 0], atol=1e-12)


def test_gradient_agrees_with_finite_differences():
    objective = Objective(classifier(), CE, data())
    step = tensors(objective.space.count, seed=6)
    ends = objective.values([objective.center + 1e-6 * step, objective.center - 1e-6 * step])
    assert float(ends[0] - ends[1]) / 2e-6 == pytest.approx(
        float(objective.gradient() @ step), rel=1e-6
    )


def test_gauss_newton_is_the_hessian_of_a_linear_model_and_never_negative():
    model = fill(nn.Linear(4, 2)).double()
    objective = Objective(model, MSE, (tensors(9, 4), tensors(9, 2, seed=1)))
    eye = torch.eye(objective.space.count, dtype=torch.float64)
    assert torch.allclose(objective.hvp(eye, kind="ggn"), objective.hvp(eye), atol=1e-12)
    curved = Objective(classifier(), CE, data())
    whole = curved.hvp(torch.eye(curved.space.count, dtype=torch.float64), kind="ggn")
    assert float(torch.linalg.eigvalsh(whole).min()) > -1e-12


def test_unequal_batches_weigh_by_their_samples():
    inputs, targets = data(10)
    model = classifier()
    batches = [(inputs[:7], targets[:7]), (inputs[7:], targets[7:])]
    split, whole = Objective(model, CE, batches), Objective(model, CE, (inputs, targets))
    assert split.value() == pytest.approx(whole.value(), rel=1e-14)
    vector = tensors(whole.space.count)
    assert torch.allclose(split.hvp(vector), whole.hvp(vector), atol=1e-13)
    assert split.data.count == 10
    assert split.data.batches == 2


def test_loaders_mappings_and_the_loss_of_the_model_itself():
    class Keywords(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = classifier()

        def forward(self, x, labels):
            return type("Answer", (), {"loss": CE(self.inner(x), labels)})()

    inputs, targets = data()
    wanted = Objective(classifier(), CE, (inputs, targets)).value()
    loader = DataLoader(TensorDataset(inputs, targets), batch_size=6)
    assert Objective(classifier(), CE, loader).value() == pytest.approx(wanted, rel=1e-14)
    keywords = Objective(Keywords(), None, [{"x": inputs, "labels": targets}])
    assert keywords.value() == pytest.approx(wanted, rel=1e-14)


@pytest.mark.parametrize("wrap", [lambda layer: layer, weight_norm, orthogonal])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_module_in_two_places_is_evaluated_at_both_and_stays_as_found(wrap, dtype):
    """torch.func.functional_call puts such a module back only under the first of its names."""
    layer = wrap(nn.Linear(4, 4))
    model = nn.Sequential(nn.Sequential(layer, nn.Tanh()), layer, nn.Linear(4, 3))
    inputs, targets = data(dtype=torch.float32)
    before = {name: (id(p), p.detach().clone()) for name, p in model.named_parameters()}
    objective = Objective(model, CE, (inputs, targets), dtype=dtype)
    point = objective.center + 0.1
    moved = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in moved.parameters():
            parameter += 0.1
        expected = float(CE(moved(inputs), targets))
    assert float(objective.value(point)) == pytest.approx(expected, rel=1e-5)
    objective.hvp(torch.ones_like(objective.center))
    after = {name: (id(p), p) for name, p in model.named_parameters()}
    assert {name: one for name, (one, _) in after.items()} == {
        name: one for name, (one, _) in before.items()
    }
    assert all(torch.equal(after[name][1], value) for name, (_, value) in before.items())


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(ignore_index=0),
        nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0, 0.2])),
        nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0, 0.2]), ignore_index=2),
        nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0, 0.2]), label_smoothing=0.1),
    ],
    ids=str,
)
def test_batches_weigh_as_the_loss_weighs_their_targets(loss):
    inputs, _ = data(14)
    targets = torch.tensor([0, 0, 0, 1, 0, 0, 1, 2, 1, 1, 2, 2, 1, 0])
    batches = [(inputs[:6], targets[:6]), (inputs[6:], targets[6:])]
    split = Objective(classifier(), loss, batches)
    whole = Objective(classifier(), loss, (inputs, targets))
    assert split.value() == pytest.approx(whole.value())
    assert split.data.count == pytest.approx(int((targets != loss.ignore_index).sum()))
    assert not split.notes


def test_labels_that_are_shifted_already_weigh_the_batches():
    batches = [
        {"input_ids": torch.ones(2, 5), "shift_labels": torch.ones(2, 5, dtype=torch.int64)},
        {"input_ids": torch.ones(2, 5), "shift_labels": torch.full((2, 5), -100)},
    ]
    batches[1]["shift_labels"][0, 3:] = 1
    assert [weight for _, weight in Data(batches)] == [10, 2]


def test_a_loss_that_is_no_mean_over_samples_is_told_where_there_are_several_batches():
    inputs, targets = data(14)
    batches = [(inputs[:6], targets[:6]), (inputs[6:], targets[6:])]

    def coupled(outputs, targets):
        return CE(outputs, targets) + outputs.std()

    [note] = Objective(classifier(), coupled, batches).notes
    assert note.startswith("the loss of samples of two batches together is ")
    assert "give one batch, or size=" in note
    assert not Objective(classifier(), coupled, (inputs, targets)).notes
    assert not Objective(classifier(), CE, batches).notes


def test_the_model_stays_as_found():
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.5)).train()
    model[0].eval()
    before, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    for policy in ("frozen", "recompute", "batch"):
        objective = Objective(model, CE, data(dtype=torch.float32), batch_norm=policy)
        objective.value(objective.center + 0.1)
        if policy != "recompute":
            objective.gradient()
    assert [m.training for m in model.modules()] == modes
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_batch_norm_policies():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).double()
    inputs, targets = data()
    by_policy = {
        policy: Objective(model, CE, (inputs, targets), batch_norm=policy).value()
        for policy in ("frozen", "recompute", "batch")
    }
    assert by_policy["frozen"] == pytest.approx(float(CE(model.eval()(inputs), targets).detach()))
    train = copy.deepcopy(model).train()
    assert by_policy["batch"] == pytest.approx(float(CE(train(inputs), targets).detach()))
    train[1].reset_running_stats()
    train[1].momentum = None  # torch's own cumulative mean
    train(inputs)
    assert by_policy["recompute"] == pytest.approx(
        float(CE(train.eval()(inputs), targets).detach())
    )


def test_recomputed_batch_norm_weighs_batches_by_their_samples():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).double()
    inputs, targets = data(6)
    batches = [(inputs[:4], targets[:4]), (inputs[4:], targets[4:])]
    found = Objective(model, CE, batches, batch_norm="recompute").value()
    features = model[0](inputs)
    mean, variance = (
        4 / 6 * of(features[:4]) + 2 / 6 * of(features[4:])
        for of in (lambda rows: rows.mean(0), lambda rows: rows.var(0))
    )
    outputs = (features - mean) / (variance + model[1].eps).sqrt()
    expected = float(CE(outputs * model[1].weight + model[1].bias, targets).detach())
    assert found == pytest.approx(expected, rel=1e-12)


def test_frozen_tied_complex_and_half_precision_parameters():
    model = classifier()
    model[0].weight.requires_grad_(False)
    assert Objective(model, CE, data()).space.names == ("0.bias", "2.weight", "2.bias")

    tied = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)).double()
    tied[1].weight = tied[0].weight
    objective = Objective(tied, CE, data())
    assert objective.space.names == ("0.weight", "0.bias", "1.bias")
    inputs, targets = data()
    moved = copy.deepcopy(tied)
    with torch.no_grad():
        for parameter in moved.parameters():
            parameter.add_(0.1)
    value = float(CE(moved(inputs), targets).detach())
    assert objective.value(objective.center + 0.1) == pytest.approx(value)

    half = Objective(classifier(torch.bfloat16), CE, data())
    assert half.dtype == torch.float32
    assert half.value() == pytest.approx(Objective(classifier(), CE, data()).value(), rel=0.05)


class Spectral(nn.Module):
    """A bias of odd length before complex weights."""

    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.ones(3, dtype=torch.float64))
        self.weight = nn.Parameter(torch.tensor([1 + 2j, 3 - 1j], dtype=torch.complex128))

    def forward(self, x):
        return (x[:, None] * self.weight).abs().square().sum(1) + self.shift.sum()


def test_complex_parameters_are_two_real_coordinates_each():
    objective = Objective(Spectral(), lambda out, _: out.mean(), (tensors(5), torch.zeros(5)))
    assert objective.space.count == 3 + 4
    mean_square = float(tensors(5).square().mean())
    assert objective.value() == pytest.approx(3 + 15 * mean_square)
    slope = objective.gradient()
    wanted = [1.0, 1, 1, *(2 * mean_square * x for x in (1, 2, 3, -1))]
    assert slope.tolist() == pytest.approx(wanted)
    assert objective.hvp(torch.eye(7)).diagonal().tolist() == pytest.approx(
        [0, 0, 0] + [2 * mean_square] * 4
    )


def test_restricted_objectives_are_blocks_of_the_whole():
    objective = Objective(classifier(), CE, data())
    block = objective.restricted(["2.*"])
    place = slice(objective.space.slices["2.weight"].start, objective.space.count)
    eye = torch.eye(block.space.count, dtype=torch.float64)
    assert torch.allclose(block.hvp(eye), dense(objective)[place, place], atol=1e-12)
    assert block.value() == objective.value()


class Noisy(nn.Linear):
    def forward(self, x):
        return nn.functional.dropout(super().forward(x), 0.5)


SHUFFLED = DataLoader(TensorDataset(*data(dtype=torch.float32)), batch_size=5, shuffle=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Objective("model", CE, data()), "expected a torch.nn.Module"),
        (lambda: Objective(classifier(), 3, data()), "expected loss"),
        (lambda: Objective(classifier(), CE, data(), batch_norm="train"), "frozen, recompute"),
        (lambda: Objective(classifier(), CE, data(), dtype=torch.int64), "torch.float64"),
        (lambda: Objective(classifier(), CE, []), "there is no batch"),
        (lambda: Objective(classifier(), CE, [tensors(0, 4)]), "0 samples"),
        (lambda: Objective(classifier(), CE, 7), "one batch or an iterable"),
        (lambda: Objective(classifier(), CE, iter([data()])), "exhausted after one pass"),
        (lambda: Objective(classifier(torch.float32), CE, SHUFFLED), "differ between two passes"),
        (lambda: Objective(Noisy(4, 3).double(), CE, data()), "not repeatable"),
        (lambda: Objective(classifier(), CE, (tensors(5, 9), data(5)[1])), "failed on batch 0"),
        (lambda: Objective(classifier(), CE, (tensors(5, 4), data(9)[1])), "the loss failed"),
        (
            lambda: Objective(classifier(), nn.CrossEntropyLoss(reduction="none"), data()),
            "expected one real number",
        ),
        (lambda: Objective(classifier(), CE, [tensors(5, 4)]), r"expected a pair"),
        (lambda: Objective(classifier(), None, data()), "expected a mapping"),
        (lambda: Objective(nn.Linear(4, 3, device="meta"), CE, data()), "one device"),
        (lambda: Objective(classifier().requires_grad_(False), CE, data()), "requires a gradient"),
        (lambda: Objective(classifier(), CE, data(), include=["x*"]), "no parameter matches"),
        (
            lambda: Objective(classifier(), CE, data()).value(torch.zeros(3)),
            "a point has the shape",
        ),
        (lambda: Objective(classifier(), CE, data()).hvp(torch.zeros(3)), "vectors have the shape"),
        (lambda: Objective(classifier(), CE, data()).restricted(["y"]), "no parameter matches"),
    ],
)
def test_bad_input_is_refused_in_words(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_a_loss_that_is_not_finite_names_the_parameters():
    model = classifier()
    with torch.no_grad():
        model[2].bias[0] = float("nan")
    with pytest.raises(InputError, match=r"2\.bias"):
        Objective(model, CE, data())


def test_gauss_newton_without_outputs_is_refused():
    objective = Objective(
        classifier(), None, data(), forward=lambda model, batch: CE(model(batch[0]), batch[1])
    )
    with pytest.raises(InputError, match="alone"):
        objective.hvp(objective.center, kind="ggn")


def test_joining_names_every_tensor_that_does_not_fit():
    space = ParameterSpace.of(nn.Linear(2, 2))
    with pytest.raises(InputError, match=r"weight: \(3, 3\).*bias: missing"):
        space.join({"weight": torch.zeros(3, 3)}, torch.float64)


def test_class_weights_of_float32_serve_a_model_in_float64():
    weights = torch.tensor([1.0, 2.0, 3.0])
    narrow = Objective(
        classifier(torch.float32),
        nn.CrossEntropyLoss(weight=weights),
        data(dtype=torch.float32),
        dtype=torch.float64,
    )
    wide = Objective(
        classifier(torch.float32).double(),
        nn.CrossEntropyLoss(weight=weights.double()),
        [part.double() if part.is_floating_point() else part for part in data(dtype=torch.float32)],
    )
    vector = tensors(narrow.space.count, seed=5)
    assert narrow.value() == wide.value()
    assert torch.equal(narrow.gradient(), wide.gradient())
    assert torch.equal(narrow.hvp(vector), wide.hvp(vector))
    assert torch.equal(narrow.hvp(vector, kind="ggn"), wide.hvp(vector, kind="ggn"))


def test_gauss_newton_products_say_what_the_outputs_are():
    objective = Objective(
        classifier(),
        lambda outputs, targets: CE(outputs["logits"], targets),
        data(),
        forward=lambda model, batch: ({"logits": model(batch[0])}, batch[1]),
    )
    with pytest.raises(InputError, match="outputs of type dict"):
        objective.hvp(torch.ones(objective.space.count), kind="ggn")


def test_a_pass_that_fails_side_by_side_writes_statistics_once():
    class Asks(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.head = nn.BatchNorm1d(4), nn.Linear(4, 3)

        def forward(self, x):
            x = self.norm(x)
            return self.head(x) if x.mean().item() < 1e9 else x

    objective = Objective([Asks().double(), Asks().double()], CE, data())
    fixed = {name: tensor.clone() for name, tensor in objective.fixed.items()}
    objective.model.train()
    objective.slopes(objective.center, data(), fixed)
    assert fixed["model.norm.num_batches_tracked"].tolist() == [1, 1]
    mean = 0.1 * data()[0].mean(dim=0)
    torch.testing.assert_close(fixed["model.norm.running_mean"], mean.expand(2, -1))


def test_a_model_may_answer_a_mapping_with_a_plain_dict():
    class Answers(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Linear(2, 3)

        def forward(self, x, labels):
            return {"loss": CE(self.net(x), labels)}

    model, inputs, labels = Answers(), torch.ones(6, 2), torch.arange(6) % 3
    objective = Objective(model, None, {"x": inputs, "labels": labels})
    assert abs(objective.value() - CE(model.net(inputs), labels).item()) < 1e-6
    assert "Answers, 9 parameters, one batch of 6" in repr(objective)
