"""Damaged files of every kind that is read: no exception but ours, no memory, no other file."""

import json
import subprocess
import sys

import pytest

from tests import _fuzz

#: Other seeds find other faults: ``python -m tests._fuzz KIND SEED 60 FOLDER``.
SEED, SECONDS, FEWEST = 20261201, 2.5, 10


@pytest.mark.slow
@pytest.mark.parametrize("kind", _fuzz.KINDS)
def test_damaged_files_are_refused_or_read(kind, tmp_path):
    words = [sys.executable, "-m", "tests._fuzz", kind, str(SEED), str(SECONDS), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]  # a signal has a negative code
    *faults, last = map(json.loads, done.stdout.splitlines())
    assert faults == []
    assert last["done"] >= FEWEST


def test_the_harness_sees_a_fault_of_each_kind(tmp_path, capsys, monkeypatch):
    (outside := tmp_path / "outside.txt").write_text("secret")
    (folder := tmp_path / "inside").mkdir()
    reads = iter([None, KeyError("a"), MemoryError(), None])

    def read(path):
        if isinstance(error := next(reads, None), BaseException):
            raise error
        outside.read_text()

    def make(place):
        (place / "seed").write_bytes(b"12345")
        return place / "seed"

    monkeypatch.setitem(_fuzz.KINDS, "made", (make, read))
    monkeypatch.setattr(_fuzz, "_limit_memory", lambda: None)  # of this process
    monkeypatch.setattr(_fuzz, "MOST", 4)
    _fuzz.fuzz("made", 0, 60.0, folder)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["case"] for line in lines if "error" in line] == [0, 1]
    assert {line["opened"] for line in lines if "opened" in line} == {str(outside)}
    assert lines[-1] == {"done": 4, "refused": 0}


@pytest.mark.slow
def test_the_memory_limit_holds():
    code = (
        "import numpy as np\nfrom tests import _fuzz\n_fuzz._limit_memory()\n"
        "try:\n    np.zeros(2 * _fuzz.MEMORY_LIMIT, dtype=np.uint8)\n"
        "except MemoryError:\n    print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "refused\n", done.stderr[-500:]
