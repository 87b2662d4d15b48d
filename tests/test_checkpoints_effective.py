"""Weights that are stored in parts: the weight that acts, from modules and from state dicts."""

import json
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from eigenscape.checkpoints import effective_weights, open_checkpoint, save_checkpoint
from eigenscape.spectra import SpectralMonitor, analyze, compare


def quiet(make, *arguments, **options):
    """Old-style norms warn that they are old."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(*arguments, **options)


def moved(module):
    """After a few steps of training: norms and masks are no longer what they were at the start."""
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(3):
        shape = (4, 6, 9) if isinstance(module, nn.Conv1d | nn.ConvTranspose1d) else (4, 6)
        optimizer.zero_grad()
        module(torch.randn(shape)).square().mean().backward()
        optimizer.step()
    return module


def acting(module):
    """The weight that the module multiplies by, from outputs alone (linear), in evaluation."""
    module = module.eval()
    with torch.no_grad():
        zero = module(torch.zeros(1, 6))
        return (module(torch.eye(6)) - zero).T


NETWORKS = {
    "pruned": lambda: prune.random_unstructured(nn.Linear(6, 8), "weight", amount=0.5),
    "pruned rows": lambda: prune.ln_structured(nn.Linear(6, 8), "weight", 0.5, n=2, dim=0),
    "pruned twice": lambda: prune.l1_unstructured(
        prune.random_unstructured(nn.Linear(6, 8), "weight", amount=0.3), "weight", amount=0.3
    ),
    "weight norm, old": lambda: quiet(nn.utils.weight_norm, nn.Linear(6, 8)),
    "weight norm, old, columns": lambda: quiet(nn.utils.weight_norm, nn.Linear(6, 8), dim=1),
    "weight norm, old, whole": lambda: quiet(nn.utils.weight_norm, nn.Linear(6, 8), dim=None),
    "weight norm": lambda: parametrizations.weight_norm(nn.Linear(6, 8)),
    "spectral norm, old": lambda: quiet(nn.utils.spectral_norm, nn.Linear(6, 8)),
    "spectral norm": lambda: parametrizations.spectral_norm(nn.Linear(6, 8)),
    "square spectral norm": lambda: parametrizations.spectral_norm(nn.Linear(6, 6)),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("place", ["module", "state dict", "file"])
def test_the_weight_is_the_one_that_acts(tmp_path, name, place):
    module = moved(NETWORKS[name]())
    state = {key: value.clone() for key, value in module.state_dict().items()}
    source = {
        "module": module,
        "state dict": state,
        "file": tmp_path / "w.safetensors",
    }[place]
    save_checkpoint(state, tmp_path / "w.safetensors")
    checkpoint = effective_weights(source)
    assert sorted(checkpoint) == ["bias", "weight"]
    if place == "module":  # reading changed neither mode nor the power iteration's vectors
        assert module.training
        assert all(torch.equal(value, state[key]) for key, value in module.state_dict().items())
    assert torch.allclose(checkpoint["weight"], acting(module), rtol=1e-5, atol=1e-6)
    assert "1 weight computed from" in " ".join(checkpoint.notes)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("new", [False, True])
def test_the_matrix_of_a_convolution_is_found_also_when_it_is_square(transposed, new):
    kind = nn.ConvTranspose1d if transposed else nn.Conv1d
    norm = parametrizations.spectral_norm if new else nn.utils.spectral_norm
    module = moved(quiet(norm, kind(6, 6, 3))).eval()
    with torch.no_grad():
        module(torch.zeros(1, 6, 9))  # the old style sets the attribute
    weight = effective_weights(module.state_dict())["weight"]
    assert torch.allclose(weight, module.weight.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("kind", [nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d])
def test_weight_norm_of_a_kernel(kind, dim):
    module = parametrizations.weight_norm(kind(4, 8, 3), dim=dim)
    with torch.no_grad():
        module.parametrizations.weight.original0.mul_(1.7)
    for source in (module, module.state_dict()):
        weight = effective_weights(source)["weight"]
        assert torch.allclose(weight, module.weight.detach(), rtol=1e-5, atol=1e-6)


class Symmetric(nn.Module):
    def forward(self, weight):
        return weight.triu() + weight.triu(1).T


def test_any_parametrization_of_a_module_is_evaluated_and_none_of_a_file():
    module = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5))
    parametrize.register_parametrization(module[1], "weight", Symmetric())
    checkpoint = effective_weights(module)
    assert sorted(checkpoint) == ["0.bias", "0.weight", "1.bias", "1.weight"]
    assert torch.equal(checkpoint["1.weight"], checkpoint["1.weight"].T)
    assert torch.equal(checkpoint["1.weight"], module[1].weight.detach())
    stored = effective_weights(module.state_dict())
    assert "1.parametrizations.weight.original" in stored
    assert "1.weight" not in stored
    orthogonal = parametrizations.orthogonal(nn.Linear(5, 5))
    weight = effective_weights(orthogonal)["weight"]
    assert torch.allclose(weight @ weight.T, torch.eye(5), atol=1e-5)
    assert "weight" not in effective_weights(orthogonal.state_dict())


def test_two_factors_that_are_no_weight_norm_are_left():
    state = {
        "parametrizations.weight.original0": torch.ones(8, 1),
        "parametrizations.weight.original1": torch.ones(1, 6),
    }
    assert list(effective_weights(state)) == list(state)
    plain = {"a.weight": torch.ones(2, 2), "a.bias": torch.ones(2)}
    assert list(effective_weights(plain)) == list(plain)
    assert effective_weights(plain).notes == ()


def test_a_structured_prune_has_the_rank_of_what_is_left():
    module = prune.ln_structured(nn.Linear(128, 128), "weight", 0.75, n=2, dim=0)
    weight = effective_weights(module)["weight"]
    assert int(torch.linalg.matrix_rank(weight)) == 32
    assert int(torch.linalg.matrix_rank(open_checkpoint(module)["weight_orig"])) == 128


# --- scales -----------------------------------------------------------------------------------


def coded(shape=(64, 96), dtype=torch.float8_e4m3fn):
    """A weight, and codes with a scale for it."""
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 0.02
    top = 448.0 if dtype.is_floating_point else 127.0
    return weight, top


def rounded(weight, scale, dtype):
    codes = weight / scale
    return codes.to(dtype) if dtype.is_floating_point else codes.round().to(dtype)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.int8], ids=str)
@pytest.mark.parametrize(
    "key",
    [
        *("l.weight_scale", "l.weight_scale_inv", "l.weight.scale", "l.weight.scale_inv"),
        *("l.scale", "l.scale_weight", "l.scale_inv", "l.scales", "l.weight_scales"),
    ],
)
def test_one_scale_for_the_tensor(dtype, key):
    weight, top = coded(dtype=dtype)
    for shape in ((), (1,), (1, 1)):
        scale = (weight.abs().max() / top).reshape(shape)
        state = {"l.weight": rounded(weight, scale, dtype), key: scale}
        found = effective_weights(state)
        assert list(found) == ["l.weight"]
        assert found["l.weight"].dtype == torch.float32
        true = torch.linalg.matrix_norm(weight, 2)
        assert float(torch.linalg.matrix_norm(found["l.weight"], 2) / true) == pytest.approx(
            1, abs=0.01
        )


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.int8], ids=str)
def test_data_and_scale_as_optimum_quanto_names_them(dtype):
    weight, top = coded(dtype=dtype)
    scale = weight.abs().amax(dim=1, keepdim=True) / top
    state = {"l.weight._data": rounded(weight, scale, dtype), "l.weight._scale": scale}
    found = effective_weights(state)
    assert list(found) == ["l.weight"]
    assert float((found["l.weight"] - weight).norm() / weight.norm()) < 0.03
    shifted = effective_weights({**state, "l.weight._shift": torch.zeros(64, 1)})
    assert "l.weight" not in shifted


@pytest.mark.parametrize("key", ["l.weight_scale", "l.weight.scale", "l.scale"])
def test_codes_whose_scales_do_not_fit_are_no_layer(key):
    weight, top = coded()
    state = {"l.weight": rounded(weight, 1 / top, torch.float8_e4m3fn), key: torch.ones(5, 7)}
    result = analyze(state)
    assert not result.layers
    reasons = {item.name: item.reason for item in result.skipped}
    assert "the codes are not the weights" in reasons["l.weight"]


@pytest.mark.parametrize(
    "extra", ["l.weight_zero_point", "l.zeros", "l.fp8_scale", "l.weight_scale_3", "l.my_scale"]
)
def test_codes_beside_a_scale_of_another_name_are_no_layer(extra):
    weight, top = coded()
    scale = weight.abs().max() / top
    codes = rounded(weight, scale, torch.float8_e4m3fn)
    others = {"l.input_scale": scale, "l.k_scale": scale, "m.weight_scale": scale}
    assert [row.name for row in analyze({"l.weight": codes, **others})] == ["l"]
    state = {"l.weight": codes, extra: scale, **others}
    if "zero" in extra:
        state["l.weight_scale"] = scale
    result = analyze(state)
    assert not result.layers
    reason = next(item.reason for item in result.skipped if item.name == "l.weight")
    assert "the codes are not the weights" in reason


def test_a_scale_of_the_scales_is_applied_too():
    weight, top = coded()
    second = weight.abs().max() / top
    codes = rounded(weight, second, torch.float8_e4m3fn)
    half = torch.full((64, 1), 0.5)
    state = {"weight": codes, "weight_scale": half, "weight_scale_2": 2 * second}
    found = effective_weights(state)["weight"]
    assert float((found - weight).norm() / weight.norm()) < 0.03


def test_a_weight_before_pruning_without_its_mask_is_no_layer():
    result = analyze({"l.weight_orig": torch.randn(64, 64), "k.weight": torch.randn(64, 64)})
    assert [row.name for row in result] == ["k"]
    assert "one part of a parametrized weight" in result.skipped[0].reason


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.int8], ids=str)
def test_a_scale_for_each_channel(dtype, flat):
    weight, top = coded(dtype=dtype)
    weight *= torch.logspace(-2, 2, 64)[:, None]
    scale = weight.abs().amax(dim=1, keepdim=True) / top
    state = {
        "weight": rounded(weight, scale, dtype),
        "weight_scale": scale.reshape(-1).bfloat16() if flat else scale,
    }
    found = effective_weights(state)["weight"]
    error = (found - weight).norm(dim=1) / weight.norm(dim=1)
    assert float(error.max()) < 0.08


def test_a_scale_for_each_block_also_where_the_last_is_cut():
    for shape, block in (((256, 384), 128), ((200, 300), 128), ((64, 96), 32)):
        weight, top = coded(shape)
        rows, columns = (-(-size // block) for size in shape)
        scale = torch.rand(rows, columns, generator=torch.Generator().manual_seed(1)) + 0.5
        wide = scale.repeat_interleave(block, 0)[: shape[0]].repeat_interleave(block, 1)
        wide = wide[:, : shape[1]]
        codes = (weight / wide * top).to(torch.float8_e4m3fn)
        state = {"weight": codes, "weight_scale_inv": scale / top}
        found = effective_weights(state)["weight"]
        assert torch.allclose(found, codes.float() * wide / top, rtol=1e-6)


def test_the_config_says_the_block(tmp_path):
    codes = torch.ones(100, 100).to(torch.float8_e4m3fn)
    scale = torch.arange(4.0).reshape(2, 2) + 1
    save_checkpoint({"weight": codes, "weight_scale_inv": scale}, tmp_path / "model.safetensors")
    settings = {"quantization_config": {"weight_block_size": [64, 64]}}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    found = effective_weights(tmp_path)["weight"]
    assert found[63, 63] == 1
    assert found[64, 63] == 3


def test_experts_have_a_scale_each():
    codes = torch.ones(3, 4, 5).to(torch.float8_e4m3fn)
    for shape in ((3,), (3, 1, 1)):
        scale = torch.tensor([1.0, 2.0, 3.0]).reshape(shape)
        found = effective_weights({"w": codes, "w_scale": scale})["w"]
        assert found[:, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "extra",
    [
        {"weight_scale": torch.ones(5)},
        {"weight_scale": torch.ones(3, 5)},
        {"weight_scale": torch.ones(()), "weight_zero_point": torch.zeros(())},
        {"weight_scale": torch.ones(()), "zeros": torch.zeros(64)},
        {"weight_scale": torch.ones(()), "weight_scale_2": torch.ones(64)},
        {"weight_scale": torch.ones((), dtype=torch.int32)},
        {"weight_other": torch.ones(())},
    ],
    ids=["length", "blocks", "zero point", "zeros", "second", "type", "no scale"],
)
def test_scales_that_do_not_fit_are_not_applied(extra):
    codes = torch.ones(64, 100).to(torch.float8_e4m3fn)
    found = effective_weights({"weight": codes, **extra})
    assert found["weight"].dtype == torch.float8_e4m3fn
    assert len(found) == 1 + len(extra)


# --- through the layer table -------------------------------------------------------------------


def weights_of(*shape, scale=1.0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)) * scale


def test_the_layer_table_examines_the_weight_that_acts():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 64))
    state = {key: value.clone() for key, value in plain.state_dict().items()}
    prune.ln_structured(plain[0], "weight", 0.75, n=2, dim=0)
    prune.random_unstructured(plain[2], "weight", amount=0.9)
    for source in (plain, plain.state_dict()):
        rows = {row.name: row for row in analyze(source)}
        assert list(rows) == ["0", "2"]
        assert rows["0"].rank == 32
        true = float(torch.linalg.matrix_norm(plain[2].weight.detach().double(), 2))
        assert rows["2"].spectral_norm == pytest.approx(true, rel=1e-6)
    assert any("pruning masks" in note for note in analyze(plain).notes)
    pruned = {row.name: row for row in compare(state, plain).changes}
    kept = plain[0].weight.detach()
    change = float((kept - state["0.weight"]).norm() / state["0.weight"].norm())
    assert pruned["0"].weight_change == pytest.approx(change, rel=1e-5)


def test_codes_with_scales_compare_with_their_original():
    weight = weights_of(96, 128, scale=0.02)
    scale = weight.abs().max() / 448
    codes = (weight / scale).to(torch.float8_e4m3fn)
    quantized = {"l.weight": codes, "l.weight_scale": scale}
    row = next(iter(analyze(quantized)))
    true = float(torch.linalg.matrix_norm(weight.double(), 2))
    assert row.spectral_norm == pytest.approx(true, rel=0.01)
    change = compare({"l.weight": weight.bfloat16()}, quantized).changes[0]
    assert 0.005 < change.weight_change < 0.05  # the rounding of 3 bits


def test_a_parametrized_network_keeps_its_blocks_and_is_monitored():
    torch.manual_seed(0)
    network = nn.ModuleDict(
        {
            "layers": nn.ModuleList(
                nn.ModuleDict({"up": nn.Linear(32, 32), "down": nn.Linear(32, 32)})
                for _ in range(3)
            )
        }
    )
    for layer in network["layers"]:
        parametrizations.weight_norm(layer["up"])
    rows = {row.name: row for row in analyze(network)}
    assert len(rows) == 6
    assert rows["layers.1.up"].block == rows["layers.1.down"].block == "layers.1"
    monitor = SpectralMonitor(network)
    before = {row.name: row.spectral_norm for row in monitor.look(0)}
    with torch.no_grad():
        network["layers"][0]["up"].parametrizations.weight.original0.mul_(3)
    after = {row.name: row.spectral_norm for row in monitor.look(1)}
    assert after["layers.0.up"] == pytest.approx(3 * before["layers.0.up"], rel=1e-5)
    assert after["layers.0.down"] == before["layers.0.down"]
