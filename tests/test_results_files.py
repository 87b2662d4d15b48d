"""Atomic writing: what dead processes left, and full disks."""

import errno
import os
import time

import pytest
import torch

from eigenscape.checkpoints import save_checkpoint
from eigenscape.errors import OutputError
from eigenscape.results import _files, byte_words, replacing, write_text


def old(path, seconds):
    path.write_text("a part")
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def write_and_raise(target, text, error):
    with replacing(target) as temporary:
        temporary.write_text(text)
        raise error


def test_what_dead_processes_left_of_a_file_is_removed(tmp_path):
    target = tmp_path / "result.json"
    left = old(tmp_path / ".result.json.ab12cd34.part", 4000)
    living = old(tmp_path / ".result.json.zz12cd34.part", 60)
    others = [
        old(tmp_path / name, 4000)
        for name in (".other.json.ab12cd34.part", ".result.json.bak.ab12cd34.part", "result.part")
    ]
    write_text(target, "whole")
    assert not left.exists()
    assert living.exists()
    assert all(other.exists() for other in others)
    assert target.read_text() == "whole"


def test_nothing_is_left_of_a_write_that_failed(tmp_path):
    target = tmp_path / "result.json"
    target.write_text("before")
    with pytest.raises(ZeroDivisionError):
        write_and_raise(target, "half", ZeroDivisionError())
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
    assert target.read_text() == "before"


class Usage:
    free, total = 1_500_000, 10**9


def test_a_disk_too_small_is_said_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(_files.shutil, "disk_usage", lambda _: Usage)
    target = tmp_path / "edited.safetensors"
    with pytest.raises(OutputError) as told:
        save_checkpoint({"w": torch.zeros(1000, 1000)}, target)
    said = str(told.value)
    assert f"too little space ({tmp_path}: 4 MB or more are needed, 1.5 MB are free" in said
    assert list(tmp_path.iterdir()) == []
    save_checkpoint({"w": torch.zeros(500, 500)}, target)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_is_said_with_what_was_written(tmp_path, monkeypatch, number):
    monkeypatch.setattr(
        _files.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 0, "total": 1})
    )
    with pytest.raises(OutputError) as told:
        write_and_raise(tmp_path / "new" / "x.npz", "0" * 12_300, OSError(number, "full"))
    said = str(told.value)
    assert f"full ({tmp_path / 'new'}: 12.3 kB or more are needed" in said
    assert "0 bytes are free); nothing was changed there. Try: " in said
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a limit on the size of files")
def test_a_write_beyond_a_limit_names_the_file(tmp_path):
    import resource
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"could not write .*result\.json"):
            write_text(tmp_path / "result.json", "0" * 20_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (1.5e9, "1.5 GB"), (4e15, "4e+03 TB")],
)
def test_bytes_in_words(count, words):
    assert byte_words(count) == words
