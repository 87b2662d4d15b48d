"""Adapters: exact budgets, PEFT's own reading of them, and the mixture of experts by hand."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from eigenscape.cli import main
from eigenscape.errors import InputError

pytest.importorskip("peft", reason='pip install "eigenscape[hf]"')
transformers = pytest.importorskip("transformers", reason='pip install "eigenscape[hf]"')

from peft import LoraConfig, get_peft_model  # noqa: E402
from peft.tuners.lora import Linear as PlainLora  # noqa: E402

from eigenscape.adapters import (  # noqa: E402
    MixtureOfExperts,
    add_experts,
    balance_loss,
    expert_counts,
    load_experts,
    rank_pattern,
    save_experts,
)

IDS = torch.randint(0, 60, (3, 12), generator=torch.Generator().manual_seed(0))


def llama() -> nn.Module:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=60,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = transformers.LlamaForCausalLM(config).eval()
    for place, block in enumerate(model.model.layers):  # spectra that differ
        block.mlp.up_proj.weight.data[:, 0] *= 1 + 4 * place
    return model


def drawn(model: nn.Module, spread: float = 0.1) -> nn.Module:
    """Give the trained parameters values."""
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = spread * torch.randn(parameter.shape, generator=generator)
    return model.eval()


# ---------------------------------------------------------------- ranks


@pytest.mark.parametrize("rule", ["power", "uniform", "reversed", "shuffled"])
@pytest.mark.parametrize("mean", [1.0, 3.0, 4.5])
def test_ranks_take_the_budget(rule: str, mean: float) -> None:
    found = rank_pattern(llama(), mean, rule=rule)
    widest = max(found.widths.values())
    assert found.budget - widest < found.parameters <= found.budget
    assert found.budget == int(mean * sum(found.widths.values()))
    assert min(found.ranks.values()) >= 1
    ratios = [
        a / r for a, r in zip(found.alpha_pattern.values(), found.ranks.values(), strict=True)
    ]
    assert ratios == pytest.approx([2.0] * len(ratios))


def test_a_larger_exponent_gets_no_smaller_rank_and_reversed_the_reverse() -> None:
    model = llama()
    for rule, sign in (("power", 1), ("reversed", -1)):
        found = rank_pattern(model, 6, rule=rule, include=["*up_proj"])
        alpha = [row.layer.value for row in found.plan.rows]
        ranks = np.array(list(found.ranks.values()))[np.argsort(alpha)]
        assert (sign * np.diff(ranks) >= 0).all(), rule
        assert len(set(ranks.tolist())) > 1


def test_peft_makes_what_the_pattern_says(tmp_path: Path) -> None:
    model = llama()
    found = rank_pattern(model, 3, exclude=["*.self_attn.*"])
    peft = get_peft_model(copy.deepcopy(model), found.to_peft())
    modules = dict(peft.base_model.model.named_modules())
    for name, rank in found.ranks.items():
        assert modules[name].r["default"] == rank
        assert modules[name].scaling["default"] == pytest.approx(2.0)
    assert not isinstance(modules["model.layers.0.self_attn.q_proj"], PlainLora)
    trained = sum(p.numel() for p in peft.parameters() if p.requires_grad)
    assert trained == found.parameters
    assert torch.equal(peft(IDS).logits, model(IDS).logits)
    # one step, saved, loaded, merged
    optimizer = torch.optim.SGD([p for p in peft.parameters() if p.requires_grad], lr=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        peft(input_ids=IDS, labels=IDS).loss.backward()
        optimizer.step()
    after = peft(IDS).logits
    assert not torch.equal(after, model(IDS).logits)
    peft.save_pretrained(tmp_path)
    from peft import PeftModel

    again = PeftModel.from_pretrained(copy.deepcopy(model), tmp_path)
    assert torch.equal(again(IDS).logits, after)
    assert torch.allclose(again.merge_and_unload()(IDS).logits, after, atol=1e-5)


def test_ranks_that_are_refused() -> None:
    with pytest.raises(InputError, match="leave no layer"):
        rank_pattern(llama(), 3, include=["nothing"])
    with pytest.raises(InputError, match="numbers above 0"):
        rank_pattern(llama(), 0)
    with pytest.raises(InputError, match="cannot be reached"):
        rank_pattern(llama(), 0.5)
    with pytest.raises(InputError, match="no linear layer with an exponent inside"):
        rank_pattern({"fc.weight": torch.randn(32, 32)}, 2)


# ---------------------------------------------------------------- experts


def test_counts_of_published_alphas() -> None:
    """AlphaLoRA's shares of LLaMA-7B at 160 experts and beta 2.5 (from its committed exponents)."""
    from eigenscape.allocation import allocate

    alphas = (
        2.622161, 2.889890, 2.968962, 2.964461, 3.089984, 3.063815, 2.960608, 2.745569,
        2.775207, 2.608615, 2.716712, 2.729706, 2.784302, 2.851670, 2.896570, 3.176652,
        3.123034, 3.446092, 3.871534, 3.606035, 3.894475, 4.065989, 3.755078, 3.714630,
        3.994079, 4.220435, 4.102447, 4.160386, 3.850811, 4.093433, 4.160116, 3.537446,
    )  # fmt: skip
    wanted = [
        *(3, 3, 4, 3, 4, 4, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 5, 7, 6),
        *(7, 8, 6, 6, 7, 8, 8, 8, 7, 8, 8, 5),
    ]
    table = {f"layers.{at}": alpha for at, alpha in enumerate(alphas)}
    found = allocate(table, kind="experts", total=160, rule="alphalora", floor=0)
    assert list(found.layers.values()) == wanted


def test_counts_of_a_model() -> None:
    model = llama()
    for total in (4, 9, 20):
        counts = expert_counts(model, total)
        assert sum(counts.values()) == total
        assert min(counts.values()) >= 1
    assert list(expert_counts(model, rule="2468").values()) == [2, 4, 6, 8]
    assert list(expert_counts(model, 12, beta=0).values()) == [3, 3, 3, 3]
    with pytest.raises(InputError, match="cannot be reached"):
        expert_counts(model, 3)
    with pytest.raises(InputError, match="has its own total"):
        expert_counts(model, 3, rule="5555")
    with pytest.raises(InputError, match="unknown rule"):
        expert_counts(model, rule="gamma")


def layer(experts: int, top_k: int = 2, spread: float = 0.1) -> MixtureOfExperts:
    torch.manual_seed(0)
    made = MixtureOfExperts(nn.Linear(6, 5), experts, top_k=top_k, rank=2, alpha=4, dropout=0.0)
    return drawn(made, spread)  # type: ignore[return-value]


def test_it_begins_as_the_base() -> None:
    model = llama()
    peft = add_experts(copy.deepcopy(model), {"model.layers.0": 1, "model.layers.3": 4}).eval()
    assert torch.equal(peft(IDS).logits, model(IDS).logits)
    trained = {name for name, p in peft.named_parameters() if p.requires_grad}
    assert trained
    assert all("lora_" in name for name in trained)


def test_router_weights_by_hand() -> None:
    one = layer(3)
    one.lora_router["default"].data = torch.zeros(3, 6)
    one.lora_router["default"].data[:, 0] = torch.tensor([1.0, 2.0, 3.0])
    token = torch.eye(6)[:1]
    weights = one._weights(token, "default")
    assert torch.allclose(weights, torch.tensor([[0.0, 0.268941, 0.731059]]), atol=1e-6)


def test_it_is_the_sum_over_the_chosen_experts() -> None:
    one, x = layer(4), torch.randn(2, 7, 6, generator=torch.Generator().manual_seed(5))
    weights = one._weights(x, "default")
    assert ((weights > 0).sum(dim=-1) == 2).all()
    assert torch.allclose(weights.sum(dim=-1), torch.ones(2, 7))
    a, b = one.lora_A["default"], one.lora_B["default"]
    for token, share, answer in zip(
        x.flatten(0, 1), weights.flatten(0, 1), one(x).flatten(0, 1), strict=True
    ):
        update = sum(share[e] * 2.0 * (b[e] @ (a[e] @ token)) for e in range(4))
        assert torch.allclose(answer, one.base_layer(token) + update, atol=1e-5)
    order = torch.tensor([1, 0])
    assert torch.allclose(one(x[order]), one(x)[order], atol=1e-6)


def test_one_expert_is_plain_lora_and_all_alike_are_their_mean() -> None:
    one, x = layer(1), torch.randn(9, 6)
    base = one.base_layer
    plain = 2.0 * (x @ one.lora_A["default"][0].T @ one.lora_B["default"][0].T)
    assert torch.allclose(one(x), base(x) + plain, atol=1e-6)
    assert not one.lora_router
    every = layer(3, top_k=3)
    every.lora_router["default"].data.zero_()
    pairs = zip(every.lora_A["default"], every.lora_B["default"], strict=True)
    mean = sum(2.0 * (x @ a.T @ b.T) for a, b in pairs) / 3
    assert torch.allclose(every(x), every.base_layer(x) + mean, atol=1e-5)


def test_routers_learn_only_where_there_is_a_choice_to_weigh() -> None:
    x = torch.randn(20, 6)
    for experts, top_k, learns in ((3, 2, True), (3, 1, False), (2, 2, True)):
        one = layer(experts, top_k)
        one(x).square().sum().backward()
        gradient = one.lora_router["default"].grad
        assert bool(gradient.abs().max() > 1e-4) is learns, (experts, top_k)
        assert one.base_layer.weight.grad is None or learns is not None


def test_balance() -> None:
    even, x = layer(4, top_k=4), torch.randn(50, 6)
    even.lora_router["default"].data.zero_()
    even(x)
    assert even.imbalance.item() == pytest.approx(1.0)
    collapsed = layer(4, top_k=1)
    collapsed.lora_router["default"].data = torch.zeros(4, 6)
    collapsed.lora_router["default"].data[2, 0] = 50.0
    collapsed(x.abs())
    assert collapsed.imbalance.item() > 3.5
    model = nn.Sequential(even, nn.Linear(5, 6), collapsed)
    assert balance_loss(model).item() == pytest.approx(
        (even.imbalance.item() + collapsed.imbalance.item()) / 2
    )
    with pytest.raises(InputError, match="has seen a token"):
        balance_loss(nn.Linear(2, 2))


def test_saved_and_loaded_with_its_counts(tmp_path: Path) -> None:
    model = llama()
    counts = {"model.layers.1": 3, "model.layers.2": 1}
    peft = drawn(add_experts(copy.deepcopy(model), counts, rank=4))
    save_experts(peft, tmp_path)
    again = load_experts(copy.deepcopy(model), tmp_path).eval()
    assert torch.equal(again(IDS).logits, peft(IDS).logits)
    assert not torch.equal(again(IDS).logits, model(IDS).logits)
    assert json.loads((tmp_path / "experts.json").read_text())["experts"] == counts
    with pytest.raises(InputError, match="3 experts cannot be merged"):
        again.merge_and_unload()
    (tmp_path / "experts.json").write_text('{"layers": {"x": -1}, "top_k": 2}')
    with pytest.raises(InputError, match="whole numbers"):
        load_experts(copy.deepcopy(model), tmp_path)
    (tmp_path / "experts.json").unlink()
    with pytest.raises(InputError, match=r"no experts\.json"):
        load_experts(copy.deepcopy(model), tmp_path)


def test_one_expert_each_merges_exactly() -> None:
    model = llama()
    names = {f"model.layers.{at}": 1 for at in range(4)}
    peft = drawn(add_experts(copy.deepcopy(model), names))
    before = peft(IDS).logits
    merged = peft.merge_and_unload()
    assert not any(isinstance(module, MixtureOfExperts) for module in merged.modules())
    assert torch.allclose(merged(IDS).logits, before, atol=1e-4)


def test_experts_that_are_refused() -> None:
    for experts, words in (
        ({"model.layers.9": 2}, "no linear layer in it"),
        ({"model.layers.0": 0}, "expected 1 or more"),
        ({}, "no layer is to get experts"),
    ):
        with pytest.raises(InputError, match=words):
            add_experts(llama(), experts)
    with pytest.raises(InputError, match="no experts"):
        save_experts(get_peft_model(llama(), LoraConfig(target_modules=["q_proj"])), "x")


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    llama().save_pretrained(tmp_path / "model")
    words = ["adapt", str(tmp_path / "model"), "--format", "json"]
    assert main([*words, "--rank-budget", "4", "--out", str(tmp_path / "ranks.json")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["parameters"] <= found["budget"]
    assert found["rank_pattern"].keys() == found["alpha_pattern"].keys()
    assert (
        json.loads((tmp_path / "ranks.json").read_text())["rank_pattern"] == found["rank_pattern"]
    )
    assert main([*words, "--experts", "10", "--out", str(tmp_path / "experts.json")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["total"] == sum(found["experts"].values()) == 10
    assert main([*words, "--experts", "2"]) == 2
    assert "cannot be reached" in capsys.readouterr().err
    assert main(["adapt", str(tmp_path / "model"), "--mola", "2468"]) == 0
    assert "20 experts in 4 blocks" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")
def test_the_trainer_example_of_the_docs_runs(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "adapters.md").read_text()
    (example,) = [
        text for text in re.findall(r"```python\n(.*?)```", page, re.S) if "Balanced" in text
    ]
    model = llama()
    base = copy.deepcopy(model)
    settings = transformers.TrainingArguments(
        str(tmp_path / "run"),
        max_steps=2,
        learning_rate=0.01,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        logging_strategy="no",
        save_strategy="no",
    )
    rows = [{"input_ids": IDS[0], "labels": IDS[0]}] * 8
    given = {"model": model, "settings": settings, "rows": rows, "folder": tmp_path / "out"}
    exec(example, given)
    again = load_experts(base, tmp_path / "out").eval()
    assert torch.equal(again(IDS).logits, given["adapted"].eval()(IDS).logits)
    assert any(
        bool(value.abs().max() > 0) for name, value in again.named_parameters() if "lora_B" in name
    )
