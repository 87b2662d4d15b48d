"""Ablation: effects with known answers, an untouched model, budgets, resuming."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from eigenscape.ablation import CHANGES, Effect, ablate
from eigenscape.ablation import _ablate as ablating
from eigenscape.ablation import _bench as bench
from eigenscape.ablation import _prefix as prefix
from eigenscape.errors import InputError, TaskError
from eigenscape.layers import LayerOptions
from eigenscape.models import LanguageModel, Objective, Tokens, build, sample_losses
from eigenscape.spectra import analyze
from eigenscape.zoo import GPT, MLP, digits

RELATIVE = 1e-5


def spiked(rows=40, cols=60, strength=30.0, seed=0):
    """Unit noise of standard deviation 0.1, and one planted direction."""
    draw = torch.Generator().manual_seed(seed)
    u, v = (functional.normalize(torch.randn(n, generator=draw), dim=0) for n in (rows, cols))
    return 0.1 * torch.randn(rows, cols, generator=draw) + strength * torch.outer(u, v)


def linear(weight, seed=0):
    """An objective whose loss is ``|(W - W0) x|^2`` over the coordinates of all unit vectors x."""
    rows, cols = weight.shape
    model = build(lambda: nn.Sequential(nn.Linear(cols, rows, bias=False)), seed)
    with torch.no_grad():
        model[0].weight.copy_(weight)
    inputs = torch.eye(cols)
    return Objective(model, functional.mse_loss, (inputs, inputs @ weight.T))


def small_gpt(depth=3):
    network = build(lambda: GPT(vocabulary=32, width=32, depth=depth, heads=2, context=24))
    ids = torch.randint(0, 32, (200,), generator=torch.Generator().manual_seed(0))
    return LanguageModel.of(network), Tokens.of(ids, length=24)


def state_of(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_untouched(model, before):
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    for module in model.modules():
        assert "forward" not in vars(module)
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


# --- known answers


def test_removed_directions_cost_their_squares():
    weight = spiked()
    found = ablate(linear(weight), changes=("bulk removed", "top removed"))["0"]
    values = torch.linalg.svdvals(weight.double())
    count = weight.numel()
    top, bulk = found.effect("top removed"), found.effect("bulk removed")
    assert top.directions == bulk.directions == 1
    assert top.increase == pytest.approx(float(values[0] ** 2) / count, rel=RELATIVE)
    assert bulk.increase == pytest.approx(float((values[1:] ** 2).sum()) / count, rel=RELATIVE)


def test_without_a_spike_the_largest_direction_goes():
    weight = 0.1 * torch.randn(40, 60, generator=torch.Generator().manual_seed(3))
    found = ablate(linear(weight), changes=("bulk removed", "top removed"))["0"]
    values = torch.linalg.svdvals(weight.double())
    assert found.effect("top removed").directions == 0
    expected = float(values[0] ** 2) / weight.numel()
    assert found.effect("top removed").increase == pytest.approx(expected, rel=RELATIVE)
    whole = float((values**2).sum()) / weight.numel()
    assert found.effect("bulk removed").increase == pytest.approx(whole, rel=RELATIVE)


def test_a_random_matrix_of_the_same_norm_costs_twice_the_norm():
    """``|W - R|^2 = |W|^2 + |R|^2`` but for the overlap, which is one in sqrt(entries)."""
    weight = spiked(strength=0.0)
    effect = ablate(linear(weight), changes=["random"], draws=4)["0"].effect("random")
    share = effect.increase * weight.numel() / float(weight.square().sum())
    assert share == pytest.approx(2.0, abs=0.1)
    assert len(set(effect.by_draw)) == 4
    assert effect.increase == pytest.approx(np.mean(effect.by_draw), rel=RELATIVE)


def test_what_is_multiplied_by_zero_has_no_effect():
    model = build(lambda: nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)))
    nn.init.zeros_(model[2].weight)
    draw = torch.Generator().manual_seed(0)
    data = (torch.randn(50, 8, generator=draw), torch.arange(50) % 4)
    result = ablate(Objective(model, functional.cross_entropy, data))
    for effect in result["0"].effects:
        assert (effect.increase, effect.low, effect.high) == (0.0, 0.0, 0.0)
        assert result.reading(effect) == "unused"
    assert [result.reading(one) for one in result["2"].effects][2:] == ["unused", "unused"]  # zeros


@pytest.mark.slow
def test_a_frozen_random_layer_is_used_though_it_was_never_trained():
    split = digits()
    torch.manual_seed(0)
    model = MLP(64, [256, 256, 256], 10)
    start = model.layers[1].linear.weight.detach().clone()
    model.layers[1].linear.weight.requires_grad_(False)
    optimizer = torch.optim.SGD(
        [weight for weight in model.parameters() if weight.requires_grad], lr=0.1, momentum=0.9
    )
    for epoch in range(12):
        order = torch.randperm(
            len(split.train_inputs), generator=torch.Generator().manual_seed(epoch)
        )
        for part in order.split(64):
            optimizer.zero_grad()
            loss = functional.cross_entropy(
                model(split.train_inputs[part]), split.train_labels[part]
            )
            loss.backward()
            optimizer.step()
    model.eval()
    assert torch.equal(model.layers[1].linear.weight, start)
    row = analyze(model)["layers.1.linear"]
    assert row.alpha_null_low < row.alpha_hill < row.alpha_null_high  # a random matrix it is
    assert abs(row.row_dispersion) < 4 < abs(analyze(model)["layers.0.linear"].row_dispersion)
    objective = Objective(model, functional.cross_entropy, (split.test_inputs, split.test_labels))
    result = ablate(objective, changes=["shuffled"])
    assert result.base_loss < 0.2
    effect = result["layers.1.linear"].effect("shuffled")
    assert result.reading(effect) == "used"
    assert effect.low > 1.0  # nats


# --- changes


@pytest.mark.slow
@given(st.integers(1, 3), st.integers(2, 9), st.integers(2, 9), st.integers(0, 99))
def test_properties_of_the_changes(k, rows, cols, seed):
    stack = torch.randn(k, rows, cols, generator=torch.Generator().manual_seed(seed))
    made = {
        name: change.make(stack, torch.Generator().manual_seed(seed)).stack
        for name, change in CHANGES.items()
    }
    assert torch.equal(made["shuffled"].flatten().sort().values, stack.flatten().sort().values)
    assert float(made["random"].norm()) == pytest.approx(float(stack.norm()), rel=RELATIVE)
    directions = CHANGES["top removed"].make(stack, torch.Generator()).directions
    if directions:  # what one removes is what the other keeps
        whole = made["bulk removed"] + made["top removed"]
        assert torch.allclose(whole, stack, atol=1e-5)


def test_a_part_of_a_fused_tensor_leaves_the_rest_alone():
    model = build(lambda: nn.MultiheadAttention(16, 2, batch_first=True))
    inputs = torch.randn(6, 5, 16, generator=torch.Generator().manual_seed(0))
    objective = Objective(
        model,
        functional.mse_loss,
        (inputs, torch.zeros_like(inputs)),
        forward=lambda model, batch: (model(batch[0], batch[0], batch[0])[0], batch[1]),
    )
    found, _ = bench.admitted(objective, ablating._layers(objective, ["in_proj_weight[k]"], None))
    one = bench.Bench.of(objective, found)
    seen = {}
    original = sample_losses

    def spy(objective, tensors, unit):
        seen.update(tensors)
        return original(objective, tensors, unit=unit)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "sample_losses", spy)
        one.measure("in_proj_weight[k]", "shuffled", 0, 0)
    moved = seen["model.in_proj_weight"] != model.in_proj_weight
    assert bool(moved[16:32].any())
    assert not bool(moved[:16].any() or moved[32:].any())


def test_kernels_and_single_experts():
    model = build(lambda: nn.Sequential(nn.Conv2d(4, 8, 3), nn.Flatten(), nn.Linear(8 * 16, 3)))
    draw = torch.Generator().manual_seed(0)
    data = (torch.randn(20, 4, 6, 6, generator=draw), torch.arange(20) % 3)
    result = ablate(Objective(model, functional.cross_entropy, data), layers=["0"])
    assert all(math.isfinite(effect.increase) for effect in result["0"].effects)

    class Experts(nn.Module):
        def __init__(self):
            super().__init__()
            self.experts = nn.Parameter(torch.randn(3, 8, 8))

        def forward(self, inputs):
            return torch.einsum("ni,eoi->no", inputs, self.experts[:2])  # the last is never asked

    inputs = torch.randn(10, 8, generator=draw)
    objective = Objective(build(Experts), functional.mse_loss, (inputs, 0 * inputs))
    result = ablate(objective, options=LayerOptions(split_experts=True, min_eigenvalues=2))
    assert [layer.name for layer in result] == ["experts[0]", "experts[1]", "experts[2]"]
    assert [result.reading(layer.effects[0]) for layer in result][2] == "unused"
    assert result["experts[0]"].effects[0].increase != 0
    assert result.rank("experts[2]", "shuffled")[1] == 3


def test_what_cannot_be_changed_is_said():
    model = build(
        lambda: nn.Sequential(
            nn.Linear(12, 12), nn.utils.parametrizations.weight_norm(nn.Linear(12, 12))
        )
    )
    inputs = torch.randn(9, 12, generator=torch.Generator().manual_seed(0))
    result = ablate(Objective(model, functional.mse_loss, (inputs, inputs)))
    assert [layer.name for layer in result] == ["0"]
    assert [(one.name, "several tensors" in one.reason) for one in result.left_out] == [("1", True)]
    pooled = build(lambda: nn.Sequential(nn.Conv2d(4, 4, 3), nn.Flatten()))
    data = (torch.randn(3, 4, 5, 5, generator=torch.Generator().manual_seed(0)), torch.zeros(3, 36))
    with pytest.raises(InputError, match="not the entries of its tensor"):
        ablate(Objective(pooled, functional.mse_loss, data), options=LayerOptions(conv="fft"))


# --- the model stays as it is


def test_the_model_is_untouched():
    model, tokens = small_gpt()
    before = state_of(model.model)
    ablate(model, tokens)
    assert_untouched(model.model, before)


@pytest.mark.parametrize("error", [RuntimeError("no memory"), KeyboardInterrupt()])
def test_the_model_is_untouched_after_an_exception(error):
    model, tokens = small_gpt()
    before, calls = state_of(model.model), []

    def fail(*_):
        calls.append(1)
        if len(calls) > 9:
            raise error

    handle = model.model.head.register_forward_pre_hook(fail)
    with pytest.raises((TaskError, KeyboardInterrupt)):
        ablate(model, tokens)
    handle.remove()
    assert_untouched(model.model, before)


# --- blocks from memory


def test_blocks_from_memory_give_the_same_effects(monkeypatch):
    model, tokens = small_gpt()
    short = ablate(model, tokens)
    assert short.notes == ()
    monkeypatch.setattr(prefix, "MOST_BYTES", 0)
    plain = ablate(model, tokens)
    assert "GiB" in plain.notes[0]
    for one, other in zip(short, plain, strict=True):
        assert one.effects == other.effects


class Twice(nn.Module):
    """Blocks of which the first is called again at the end."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(12, 12), nn.Tanh()) for _ in range(3))

    def forward(self, inputs):
        for block in (*self.blocks, self.blocks[0]):
            inputs = block(inputs)
        return inputs


def test_blocks_that_are_called_twice_are_computed():
    inputs = torch.randn(9, 12, generator=torch.Generator().manual_seed(0))
    result = ablate(Objective(build(Twice), functional.mse_loss, (inputs, inputs)))
    assert "one after the other" in result.notes[0]
    assert len(result) == 3


class Aside(nn.Module):
    """Blocks that leave what they have seen in a list, which the head reads."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(Noting(12) for _ in range(3))

    def forward(self, inputs):
        seen = []
        for block in self.blocks:
            inputs = block(inputs, seen)
        return sum(seen)


class Noting(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.one = nn.Linear(width, width)

    def forward(self, inputs, seen):
        seen.append(self.one(inputs).tanh())
        return seen[-1]


def test_blocks_that_act_beside_their_output_are_computed():
    inputs = torch.randn(9, 12, generator=torch.Generator().manual_seed(0))
    result = ablate(Objective(build(Aside), functional.mse_loss, (inputs, inputs)))
    assert "whole network" in result.notes[0]


# --- budgets, folders


def test_a_short_budget_gives_up_changes_and_then_layers(monkeypatch):
    model, tokens = small_gpt()
    monkeypatch.setattr(bench.Bench, "seconds", lambda *_: 50.0)
    said = []
    result = ablate(model, tokens, budget_seconds=2000.0, on_estimate=said.append)
    assert (result.changes, len(result)) == (("shuffled",), 19)
    first = "blocks.1.attention.v"
    result = ablate(model, tokens, budget_seconds=1000.0, on_estimate=said.append)
    assert (result.draws, len(result), len(result["head"].effects[0].by_draw)) == (1, 19, 1)
    result = ablate(model, tokens, budget_seconds=430.0, suspects=[first], on_estimate=said.append)
    assert len(result) == 8
    assert first in {layer.name for layer in result}
    assert len({layer.role for layer in result}) == 7  # one of each, and one more
    assert {one.reason for one in result.left_out} == {"not within the time budget"}
    assert "8 of 19 layers" in str(said[-1])
    with pytest.raises(InputError, match="time budget"):
        ablate(model, tokens, budget_seconds=40.0)


def test_a_stopped_run_continues(tmp_path, monkeypatch):
    model, tokens = small_gpt(depth=1)
    whole = ablate(model, tokens, changes=["shuffled"], draws=1)
    measure, counted = bench.Bench.measure, []

    def counting(self, name, *rest):
        counted.append(name)
        return measure(self, name, *rest)

    def stop(progress):
        if progress.done == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(bench.Bench, "measure", counting)
    with pytest.raises(KeyboardInterrupt):
        ablate(model, tokens, changes=["shuffled"], draws=1, folder=tmp_path, progress=stop)
    assert len(counted) == 3
    result = ablate(model, tokens, changes=["shuffled"], draws=1, folder=tmp_path)
    assert len(counted) == len(whole) == 7
    assert result.layers == whole.layers
    other = Tokens.of(torch.arange(32).repeat(3), length=24)
    with pytest.raises(InputError, match="something else"):
        ablate(model, other, changes=["shuffled"], folder=tmp_path)


def test_the_same_budget_again_measures_further_layers(tmp_path, monkeypatch):
    model, tokens = small_gpt()
    monkeypatch.setattr(bench.Bench, "seconds", lambda *_: 50.0)
    how = {"changes": ["shuffled"], "draws": 1, "budget_seconds": 380.0, "folder": tmp_path}
    sizes = [len(ablate(model, tokens, **how)) for _ in range(3)]
    assert sizes == [7, 14, 19]


# --- what an effect says


@pytest.mark.parametrize(
    ("low", "high", "reading"),
    [
        (0.1, 0.2, "used"),
        (-0.2, -0.1, "better without"),
        (-0.004, 0.009, "unused"),
        (-0.004, 0.02, "not certain"),
        (math.nan, math.nan, "not certain"),
    ],
)
def test_readings(low, high, reading):
    model, tokens = small_gpt(depth=1)
    result = ablate(model, tokens, layers=["head"], changes=["shuffled"], draws=1)
    effect = Effect(change="shuffled", increase=0.0, low=low, high=high, by_draw=(0.0,))
    assert result.in_nats
    assert result.reading(effect) == reading


def test_one_batch_that_does_not_split_has_no_interval():
    model = build(lambda: nn.Linear(8, 8))
    inputs = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))

    def spread(outputs, targets):
        return -(outputs - targets).std()

    result = ablate(Objective(model, spread, (inputs, inputs)))
    effect = result["weight"].effects[0]
    assert (result.unit, result.units) == ("batch", 1)
    assert math.isnan(effect.low)
    assert result.reading(effect) == "not certain"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"changes": ["shufled"]}, "shufled"),
        ({"layers": ["nowhere"]}, "nowhere"),
        ({"draws": 0}, "draws is 0"),
        ({"budget_seconds": -1.0}, "budget_seconds"),
    ],
)
def test_bad_arguments(given, said):
    model, tokens = small_gpt(depth=1)
    with pytest.raises(InputError, match=said):
        ablate(model, tokens, **given)


def test_what_cannot_be_ablated():
    model, _ = small_gpt(depth=1)
    with pytest.raises(InputError, match="tokens"):
        ablate(model)
    with pytest.raises(InputError, match="expected an Objective"):
        ablate(model.model)
    twins = [build(lambda: nn.Linear(4, 4), seed) for seed in range(2)]
    inputs = torch.eye(4)
    with pytest.raises(InputError, match="expected one"):
        ablate(Objective(twins, functional.mse_loss, (inputs, inputs)))


# --- losses of samples


def test_losses_of_samples_are_those_that_the_value_is_the_mean_of():
    draw = torch.Generator().manual_seed(0)
    model = build(lambda: nn.Linear(6, 4))
    inputs, labels = torch.randn(30, 6, generator=draw), torch.arange(30) % 4
    batches = [(inputs[:20], labels[:20]), (inputs[20:], labels[20:])]
    objective = Objective(model, functional.cross_entropy, batches)
    found = sample_losses(objective)
    each = functional.cross_entropy(model(inputs), labels, reduction="none")
    assert found.unit == "sample"
    assert np.allclose(found.values, each.detach().numpy(), rtol=1e-5)
    assert found.mean == pytest.approx(objective.value(), rel=1e-6)
    ignored = torch.where(labels == 3, -100, labels)
    some = sample_losses(Objective(model, functional.cross_entropy, (inputs, ignored)))
    assert len(some.values) == int((labels != 3).sum())


def test_a_loss_that_does_not_split_is_one_of_batches():
    model, inputs = build(lambda: nn.Linear(6, 4)), torch.randn(30, 6)
    weighted = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0, 4.0]))
    objective = Objective(model, weighted, (inputs, torch.arange(30) % 4))
    found = sample_losses(objective)
    assert (found.unit, len(found.values)) == ("batch", 1)
    assert found.mean == pytest.approx(objective.value(), rel=1e-6)


def test_losses_of_tokens_give_the_perplexity():
    model, tokens = small_gpt(depth=1)
    found = sample_losses(Objective(model, tokens, check=False))
    assert found.unit == "token"
    assert len(found.values) == tokens.count
    assert found.mean == pytest.approx(model.perplexity(tokens).nll, rel=1e-6)


def test_pairs_make_the_error_small():
    """The spread of the differences counts, not that of the losses."""
    away = np.full(64, 0.1) + np.linspace(-0.01, 0.01, 64)
    base = sample_losses(linear(spiked(8, 64)))
    low, high = bench.paired_interval(away, base)
    assert 0.095 < low < 0.1 < high < 0.105
