"""Objectives of k networks: equal to k single ones; views; language models; what stays as found."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from eigenscape import zoo
from eigenscape.errors import InputError
from eigenscape.landscape import hessian_traces
from eigenscape.models import (
    LanguageModel,
    NetworkData,
    Objective,
    ParameterSpace,
    Tokens,
    build,
    evaluating,
    fit,
)

CE, MSE = functional.cross_entropy, functional.mse_loss
K = 3


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Encoder(nn.Module):
    """Attention over five places of four numbers."""

    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(4, 2, 6, batch_first=True, dropout=0.1)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.layer(x).mean(dim=1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.head = nn.GRU(4, 3, batch_first=True), nn.Linear(3, 3)

    def forward(self, x):
        return self.head(self.cell(x)[0][:, -1])


def conv():
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(27, 3)
    )


NETS = {
    "mlp": (lambda: nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)), (4,)),
    "conv": (conv, (1, 5, 5)),
    "transformer": (Encoder, (5, 4)),
    "recurrent": (Recurrent, (5, 4)),
}


def case(name):
    make, shape = NETS[name]
    models = [build(make, seed).double() for seed in range(K)]
    inputs, labels = normal(14, *shape, seed=7), torch.arange(14) % 3
    for model in models:  # statistics of their own
        model.train()(normal(6, *shape, seed=5))
    return models, [(inputs[:9], labels[:9]), (inputs[9:], labels[9:])]


def close(one, other):
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("mlp", "frozen"),
        ("conv", "frozen"),
        ("conv", "batch"),
        ("conv", "recompute"),
        ("transformer", "frozen"),
        ("recurrent", "frozen"),
    ],
)
def test_k_networks_are_k_single_ones(name, policy, batched):
    models, batches = case(name)
    before = [copy.deepcopy(model.state_dict()) for model in models]
    several = Objective(models, CE, batches, batch_norm=policy)
    assert several._batched is (name != "recurrent")
    several._batched = batched and several._batched
    singles = [Objective(model, CE, batches, batch_norm=policy) for model in models]
    points = several.center + 0.1 * normal(*several.center.shape, seed=3)
    vectors = normal(K, 2, several.space.count, seed=4)

    close(several.values(), torch.tensor([s.value() for s in singles], dtype=torch.float64))
    close(
        several.values(points),
        torch.stack([s.values([p])[0] for s, p in zip(singles, points, strict=True)]),
    )
    for part, own in zip(
        several.outputs(points),
        zip(*(s.outputs(p[None]) for s, p in zip(singles, points, strict=True)), strict=True),
        strict=True,
    ):
        close(part, torch.cat(own))
    if policy == "recompute":
        with pytest.raises(InputError, match="not defined batch by batch"):
            several.gradients(points)
    else:
        rows = list(zip(singles, points, vectors, strict=True))
        close(several.gradients(points), torch.stack([s.gradient(p) for s, p, _ in rows]))
        for kind in ("hessian", "ggn"):
            own = torch.stack([s.hvp(v.T, p, kind=kind).T for s, p, v in rows])
            close(several.products(points, vectors, kind), own)
            again = torch.cat([s.products(p[None], v[None], kind) for s, p, v in rows])
            close(again, own)
    assert all(
        torch.equal(tensor, old[key])
        for model, old in zip(models, before, strict=True)
        for key, tensor in model.state_dict().items()
    )
    assert all(model.training for model in models)


@pytest.mark.parametrize("name", ["mlp", "conv", "transformer"])
def test_rows_do_not_depend_on_how_many_there_are(name):
    models, batches = case(name)
    few, many = Objective(models[:2], CE, batches), Objective(models[:2] * 40, CE, batches)
    assert torch.equal(few.values(), many.values()[:2])
    assert torch.equal(few.gradients(), many.gradients()[:2])
    with evaluating(models[0]):  # no dropout
        steps = [o.slopes(o.center, batches[0]) for o in (few, many)]
    for one, other in zip(*steps, strict=True):
        assert torch.equal(one, other[:2])


@pytest.mark.parametrize("batched", [True, False])
def test_each_network_on_its_own_samples(batched):
    models, batches = case("conv")
    pool, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    rows = torch.stack([torch.arange(10), torch.arange(4, 14), torch.arange(13, 3, -1)])
    several = Objective(models, CE, NetworkData(pool, rows, labels[rows]))
    several._batched = batched
    vectors = normal(K, 2, several.space.count, seed=4)
    for i, model in enumerate(models):
        single = Objective(model, CE, (pool[rows[i]], labels[rows[i]]))
        assert float(several.values()[i]) == pytest.approx(single.value(), rel=1e-12)
        close(several.gradients()[i], single.gradient())
        for kind in ("hessian", "ggn"):
            close(several.products(None, vectors, kind)[i], single.hvp(vectors[i].T, kind=kind).T)
        close(several.outputs()[0][i], model.eval()(pool[rows[i]]).detach())


@pytest.mark.parametrize("batched", [True, False])
def test_a_training_step_writes_statistics_where_it_is_told_to(batched):
    models, batches = case("conv")
    several = Objective(models, CE, batches)
    several._batched = batched
    kept = {name: tensor.clone() for name, tensor in several.fixed.items()}
    several.model.train()
    losses, slopes = several.slopes(several.center, batches[0])
    assert all(torch.equal(tensor, several.fixed[name]) for name, tensor in kept.items())
    again, _ = several.slopes(several.center, batches[0], fixed=kept)
    assert torch.equal(losses, again)
    moved = several.at(several.center - 0.1 * slopes, kept)
    for i, model in enumerate(models):
        model.train().zero_grad()
        loss = CE(model(batches[0][0]), batches[0][1])
        loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.1 * parameter.grad
        assert float(losses[i]) == pytest.approx(float(loss.detach()), rel=1e-12)
        for name, tensor in moved.state(i).items():
            close(tensor, model.state_dict()[name])


def test_views():
    models, batches = case("mlp")
    several = Objective(models, CE, batches)
    assert several.networks == K
    assert several.network(1).value() == Objective(models[1], CE, batches).value()
    chosen = several.select([2, 0, 2])
    close(chosen.values(), several.values()[[2, 0, 2]])
    assert several.select([1]).value() == several.network(1).value()
    one = Objective(models[0], CE, batches)
    close(one.select([0, 0]).values(), several.values()[[0, 0]])
    close(several.on(batches[0]).values(), Objective(models, CE, batches[0]).values())
    head = several.restricted(include=["2.*"])
    assert head.space.names == ("2.weight", "2.bias")
    close(head.values(), several.values())
    close(head.gradients(), several.gradients()[:, several.space.slices["2.weight"].start :])
    fewer = Objective(models, CE, batches, exclude=["0.*"])
    close(fewer.gradients(), head.gradients())
    assert several.noise == 0.0


def test_traces_of_k_networks():
    models, batches = case("mlp")
    several = Objective(models, CE, batches)
    found = hessian_traces(several, probes=4, seed=2)
    alone = torch.cat([hessian_traces(several.network(i), probes=4, seed=2) for i in range(K)])
    close(found, alone)
    eye = torch.eye(several.space.count, dtype=torch.float64)
    traces = several.products(None, eye).diagonal(dim1=1, dim2=2).sum(dim=1)
    many = hessian_traces(several, probes=400)
    assert ((many.mean(dim=1) - traces).abs() < 4 * many.std(dim=1) / 20).all()


class Counted(nn.Linear):
    """What no vmap can run: a branch on the values."""

    def forward(self, x):
        return super().forward(x if bool(self.weight.sum() < 1e9) else -x)


def test_what_cannot_run_side_by_side_runs_one_by_one_and_says_so():
    models = [build(lambda: Counted(4, 3), seed).double() for seed in range(2)]
    batch = normal(6, 4), torch.arange(6) % 3
    several = Objective(models, CE, batch)
    own = [Objective(model, CE, batch).value() for model in models]
    assert several.values().tolist() == pytest.approx(own, rel=1e-14)
    assert any("one after the other" in note for note in several.notes)


def test_large_networks_run_one_by_one():
    big = [build(lambda: nn.Linear(500, 500), seed) for seed in (0, 1)]
    assert not Objective(big, MSE, (torch.ones(2, 500), torch.ones(2, 500)))._batched


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda m, b: Objective([], CE, b), "there are no models"),
        (lambda m, b: Objective([*m, nn.Linear(4, 4)], CE, b), "other tensors than model 0"),
        (lambda m, b: Objective(m, CE, b).value(), "of 3 networks"),
        (lambda m, b: Objective(m, CE, b).hvp(torch.ones(43)), "of 3 networks"),
        (lambda m, b: Objective(m, CE, b).values(torch.zeros(2, 43)), r"expected \(3, 43\)"),
        (lambda m, b: Objective(m, CE, b).gradients(torch.zeros(43)), r"expected \(3, 43\)"),
        (lambda m, b: Objective(m, CE, b).products(None, torch.ones(2, 5)), "vectors have the"),
        (lambda m, b: Objective(m, CE, b).products(None, torch.ones(2, 4, 43)), "vectors have the"),
        (lambda m, b: Objective(m, CE, b).products(None, torch.ones(1, 43), "fisher"), "kind is"),
        (lambda m, b: Objective(m, CE, b).at(torch.zeros(2, 43)), "points have the shape"),
        (lambda m, b: Objective(m, CE), "there are no data"),
        (lambda m, b: Objective(m[0], CE, b, include="0.*"), r"expected a list of globs"),
        (lambda m, b: Objective(m[0], CE, b, include=["0.wieght"]), r"near: 0\.weight"),
        (lambda m, b: Objective(m[0], CE, b, exclude=["9.*"]), r"'9\.\*' of exclude"),
        (lambda m, b: Objective(m[0], CE, b, exclude=["*"]), "no parameter is left over"),
    ],
)
def test_refusals(make, words):
    models, batches = case("mlp")
    with pytest.raises(InputError, match=words):
        make(models, batches)


def test_a_network_that_is_not_finite_is_named_or_goes_on():
    models, batches = case("mlp")
    with torch.no_grad():
        models[1][2].bias[0] = float("nan")
    with pytest.raises(InputError, match=r"not finite: 2\.bias"):
        Objective(models, CE, batches)
    values = Objective(models, CE, batches, check=False).values()
    assert values.isfinite().tolist() == [True, False, True]


def test_points_split_and_join_with_any_first_axes():
    space = ParameterSpace.of(nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3)))
    points = normal(2, 3, space.count)
    parts = space.split(points)
    assert parts["0.weight"].shape == (2, 3, 5, 4)
    assert torch.equal(space.join(parts), points)
    assert torch.equal(space.split(points[1, 2])["1.bias"], parts["1.bias"][1, 2])
    with pytest.raises(InputError, match="different first axes"):
        space.join({**parts, "1.bias": parts["1.bias"][0]})


# ---------------------------------------------------------------- language models


def test_a_language_model_and_tokens_are_an_objective():
    gpts = [build(lambda: zoo.GPT(11, width=8, depth=1, heads=2, context=6), s) for s in (0, 1)]
    tokens = Tokens.of(
        torch.randint(0, 11, (50,), generator=torch.Generator().manual_seed(0)), length=6
    )
    language = LanguageModel.of(gpts[0])
    objective = Objective(language, tokens)
    assert objective.data.count == tokens.count == 49
    total = sum(
        float(language.token_logprobs(ids)[0][scored[1:]].double().sum()) for ids, scored in tokens
    )
    assert objective.value() == pytest.approx(-total / 49, rel=1e-6)
    assert Objective(gpts[0], tokens).value() == objective.value()
    vector = normal(objective.space.count)
    assert float(vector @ objective.hvp(vector, kind="ggn")) >= 0
    several = Objective([LanguageModel.of(gpt) for gpt in gpts], tokens)
    assert float(several.values()[0]) == pytest.approx(objective.value(), rel=1e-6)
    close_enough = {"rtol": 1e-4, "atol": 1e-6}
    torch.testing.assert_close(several.gradients()[0], objective.gradient(), **close_enough)


class Scaled(nn.Module):
    """A parameter without axes, as learned temperatures are."""

    def __init__(self):
        super().__init__()
        self.layer, self.scale = nn.Linear(4, 3), nn.Parameter(torch.tensor(2.0))

    def forward(self, x):
        return self.layer(x) * self.scale


def test_a_parameter_without_axes_is_one_coordinate():
    models = [build(Scaled, seed).double() for seed in range(K)]
    data = normal(9, 4), torch.arange(9) % 3
    together = Objective(models, CE, data)
    place = together.space.slices["scale"]
    assert (place.stop - place.start, together.space.count) == (1, 16)
    for row, model in enumerate(models):
        one = Objective(model, CE, data)
        assert one.value() == pytest.approx(float(together.values()[row]), rel=1e-12)
        torch.testing.assert_close(one.gradient(), together.gradients()[row])
        loss = CE(model(data[0]), data[1])
        (slope,) = torch.autograd.grad(loss, model.scale)
        torch.testing.assert_close(one.gradient()[place.start], slope)
    options = {"optimizer": lambda weights: torch.optim.SGD(weights, lr=0.1), "steps": 3}
    alone = copy.deepcopy(models)
    fit(models, CE, data, **options)
    for model, other in zip(models, alone, strict=True):
        fit(other, CE, data, **options)
        torch.testing.assert_close(model.scale, other.scale)
