"""Every kind of layer: what is read, as which matrices; and nothing is ever silent."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from eigenscape.errors import InputError
from eigenscape.spectra import analyze


def svd_spectrum(*matrices):
    """The naive way: squared singular values of each matrix, pooled."""
    return np.sort(
        np.concatenate([torch.linalg.svdvals(W.detach().double()).numpy() ** 2 for W in matrices])
    )


def row(result, name):
    return result[name]


def assert_accounted(module, result):
    """Each tensor of the state dict is behind a row or on the skipped list."""
    behind = {name for layer in result for name in layer.tensors}
    behind |= {alias for layer in result for alias in layer.aliases}
    skipped = {item.name for item in result.skipped}
    skipped |= {alias for item in result.skipped for alias in item.aliases}
    for name in module.state_dict() if isinstance(module, nn.Module) else module:
        known = behind | skipped | {f"{n}.weight" for n in behind}
        assert name in known or any(s.split("[")[0] in name for s in skipped), name
    assert all(item.reason for item in result.skipped)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_linear():
    module = nn.Sequential(nn.Linear(40, 20))
    result = analyze(module)
    layer = row(result, "0")
    assert (layer.kind, layer.shape, layer.matrices, layer.n_eigenvalues) == (
        "linear",
        (20, 40),
        1,
        20,
    )
    np.testing.assert_allclose(layer.eigenvalues, svd_spectrum(module[0].weight), rtol=1e-10)
    assert_accounted(module, result)


@pytest.mark.parametrize(
    ("module", "kind", "stack"),
    [
        (nn.Conv1d(24, 32, 3), "conv1d", (3, 32, 24)),
        (nn.Conv2d(16, 24, 3), "conv2d", (9, 24, 16)),
        (nn.Conv3d(16, 16, 2), "conv3d", (8, 16, 16)),
        (nn.Conv2d(32, 32, 3, groups=2), "conv2d", (18, 16, 16)),
        (nn.ConvTranspose2d(16, 24, 2), "conv_transpose2d", (4, 24, 16)),
        (nn.ConvTranspose1d(32, 16, 4, groups=2), "conv_transpose1d", (8, 8, 16)),
        (nn.Conv2d(24, 48, 1), "conv2d", (1, 48, 24)),
    ],
)
def test_convolutions_are_pools_of_kernel_slices(module, kind, stack):
    result = analyze(nn.Sequential(module))
    layer = row(result, "0")
    assert layer.kind == kind
    assert (layer.matrices, layer.rows, layer.cols) == stack
    W, groups = module.weight.detach().double(), module.groups
    if module.transposed:  # (in, out / g, k)
        parts = [part.transpose(0, 1) for part in W.chunk(groups, dim=0)]
    else:
        parts = list(W.chunk(groups, dim=0))
    slices = [p.flatten(2)[:, :, i] * math.sqrt(0.5) for p in parts for i in range(p[0, 0].numel())]
    np.testing.assert_allclose(layer.eigenvalues, svd_spectrum(*slices), rtol=1e-9, atol=1e-14)


def test_conv_of_published_shape_has_576_eigenvalues():
    module = nn.Conv2d(64, 128, 3)
    layer = row(analyze(nn.Sequential(module)), "0")
    largest = max(
        float(torch.linalg.svdvals(s)[0]) for s in module.weight.detach().flatten(2).unbind(2)
    )
    assert layer.n_eigenvalues == 576
    assert layer.lambda_max == pytest.approx(0.5 * largest**2, rel=1e-6)


def test_even_kernels_keep_their_aspect_ratio():
    layer = row(analyze(nn.Sequential(nn.Conv2d(128, 64, 2))), "0")
    assert max(layer.rows, layer.cols) / min(layer.rows, layer.cols) == 2


def test_flattened_and_frequency_readings():
    module = nn.Conv2d(8, 16, 3)
    flat = row(analyze(nn.Sequential(module), conv="flatten"), "0")
    np.testing.assert_allclose(flat.eigenvalues, svd_spectrum(module.weight.flatten(1)), rtol=1e-9)
    fft = row(analyze(nn.Sequential(module), conv="fft"), "0")
    assert fft.matrices == 64
    # the frequencies share the energy: Parseval on the torus
    assert fft.norm == pytest.approx(64 * float(module.weight.detach().square().sum()), rel=1e-5)
    # the largest singular value is that of the circular convolution as one big matrix
    basis = torch.eye(8 * 64).reshape(8 * 64, 8, 8, 8)
    padded = torch.cat([basis, basis[:, :, :2]], dim=2)
    padded = torch.cat([padded, padded[:, :, :, :2]], dim=3)
    dense = torch.nn.functional.conv2d(padded, module.weight.detach()).flatten(1)
    assert fft.spectral_norm == pytest.approx(float(torch.linalg.matrix_norm(dense, 2)), rel=1e-5)


def test_depthwise_is_one_thin_matrix():
    module = nn.Sequential(nn.Conv2d(64, 64, 5, groups=64))
    layer = row(analyze(module), "0")
    assert (layer.kind, layer.rows, layer.cols) == ("depthwise_conv2d", 64, 25)
    small = analyze(nn.Sequential(nn.Conv2d(64, 64, 3, groups=64)))
    assert "min-eigenvalues 9" in small.skipped[0].reason


def test_attention_projection_is_split():
    module = nn.MultiheadAttention(32, 4)
    result = analyze(module)
    assert [layer.name for layer in result] == [
        "in_proj_weight[q]",
        "in_proj_weight[k]",
        "in_proj_weight[v]",
        "out_proj",
    ]
    K = module.in_proj_weight[32:64]
    np.testing.assert_allclose(result["in_proj_weight[k]"].eigenvalues, svd_spectrum(K), rtol=1e-9)
    assert_accounted(module, result)
    apart = analyze(nn.MultiheadAttention(32, 4, kdim=24, vdim=20))
    assert {layer.name for layer in apart} == {
        "q_proj_weight",
        "k_proj_weight",
        "v_proj_weight",
        "out_proj",
    }


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, "ifgo"), (nn.GRU, "rzn"), (nn.RNN, "h")])
@pytest.mark.parametrize("from_file", [False, True])
def test_recurrent_gates(kind, gates, from_file):
    module = kind(20, 24, num_layers=2, bidirectional=True)
    source = module.state_dict() if from_file else module
    result = analyze(source)
    names = [f"weight_ih_l0[{gate}]" for gate in gates]
    assert [layer.name for layer in result][: len(gates)] == names
    assert len(result) == 2 * 2 * 2 * len(gates)
    gate = module.weight_hh_l1_reverse[:24]
    first = result[f"weight_hh_l1_reverse[{gates[0]}]"]
    np.testing.assert_allclose(first.eigenvalues, svd_spectrum(gate), rtol=1e-8)
    assert_accounted(module, result)


def test_lstm_with_projection_from_file():
    module = nn.LSTM(20, 32, proj_size=16)
    result = analyze(module.state_dict())
    assert len(result) == 4 + 4 + 1
    assert result["weight_hh_l0[f]"].rows == 32


def test_embedding_is_opt_in():
    module = nn.Sequential(nn.Embedding(100, 32), nn.Linear(32, 32))
    result = analyze(module)
    assert [layer.name for layer in result] == ["1"]
    assert "--embeddings" in result.skipped[0].reason
    assert analyze(module, embeddings=True)["0"].kind == "embedding"
    named = {"wte.weight": torch.randn(100, 32), "pos_embed": torch.randn(1, 50, 32)}
    assert len(analyze(named)) == 0
    assert {layer.name for layer in analyze(named, embeddings=True)} == {"wte", "pos_embed"}


class SpectralConv(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights1 = nn.Parameter(torch.randn(20, 24, 6, dtype=torch.cfloat))
        self.spectral_pairs = nn.Parameter(torch.randn(16, 16, 4, 3, 2))


def test_spectral_convolutions_pool_their_modes():
    module = SpectralConv()
    result = analyze(module)
    layer = result["weights1"]
    assert (layer.kind, layer.matrices, layer.n_eigenvalues) == ("spectral_conv", 6, 120)
    modes = [module.weights1.detach()[:, :, i].to(torch.complex128) for i in range(6)]
    expected = np.sort(np.concatenate([torch.linalg.svdvals(W).numpy() ** 2 for W in modes]))
    np.testing.assert_allclose(layer.eigenvalues, expected, rtol=1e-9)
    assert result["spectral_pairs"].matrices == 12


def test_expert_stacks():
    stacks = {"mlp.experts.gate_up_proj": torch.randn(4, 32, 64)}
    pooled = analyze(stacks)["mlp.experts.gate_up_proj"]
    assert (pooled.kind, pooled.matrices, pooled.n_eigenvalues) == ("experts", 4, 128)
    each = analyze(stacks, split_experts=True)
    assert [layer.name for layer in each][:2] == [
        "mlp.experts.gate_up_proj[0]",
        "mlp.experts.gate_up_proj[1]",
    ]
    expected = svd_spectrum(stacks["mlp.experts.gate_up_proj"][1])
    np.testing.assert_allclose(each.layers[1].eigenvalues, expected, rtol=1e-9)


def test_bilinear_is_a_pool():
    layer = analyze(nn.Sequential(nn.Bilinear(20, 24, 5)))["0"]
    assert (layer.kind, layer.matrices, layer.rows, layer.cols) == ("bilinear", 5, 20, 24)


def test_transposed_linear_from_its_bias():
    tensors = {
        "h.0.attn.c_attn.weight": torch.randn(32, 96),
        "h.0.attn.c_attn.bias": torch.ones(96),
    }
    layer = analyze(tensors)["h.0.attn.c_attn"]
    assert layer.kind == "linear_transposed"
    assert layer.block == "h.0"
    assert "bias" in layer.inferred
    split = analyze(tensors, split_qkv=True)
    assert [part.name[-3:] for part in split] == ["[q]", "[k]", "[v]"]
    expected = svd_spectrum(tensors["h.0.attn.c_attn.weight"][:, 32:64])
    np.testing.assert_allclose(split.layers[1].eigenvalues, expected, rtol=1e-8, atol=1e-12)


def test_fused_rows_are_split_on_request():
    fused = {"blocks.0.attn.qkv.weight": torch.randn(96, 32)}
    assert len(analyze(fused)) == 1
    parts = analyze(fused, split_qkv=True)
    assert [part.shape for part in parts] == [(96, 32)] * 3
    assert {part.rows for part in parts} == {32}


# --- LoRA -----------------------------------------------------------------------------------------


def lora_tensors(rank=16):
    return {
        "q_proj.base_layer.weight": torch.randn(48, 32),
        "q_proj.lora_A.default.weight": torch.randn(rank, 32),
        "q_proj.lora_B.default.weight": torch.randn(48, rank),
    }


def test_lora_pairs_have_three_rows():
    tensors = lora_tensors()
    result = analyze(tensors, lora_scale=2.0)
    assert {layer.name: layer.kind for layer in result} == {
        "q_proj.base_layer": "linear",
        "q_proj[update]": "lora_update",
        "q_proj[merged]": "lora_merged",
    }
    W, A, B = tensors.values()
    update = svd_spectrum(2.0 * B.double() @ A.double())[-16:]
    np.testing.assert_allclose(result["q_proj[update]"].eigenvalues, update, rtol=1e-8)
    merged = svd_spectrum(W.double() + 2.0 * B.double() @ A.double())
    np.testing.assert_allclose(result["q_proj[merged]"].eigenvalues, merged, rtol=1e-4, atol=1e-9)
    assert_accounted(tensors, result)


def test_unknown_lora_scale_is_said():
    assert "taken as 1" in analyze(lora_tensors())["q_proj[merged]"].notes[0]


def test_half_a_lora_pair_is_said():
    tensors = lora_tensors()
    del tensors["q_proj.lora_B.default.weight"]
    assert "other half" in analyze(tensors).skipped[0].reason


def test_fresh_lora_update_is_zero():
    tensors = lora_tensors()
    tensors["q_proj.lora_B.default.weight"].zero_()
    assert analyze(tensors)["q_proj[update]"].label == "dead"


# --- what is not a weight matrix ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "tensor", "word"),
    [
        ("fc.bias", torch.zeros(8), "vector"),
        ("logit_scale", torch.tensor(1.0), "scalar"),
        ("cls_token", torch.zeros(1, 1, 64), "vector"),
        ("fc.weight", torch.ones(1, 1), "1 x 1"),
        ("fc.weight", torch.zeros(64, 64, dtype=torch.int8), "quantized"),
        ("fc.qweight", torch.zeros(64, 64, dtype=torch.int32), "quantized"),
        ("steps", torch.zeros((), dtype=torch.int64), "counter"),
        ("position_ids", torch.zeros(2, 64, dtype=torch.int64), "index"),
        ("attn.mask", torch.ones(64, 64, dtype=torch.bool), "mask"),
        ("attn.bias", torch.ones(1, 1, 64, 64, dtype=torch.uint8), "mask"),
        ("conv.weight_v", torch.randn(32, 32), "parametrized"),
        ("mystery", torch.randn(20, 30, 40), "--kind"),
        ("deep", torch.randn(4, 5, 6, 7, 8, 9), "--kind"),
    ],
)
def test_what_is_no_matrix_is_said(name, tensor, word):
    result = analyze({name: tensor})
    assert len(result) == 0
    assert word in result.skipped[0].reason


def test_an_empty_tensor_beside_others_is_said():
    result = analyze({"fc.weight": torch.zeros(0, 4), "head.weight": torch.randn(32, 32)})
    assert [layer.name for layer in result] == ["head"]
    assert "empty" in result.skipped[0].reason


def test_parametrized_weights_that_cannot_be_computed_are_named():
    module = nn.utils.parametrizations.orthogonal(nn.Linear(32, 32))
    assert [layer.name for layer in analyze(module)] == ["weight"]
    result = analyze(module.state_dict())
    assert len(result) == 0
    assert any("remove" in item.reason for item in result.skipped)


def test_declared_kinds():
    tensors = {"mystery": torch.randn(3, 20, 30)}
    layer = analyze(tensors, kinds={"myst*": "experts"})["mystery"]
    assert (layer.kind, layer.inferred) == ("experts", "as declared")
    with pytest.raises(InputError, match="needs 2 dimensions"):
        analyze(tensors, kinds={"mystery": "linear"})
    with pytest.raises(InputError, match="unknown kind"):
        analyze(tensors, kinds={"mystery": "banana"})


def test_include_and_exclude():
    module = nn.Sequential(nn.Linear(32, 32), nn.Linear(32, 32), nn.Linear(32, 32))
    assert [layer.name for layer in analyze(module, include=("0", "2"))] == ["0", "2"]
    result = analyze(module, exclude=("1",))
    assert [layer.name for layer in result] == ["0", "2"]
    assert any("--exclude" in item.reason for item in result.skipped if item.name == "1.weight")


def test_a_mixed_model_has_no_silent_tensor():
    module = nn.ModuleDict(
        {
            "mha": nn.MultiheadAttention(32, 4),
            "lstm": nn.LSTM(32, 32),
            "conv1": nn.Conv1d(32, 32, 3),
            "conv3": nn.Conv3d(16, 16, 3),
            "deep": nn.Conv2d(32, 32, 3, groups=32),
            "norm": nn.BatchNorm2d(32),
            "table": nn.Embedding(64, 32),
            "fno": SpectralConv(),
        }
    )
    result = analyze(module)
    assert_accounted(module, result)
    kinds = {layer.kind for layer in result}
    assert {"attention_projection", "recurrent_gate", "conv1d", "conv3d", "spectral_conv"} <= kinds


def test_tied_weights_are_one_row():
    module = nn.ModuleDict({"a": nn.Linear(32, 32), "b": nn.Linear(32, 32)})
    module["b"].weight = module["a"].weight
    result = analyze(module)
    assert [(layer.name, layer.aliases) for layer in result] == [("a", ("b",))]
