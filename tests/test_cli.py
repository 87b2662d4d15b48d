"""The command as a stranger uses it: exit codes, streams, gates, and bad input."""

import contextlib
import io
import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from eigenscape.checkpoints import save_checkpoint
from eigenscape.cli import main


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
    code = main([str(word) for word in words])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_json_is_alone_on_standard_output(capsys, model):
    code, out, _ = run(capsys, "spectra", model, "--format", "json")
    data = json.loads(out)
    assert code == 0
    assert data["schema"] == "eigenscape.spectra/1"
    assert [row["layer"]["name"] for row in data["layers"]] == ["a", "b"]


@pytest.mark.parametrize("form", ["table", "csv", "md"])
def test_other_formats(capsys, model, form):
    code, out, err = run(capsys, "spectra", model, "--format", form)
    assert code == 0
    assert "random-like" in out
    assert "not examined (1" in err


def test_options_reach_the_examination(capsys, model):
    words = (
        "--xmin",
        "third",
        "--hill",
        "paper",
        "--fit",
        "small",
        "--min-eigenvalues",
        "8",
        "--include",
        "a",
        "--metrics",
        "tpl,shuffle",
        "--precision",
        "float32",
        "--seed",
        "4",
    )
    _, out, _ = run(capsys, "spectra", model, "--format", "json", *words)
    data = json.loads(out)
    assert [row["layer"]["name"] for row in data["layers"]] == ["a"]
    assert data["options"]["xmin"] == "third"
    assert data["environment"]["seed"] == 4
    assert {"tpl_alpha", "shuffled_distance"} <= data["layers"][0]["extras"].keys()
    assert data["layers"][0]["route"] == "gram-float32"


def test_gate(capsys, model):
    code, _, err = run(capsys, "spectra", model, "--fail-on", "random-like,below-range", "--quiet")
    assert code == 1
    assert "gate: 2 random-like" in err
    assert run(capsys, "spectra", model, "--fail-on", "not-finite")[0] == 0


def test_files(capsys, model, tmp_path):
    out = tmp_path / "out"
    eigenvalues = tmp_path / "e.npz"
    run(capsys, "spectra", model, "--out", out, "--save-eigenvalues", eigenvalues)
    assert {p.name for p in out.iterdir()} == {"result.json", "layers.csv"}
    assert eigenvalues.stat().st_size > 0
    assert run(capsys, "report", out / "result.json", "--out", out)[0] == 0
    assert (out / "report.html").stat().st_size > 5_000


def test_checkup_of_a_path(capsys, model, tmp_path):
    code, out, err = run(capsys, "checkup", model, "--out", tmp_path / "out")
    assert code == 0
    assert out.startswith("All 2 layers (99% of ")
    assert "1. Random-like spectrum in 2 of 2 layers: " in out
    assert "- 2 layers examined" in out
    assert "- What the spectra are: 2 random-like" in out
    assert "held-out loss does" in " ".join(out.split())
    assert "report.html" in err
    data = json.loads((tmp_path / "out/result.json").read_text())
    assert data["schema"] == "eigenscape.checkup/1"
    code, _, _ = run(capsys, "report", tmp_path / "out/result.json", "--out", tmp_path / "again")
    assert code == 0


def test_checkup_without_a_path(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "122")  # as wide as the README's session
    code, out, _ = run(capsys, "checkup", "--out", tmp_path)
    assert code == 0
    assert "tiny_learning_rate" in out
    assert {p.name for p in tmp_path.iterdir()} == {
        "healthy.safetensors",
        "sick.safetensors",
        "result.json",
        "report.html",
    }
    data = json.loads((tmp_path / "result.json").read_text())["examined"]
    labels = {layer["description"]["label"] for layer in data["tiny_learning_rate"]["layers"]}
    assert labels == {"random-like"}
    healthy = {layer["description"]["label"] for layer in data["healthy"]["layers"]}
    assert "random-like" not in healthy
    # the README's session has the same sentences; its digits may differ between processors
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    quoted = readme[readme.index("Two equal networks saw") :]
    quoted = quoted[: quoted.index("```")]
    assert without_digits(out) == without_digits(quoted)
    the_gate_of_the_readme(capsys, readme, tmp_path)


def the_gate_of_the_readme(capsys, readme, folder):
    """Passes the same network, and not the sick one: the demonstration's checkpoints have both."""
    [command] = re.findall(r"eigenscape (compare .*--fail-on \S+)", readme)
    healthy, sick = (folder / f"{name}.safetensors" for name in ("healthy", "sick"))
    for after, expected in ((healthy, 0), (sick, 1)):
        swap = {"before.pt": healthy, "after.pt": after}
        code, _, err = run(capsys, *(swap.get(word, word) for word in command.split()))
        assert code == expected
        assert err.count("gate: ") == 2 * expected  # the biases and norms are no part of it
        assert err.count("alpha_excess_change") == 2 * expected


def without_digits(text):
    return re.sub(r"-?[\d.]*\d", "#", " ".join(text.split()))


def test_compare_and_its_gates(capsys, model, tmp_path):
    torch.manual_seed(0)
    weights = {"a.weight": torch.randn(48, 64), "b.weight": torch.randn(64, 64)}
    weights["a.weight"] += torch.outer(torch.randn(48), torch.randn(64))
    other = save_checkpoint(weights, tmp_path / "other.safetensors")
    assert run(capsys, "compare", model, other)[0] == 0
    code, _, err = run(capsys, "compare", model, other, "--fail-on", "weights=0.1,spectrum")
    assert code == 1
    assert "gate: a: weight_change" in err
    code, out, _ = run(capsys, "compare", model, other, "--format", "json", "--out", tmp_path / "o")
    assert json.loads(out)["changes"][0]["state"] == "spectrum"
    assert (tmp_path / "o/report.html").exists()
    assert run(capsys, "compare", model, other, "--fail-on", "alpha=x")[0] == 2


def test_doctor(capsys):
    code, out, _ = run(capsys, "doctor", "--format", "json")
    assert code == 0
    assert json.loads(out)["sound"] is True


# --- bad input: one sentence, exit code 2, nothing overwritten ------------------------------------


def bad_inputs(folder):
    """Name -> a path that cannot be examined, and a word that the error must hold."""

    class Malicious:
        def __reduce__(self):
            return (os.system, (f"touch {folder}/it-ran",))

    (folder / "empty-folder").mkdir()
    (folder / "empty.safetensors").touch()
    save_checkpoint({"w": torch.randn(64, 64)}, folder / "whole.safetensors")
    whole = (folder / "whole.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    (folder / "noise.safetensors").write_bytes(os.urandom(3000))
    with (folder / "evil.pt").open("wb") as handle:
        pickle.dump(Malicious(), handle)
    torch.save(nn.Linear(32, 32), folder / "module.pt")
    torch.save({}, folder / "nothing.pt")
    (folder / "sharded").mkdir()
    (folder / "sharded/model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"w": "model-00001-of-00001.safetensors"}})
    )
    (folder / "text.pt").write_text("hello")
    return {
        "missing.pt": "no such file",
        "empty-folder": "weights",
        "empty.safetensors": "empty",
        "cut.safetensors": "truncated",
        "noise.safetensors": "safetensors",
        "evil.pt": "code",
        "module.pt": "state_dict",
        "nothing.pt": "tensor",
        "sharded": "model-00001-of-00001.safetensors",
        "text.pt": "text.pt",
    }


def test_bad_input_teaches(capsys, tmp_path):
    for name, word in bad_inputs(tmp_path).items():
        code, out, err = run(capsys, "spectra", tmp_path / name)
        assert (code, out) == (2, ""), name
        assert err.startswith("eigenscape: "), name
        assert word in err, (name, err)
        assert "Traceback" not in err
    assert not (tmp_path / "it-ran").exists()


def test_sick_weights_are_examined_as_far_as_they_go(capsys, tmp_path):
    nan = torch.randn(32, 32)
    nan[0, 0] = float("nan")
    weights = {
        "nan": nan,
        "zero": torch.zeros(32, 32),
        "one": torch.ones(1, 1),
        "quantized.weight": torch.ones(32, 32, dtype=torch.int8),
        "good": torch.randn(32, 32),
        "odd": torch.randn(20, 30, 40),
    }
    path = save_checkpoint(weights, tmp_path / "sick.safetensors")
    code, out, err = run(capsys, "spectra", path)
    assert code == 0
    for word in ("not-finite", "dead", "random-like"):
        assert word in out
    for word in ("1 x 1", "integer-quantized weights (int8)", "--kind"):
        assert word in err or "single number" in err


@pytest.mark.parametrize(
    "words",
    [
        ["--xmin", "2"],
        ["--fit", "best"],
        ["--metrics", "all,x"],
        ["--kind", "nothing"],
        ["--conv", "x"],
        ["--min-eigenvalues", "0"],
    ],
)
def test_bad_options_teach(capsys, model, words):
    code, out, err = run(capsys, "spectra", model, *words)
    assert (code, out) == (2, "")
    assert err.startswith("eigenscape: ")


def test_nothing_foreign_is_overwritten(capsys, model, tmp_path):
    out = tmp_path / "mine"
    out.mkdir()
    (out / "report.html").write_text("my own page")
    code, _, err = run(capsys, "checkup", model, "--out", out)
    assert code == 2
    assert "not overwritten" in err
    assert (out / "report.html").read_text() == "my own page"
    assert not (out / "result.json").exists()


def test_an_input_is_never_an_output(capsys, model, tmp_path):
    run(capsys, "spectra", model, "--out", tmp_path / "r")
    saved = tmp_path / "r/result.json"
    before = saved.read_bytes()
    code, _, err = run(capsys, "report", saved, "--out", saved)
    assert code == 2
    assert saved.read_bytes() == before
    assert "eigenscape: " in err


def test_unwritable_output(capsys, model, tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("x")
    code, _, err = run(capsys, "spectra", model, "--out", blocker / "sub")
    assert code == 2
    assert "cannot be made a folder" in err


def test_no_space_left(capsys, model, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    code, _, err = run(capsys, "spectra", model, "--out", tmp_path / "out")
    assert code == 2
    assert "No space left on device (" in err
    assert "are free" in err
    assert list((tmp_path / "out").iterdir()) == []


def test_a_page_of_weights_is_written_by_the_check_up(capsys, model, tmp_path):
    code, _, err = run(capsys, "report", model, "--out", tmp_path)
    assert code == 2
    assert "holds weights; expected a result" in err
    assert err.endswith(f"Try: eigenscape checkup {model}\n")


def test_bad_result_files(capsys, tmp_path):
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "b.json").write_text("[1]")
    (tmp_path / "c.json").write_text('{"schema": "eigenscape.spectra/1"}')
    for name, word in (
        ("a", "schema"),
        ("b", "object"),
        ("c", "are missing"),
        ("d", "cannot read"),
    ):
        code, _, err = run(capsys, "report", tmp_path / f"{name}.json", "--out", tmp_path)
        assert code == 2
        assert word in err


# --- the process itself ---------------------------------------------------------------------------


def test_help_does_not_import_torch():
    code = """import sys; from eigenscape.cli import main
try: main(['--help'])
except SystemExit: pass
print('torch' in sys.modules, 'numpy' in sys.modules)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False False"


def test_import_prints_nothing_and_is_lazy():
    code = "import sys, eigenscape; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_a_diagnosis_without_a_population_says_what_it_needs(capsys):
    code, _, err = run(capsys, "diagnose", "probe.py:model")
    assert code == 2
    assert err.startswith("eigenscape: a diagnosis needs a population, --population POP")


def test_version(capsys):
    with pytest.raises(SystemExit) as leave:
        main(["--version"])
    assert leave.value.code == 0
    assert capsys.readouterr().out.startswith("eigenscape 0.")


def test_help_names_every_choice():
    from eigenscape.layers._options import CONVOLUTIONS
    from eigenscape.spectra import costly_metrics
    from eigenscape.spectra._options import FITS, PRECISIONS

    done = subprocess.run(
        [sys.executable, "-m", "eigenscape", "spectra", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for choice in (*FITS, *CONVOLUTIONS, *costly_metrics(), *PRECISIONS):
        assert choice in done.stdout


def test_every_option_of_an_examination_has_a_flag_and_keeps_its_default():
    from dataclasses import fields

    from eigenscape.cli._main import make_parser
    from eigenscape.cli._verb import spectra_options
    from eigenscape.spectra import SpectraOptions

    known = vars(make_parser().parse_args(["spectra", "model.pt"]))
    told = spectra_options(make_parser().parse_args(["spectra", "model.pt"]))
    names = {field.name for field in fields(SpectraOptions)}
    shown = make_help("spectra")
    flags = {name: "--kind" if name == "kinds" else f"--{name.replace('_', '-')}" for name in names}
    assert [name for name, flag in flags.items() if f"{flag} " not in shown] == []
    assert SpectraOptions(**{name: told[name] for name in names & told.keys()}) == SpectraOptions()
    assert known["path"] == "model.pt"


def make_help(verb):
    from eigenscape.cli._main import make_parser

    with contextlib.redirect_stdout(io.StringIO()) as text, pytest.raises(SystemExit):
        make_parser().parse_args([verb, "--help"])
    return text.getvalue()


def test_an_unknown_fault_is_refused_before_anything_is_trained(tmp_path, capsys):
    from eigenscape.cli import main

    assert main(["checkup", "--fault", "flu", "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert "--fault is 'flu'; expected tiny_learning_rate, " in told
    assert "training" not in told


@pytest.mark.parametrize("verb", ["spectra", "checkup", "compare", "allocate lr"])
def test_empty_placeholders_are_refused(capsys, tmp_path, verb):
    names = ("a.weight", "b.weight")
    torch.save({**{n: torch.empty(0) for n in names}, "b.bias": torch.ones(4)}, tmp_path / "z.pt")
    words = [*verb.split(), tmp_path / "z.pt", *([tmp_path / "z.pt"] if verb == "compare" else [])]
    if verb == "checkup":
        words += ["--out", tmp_path / "out"]
    code, _, err = run(capsys, *words)
    assert code == 2
    assert "ZeRO" in err


def test_a_gate_does_not_pass_on_what_it_did_not_see(capsys, tmp_path):
    torch.save({"a.weight": torch.randn(64, 64), "b.weight": torch.empty(0)}, tmp_path / "part.pt")
    assert run(capsys, "spectra", tmp_path / "part.pt")[0] == 0
    code, _, err = run(capsys, "spectra", tmp_path / "part.pt", "--fail-on", "not-finite")
    assert code == 1
    assert "1 empty" in err
    torch.save({"b.bias": torch.ones(4)}, tmp_path / "bias.pt")
    for verb in (["spectra"], ["checkup", "--out", tmp_path / "out"]):
        for gate in ([], ["--fail-on", "not-finite"]):
            code, _, err = run(capsys, *verb, tmp_path / "bias.pt", *gate)
            assert code == 2
            assert "bias.pt has no layer that can be examined: 1 × a vector" in err
    assert not list((tmp_path / "out").iterdir())


def test_a_narrow_terminal_gets_fewer_columns_not_broken_words(model, monkeypatch, capsys):
    from eigenscape.cli._layer_tables import SPARE, layer_table
    from eigenscape.cli._tables import print_frame
    from eigenscape.spectra import analyze

    table = layer_table(analyze(model))
    words = {
        word for row in table.to_numpy().tolist() for cell in row for word in str(cell).split()
    }
    shown = {}
    for width in (30, 40, 80, 120, 170):
        monkeypatch.setenv("COLUMNS", str(width))
        print_frame(table, "table", spare=SPARE)
        shown[width] = capsys.readouterr().out
        assert all(len(line) <= width for line in shown[width].splitlines())
        told = shown[width].partition("(not shown")[0].replace(",", " ").split()
        assert set(told) - words <= {*" ".join(table.columns).split()}  # nothing but whole words
        assert "random-like" in told
    assert "(not shown at this width: interval, " in shown[80]
    assert "not shown" not in shown[170]
    print_frame(table, "csv", spare=SPARE)
    assert "interval" in capsys.readouterr().out
