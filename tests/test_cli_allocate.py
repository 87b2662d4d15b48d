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
    assert (code, err) == (0, "")
    assert "blocks.2.fc" in out
    words = " ".join(out.split())
    assert words.startswith(
        "Experts by alphalora: achieved 160 (target 160) in sum, 17 to 96 over 3 blocks, in 300 "
        "parameters; alpha has no standard errors, so whether its spread is noise is not known."
    )


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
    assert data["answer"].startswith("Learning-rate factors by tb_sigmoid: achieved ")
    assert "in 7,168 of 7,232 parameters (99.1 %)" in data["answer"]
    assert err.count("wrote") == 3
    assert "alpha_excess" in (tmp_path / "out" / "allocation.svg").read_text()
    assert "<svg" in (tmp_path / "out" / "report.html").read_text()
    assert run(capsys, *words)[0] == 0  # its own files may be written again


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
    code, out, err = run(capsys, "lr", model)
    assert code == 0
    assert "the range is narrowed to 0 of its width" in err
    assert "noise can explain all of the spread of alpha_excess" in " ".join(out.split())
    code, out, err = run(capsys, "lr", model, "--no-noise-aware")
    assert (code, err.count("narrowed")) == (0, 0)
    assert "alpha_hill tells 0 of 2 layers apart" in " ".join(out.split())


def test_a_layer_that_is_not_finite_is_named_and_can_be_left_out(capsys, tmp_path):
    torch.manual_seed(0)
    weights = {f"{name}.weight": torch.randn(48, 48) for name in "abc"}
    weights["b.weight"][3, 3] = torch.nan
    path = save_checkpoint(weights, tmp_path / "nan.safetensors")
    code, out, err = run(capsys, "lr", path)
    assert (code, out) == (2, "")
    assert "b: alpha_excess is missing or not a finite number. Try: leave the layer out" in err
    code, out, _ = run(capsys, "lr", path, "--exclude", "b", "--format", "json")
    assert (code, list(json.loads(out)["layers"])) == (0, ["a", "c"])
    assert json.loads(out)["parameters_total"] == 3 * 48 * 48


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sparsity", "METRIC", "--sparsity", "1.2"), "at most 1"),
        (("sparsity", "METRIC"), "needs a total"),
        (("experts", "METRIC", "--total", "2"), "cannot be reached"),
        (("lr", "METRIC", "--rule", "nope"), "expected one of tb_linear"),
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


def test_wrong_options_cost_no_examination(capsys, model, monkeypatch):
    def analyze(*_, **__):
        raise AssertionError("the options were to be checked first")

    monkeypatch.setattr("eigenscape.spectra.analyze", analyze)
    for words, said in ((("sparsity", model), "needs a total"), (("lr", model, "--of", "x"), "of")):
        code, out, err = run(capsys, *words)
        assert (code, out) == (2, "")
        assert said in err
