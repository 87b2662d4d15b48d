"""``--jobs``, ``--engine`` and ``--address`` mean the same in every long verb."""

import json

import numpy as np
import pytest

from eigenscape.cli import main
from eigenscape.landscape import Landscape

PROBE = """
import torch
from torch import nn

def build():
    print("hello from the probe")
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
    return model, nn.functional.cross_entropy, (torch.randn(20, 4), torch.arange(20) % 3)
"""
LONG = ["spectra", "checkup", "allocate", "landscape", "hessian", "study", "diagnose grow"]


@pytest.fixture
def probe(tmp_path):
    path = tmp_path / "probe.py"
    path.write_text(PROBE)
    return f"{path}:build"


def run(capsys, *words):
    code = main([str(word) for word in words])
    return code, *capsys.readouterr()


@pytest.mark.parametrize("verb", LONG)
def test_every_long_verb_has_the_same_options(verb, capsys):
    with pytest.raises(SystemExit):
        main([*verb.split(), "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for option in ("--jobs N", "--engine {threads,local,dask,ray}", "--address HOST:PORT"):
        assert option in text


@pytest.mark.parametrize("verb", ["landscape", "hessian"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--jobs", "0"], "--jobs is '0'; expected a whole number of 1 or more. Try: --jobs 2"),
        (["--address", "tcp://host:8786"], "--address is for clusters; --engine is local"),
    ],
)
def test_what_makes_no_sense_is_refused(verb, words, said, probe, capsys):
    code, out, err = run(capsys, verb, "--probe", probe, *words)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize(
    ("engine", "package", "address"),
    [("dask", "distributed", "tcp://127.0.0.1:1"), ("ray", "ray", "127.0.0.1:1")],
)
@pytest.mark.slow
def test_an_address_where_nobody_answers_is_named(engine, package, address, probe, capsys):
    pytest.importorskip(package)
    words = ("--engine", engine, "--address", address, "--steps", "3", "--quiet")
    code, out, err = run(capsys, "landscape", "--probe", probe, *words)
    assert (code, out) == (2, "")
    assert f"answers at {address}" in err


def test_threads_and_this_process_give_the_same_grid_and_clean_output(probe, tmp_path, capsys):
    found = []
    for jobs in (1, 2):
        code, out, _ = run(
            capsys,
            "landscape",
            "--probe",
            probe,
            "--steps",
            "9",
            "--jobs",
            jobs,
            "--engine",
            "threads",
            "--out",
            tmp_path / str(jobs),
            "--format",
            "json",
            "--quiet",
        )
        assert code == 0
        assert json.loads(out)["minima"] >= 1
        found.append(Landscape.load(tmp_path / str(jobs) / "landscape.json").values)
    assert np.array_equal(*found)


def test_a_relative_run_folder_is_the_callers(probe, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("--steps", "5", "--run", "run", "--out", "out", "--quiet")
    assert run(capsys, "landscape", "--probe", probe, *words)[0] == 0
    assert list((tmp_path / "run").glob("points_*.npz"))
    assert (tmp_path / "out" / "landscape.json").exists()


LOCKED = (
    PROBE
    + """
import threading

class Locked(nn.Linear):
    def __init__(self):
        super().__init__(4, 3)
        self.lock = threading.Lock()

def locked():
    _, loss, data = build()
    return Locked(), loss, data
"""
)


@pytest.mark.slow
def test_a_probe_that_does_not_pickle_is_run_by_each_worker(tmp_path, capfd, monkeypatch):
    (tmp_path / "locked.py").write_text(LOCKED)
    monkeypatch.chdir(tmp_path)
    found = []
    for jobs in ("1", "2"):
        words = ["--steps", "7", "--jobs", jobs, "--out", jobs, "--format", "json", "--quiet"]
        assert main(["landscape", "--probe", "locked.py:locked", *words]) == 0
        assert json.loads(capfd.readouterr().out)["minima"] >= 1
        found.append(Landscape.load(tmp_path / jobs / "landscape.json").values)
    assert np.array_equal(*found)
