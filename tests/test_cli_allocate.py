"""``eigenscape allocate`` as a stranger uses it."""

import json

import pytest
import torch

from eigenscape.checkpoints import save_checkpoint
from eigenscape.cli import main

ROWS = {
    f"blocks.{i}.fc": {"alpha": alpha, "parameters": 100, "block": f"blocks.{i}"}
    for i, alpha in enumerate((2.0, 3.0, 4.0))
}


@pytest.fixture
def metric(tmp_path):
    path = tmp_path / "METRIC.json"
    path.write_text(json.dumps(ROWS))
    return str(path)


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    weights = {
        "a.weight": torch.randn(48, 64),
        "b.weight": torch.randn(64, 64),
        "b.bias": torch.ones(64),
    }
    return str(save_checkpoint(weights, tmp_path / "model.safetensors"))


def run(capsys, *words):
    code = main(["allocate", *map(str, words)])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_sparsity_as_json(capsys, metric):
    words = ("sparsity", metric, "--sparsity", "0.7", "--epsilon", "0.2", "--rule", "alphapruning")
    code, out, _ = run(capsys, *words, "--format", "json")
    data = json.loads(out)
    assert code == 0
    assert list(data["layers"].values()) == pytest.approx([0.56, 0.7, 0.84])
    assert (data["total"], data["target"], data["clipped"]) == (pytest.approx(0.7), 0.7, [])
    assert (data["kind"], data["rule"]) == ("sparsity", "alphapruning")
    _, out, _ = run(capsys, *words, "--reference", "--format", "json")
    assert json.loads(out)["settings"]["reference"] is True


def test_experts_as_a_table(capsys, metric):
    code, out, err = run(capsys, "experts", metric, "--total", "160", "--beta", "2.5")
    assert code == 0
    assert "blocks.2.fc" in out
    assert "160, 160 asked for" in err


@pytest.mark.parametrize("kind", ["ranks", "bits"])
def test_other_kinds(capsys, metric, kind):
    total = {"ranks": 24, "bits": 4}[kind]
    code, out, _ = run(capsys, kind, metric, "--target", total, "--format", "json")
    data = json.loads(out)
    assert code == 0
    assert data["total"] == total
    assert all(isinstance(budget, int) for budget in data["layers"].values())


def test_learning_rates_of_a_checkpoint(capsys, model, tmp_path):
    words = ("lr", model, "--rule", "tb_sigmoid", "--s", "1", "--out", tmp_path / "out")
    code, out, err = run(capsys, *words, "--format", "json")
    data = json.loads(out)
    assert code == 0
    assert data["layers"].keys() == {"a", "b"}
    assert len(data["weights_hash"]) == 32
    assert json.loads((tmp_path / "out" / "allocation.json").read_text()) == data
    assert "wrote" in err
    assert run(capsys, *words)[0] == 0  # its own file may be written again


@pytest.mark.parametrize("form", ["csv", "md", "table"])
def test_other_formats(capsys, metric, form):
    code, out, _ = run(capsys, "lr", metric, "--format", form)
    assert code == 0
    assert "blocks.1.fc" in out
    assert "1.5" in out


def test_options_reach_the_allocation(capsys, metric):
    words = (
        "--rule",
        "shuffled",
        "--of",
        "tb_sigmoid",
        "--s",
        "2,1",
        "--tau",
        "4",
        "--seed",
        "7",
        "--group",
        "block",
        "--floor",
        "0.2",
        "--cap",
        "2",
    )
    _, out, _ = run(capsys, "lr", metric, "--format", "json", *words)
    settings = json.loads(out)["settings"]
    assert settings["s"] == [2.0, 1.0]
    assert (settings["tau"], settings["of"], settings["seed"]) == (4, "sigmoid", 7)
    assert (settings["group"], settings["floor"], settings["cap"]) == ("block", 0.2, 2)


def test_noise_of_a_checkpoint(capsys, model):
    code, _, err = run(capsys, "lr", model, "--noise-aware", "--column", "alpha_excess")
    assert code == 0
    assert "the range is narrowed to" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sparsity", "METRIC", "--sparsity", "1.2"), "at most 1"),
        (("sparsity", "METRIC"), "needs a total"),
        (("experts", "METRIC", "--total", "2"), "cannot be reached"),
        (("lr", "METRIC", "--rule", "nope"), "known: tb_linear"),
        (("lr", "METRIC", "--s", "high"), "--s expects a number"),
        (("lr", "METRIC", "--rule", "tb_sigmoid", "--s", "1,2,3"), "a pair of them"),
        (("lr", "nowhere.json"), "cannot read nowhere.json"),
        (("lr", "nowhere.safetensors"), "nowhere.safetensors"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_two(capsys, metric, words, message):
    code, out, err = run(capsys, *(metric if word == "METRIC" else word for word in words))
    assert code == 2
    assert out == ""
    assert message in err
    assert "Traceback" not in err


def test_bad_layers_are_all_named(capsys, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text('{"a": {"alpha": NaN}, "b": {"alpha": -1}, "c": {}, "d": 2.0}')
    code, _, err = run(capsys, "lr", path)
    assert code == 2
    assert all(f"{name}: alpha" in err for name in "abc")


def test_an_input_is_not_overwritten(capsys, tmp_path):
    path = tmp_path / "allocation.json"
    path.write_text(json.dumps(ROWS))
    code, _, err = run(capsys, "lr", path, "--out", tmp_path)
    assert code == 2
    assert "not overwritten" in err
    assert json.loads(path.read_text()) == ROWS
