"""eigenscape perplexity."""

import json

import numpy as np
import pytest

from eigenscape.cli import main
from eigenscape.models import Perplexity
from tests._data import data_file

PROBE = """
from eigenscape.models import build
from eigenscape.zoo import GPT

def letters(text):
    return [ord(letter) - 32 for letter in text]

def model():
    print("building")
    return build(lambda: GPT(vocabulary=96, width=16, depth=1, heads=2, context=32))

def pair():
    return model(), letters

def nothing():
    return 3
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "probe.py").write_text(PROBE)
    (tmp_path / "t.txt").write_text("It was the best of times, it was the worst of times. " * 4)
    (tmp_path / "short.txt").write_text("It was")
    np.save(tmp_path / "ids.npy", np.arange(90))
    return tmp_path


def test_a_text_is_scored_by_a_module_with_its_tokenizer(files, capsys):
    out = files / "out"
    words = ["perplexity", f"{files / 'probe.py'}:pair", "--text", str(files / "t.txt")]
    assert main([*words, "--format", "json", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert "building" in printed.err
    assert found["tokens"] == 4 * 53 - 1
    assert 60 < found["value"] < 150  # untrained: about the size of the vocabulary, 96
    assert found["interval"][0] < found["value"] < found["interval"][1]
    assert Perplexity.load(out / "perplexity.json").value == found["value"]
    assert (out / "perplexity.png").stat().st_size > 1000
    assert main([*words, "--windows", "2", "--length", "8", "--stride", "8"]) == 0
    assert "14" in capsys.readouterr().out
    assert main([*words, "--format", "csv"]) == 0
    assert capsys.readouterr().out.startswith("window,tokens,nll,perplexity")


def test_ids_need_no_tokenizer_and_a_short_text_is_one_window(files, capsys):
    probe = f"{files / 'probe.py'}:model"
    assert main(["perplexity", probe, "--text", str(files / "ids.npy"), "--format", "md"]) == 0
    assert "| 89 |" in capsys.readouterr().out
    pair = f"{files / 'probe.py'}:pair"
    assert main(["perplexity", pair, "--text", str(files / "short.txt")]) == 0
    assert "no interval" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ("probe.py:model", ["--text", "t.txt"], "no tokenizer"),
        ("probe.py:nothing", ["--text", "t.txt"], "expected a module"),
        ("probe.py:absent", ["--text", "t.txt"], "absent"),
        ("probe.py:pair", ["--text", "none.txt"], "cannot read"),
        ("probe.py:pair", ["--text", "t.txt", "--length", "64"], "takes 32"),
        ("probe.py:pair", ["--text", "t.txt", "--length", "1"], "--length is '1'"),
        ("probe.py:pair", ["--text", "t.txt", "--windows", "999"], "expected 1 to"),
        ("probe.py:pair", ["--text", "t.txt", "--device", "warp"], "--device warp"),
        ("t.txt", ["--text", "t.txt"], "not a supported checkpoint"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(files, capsys, monkeypatch, model, options, words):
    monkeypatch.chdir(files)
    assert main(["perplexity", model, *options]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert words in printed.err.splitlines()[-1]


def test_a_hugging_face_folder(capsys):
    pytest.importorskip("transformers")
    folder = data_file("stories260k")
    samples = data_file("stories260k/own_samples_512x256.npy")
    words = ["perplexity", str(folder), "--text", str(samples), "--windows", "16"]
    assert main([*words, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["nll"] == pytest.approx(1.26717, abs=1e-4)
