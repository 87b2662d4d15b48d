"""Whole examinations: real checkpoints, resumed runs, engines, memory, the null, the labels."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from eigenscape.checkpoints import save_checkpoint
from eigenscape.errors import InputError
from eigenscape.results import load
from eigenscape.spectra import SpectraResult, analyze
from eigenscape.theory import marchenko_pastur_alpha
from tests._data import data_file


def accounted(result):
    names = {name for layer in result for name in layer.tensors}
    names |= {alias for item in result.skipped for alias in item.aliases}
    return names | {item.name for item in result.skipped}


# --- real checkpoints -----------------------------------------------------------------------------


def test_language_model_folder():
    folder = data_file("stories260k")
    result = analyze(folder)
    assert len(result) == 35
    assert all(layer.inferred for layer in result)
    embeddings = [s for s in result.skipped if "embedding" in s.reason]
    assert [(s.name, s.aliases) for s in embeddings] == [
        ("model.embed_tokens.weight", ("lm_head.weight",))
    ]
    assert result["model.layers.0.self_attn.k_proj"].n_eigenvalues == 32
    with_table = analyze(folder, embeddings=True)
    assert len(with_table) == 36
    assert with_table["model.embed_tokens"].aliases == ("lm_head",)


@pytest.mark.parametrize(
    ("name", "convolutions"), [("resnet20-12fca82f.th", 19), ("resnet56-4bfd9763.th", 55)]
)
def test_cifar_resnets(name, convolutions):
    path = data_file(f"cifar_resnet/{name}")
    result = analyze(path)
    assert len(result) == convolutions
    assert {layer.kind for layer in result} == {"conv2d"}
    stored = torch.load(path, weights_only=True, map_location="cpu")["state_dict"]
    assert accounted(result) == {key.removeprefix("module.") for key in stored}


def test_gpt2_shaped_model():
    transformers = pytest.importorskip("transformers", reason='pip install "eigenscape[hf]"')
    config = transformers.GPT2Config(n_embd=48, n_layer=2, n_head=4, vocab_size=100, n_positions=32)
    model = transformers.GPT2LMHeadModel(config)
    result = analyze(model)
    assert len(result) == 2 * 4
    attention = result["transformer.h.0.attn.c_attn"]
    assert (attention.kind, attention.shape) == ("linear_transposed", (48, 144))
    embedding = next(s for s in result.skipped if s.name == "transformer.wte.weight")
    assert embedding.aliases == ("lm_head.weight",)
    from_file = analyze(dict(model.state_dict()))
    assert [layer.kind for layer in from_file][:2] == ["linear_transposed", "linear"]
    # c_proj is square: only its module type tells, and its eigenvalues do not care
    expected = result["transformer.h.0.attn.c_proj"].alpha_hill
    assert from_file["transformer.h.0.attn.c_proj"].alpha_hill == pytest.approx(expected)


def test_sharded_bfloat16_folder(tmp_path):
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(0)
    weights = {
        f"model.layers.{i}.mlp.weight": torch.randn(64, 96, generator=generator).bfloat16()
        for i in range(4)
    }
    names = list(weights)
    for shard, part in enumerate((names[:2], names[2:]), 1):
        save_file(
            {name: weights[name] for name in part}, tmp_path / f"model-0000{shard}-of-2.safetensors"
        )
    index = {name: f"model-0000{1 + (i > 1)}-of-2.safetensors" for i, name in enumerate(names)}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    result = analyze(tmp_path)
    assert [layer.dtype for layer in result] == ["bfloat16"] * 4
    assert [layer.block for layer in result] == [f"model.layers.{i}" for i in range(4)]
    exact = analyze(weights)
    assert [a.alpha_hill for a in result] == pytest.approx([b.alpha_hill for b in exact])


# --- resumable runs -------------------------------------------------------------------------------


@pytest.fixture
def checkpoint(tmp_path):
    generator = torch.Generator().manual_seed(1)
    weights = {f"layers.{i}.fc.weight": torch.randn(48, 64, generator=generator) for i in range(6)}
    return save_checkpoint(weights, tmp_path / "model.safetensors")


def comparable(result):
    return [replace(layer, eigenvalues=None) for layer in result]


def test_a_run_folder_gives_the_same_rows_and_resumes(checkpoint, tmp_path):
    plain = analyze(checkpoint)
    first = analyze(checkpoint, run=tmp_path / "run", engine="threads", jobs=2)
    assert comparable(first) == comparable(plain)
    kept = sorted((tmp_path / "run").glob("*.npz"))
    assert len(kept) == 6
    kept[0].unlink()
    seen = []
    again = analyze(
        checkpoint, run=tmp_path / "run", engine="threads", jobs=1, progress=seen.append
    )
    assert comparable(again) == comparable(plain)
    assert seen[0].resumed == 5
    np.testing.assert_array_equal(again.layers[3].eigenvalues, plain.layers[3].eigenvalues)


def test_changed_settings_are_other_tasks(checkpoint, tmp_path):
    analyze(checkpoint, run=tmp_path / "run", jobs=1)
    seen = []
    analyze(checkpoint, run=tmp_path / "run", jobs=1, xmin="third", progress=seen.append)
    assert seen[0].resumed == 0


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["local", "ray", "dask"])
@pytest.mark.filterwarnings("ignore")  # the engines' own deprecations and socket warnings
def test_engines_agree(checkpoint, tmp_path, engine):
    if engine != "local":
        pytest.importorskip(engine, reason=f'pip install "eigenscape[{engine}]"')
    rows = analyze(checkpoint, engine=engine, jobs=2, run=tmp_path / "run")
    expected = [layer.alpha_hill for layer in analyze(checkpoint)]
    assert [layer.alpha_hill for layer in rows] == pytest.approx(expected, rel=1e-12)


@pytest.mark.slow
def test_killed_half_way_continues(tmp_path):
    """A real SIGKILL of the command, then the same command again."""
    generator = torch.Generator().manual_seed(2)
    weights = {f"w{i}.weight": torch.randn(700, 900, generator=generator) for i in range(24)}
    path = save_checkpoint(weights, tmp_path / "big.safetensors")
    run = tmp_path / "run"
    words = ["spectra", str(path), "--run", str(run), "--jobs", "1", "--format", "json", "--quiet"]
    command = [sys.executable, "-m", "eigenscape", *words]
    victim = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    while len(list(run.glob("*.npz"))) < 3 and victim.poll() is None:
        time.sleep(0.01)
    assert victim.poll() is None, "it finished before it could be killed"
    os.killpg(victim.pid, signal.SIGKILL)
    victim.wait()
    kept = {p: p.stat().st_mtime_ns for p in run.glob("*.npz")}
    assert 3 <= len(kept) < 24
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(json.loads(done.stdout)["layers"]) == 24
    assert all(path.stat().st_mtime_ns == before for path, before in kept.items())


def test_engines_and_runs_need_a_path(tmp_path):
    for options in ({"engine": "local"}, {"run": tmp_path}):
        with pytest.raises(InputError, match="need a checkpoint with a path"):
            analyze({"w": torch.randn(32, 32)}, **options)


# --- sick weights ---------------------------------------------------------------------------------


def test_nan_layer_is_flagged_and_the_rest_examined():
    good = torch.randn(32, 32, generator=torch.Generator().manual_seed(3))
    bad = good.clone()
    bad[3, 4], bad[5, 6] = float("nan"), float("inf")
    result = analyze({"good": good, "bad": bad})
    assert result["bad"].label == "not-finite"
    assert "2 of 1,024" in result["bad"].description.evidence
    assert math.isnan(result["bad"].alpha_hill)
    assert math.isfinite(result["good"].alpha_hill)
    assert result.summary["alpha_hill"]["layers"] == 1


def test_zero_layer_and_constant_layer():
    result = analyze({"zero": torch.zeros(32, 32), "flat": torch.ones(32, 40)})
    assert result["zero"].label == "dead"
    assert result["zero"].rank == 0
    assert result["flat"].label == "rank-deficient"
    assert result["flat"].rank == 1
    assert "1 non-zero" in " ".join(result["flat"].notes)


def test_orthogonal_layer_has_no_power_law():
    result = analyze({"eye": torch.eye(32)})
    layer = result["eye"]
    assert layer.stable_rank == pytest.approx(32)
    assert layer.entropy == pytest.approx(1)
    assert layer.label == "no-fit"


def test_random_layers_are_random_like_and_few_are_missed():
    torch.manual_seed(0)
    layers = {f"w{i}": torch.randn(100, 100 + 40 * i) for i in range(30)}
    labels = [layer.label for layer in analyze(layers)]
    assert labels.count("random-like") >= 27  # a 99 % band and a rare false spike


def test_a_learned_direction_is_not_random_like():
    torch.manual_seed(0)
    W = torch.randn(100, 200) + 3 * torch.outer(torch.randn(100), torch.randn(200)) / 10
    layer = analyze({"w": W})["w"]
    assert layer.spikes == 1
    assert layer.label != "random-like"


# --- null, interval, invariants of the table -----------------------------------------------------


@pytest.mark.parametrize("xmin", ["median", "third", 0.25])
def test_null_and_interval(xmin):
    torch.manual_seed(0)
    layer = analyze({"w": torch.randn(200, 800)}, xmin=xmin)["w"]
    fraction = {"median": 0.5, "third": 1 / 3}.get(xmin, xmin)
    assert layer.alpha_null == marchenko_pastur_alpha(0.25, fraction)
    assert layer.alpha_hill_low < layer.alpha_hill < layer.alpha_hill_high
    assert layer.alpha_excess_low < layer.alpha_excess < layer.alpha_excess_high
    assert layer.alpha_excess_low < 1 < layer.alpha_excess_high
    assert layer.alpha_excess == (layer.alpha_hill - 1) / (layer.alpha_null - 1)


def test_without_a_band_nothing_is_called_random():
    layer = analyze({"w": torch.randn(200, 800)}, xmin=0.1)["w"]
    assert math.isnan(layer.alpha_null_low)
    assert layer.label != "random-like"
    assert any("no band" in note for note in layer.notes)


def test_aspect_ratio_does_not_move_the_excess():
    torch.manual_seed(0)
    result = analyze({"square": torch.randn(400, 400), "wide": torch.randn(400, 1600)})
    square, wide = result
    assert wide.alpha_hill - square.alpha_hill > 1.2
    assert wide.alpha_excess == pytest.approx(square.alpha_excess, abs=0.05)


def test_two_to_six_is_only_for_the_ks_exponent():
    W = torch.randn(128, 128, generator=torch.Generator().manual_seed(0))
    W = W + torch.outer(W[0], W[1])  # one learned direction, so not random-like
    for fit in ("peak", "small", "peak-reference"):
        assert analyze({"w": W}, fit=fit)["w"].label == "no-fit"


def test_shuffled_and_truncated_metrics():
    torch.manual_seed(0)
    W = torch.randn(80, 120) + torch.outer(torch.randn(80), torch.randn(120))
    W[0, 0] = 60.0  # a single huge entry: a trap
    one = analyze({"w": W}, metrics=("shuffle", "tpl"), seed=5)["w"].extras
    two = analyze({"w": W}, metrics=("shuffle", "tpl"), seed=5)["w"].extras
    assert one == two
    assert one["shuffled_traps"] == 1
    assert 0 < one["shuffled_distance"] < 1
    assert one["tpl_gain"] >= 0


# --- the result -----------------------------------------------------------------------------------


def test_result_round_trip(tmp_path):
    torch.manual_seed(0)
    source = {"a.weight": torch.randn(32, 48), "b": torch.full((32, 32), float("nan"))}
    result = analyze({**source, "c": torch.zeros(7)}, metrics=("tpl",))
    path = result.save(tmp_path / "result.json")
    text = path.read_text()
    json.loads(text, parse_constant=pytest.fail)  # NaN and Infinity are not JSON
    back = SpectraResult.load(path)
    assert isinstance(load(path), SpectraResult)
    assert back == result
    assert back.frame().shape == result.frame().shape
    with pytest.raises(InputError, match="does not hold the eigenvalues"):
        back.save_eigenvalues(tmp_path / "e.npz")
    saved = result.save_eigenvalues(tmp_path / "e.npz")
    with np.load(saved) as arrays:
        np.testing.assert_array_equal(arrays["a"], result["a"].eigenvalues)


def test_names_that_scripts_rely_on():
    data = analyze(nn.Sequential(nn.Linear(32, 32))).to_dict()
    assert {"schema", "environment", "summary", "layers", "skipped"} <= data.keys()
    assert {"name", "kind", "block", "shape", "dtype", "tensors"} <= data["layers"][0][
        "layer"
    ].keys()
    numbers = (
        "matrices n_eigenvalues alpha_hill alpha_hill_low alpha_hill_high alpha_null alpha_excess "
        "alpha_ks xmin ks_distance tail_size stable_rank spectral_norm lambda_max log_norm entropy "
        "rank spikes row_dispersion description"
    )
    assert set(numbers.split()) <= data["layers"][0].keys()
    layer = data["layers"][0]
    assert layer["lambda_max"] == pytest.approx(layer["spectral_norm"] ** 2)
    assert {"name", "shape", "reason"} <= data["skipped"][0].keys()
    assert {"label", "rule", "evidence", "not_told", "consequence"} == set(layer["description"])


def test_pictures_are_drawn(tmp_path):
    from eigenscape.results import new_figure
    from eigenscape.spectra._pictures import draw_spectrum

    torch.manual_seed(0)
    result = analyze({"w": torch.randn(64, 64), "bad": torch.full((32, 32), float("nan"))})
    one = new_figure()
    draw_spectrum(one.subplots(), result["w"])
    for number, figure in enumerate((result.plot(), one)):
        target = tmp_path / f"{number}.png"
        figure.savefig(target)
        assert target.stat().st_size > 5_000
    draw_spectrum(new_figure().subplots(), result["bad"])


def test_unknown_layer_teaches():
    with pytest.raises(KeyError, match="no row 'x'"):
        analyze({"w": torch.randn(32, 32)})["x"]


def test_nothing_examined_is_still_a_result():
    result = analyze({"bias": torch.zeros(4)})
    assert len(result) == 0
    assert result.frame().empty
    assert result.summary["layers"] == 0
