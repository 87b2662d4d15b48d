"""CKA: invariances, both estimators against their definitions, models."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from eigenscape import zoo
from eigenscape.errors import InputError
from eigenscape.landscape import cka_matrix, linear_cka, mean_over_pairs, mixup, model_cka
from eigenscape.landscape.similarity._cka import _features, _inner
from eigenscape.models import build
from tests._properties import examples, near


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def orthogonal(size, seed=0):
    return np.linalg.qr(normal(size, size, seed=seed))[0]


def naive(x, y):
    """HSIC by its definition: the trace of K H L H."""
    n = len(x)
    H = np.eye(n) - 1 / n

    def hsic(K, L):
        return np.trace(K @ H @ L @ H)

    K, L = x @ x.T, y @ y.T
    return hsic(K, L) / math.sqrt(hsic(K, K) * hsic(L, L))


def naive_unbiased(x, y):
    """The estimator of Song et al. (2012), by its formula."""
    n = len(x)

    def hsic(K, L):
        K, L = K - np.diag(np.diag(K)), L - np.diag(np.diag(L))
        one = np.ones(n)
        return (
            np.trace(K @ L)
            + (one @ K @ one) * (one @ L @ one) / ((n - 1) * (n - 2))
            - 2 / (n - 2) * (one @ K @ L @ one)
        )

    K, L = x @ x.T, y @ y.T
    return hsic(K, L) / math.sqrt(hsic(K, K) * hsic(L, L))


@given(
    n=st.integers(5, 30),
    d=st.integers(1, 40),
    e=st.integers(1, 8),
    seed=st.integers(0, 99),
    unbiased=st.booleans(),
)
@examples(80)
def test_cka_by_its_definition(n, d, e, seed, unbiased):
    x = normal(n, d, seed=seed) + 3
    y = x[:, :1] + normal(n, e, seed=seed + 1000)
    expected = naive_unbiased(x, y) if unbiased else naive(x, y)
    assert linear_cka(x, y, unbiased=unbiased) == pytest.approx(expected, abs=1e-9, rel=1e-9)
    assert linear_cka(y, x, unbiased=unbiased) == pytest.approx(expected, abs=1e-9, rel=1e-9)


@given(
    d=st.integers(1, 12),
    scale=st.floats(1e-6, 1e6),
    shift=st.floats(-1e3, 1e3),
    seed=st.integers(0, 99),
    unbiased=st.booleans(),
)
@examples(60)
def test_cka_is_blind_to_rotation_scale_and_shift(d, scale, shift, seed, unbiased):
    x = normal(20, d, seed=seed)
    moved = scale * (x @ orthogonal(d, seed) + shift)
    assert linear_cka(x, moved, unbiased=unbiased) == pytest.approx(1, abs=1e-6)
    other = normal(20, 4, seed=seed + 1)
    assert linear_cka(moved, other, unbiased=unbiased) == pytest.approx(
        linear_cka(x, other, unbiased=unbiased), abs=1e-6
    )


@pytest.mark.parametrize(("n", "d"), [(8, 30), (30, 8), (12, 12)])
def test_both_computing_forms_are_equal(n, d):
    x, y = _features(normal(n, d), "x"), _features(normal(n, d, seed=1), "y")
    assert _inner(x, y, gram=True) == pytest.approx(_inner(x, y, gram=False), rel=1e-12)


def test_independent_features_are_near_d_over_n_and_the_unbiased_value_near_zero():
    n, d, repeats = 200, 10, 100
    draws = [(normal(n, d, seed=s), normal(n, d, seed=s + 10_000)) for s in range(repeats)]
    biased = [linear_cka(x, y) for x, y in draws]
    unbiased = [linear_cka(x, y, unbiased=True) for x, y in draws]
    assert np.mean(biased) == pytest.approx(d / n, rel=0.1)
    assert abs(np.mean(unbiased)) < 3 * np.std(unbiased) / math.sqrt(repeats)
    assert np.mean(biased) > 10 * np.std(biased) / math.sqrt(repeats)
    assert min(unbiased) < 0


def test_extreme_scales_and_features_that_do_not_vary():
    x = normal(10, 3)
    assert linear_cka(1e150 * x, 1e-150 * x) == pytest.approx(1)
    for dead in (np.zeros((10, 3)), np.full((10, 3), 0.1), np.full((10, 1), 1e30)):
        assert math.isnan(linear_cka(x, dead))
        assert math.isnan(linear_cka(dead, dead, unbiased=True))


@pytest.mark.parametrize(
    ("x", "y", "unbiased", "message"),
    [
        (np.ones((3, 2)), np.ones((4, 2)), False, "x has 3 samples, y has 4"),
        (np.ones((3, 2)), np.ones((3, 2)), True, "the same 4 or more"),
        (np.ones((1, 2)), np.ones((1, 2)), False, "the same 2 or more"),
        (np.ones((0, 2)), np.ones((0, 2)), False, "x has 0 samples"),
        (np.full((3, 2), np.nan), np.ones((3, 2)), False, "not finite"),
        (np.float64(3), np.ones((3, 2)), False, "expected real features"),
        (np.ones((3, 2), dtype=complex), np.ones((3, 2)), False, "expected real features"),
    ],
)
def test_features_that_cannot_be_compared(x, y, unbiased, message):
    with pytest.raises(InputError, match=message):
        linear_cka(x, y, unbiased=unbiased)


# ---------------------------------------------------------------- mixup


@given(seed=st.integers(0, 200), alpha=st.floats(0.1, 50))
@examples(30)
def test_mixup_keeps_the_mean_and_the_hull(seed, alpha):
    inputs = torch.from_numpy(normal(9, 4, seed=seed))
    mixed = mixup(inputs, alpha, np.random.default_rng(seed))
    assert mixed.mean(dim=0).numpy() == near(
        inputs.mean(dim=0).numpy(), 1e-13, float(inputs.abs().max())
    )
    rounding = 1e-14 * inputs.abs().max()
    assert mixed.max() <= inputs.max() + rounding
    assert mixed.min() >= inputs.min() - rounding


def test_mixup_has_one_share_for_a_batch():
    shares = []
    for seed in range(200):
        mixed = mixup(torch.eye(16), 16.0, np.random.default_rng(seed))
        off = mixed - torch.diag(mixed.diagonal())
        found = off[off > 0].unique()
        assert len(found) == 1
        shares.append(float(found[0]))
    assert np.mean(shares) == pytest.approx(0.5, abs=0.02)
    assert np.std(shares) == pytest.approx(math.sqrt(1 / (4 * 33)), rel=0.15)  # Beta(16, 16)


def test_inputs_that_cannot_be_mixed():
    with pytest.raises(InputError, match="Try: mixup=None"):
        mixup(torch.arange(3), 16.0, np.random.default_rng(0))
    with pytest.raises(InputError, match="above 0"):
        mixup(torch.ones(3), 0.0, np.random.default_rng(0))


# ---------------------------------------------------------------- models


def net(seed, width=16):
    return build(lambda: zoo.MLP(6, [width, width], 4), seed)


def inputs(count=200):
    return torch.from_numpy(normal(count, 6)).float()


def test_a_model_and_itself_turned():
    model, twin = net(0), net(0)
    with torch.no_grad():  # permuted hidden units: another network, the same function
        order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
        first, second = twin.layers[0], twin.layers[1]
        for tensor in (first.linear.weight, first.linear.bias, first.norm.weight, first.norm.bias):
            tensor.copy_(tensor[order].clone())
        second.linear.weight.copy_(second.linear.weight[:, order].clone())
    for outputs in ("softmax", "logits", "layers.0", "layers.1.linear"):
        assert model_cka(model, twin, inputs(), outputs=outputs).value == pytest.approx(1, abs=1e-6)
    assert not torch.equal(*(side.layers[0].linear.weight for side in (model, twin)))


def test_the_same_mixed_batches_go_through_both_models():
    seen = []

    class Spy(nn.Module):
        def forward(self, batch):
            seen.append(batch)
            return batch

    data = inputs(100), torch.zeros(100)
    found = model_cka(Spy(), Spy(), data, batches=3, batch_size=20)
    assert found.samples == 60
    assert len(seen) == 6
    for first, second in zip(seen[:3], seen[3:], strict=True):
        assert torch.equal(first, second)
    assert not any(torch.equal(batch[0], row) for batch in seen for row in data[0])
    seen.clear()
    model_cka(Spy(), Spy(), inputs(100), mixup=None, batch_size=100)
    assert torch.equal(seen[0].sort(dim=0).values, inputs(100).sort(dim=0).values)


def test_seeds_batches_and_the_standard_error():
    a, b = net(0), net(1)
    one, same, other = (model_cka(a, b, inputs(2000), seed=seed) for seed in (0, 0, 1))
    assert one == same
    assert one.value != other.value
    found = [model_cka(a, b, inputs(5000), seed=seed) for seed in range(20)]
    spread = np.std([one.value for one in found])
    assert 0.3 < spread / np.mean([one.standard_error for one in found]) < 3
    batches = [(part, torch.zeros(len(part))) for part in inputs(300).split(100)]
    listed = model_cka(a, b, batches, batches=2, mixup=None)
    whole = model_cka(a, b, inputs(300)[:200], batch_size=200, mixup=None)
    assert listed.samples == 200
    assert listed.value == pytest.approx(whole.value, abs=1e-6)
    assert math.isnan(whole.standard_error)


def test_the_matrix_is_symmetric_and_agrees_with_the_pairs():
    models = [net(0), net(1), net(2, width=9)]
    modes = [model.training for model in models]
    states = [{k: v.clone() for k, v in model.state_dict().items()} for model in models]
    before = torch.get_rng_state()
    matrix = cka_matrix(models, inputs(), batches=2, batch_size=50)
    assert np.array_equal(matrix, matrix.T)
    assert np.allclose(matrix.diagonal(), 1)
    pair = model_cka(models[0], models[2], inputs(), batches=2, batch_size=50)
    assert matrix[0, 2] == pytest.approx(pair.value, abs=1e-12)
    assert mean_over_pairs(matrix) == pytest.approx(matrix[np.triu_indices(3, 1)].mean())
    assert [model.training for model in models] == modes
    assert torch.equal(before, torch.get_rng_state())
    for model, state in zip(models, states, strict=True):
        assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
        assert not any(module._forward_hooks for module in model.modules())


def test_seeds_of_the_same_recipe_agree_more_when_trained():
    split = zoo.digits()
    models = [build(lambda: zoo.MLP(64, [32], 10), seed) for seed in (0, 1)]
    data = split.train_inputs, split.train_labels
    raw = model_cka(*models, data)
    for seed, model in enumerate(models):
        zoo.train(model, *data, epochs=10, batch_size=64, learning_rate=0.1, seed=seed)
    trained = model_cka(*models, data)
    assert trained.value > raw.value + 3 * trained.standard_error


def test_models_that_cannot_be_compared():
    a, b = net(0), net(1)
    with pytest.raises(InputError, match=r"the name of a module: .*layers\.0"):
        model_cka(a, b, inputs(), outputs="layer.0")
    with pytest.raises(InputError, match="softmax needs logits"):
        model_cka(nn.Flatten(0), nn.Flatten(0), inputs()[:, :1])
    with pytest.raises(InputError, match="softmax needs logits"):
        model_cka(nn.Identity(), nn.Identity(), torch.rand(9, 3, 3))
    with pytest.raises(InputError, match="0 samples"):
        model_cka(a, b, inputs(0))
    with pytest.raises(InputError, match="there is no batch"):
        model_cka(a, b, [])
    with pytest.raises(InputError, match="type str holds no tensor"):
        model_cka(a, b, ["words"])
    with pytest.raises(InputError, match="not finite"):
        model_cka(a, b, inputs() * float("nan"))
    with pytest.raises(InputError, match="batches is 0"):
        model_cka(a, b, inputs(), batches=0)
    with pytest.raises(InputError, match="there are 1 models"):
        cka_matrix([a], inputs())
    with pytest.raises(InputError, match=r"expected \(k, k\)"):
        mean_over_pairs(np.ones((2, 3)))
    with pytest.raises(InputError, match="k >= 2"):
        mean_over_pairs(np.ones((1, 1)))
    idle = net(0)
    idle.spare = nn.Linear(2, 2)
    with pytest.raises(InputError, match="features 'spare'"):
        model_cka(idle, idle, inputs(), outputs="spare")
