"""Adapters of every dialect: one row of the update with its scale, or skipped with the reason."""

import json
import re

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from eigenscape.spectra import analyze, compare


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def norm(matrix):
    return float(torch.linalg.matrix_norm(matrix.double(), 2))


DOWN, UP = randn(8, 64), randn(48, 8, seed=1)
UPDATE = UP.double() @ DOWN.double()

PAIRS = {
    "kohya": ("lora_unet_q.lora_down.weight", "lora_unet_q.lora_up.weight"),
    "diffusers": ("q.lora.down.weight", "q.lora.up.weight"),
    "diffusers, old": ("q.lora_linear_layer.down.weight", "q.lora_linear_layer.up.weight"),
    "attention processors": ("p.to_q_lora.down.weight", "p.to_q_lora.up.weight"),
    "peft": ("q.lora_A.weight", "q.lora_B.weight"),
    "peft, in memory": ("q.lora_A.default.weight", "q.lora_B.default.weight"),
    "peft, embedding": ("q.lora_embedding_A", "q.lora_embedding_B"),
    "peft, embedding in memory": ("q.lora_embedding_A.default", "q.lora_embedding_B.default"),
    "loralib": ("q.lora_A", "q.lora_B"),
    "torchtune": ("q.lora_a.weight", "q.lora_b.weight"),
}


@pytest.mark.parametrize("dialect", PAIRS)
def test_one_row_of_rank_eight(dialect):
    down, up = PAIRS[dialect]
    result = analyze({down: DOWN, up: UP})
    (row,) = result
    assert (row.kind, row.n_eigenvalues, row.label) == ("lora_update", 8, "no-fit")
    assert row.spectral_norm == pytest.approx(norm(UPDATE), rel=1e-9)
    assert not result.skipped


@pytest.mark.parametrize("dialect", ["kohya", "diffusers", "attention processors"])
def test_a_stored_alpha_is_applied(dialect):
    down, up = PAIRS[dialect]
    base = re.sub(r"([._]lora)?[._](lora_)?down.weight", "", down)
    tensors = {down: DOWN, up: UP, f"{base}.alpha": torch.tensor(4.0)}
    result = analyze(tensors)
    assert [row.name for row in result] == [f"{base}[update]"]
    assert result.layers[0].spectral_norm == pytest.approx(norm(0.5 * UPDATE), rel=1e-9)
    assert not result.skipped
    twice = {**tensors, f"{base}.alpha": torch.tensor(8.0)}
    assert compare(tensors, twice).changes[0].weight_change == pytest.approx(1)


def test_an_alpha_of_several_numbers_is_no_scale_and_is_listed():
    down, up = PAIRS["kohya"]
    result = analyze({down: DOWN, up: UP, "lora_unet_q.alpha": torch.ones(4)})
    assert [skipped.name for skipped in result.skipped] == ["lora_unet_q.alpha"]


def test_a_convolution_has_one_row():
    down, up = randn(8, 16, 3, 3), randn(48, 8, 1, 1, seed=1)
    names = PAIRS["kohya"]
    tensors = {**dict(zip(names, (down, up), strict=True)), "lora_unet_q.alpha": torch.tensor(2.0)}
    (row,) = analyze(tensors)
    expected = np.linalg.svd(0.25 * (up.flatten(1).double() @ down.flatten(1).double()).numpy())[1]
    np.testing.assert_allclose(np.sqrt(row.eigenvalues[::-1]), expected[:8], rtol=1e-8)


def test_rank_one_is_a_row_and_not_two_vectors():
    (row,) = analyze({"q.lora_A.weight": DOWN[:1], "q.lora_B.weight": UP[:, :1]})
    assert row.spectral_norm == pytest.approx(
        norm(UP[:, :1].double() @ DOWN[:1].double()), rel=1e-9
    )


def test_loha_is_the_product_entry_by_entry():
    parts = {
        f"q.hada_w{i}_{side}": randn(*shape, seed=seed)
        for seed, (i, side, shape) in enumerate(
            [(1, "a", (48, 4)), (1, "b", (4, 40)), (2, "a", (48, 4)), (2, "b", (4, 40))]
        )
    }
    a, b, c, d = (part.double() for part in parts.values())
    result = analyze({**parts, "q.alpha": torch.tensor(2.0)})
    assert [row.name for row in result] == ["q[update]"]
    assert result.layers[0].spectral_norm == pytest.approx(norm(0.5 * (a @ b) * (c @ d)), rel=1e-9)
    assert not result.skipped


@pytest.mark.parametrize("whole", [True, False])
def test_lokr_is_the_kronecker_product(whole):
    first, a, b = randn(4, 4), randn(10, 3, seed=1), randn(3, 8, seed=2)
    second = {"q.lokr_w2": a @ b} if whole else {"q.lokr_w2_a": a, "q.lokr_w2_b": b}
    (row,) = analyze({"q.lokr_w1": first, **second, "q.alpha": torch.tensor(6.0)})
    scale = 1 if whole else 2
    expected = norm(scale * torch.kron(first.double(), (a @ b).double()))
    assert row.spectral_norm == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("base_model.vera_A", "VeRA"),
        ("q.vera_B.default", "VeRA"),
        ("q.oft_R.default", "OFT"),
        ("q.boft_R", "BOFT"),
        ("q.hada_w1_a", "others are not"),
        ("q.lokr_w2_a", "others are not"),
        ("q.lora_down.weight", "other half"),
        ("vblora_vector_bank.default", "VB-LoRA"),
        ("q.lora_mid.weight", "Tucker LoRA"),
    ],
)
def test_parts_are_never_layers(name, word):
    result = analyze({name: randn(64, 64), "fc.weight": randn(32, 32)})
    assert [row.name for row in result] == ["fc"]
    assert word in result.skipped[0].reason


@pytest.mark.parametrize(
    "beside", ["q.lora_mid.weight", "q.lora_E.default", "q.lora_E", "q.base_layer.weight"]
)
def test_what_is_no_plain_product_is_skipped(beside):
    middle = {"q.base_layer.weight": randn(4, 48, 64)}.get(beside, randn(8, 1))
    adapter = ".default" if beside.endswith("default") else ""
    pair = {f"q.lora_A{adapter}": DOWN, f"q.lora_B{adapter}": UP}
    result = analyze({**pair, beside: middle})
    assert not [row for row in result if "update" in row.name]
    assert all("merge the adapter" in item.reason for item in result.skipped[:2])


@pytest.mark.parametrize("magnitude", ["lora_magnitude_vector", "dora_scale"])
def test_dora_as_saved_has_no_merged_row(magnitude):
    tensors = {"q.lora_A.weight": DOWN, "q.lora_B.weight": UP, "q.base_layer.weight": randn(48, 64)}
    assert "q[merged]" in {row.name for row in analyze(tensors)}
    result = analyze({**tensors, f"q.{magnitude}": torch.ones(48)})
    assert "q[merged]" not in {row.name for row in result}
    assert "DoRA" in " ".join(result["q[update]"].notes)


CONFIG = {"r": 8, "lora_alpha": 16}


@pytest.mark.parametrize(
    ("config", "scale"),
    [
        (CONFIG, 2),
        ({**CONFIG, "use_rslora": True}, 16 / 8**0.5),
        ({**CONFIG, "alpha_pattern": {"q": 64}}, 8),
        ({**CONFIG, "alpha_pattern": {"layers.0.q": 64, "q": 3}}, 8),
        ({**CONFIG, "alpha_pattern": {r"layers\.\d+\.q": 64}}, 8),
        ({**CONFIG, "alpha_pattern": {"kq": 64, "(a+)+": 1}}, 2),
        ({"r": 32, "lora_alpha": 16, "rank_pattern": {"q": 8}}, 2),
    ],
)
@pytest.mark.parametrize("whole_folder", [True, False])
def test_the_scale_of_a_peft_adapter(tmp_path, config, scale, whole_folder):
    start = "base_model.model.layers.0.q.lora"
    file = tmp_path / "adapter_model.safetensors"
    save_file({f"{start}_A.weight": DOWN, f"{start}_B.weight": UP}, file)
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    (row,) = analyze(tmp_path if whole_folder else file)
    assert row.spectral_norm == pytest.approx(scale * norm(UPDATE), rel=1e-9)
    assert "adapter_config.json" in row.notes[0]


def test_the_merged_row_of_an_embedding_and_of_a_transposed_weight():
    table, factors = randn(64, 48), {"e.lora_embedding_A": DOWN, "e.lora_embedding_B": UP}
    result = analyze({**factors, "e.base_layer.weight": table}, lora_scale=3.0)
    expected = norm(table + 3 * (UP @ DOWN).T)
    assert result["e[merged]"].spectral_norm == pytest.approx(expected, rel=1e-5)
