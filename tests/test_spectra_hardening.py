"""What hostile checkpoints taught: pruned rows, thin slices, adapters, codes, gates, models."""

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from eigenscape.checkpoints import save_checkpoint
from eigenscape.cli import main
from eigenscape.errors import InputError
from eigenscape.spectra import SpectralMonitor, analyze, compare


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_rows_of_zeros_do_not_shift_the_null():
    W = randn(256, 256)
    W[:100] = 0
    layer = analyze({"w": W})["w"]
    assert (layer.rows, layer.cols) == (156, 256)
    assert layer.alpha_excess == pytest.approx(1, abs=0.06)
    assert "zeros are left out" in " ".join(layer.notes)


def test_float32_sees_a_missing_rank():
    W = randn(256, 156) @ randn(156, 256, seed=1)
    quick, exact = analyze({"w": W}, precision="float32")["w"], analyze({"w": W})["w"]
    assert quick.route == "gram-float64"
    assert (quick.rank, quick.alpha_hill) == (exact.rank, exact.alpha_hill)


def test_thin_slices_have_their_own_null():
    labels = [analyze({"p.weight": randn(192, 3, 8, 8, seed=s)}).layers[0] for s in range(6)]
    assert sum(layer.label == "random-like" for layer in labels) >= 5


@pytest.mark.parametrize(("dtype", "error"), [(torch.float8_e4m3fn, 0.1), (torch.float8_e5m2, 0.2)])
def test_eight_bits_keep_a_random_matrix_random(dtype, error):
    layer = analyze({"w": randn(512, 512).to(dtype)})["w"]
    assert layer.alpha_excess == pytest.approx(1, abs=error)


def test_scaled_codes_are_not_weights():
    codes = randn(64, 64).to(torch.float8_e4m3fn)
    result = analyze({"m.weight": codes, "m.weight_scale_inv": torch.ones(3, 5)})
    assert len(result) == 0
    assert "codes are not the weights" in result.skipped[0].reason
    assert len(analyze({"m.weight": codes, "m.weight_scale": torch.ones(1)})) == 1


def test_lora_update_has_no_null_and_two_adapters_have_two_names():
    tensors = {"q.base_layer.weight": randn(64, 64)}
    for adapter in ("default", "other"):
        tensors[f"q.lora_A.{adapter}.weight"] = randn(32, 64)
        tensors[f"q.lora_B.{adapter}.weight"] = randn(64, 32, seed=1)
    result = analyze(tensors)
    names = {layer.name for layer in result}
    assert {"q[update]", "q[update:other]", "q[merged]", "q[merged:other]"} <= names
    update = result["q[update]"]
    assert math.isnan(update.alpha_excess)
    assert update.label == "no-fit"
    assert update.parameters == 32 * 128
    tensors["q.lora_magnitude_vector.default.weight"] = torch.ones(64)
    dora = analyze(tensors)
    assert "q[merged]" not in {layer.name for layer in dora}
    assert "DoRA" in " ".join(dora["q[update]"].notes)


def test_buffers_and_helpers_are_not_layers():
    module = nn.Linear(32, 32)
    module.register_buffer("tril", torch.tril(torch.ones(32, 32)))
    result = analyze(module)
    assert len(result) == 1
    assert any("buffer" in item.reason for item in result.skipped)
    for name in ("l.scales", "experts.gate_up_proj_bias", "x.tril"):
        assert len(analyze({name: randn(32, 32)})) == 0


@pytest.mark.parametrize(
    "name",
    [
        "model.embed_tokens.base_layer.weight",
        "token_embedding_table.weight",
        "tok_emb.weight",
        "embed_tokens.modules_to_save.default.weight",
        "encoder.embed_positions.weight",
    ],
)
def test_embeddings_by_other_names(name):
    assert "--embeddings" in analyze({name: randn(64, 32)}).skipped[0].reason


def test_overlapping_windows_do_not_narrow_the_error():
    W = {"w": randn(64, 40)}
    plain, pooled = analyze(W)["w"], analyze(W, windows=32)["w"]
    assert pooled.parameters == plain.parameters
    assert pooled.sigma > 0.5 * (pooled.alpha_ks - 1) / math.sqrt(plain.n_eigenvalues)


def test_head_by_head_storage_needs_the_head_count():
    layer = analyze({"a.query_key_value.weight": randn(96, 32)}, split_qkv=True).layers[0]
    assert layer.matrices == 1
    assert "the number of heads" in layer.notes[0]


def test_unequal_fused_projections_stay_whole_and_say_so():
    layer = analyze({"a.qkv_proj.weight": randn(128, 64)}, split_qkv=True).layers[0]
    assert "unequal size" in layer.notes[0]


def test_nearly_orthogonal_weights_have_no_exponent():
    Q = torch.linalg.qr(randn(64, 64))[0]
    layer = analyze({"w": Q})["w"]
    assert math.isnan(layer.alpha_hill)
    assert layer.label == "no-fit"


@pytest.mark.parametrize("options", [{"kinds": {"typo": "linear"}}, {"include": ("nothing",)}])
def test_patterns_that_match_nothing_teach(options):
    with pytest.raises(InputError, match="matches nothing"):
        analyze({"w": randn(32, 32)}, **options)


def test_compare_names_what_has_no_spectrum():
    before = {"a.weight": randn(32, 32), "emb.wte.weight": randn(64, 32), "n.bias": torch.ones(32)}
    after = {**before, "emb.wte.weight": 3 * before["emb.wte.weight"], "n.bias": torch.zeros(32)}
    changes = {c.name: c for c in compare(before, after).changes}
    assert changes["a"].state == "same"
    assert changes["emb.wte.weight"].weight_change == pytest.approx(2)
    assert "no spectrum" in changes["n.bias"].note
    tiny = {"a.weight": 1e-30 * randn(32, 32)}
    other = {"a.weight": 1e-30 * randn(32, 32, seed=1)}
    assert compare(tiny, other).changes[0].weight_change > 1


@pytest.mark.parametrize("what", ["nan", "zero", "missing"])
def test_gates_fire_when_a_layer_dies(tmp_path, capsys, what):
    weights = {"a.weight": randn(32, 32), "b.weight": randn(32, 32, seed=1)}
    before = save_checkpoint(weights, tmp_path / "a.safetensors")
    dead = dict(weights)
    if what == "missing":
        del dead["b.weight"]
    else:
        dead["b.weight"] = torch.full((32, 32), math.nan if what == "nan" else 0.0)
    after = save_checkpoint(dead, tmp_path / "b.safetensors")
    assert main(["compare", str(before), str(after), "--fail-on", "alpha_excess=100"]) == 1
    assert "no value" in capsys.readouterr().err


@pytest.mark.parametrize("gate", ["weights=nan", "weights=-1"])
def test_gates_that_never_fire_are_refused(tmp_path, capsys, gate):
    path = str(save_checkpoint({"a.weight": randn(32, 32)}, tmp_path / "a.safetensors"))
    assert main(["compare", path, path, "--fail-on", gate]) == 2
    assert main(["spectra", path, "--fail-on", "undertrained"]) == 2
    assert "labels are" in capsys.readouterr().err


def test_layers_may_be_named_anything(tmp_path):
    result = analyze({"file": randn(32, 32)})
    with np.load(result.save_eigenvalues(tmp_path / "e.npz")) as arrays:
        np.testing.assert_array_equal(arrays["file"], result["file"].eigenvalues)


def test_a_users_table_is_not_overwritten(tmp_path, capsys):
    path = str(save_checkpoint({"a.weight": randn(32, 32)}, tmp_path / "a.safetensors"))
    out = tmp_path / "out"
    assert main(["spectra", path, "--out", str(out)]) == 0
    assert main(["spectra", path, "--out", str(out)]) == 0  # our own is replaced
    (out / "layers.csv").write_text("my,own,table\n")
    assert main(["spectra", path, "--out", str(out)]) == 2
    assert (out / "layers.csv").read_text() == "my,own,table\n"
    capsys.readouterr()


def test_monitor_follows_a_model_that_changes():
    model = nn.Sequential(nn.Linear(32, 32), nn.Linear(32, 32))
    monitor = SpectralMonitor(nn.DataParallel(model), every=1)
    assert len(monitor.step()) == 2
    model[1] = nn.Linear(32, 48)
    assert [row.shape for row in monitor.step()] == [(32, 32), (48, 32)]
    del model[1]
    assert len(monitor.step()) == 1


def test_monitor_refuses_a_folder(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        SpectralMonitor(nn.Linear(32, 32), path=tmp_path)


@pytest.mark.parametrize("scale", [1e170, 1e-170, 1e300, 1e-300, 1e150, 1e-150])
@pytest.mark.parametrize("conv", [False, True])
def test_finite_weights_of_any_size_have_their_spectrum(scale, conv):
    W = randn(64, 96).double() if not conv else randn(24, 24, 3, 3).double()
    plain, row = (analyze({"w.weight": V}).layers[0] for V in (W, W * scale))
    assert row.label == plain.label
    for name in ("alpha_hill", "alpha_ks", "stable_rank", "entropy", "soft_rank", "rank", "spikes"):
        assert getattr(row, name) == pytest.approx(getattr(plain, name), rel=1e-9)
    assert row.spectral_norm == pytest.approx(scale * plain.spectral_norm, rel=1e-12)
    digits = 2 * math.log10(scale)
    assert row.log_norm == pytest.approx(plain.log_norm + digits, rel=1e-12)
    assert row.log_alpha_norm == pytest.approx(
        plain.log_alpha_norm + row.alpha_ks * digits, rel=1e-9
    )
    assert math.isnan(row.lambda_max) == (not 1e-160 < scale < 1e160)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("steps", [(1, 2), (1, 2, 3), (2, 2, 1), (1, 2, 2, 2)])
def test_ties_have_no_exponent(dtype, steps):
    U, V = (torch.linalg.qr(randn(64, 64, seed=seed).double())[0] for seed in (1, 2))
    size = 64 // len(steps)
    values = torch.tensor([step for step in steps for _ in range(size)], dtype=torch.float64)
    W = (U[:, : len(values)] * values @ V[: len(values)]).to(dtype)
    layer = analyze({"w": W})["w"]
    assert layer.label == "no-fit"
    assert math.isnan(layer.alpha_ks)
    assert not layer.alpha_hill > 100


def test_a_smooth_body_under_a_tied_tail_has_no_exponent():
    U, V = (torch.linalg.qr(randn(64, 64, seed=seed).double())[0] for seed in (1, 2))
    values = torch.cat([torch.linspace(0.1, 1, 32), torch.full((32,), 2.0)]).double()
    layer = analyze({"w": U * values @ V})["w"]
    assert math.isnan(layer.alpha_ks)
    assert layer.label == "no-fit"


# --- fused q, k, v -----------------------------------------------------------------------------

PARTS = {part: size * randn(64, 64, seed=size) for size, part in enumerate("qkv", start=1)}


def fused(order, groups):
    blocks = [PARTS[part].reshape(groups, 64 // groups, 64) for part in order]
    return torch.cat(blocks, dim=1).reshape(192, 64)


@pytest.mark.parametrize(
    ("name", "model", "order", "groups"),
    [
        ("qkv_proj", "codegen", "qvk", 4),
        ("qkv_proj", "phi3", "qkv", 1),
        ("query_key_value", "gpt_neox", "qkv", 8),
        ("query_key_value", None, "qkv", 8),
        ("query_key_value", "bloom", "qkv", 8),
        ("c_attn", "gpt_bigcode", "qkv", 8),
        ("c_attn", None, "qkv", 1),
        ("wqkv", "internlm2", "qkv", 8),
        ("qkv", None, "qkv", 1),
    ],
)
def test_fused_parts_as_each_family_stores_them(tmp_path, name, model, order, groups):
    save_file({f"h.0.attn.{name}.weight": fused(order, groups)}, tmp_path / "model.safetensors")
    config = {"num_attention_heads": 8} | ({"model_type": model} if model else {})
    (tmp_path / "config.json").write_text(json.dumps(config))
    result = analyze(tmp_path, split_qkv=True)
    norms = {row.name[-2]: row.spectral_norm for row in result}
    expected = {part: float(torch.linalg.matrix_norm(W, 2)) for part, W in PARTS.items()}
    assert norms == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["mixer.in_proj", "in_proj", "attn.qkv_proj", "attn.wqkv"])
def test_what_may_not_be_q_k_v_in_rows_stays_whole(name):
    (row,) = analyze({f"{name}.weight": randn(192, 64)}, split_qkv=True)
    assert row.matrices == 1
    assert row.name == name
    assert name == "in_proj" or "neither" in row.notes[0]


def test_an_in_proj_weight_that_is_no_attention_stays_whole():
    (row,) = analyze({"mixer.in_proj_weight": randn(192, 64)})
    assert row.kind == "linear"
    assert len(analyze({"m.in_proj_weight": randn(96, 64)})) == 1
    attention = nn.MultiheadAttention(32, 4).state_dict()
    assert sum(row.name.startswith("in_proj_weight[") for row in analyze(attention)) == 3
