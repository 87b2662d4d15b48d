"""Pruning: known answers of the criteria, exact budgets, what is recognised, what is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import prune as torch_prune

from eigenscape import zoo
from eigenscape.errors import InputError
from eigenscape.pruning import ALLOCATIONS, CRITERIA, find_targets, prune
from eigenscape.pruning._calibrate import BlockByBlock, NotSequentialError
from eigenscape.pruning._choose import Pattern, smallest, smallest_in_groups, smallest_in_rows
from eigenscape.pruning._criteria import output_error
from eigenscape.pruning._sparsegpt import inverse_factor, sparsegpt
from eigenscape.pruning._statistics import InputStatistics

# W and X of the known answers: Wanda's and SparseGPT's masks by hand
W = torch.tensor([[1.0, -2, 3, -4], [4, 3, -2, 1]])
X = torch.tensor([[2.0, 0, 1, 0], [0, 1, 0, 0.5], [2, 0, -1, 0], [0, 1, 1, 0.5]])


def statistics(rows: Tensor, *, gram: bool = True) -> InputStatistics:
    found = InputStatistics(rows.shape[1], gram=gram)
    found.add(rows)
    return found


def test_wanda_by_hand() -> None:
    inputs = statistics(X)
    assert inputs.norms.tolist() == pytest.approx([8**0.5, 2**0.5, 3**0.5, 0.5**0.5])
    found = CRITERIA["wanda"].prune(W, inputs, 4)
    assert found.weight.tolist() == [[0, 0, 3, -4], [4, 3, 0, 0]]  # a tie of three: the first go


def test_sparsegpt_by_hand() -> None:
    upper, damping = inverse_factor(2 * X.T @ X)
    wanted = [
        [0.249474, 0, 0, 0],
        [0, 1.775244, -0.043757, -3.284993],
        [0, 0, 0.441479, -0.413564],
        [0, 0, 0, 0.967868],
    ]
    assert damping == 0.01
    assert np.allclose(upper, wanted, atol=1e-5)
    for many in (4, Pattern(2, 4)):
        weight, mask, note = sparsegpt(W, 2 * X.T @ X, many)
        assert np.allclose(weight, [[0, 0, 2.950703, -7.700893], [4, 0, -1.926055, 0]], atol=1e-5)
        assert int(mask.sum()) == 4
        assert note == ""
        error = output_error(W, weight, statistics(X)) * float(((W @ X.T) ** 2).sum())
        assert error == pytest.approx(32.036068, rel=1e-5)


def test_sparsegpt_of_one_row_is_least_squares() -> None:
    """Of one row whose mask is a prefix, the update is the optimum of the damped objective."""
    generator = torch.Generator().manual_seed(3)
    rows = torch.randn(40, 6, generator=generator)
    gram = rows.T @ rows
    damped = gram + 0.01 * gram.diagonal().mean() * torch.eye(6)
    weight = torch.tensor([[0.01, 0.02, 3.0, 2.0, -2.5, 4.0]])
    found, mask, _ = sparsegpt(weight, gram, 2)
    assert mask.tolist() == [[True, True, False, False, False, False]]
    keep = ~mask[0]
    # minimise (w - v) H (w - v)' over v with zeros where the mask is
    target = (damped @ weight[0])[keep]
    best = torch.linalg.solve(damped[keep][:, keep], target)
    assert torch.allclose(found[0][keep], best, rtol=1e-4)


def test_uncorrelated_inputs_make_the_criteria_equal() -> None:
    weight = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
    inputs = statistics(torch.eye(8) * 3)
    by_row = smallest_in_rows(weight.abs(), 24)
    assert torch.equal(CRITERIA["wanda"].prune(weight, inputs, 24).mask, by_row)
    kept = CRITERIA["sparsegpt"].prune(weight, inputs, 24)
    assert torch.allclose(kept.weight, weight.masked_fill(kept.mask, 0))


def test_a_dead_input_loses_its_weights_and_a_singular_matrix_is_damped() -> None:
    rows = torch.randn(3, 6, generator=torch.Generator().manual_seed(1))
    rows[:, 2] = 0
    weight = torch.randn(4, 6, generator=torch.Generator().manual_seed(2))
    for name in ("wanda", "sparsegpt"):
        found = CRITERIA[name].prune(weight, statistics(rows), 12)
        assert bool((found.weight[:, 2] == 0).all())
        assert bool(torch.isfinite(found.weight).all())


@given(
    st.integers(1, 6), st.integers(1, 9), st.floats(0, 1), st.integers(0, 2**31 - 1), st.booleans()
)
def test_masks_have_the_count_and_the_smallest(
    rows: int, columns: int, share: float, seed: int, ties: bool
) -> None:
    scores = torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed))
    scores = (scores * 3).round() if ties else scores
    count = round(share * scores.numel())
    mask = smallest(scores, count)
    assert int(mask.sum()) == count
    if 0 < count < scores.numel():
        assert scores[mask].max() <= scores[~mask].min()
    by_row = smallest_in_rows(scores, count)
    assert int(by_row.sum()) == count
    each = by_row.sum(dim=1)
    assert int(each.max() - each.min()) <= 1
    for row, gone in zip(scores, by_row, strict=True):
        if bool(gone.any()) and not bool(gone.all()):
            assert row[gone].max() <= row[~gone].min()


def test_patterns() -> None:
    scores = torch.rand(5, 16, generator=torch.Generator().manual_seed(0))
    mask = smallest_in_groups(scores, Pattern(2, 4))
    assert mask.reshape(5, 4, 4).sum(dim=2).unique().tolist() == [2]
    with pytest.raises(InputError, match="do not divide by 3"):
        smallest_in_groups(scores, Pattern(2, 3))
    for wrong in ("4:4", "0:4", "2", "a:b", "-1:4"):
        with pytest.raises(InputError, match="expected N:M"):
            Pattern.parse(wrong)


# ---------------------------------------------------------------- networks


def llama(layers: int = 3, *, tied: bool = False) -> nn.Module:
    pytest.importorskip("transformers", reason='pip install "eigenscape[hf]"')
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=60,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=tied,
    )
    return LlamaForCausalLM(config).eval()


def gpt() -> nn.Module:
    torch.manual_seed(0)
    return zoo.GPT(vocabulary=60, width=32, depth=3, heads=2, context=24).eval()


IDS = torch.randint(0, 60, (5, 20), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("allocation", ALLOCATIONS)
def test_every_allocation_is_exact_to_one_weight(allocation: str) -> None:
    model = gpt()
    found = prune(model, IDS, sparsity=0.61, allocation=allocation)
    assert found.zeros == round(0.61 * found.parameters)
    assert found.sparsity == found.zeros / found.parameters
    wanted = found.plan.entries_to_prune()
    for row in found.rows:
        assert row.zeros == row.pruned == wanted[row.name]
    modules = dict(model.named_modules())
    for name, entry in found.layers.items():
        assert int((modules[name].weight == 0).sum()) == entry["zeros"]
        assert entry["sparsity"] == entry["zeros"] / entry["parameters"]


def test_block_by_block_is_the_whole_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two ways to the inputs of a block, one result, to the bit; and batches do not matter."""
    alone, whole = gpt(), gpt()
    first = prune(alone, IDS, sparsity=0.5, criterion="sparsegpt", allocation="owl")
    assert first.notes == ()

    def never(*_: object) -> None:
        raise NotSequentialError("on purpose")

    monkeypatch.setattr(BlockByBlock, "__init__", never)
    second = prune(whole, IDS, sparsity=0.5, criterion="sparsegpt", allocation="owl")
    assert second.notes == ("on purpose: the network runs from its start for each block",)
    for one, other in zip(alone.parameters(), whole.parameters(), strict=True):
        assert torch.equal(one, other)
    assert first.rows == second.rows


def test_the_pruned_blocks_are_behind_the_inputs() -> None:
    """The inputs of a block are those that the pruned blocks before it give (Wanda's procedure)."""
    model, plain = gpt(), gpt()
    found = prune(model, IDS, sparsity=0.5)
    *first, last_stage = find_targets(plain).stages
    for target in (one for stage in first for one in stage.targets):
        target.weight.data[found.masks[target.tensor]] = 0
    target = last_stage.targets[0]
    last = target.name
    seen = InputStatistics(target.shape[1])
    handle = target.module.register_forward_pre_hook(lambda _, inputs: seen.add(inputs[0]))
    with torch.no_grad():
        plain(IDS)
    handle.remove()
    weight = target.weight.detach()
    mask = CRITERIA["wanda"].prune(weight, seen, found[last].pruned).mask
    assert torch.equal(mask, found.masks[f"{last}.weight"])


def test_what_is_recognised() -> None:
    targets = find_targets(gpt())
    assert targets.repeated
    assert len(targets.stages) == 3
    reasons = dict(targets.left_out)
    assert "an embedding" in reasons.values()
    assert "outside the repeated blocks" in reasons.values()
    plain = find_targets(nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)))
    assert [target.name for target in plain.all] == ["0"]
    assert plain.left_out == (("2", "the last layer, whose outputs are the network's"),)
    convolutions = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=4), nn.Flatten(), nn.LazyLinear(2)
    )
    convolutions(torch.zeros(1, 3, 8, 8))
    found = find_targets(convolutions)
    assert [target.shape for target in found.all] == [(4, 27)]
    assert "has no rule" in dict(found.left_out)["2"]


def test_convolutions_are_matrix_products_of_their_windows() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(48, 2)
    )
    images = torch.randn(6, 2, 8, 8)
    target = find_targets(model).all[0]
    rows = target.rows_of(images)
    product = rows @ target.matrix(target.weight).T + model[0].bias
    assert torch.allclose(product.transpose(1, 2).reshape(6, 3, 4, 4), model[0](images), atol=1e-5)
    found = prune(model, (images, torch.zeros(6, dtype=torch.int64)), sparsity=0.5)
    assert found.zeros == 27


def test_a_shared_weight_is_pruned_once() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    model[1].weight = model[0].weight
    found = prune(model, torch.randn(8, 4), sparsity=0.5)
    assert [row.name for row in found.rows] == ["0"]
    assert dict(found.left_out)["1"] == "shares its weight with 0"


def test_against_torch() -> None:
    """L1 pruning of torch has our masks, one matrix or all of them."""
    model = gpt()
    twin = copy.deepcopy(model)
    found = prune(model, sparsity=0.6, criterion="magnitude", allocation="global")
    modules = dict(twin.named_modules())
    torch_prune.global_unstructured(
        [(modules[name], "weight") for name in found.layers],
        pruning_method=torch_prune.L1Unstructured,
        amount=found.zeros,
    )
    for name in found.layers:
        assert torch.equal(modules[name].weight_mask == 0, found.masks[f"{name}.weight"])


def test_masks_for_torch_and_as_a_patch() -> None:
    dense, model = gpt(), gpt()
    found = prune(model, IDS, sparsity=0.5)
    patch = found.patch(dense)
    assert all(torch.equal(patch.apply(dense)[n], t) for n, t in model.state_dict().items())
    masked = found.to_torch(gpt())
    name = found.rows[0].name
    assert torch.equal(
        dict(masked.named_modules())[name].weight, model.get_parameter(f"{name}.weight")
    )


def test_patterns_of_a_network() -> None:
    model = gpt()
    found = prune(model, IDS, criterion="sparsegpt", pattern="2:4")
    assert found.sparsity == 0.5
    for row in found.rows:
        weight = model.get_parameter(f"{row.name}.weight")
        assert row.pattern == "2:4"
        assert bool(((weight.reshape(len(weight), -1, 4) == 0).sum(dim=2) >= 2).all())
    mixed = prune(gpt(), IDS, sparsity=0.5, pattern=":8", allocation="depth_ramp")
    assert [row.pattern for row in mixed.rows[:: len(mixed.rows) // 3]] == ["3:8", "4:8", "5:8"]


CASES: list[tuple[str, Callable[[], object]]] = [
    ("more than 0 and less than 1", lambda: prune(gpt(), IDS, sparsity=0.0)),
    ("more than 0 and less than 1", lambda: prune(gpt(), IDS, sparsity=1.0)),
    ("Try: --sparsity 0.7", lambda: prune(gpt(), IDS, sparsity=70.0)),
    ("needs calibration data", lambda: prune(gpt(), sparsity=0.5)),
    ("the allocation owl needs", lambda: prune(gpt(), sparsity=0.5, allocation="owl")),
    ("unknown criterion 'wander'", lambda: prune(gpt(), IDS, sparsity=0.5, criterion="wander")),
    ("unknown allocation 'beta'", lambda: prune(gpt(), IDS, sparsity=0.5, allocation="beta")),
    ("has no epsilon", lambda: prune(gpt(), IDS, sparsity=0.5, epsilon=0.1)),
    ("cannot act", lambda: prune(gpt(), IDS, pattern="2:4", allocation="owl")),
    ("is a sparsity of 0.5", lambda: prune(gpt(), IDS, pattern="2:4", sparsity=0.6)),
    ("no matrix to prune", lambda: prune(nn.LayerNorm(4), torch.randn(2, 4), sparsity=0.5)),
    ("no matrix to prune", lambda: prune(gpt(), IDS, sparsity=0.5, exclude=("*",))),
]  # fmt: skip


@pytest.mark.parametrize(("words", "call"), CASES, ids=[words for words, _ in CASES])
def test_what_is_refused(words: str, call: Callable[[], object]) -> None:
    with pytest.raises(InputError, match=words):
        call()


def test_what_is_not_finite_is_refused_and_named() -> None:
    model = gpt()
    bad = find_targets(model).all[0]
    bad.weight.data[0, 0] = torch.nan
    with pytest.raises(InputError, match=f"{bad.name}: the weights are not finite"):
        prune(model, IDS, sparsity=0.5)
    plain = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    with pytest.raises(InputError, match="1 of 4 input columns"):
        prune(plain, torch.tensor([[0.0, 1.0, torch.inf, 2.0]]), sparsity=0.5)


def test_epsilon_sets_the_range_and_controls_hand_out_the_same() -> None:
    by_name = {
        name: prune(gpt(), IDS, sparsity=0.5, allocation=name, epsilon=0.2).plan.groups
        for name in ("alphapruning", "reversed", "depth_ramp")
    }
    assert sorted(by_name["alphapruning"].values()) != list(by_name["depth_ramp"].values())
    ramp = list(by_name["depth_ramp"].values())
    assert np.allclose(ramp, [0.4, 0.5, 0.6])
    found, control = (list(by_name[name].values()) for name in ("alphapruning", "reversed"))
    assert np.argsort(found).tolist() == np.argsort(control)[::-1].tolist()


@pytest.mark.parametrize("tied", [False, True])
def test_a_llama_goes_block_by_block(tied: bool) -> None:
    model = llama(tied=tied)
    found = prune(model, IDS, sparsity=0.6, criterion="sparsegpt", allocation="alphapruning")
    assert found.notes == ()
    assert len(found.rows) == 21
    assert found.zeros == round(0.6 * found.parameters)


@pytest.mark.parametrize("kind", ["gpt2", "gpt_neox", "opt", "qwen2", "phi3"])
def test_families(kind: str) -> None:
    transformers = pytest.importorskip("transformers", reason='pip install "eigenscape[hf]"')
    shapes = {
        "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 32},
        "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32, "max_position_embeddings": 32},
    }
    common = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "pad_token_id": 0}
    special = {"vocab_size": 60, "bos_token_id": 1, "eos_token_id": 2}
    fields = shapes.get(kind, {}) if kind == "gpt2" else common | heads | shapes.get(kind, {})
    config = transformers.AutoConfig.for_model(kind, **fields, **special)
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    before = model(IDS).logits
    found = prune(model, IDS, sparsity=0.5, criterion="wanda", allocation="alphapruning")
    assert found.notes == ()
    assert found.zeros == round(0.5 * found.parameters)
    expected = {"gpt2": 8, "gpt_neox": 8, "opt": 12, "qwen2": 14, "phi3": 8}
    assert len(found.rows) == expected[kind]
    assert not torch.equal(model(IDS).logits, before)


def test_the_picture_has_the_whole_range_of_sparsities() -> None:
    figure = prune(gpt(), IDS, sparsity=0.5).plot()
    above, below = figure.axes
    assert above.get_ylim() == (0.0, 1.0)
    assert below.get_yscale() == "log"
