"""What moved between two checkpoints: values by hand, and what a gate counts."""

import math

import pytest
import torch
from torch import nn

from eigenscape.checkpoints import save_checkpoint
from eigenscape.cli import main
from eigenscape.spectra import compare
from tests.test_spectra_hardening import randn


def changes(before, after, **options):
    return {change.name: change for change in compare(before, after, **options).changes}


def test_each_expert_has_its_own_change():
    stack = randn(4, 64, 64)
    after = stack.clone()
    after[3] *= 1.5
    found = changes({"experts.up": stack}, {"experts.up": after}, split_experts=True)
    moved = [change.weight_change for change in found.values()]
    assert moved == [0, 0, 0, pytest.approx(0.5, rel=1e-6)]  # the rounding of 1.5 W
    assert [change.state for change in found.values()] == ["same", "same", "same", "weights"]
    pool = changes({"experts.up": stack}, {"experts.up": after})["experts.up"]
    assert pool.weight_change == pytest.approx(float((after - stack).norm() / stack.norm()))


@pytest.mark.parametrize("name", ["attn.in_proj_weight", "qkv.weight"])
def test_each_of_q_k_v_has_its_own_change(name):
    before = randn(192, 64)
    after = before.clone()
    after[128:] *= 2
    after[:64, 0] = 0
    found = changes({name: before}, {name: after}, split_qkv=True)
    q, k, v = found.values()
    assert (k.weight_change, v.weight_change) == (0, 1)
    part = before[:64]
    assert q.weight_change == pytest.approx(float(part[:, 0].norm() / part.norm()))
    assert (q.sparsity_after, k.sparsity_after) == (1 / 64, 0)


def test_a_lora_update_is_compared_as_its_product():
    A, B, W = randn(32, 128), randn(1500, 32, seed=1), randn(1500, 128, seed=2)
    names = ("l.base_layer.weight", "l.lora_A.weight", "l.lora_B.weight")
    state = lambda W, A, B: dict(zip(names, (W, A, B), strict=True))  # noqa: E731
    found = changes(state(W, A, B), state(W, A * 8, B / 8))
    assert found["l[update]"].weight_change == 0
    assert found["l[update]"].state == "same"
    assert changes(state(W, A, B), state(W, A * 10, B / 10))["l[update]"].weight_change < 1e-6
    found = changes(state(W, A, B), state(W, A, 3 * B))
    assert found["l[update]"].weight_change == pytest.approx(2, rel=1e-6)
    found = changes(state(W, A, 0 * B), state(W, A, 1e-3 * B), lora_scale=2.0)
    true = float(2e-3 * (B @ A).double().norm() / W.double().norm())
    assert found["l[merged]"].weight_change == pytest.approx(true, rel=1e-4)
    assert found["l[merged]"].sparsity_before == 0


@pytest.mark.parametrize("scale", [1e-50, 1e-170, 1e170, 1.0])
def test_differences_are_taken_in_double_precision(scale):
    bias = torch.linspace(1, 2, 64, dtype=torch.float64) * scale
    weight = {"l.weight": randn(64, 64)}
    found = changes({**weight, "l.bias": bias}, {**weight, "l.bias": 2 * bias})
    assert found["l.bias"].weight_change == pytest.approx(1, rel=1e-12)
    nearly = bias.clone()
    nearly[0] *= 1 + 1e-12
    assert 0 < changes({**weight, "b": bias}, {**weight, "b": nearly})["b"].weight_change < 1e-12


def test_large_integers_differ_by_one():
    weight = {"l.weight": randn(64, 64)}
    steps = [torch.tensor([2**60 + more]) for more in (0, 1)]
    found = changes({**weight, "step": steps[0]}, {**weight, "step": steps[1]})
    assert found["step"].weight_change == pytest.approx(2**-60)
    assert list(changes({**weight, "step": steps[0]}, {**weight, "step": steps[0]})) == ["l"]


@pytest.mark.parametrize("conv", ["slices", "flatten", "fft"])
def test_a_convolution_is_compared_by_its_kernel(conv):
    kernel = randn(32, 32, 3, 3)
    after = kernel.clone()
    after[0] = 0
    found = changes({"c.weight": kernel}, {"c.weight": after}, conv=conv)["c"]
    assert found.weight_change == pytest.approx(float(kernel[0].norm() / kernel.norm()))
    assert (found.sparsity_before, found.sparsity_after) == (0, 1 / 32)


def test_a_single_entry_is_zero_or_not():
    weight = {"l.weight": randn(64, 64)}
    sides = [{**weight, "scale": torch.tensor([value])} for value in (0.0, 2.0)]
    found = changes(*sides)["scale"]
    assert (found.sparsity_before, found.sparsity_after) == (1, 0)


# --- gates ----------------------------------------------------------------------------------------


def gate(tmp_path, before, after, *arguments):
    paths = [
        str(save_checkpoint(state, tmp_path / f"{at}.safetensors", overwrite=True))
        for at, state in enumerate((before, after))
    ]
    return main(["compare", *paths, *arguments])


def trained(seed):
    """A network with biases, a norm, and a head of ten classes: too few for an exponent."""
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Linear(64, 64), nn.LayerNorm(64), nn.ReLU(), nn.Linear(64, 64), nn.Linear(64, 10)
    )
    for parameter in network.parameters():
        parameter.data += 0.01 * torch.randn_like(parameter)
    return network.state_dict()


def test_what_never_had_a_spectrum_hits_no_gate_of_a_spectrum(tmp_path, capsys):
    for name in ("alpha_excess", "alpha_hill", "alpha_ks", "z"):
        assert gate(tmp_path, trained(0), trained(1), "--fail-on", f"{name}=1000") == 0
    assert gate(tmp_path, trained(0), trained(1), "--fail-on", "alpha_excess=0") == 1
    assert "has no value" not in capsys.readouterr().err


def test_a_lora_update_that_never_had_a_null_hits_no_gate(tmp_path):
    pair = {"l.lora_A.weight": randn(32, 64), "l.lora_B.weight": randn(64, 32)}
    moved = {name: tensor + 0.1 * randn(*tensor.shape, seed=5) for name, tensor in pair.items()}
    assert gate(tmp_path, pair, moved, "--fail-on", "alpha_excess=1000") == 0


def test_a_spectrum_that_is_lost_hits_the_gate(tmp_path, capsys):
    before = trained(0)
    dead = {**before, "3.weight": torch.zeros(64, 64)}
    assert gate(tmp_path, before, dead, "--fail-on", "alpha_excess=1000") == 1
    assert gate(tmp_path, dead, before, "--fail-on", "z=1000") == 1
    assert capsys.readouterr().err.count("3: alpha") == 2


def test_a_bias_that_is_not_finite_is_unreadable(tmp_path, capsys):
    before = trained(0)
    bad = {**before, "3.bias": torch.full((64,), math.nan)}
    assert gate(tmp_path, before, bad, "--fail-on", "unreadable") == 1
    assert "gate: 3.bias: unreadable" in capsys.readouterr().err
    mask = {**before, "mask": torch.full((4,), -math.inf)}
    assert gate(tmp_path, mask, mask, "--fail-on", "unreadable,weights=0") == 0


def test_a_tied_weight_is_compared_under_both_names():
    shared, other = randn(64, 64), {"e.bias": torch.ones(3)}
    tied = {"a.weight": shared, "b.weight": shared, **other}
    free = {"a.weight": shared.clone(), "b.weight": 2 * shared, **other}
    assert {name: c.weight_change for name, c in changes(tied, free).items()} == {"a": 0, "b": 1}
    assert {name: c.weight_change for name, c in changes(free, tied).items()} == {"a": 0, "b": 0.5}
    assert list(changes(tied, tied)) == ["a"]
    bias = torch.ones(3)
    tied = {"w": shared, "a.bias": bias, "b.bias": bias}
    free = {"w": shared, "a.bias": bias.clone(), "b.bias": 3 * bias}
    for before, after, moved in ((tied, free, 2.0), (free, tied, 2 / 3)):
        found = changes(before, after)
        assert found["b.bias"].weight_change == pytest.approx(moved)
        assert "a.bias" not in found


def test_a_bias_that_is_gone_or_new_is_listed_and_hits_its_gate(tmp_path, capsys):
    whole = trained(0)
    part = {name: tensor for name, tensor in whole.items() if name != "3.bias"}
    assert gate(tmp_path, whole, part, "--fail-on", "removed") == 1
    assert "gate: 3.bias: removed" in capsys.readouterr().err
    assert gate(tmp_path, part, whole, "--fail-on", "added") == 1
    assert gate(tmp_path, whole, part, "--fail-on", "added,unreadable,alpha_excess=0.2") == 0


def test_patterns_pick_what_a_gate_counts(tmp_path):
    before = trained(0)
    after = {**before, "3.bias": before["3.bias"] + 1}
    arguments = ("--fail-on", "weights=0.1")
    assert gate(tmp_path, before, after, *arguments) == 1
    assert gate(tmp_path, before, after, *arguments, "--include", "*.weight") == 0
    assert gate(tmp_path, before, after, *arguments, "--exclude", "*.bias") == 0
