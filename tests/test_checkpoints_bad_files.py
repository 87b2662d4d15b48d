"""Files that are broken, foreign or hostile: each gets an error that teaches, and none runs."""

import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from eigenscape.checkpoints import Patch, effective_weights, open_checkpoint, save_checkpoint
from eigenscape.errors import CheckpointError, OutputError, UnsafeCheckpointError
from tests._checkpoint_files import (
    RunsCode,
    in_new_process,
    quietly,
    raw_safetensors,
    weights,
    write_index,
    write_sharded,
)
from tests._properties import examples

# --- hostile pickles ----------------------------------------------------------------------------


def save_zipped(thing, path):
    torch.save({"state_dict": weights(), "extra": thing}, path)


def save_legacy(thing, path):
    torch.save({"w": thing}, path, _use_new_zipfile_serialization=False)


def save_pickled(thing, path):
    path.write_bytes(pickle.dumps(thing, protocol=2))


def save_pickled_anew(thing, path):
    path.write_bytes(pickle.dumps(thing, protocol=5))


@pytest.mark.parametrize("save", [save_zipped, save_legacy, save_pickled, save_pickled_anew])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(save, tmp_path):
    path, trace = tmp_path / "hostile.pt", tmp_path / "trace"
    save(RunsCode(trace), path)
    with pytest.raises(UnsafeCheckpointError, match=r"would run code that it names \(\w+\.mkdir\)"):
        open_checkpoint(path)
    assert not trace.exists()

    pickle.loads(pickle.dumps(RunsCode(trace)))  # the pickle does run where it is obeyed
    assert trace.exists()


def test_an_allowed_variable_of_the_environment_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    save_zipped(RunsCode(tmp_path / "trace"), tmp_path / "hostile.pt")
    with pytest.raises(UnsafeCheckpointError):
        open_checkpoint(tmp_path / "hostile.pt")
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("thing", "named"),
    [(nn.Linear(2, 2), r"torch\.nn\.modules\.linear\.Linear"), (np.float64(0.5), "scalar")],
)
def test_a_pickled_module_or_number_is_named_with_what_to_try(thing, named, tmp_path):
    torch.save({"state_dict": weights(), "thing": thing}, tmp_path / "a.pt")
    with pytest.raises(UnsafeCheckpointError) as caught:
        open_checkpoint(tmp_path / "a.pt")
    assert caught.match(named)
    assert caught.match(r"It was not run\. Try: .*torch\.save\(model\.state_dict\(\), path\)")
    assert "weights_only=False" not in str(caught.value)
    assert "weights_only" not in "".join(map(str, [caught.value.__cause__]))
    assert caught.value.__suppress_context__


# --- foreign files ------------------------------------------------------------------------------


@quietly
def torchscript(path):
    torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)).save(str(path))


def compressed(path):
    torch.save(weights(), path.with_suffix(".plain"))
    with (
        zipfile.ZipFile(path.with_suffix(".plain")) as plain,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))


def exported(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/models/model.json", "{}")


def zipped(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no weights")


def arrays(path):
    with path.open("wb") as file:
        np.savez(file, w=np.ones(2))


def protocol_4(path):
    torch.save(weights(), path, pickle_protocol=4)


def unknown_tar(path):
    path.write_bytes(b"x".ljust(257, b"\0") + b"ustar\x0000")


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize(
    ("content", "name", "seen"),
    [
        (b"", "a.pt", r"empty \(0 bytes\)"),
        (LFS, "model.safetensors", rf"Git LFS pointer of {len(LFS)} bytes.*git lfs pull"),
        (b"\n<!DOCTYPE html><html>", "a.safetensors", "web page.*download it again"),
        (b'{"a": 1}', "config.json", "JSON text.*give the folder"),
        (b"\x93NUMPY\x01\x00", "a.npy", "NumPy array.*torch.from_numpy"),
        (b"\x89HDF\r\n\x1a\n", "a.h5", "HDF5"),
        (b"\x08\x07\x12\x07pytorch", "a.onnx", "ONNX.*state dict of the model"),
        (b"\x1f\x8b\x08", "a.pt.gz", "gzip.*unpack"),
        (b"\x00\x01\x02\x03", "a.pt", r"begins with b'\\x00\\x01\\x02\\x03'; expected"),
        (b"cos\nmkdir\n(S'x'\ntR.", "a.pt", "not a supported checkpoint"),
        (torchscript, "a.pt", "TorchScript.*state_dict"),
        (exported, "a.pt2", r"torch\.export"),
        (compressed, "a.pt", "compressed after"),
        (zipped, "a.pt", r"zip archive, but not of torch\.save: it holds readme\.txt"),
        (arrays, "a.pt", "NumPy archive"),
        (protocol_4, "a.pt", "pickle protocol"),
        (unknown_tar, "a.pt", "tar archive"),
        (b"\x80\x04}\x94.", "a.pkl", "plain Python pickle.*not opened"),
    ],
)
def test_a_foreign_file_is_recognized(content, name, seen, tmp_path):
    path = tmp_path / name
    if callable(content):
        content(path)
    else:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"(?s)^{path}.*{seen}") as caught:
        open_checkpoint(path)
    assert "Try: " in str(caught.value)


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        ({}, "an empty dictionary and no tensors"),
        ({"epoch": 1}, r"keys epoch \(int\) and no tensors"),
        ({"model": nn.Linear(1, 1)}, r"keys model \(Linear\) and no tensors.*pass the module"),
        ({1: torch.ones(1)}, r"keys 1 \(Tensor\) and no tensors"),
    ],
)
def test_a_mapping_without_tensors_is_refused(content, seen):
    with pytest.raises(CheckpointError, match=seen):
        open_checkpoint(content)


def test_other_empty_or_unnamed_things_are_refused(tmp_path):
    torch.save(torch.ones(2, 3), tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"a single tensor of shape \(2, 3\) without a name"):
        open_checkpoint(tmp_path / "a.pt")
    torch.save([torch.ones(2)], tmp_path / "b.pt")
    with pytest.raises(CheckpointError, match="holds a list"):
        open_checkpoint(tmp_path / "b.pt")
    with pytest.raises(CheckpointError, match="holds no tensors"):
        open_checkpoint(raw_safetensors(tmp_path / "c.safetensors", {}))
    with pytest.raises(CheckpointError, match="module ReLU holds no tensors"):
        open_checkpoint(nn.ReLU())


@pytest.mark.parametrize("source", [3, None, "", [weights()]])
def test_other_sources_are_refused(source):
    with pytest.raises(CheckpointError, match="expected a module, a state dict, a path"):
        open_checkpoint(source)


# --- broken files -------------------------------------------------------------------------------


def stored(kind, path):
    if kind == "safetensors":
        save_file(weights(), path)
    else:
        torch.save(weights(), path, _use_new_zipfile_serialization=kind == "zip")
    return path


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95])
def test_a_truncated_file_is_refused_at_once(kind, kept, tmp_path):
    path = stored(kind, tmp_path / "a.bin")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(CheckpointError, match=r"Try: (compare|copy).*again"):
        open_checkpoint(path)


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
def test_damaged_bytes_open_and_read_or_raise_a_checkpoint_error(kind, tmp_path):
    whole = stored(kind, tmp_path / "whole").read_bytes()
    damaged = tmp_path / "damaged.pt"
    outcomes = set()

    @examples(150)
    @given(
        end=st.one_of(st.just(len(whole)), st.integers(0, len(whole))),
        changes=st.dictionaries(st.integers(0, len(whole) - 1), st.integers(0, 255), max_size=4),
    )
    def damage(end, changes):
        content = bytearray(whole)
        for place, byte in changes.items():
            content[place] = byte
        damaged.write_bytes(content[:end])
        try:
            checkpoint = open_checkpoint(damaged)
            for name, tensor in checkpoint.items():
                assert tuple(tensor.shape) == checkpoint.info(name).shape
            outcomes.add("read")
        except CheckpointError:
            outcomes.add("refused")

    damage()
    assert outcomes == {"read", "refused"}


def test_a_tensor_that_lies_about_its_size_is_refused(tmp_path):
    header = {"w": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4]}}
    with pytest.raises(CheckpointError, match="truncated or corrupt"):
        open_checkpoint(raw_safetensors(tmp_path / "a.safetensors", header, bytes(4)))
    torch.save({"w": torch.zeros(1).expand(1 << 45)}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"memory|truncated or corrupt"):
        open_checkpoint(tmp_path / "a.pt")["w"]


@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr])
def test_a_sparse_tensor_with_indices_outside_it_is_refused(layout, tmp_path):
    tensor = quietly(torch.eye(3).to_sparse)(layout=layout)
    indices = tensor._indices() if layout == torch.sparse_coo else tensor.col_indices()
    indices += 1 << 40  # torch itself would write there
    torch.save({"w": tensor}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"a\.pt cannot be read.*truncated or corrupt"):
        open_checkpoint(tmp_path / "a.pt")["w"]


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = stored("zip", tmp_path / "a.pt")

    def deny(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", deny)
    with pytest.raises(CheckpointError, match=r"cannot read .*Permission denied.*you may read it"):
        open_checkpoint(path)


def test_what_is_no_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="not a regular file"):
        open_checkpoint(tmp_path / "pipe")


@pytest.mark.parametrize("kind", ["safetensors", "zip"])
def test_a_file_that_goes_or_changes_after_opening(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("eigenscape.checkpoints._torch_file._MAPPED_BYTES", 1)
    path = stored(kind, tmp_path / "a.bin")
    checkpoint = open_checkpoint(path)
    checkpoint["first.bias"]
    stored(kind, path).rename(tmp_path / "gone")
    with pytest.raises(CheckpointError, match=r"a\.bin.*Try"):
        checkpoint["first.bias"]

    larger = {name: torch.zeros(9) for name in weights()}
    save_file(larger, path) if kind == "safetensors" else torch.save(larger, path)
    with pytest.raises(CheckpointError, match=r"first\.bias is now \(9,\).*was \(4,\).*open it"):
        checkpoint["first.bias"]


# --- saving -------------------------------------------------------------------------------------


def test_what_cannot_be_saved_is_named_at_once_and_nothing_is_written(tmp_path):
    bad = {
        "virtual": torch.ones(2, device="meta"),
        "wide": torch.ones(2, dtype=torch.complex128),
        "number": 3,
        7: torch.ones(1),
        "fine": torch.ones(1),
    }
    with pytest.raises(CheckpointError) as caught:
        save_checkpoint(bad, tmp_path / "a.safetensors")
    for problem in (
        "virtual is on the meta",
        "wide is of torch.complex128",
        "number is a int",
        "7 ",
    ):
        assert problem in str(caught.value)
    assert "fine" not in str(caught.value)
    with pytest.raises(CheckpointError, match="there are no tensors"):
        save_checkpoint({}, tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_only_when_asked(tmp_path):
    path = save_checkpoint(weights(), tmp_path / "a.safetensors")
    before = path.read_bytes()
    with pytest.raises(OutputError, match=r"exists and was not overwritten.*overwrite=True"):
        save_checkpoint({"w": torch.zeros(1)}, path)
    assert path.read_bytes() == before
    save_checkpoint({"w": torch.zeros(1)}, path, overwrite=True)
    assert list(open_checkpoint(path)) == ["w"]
    save_checkpoint(open_checkpoint(path), path, overwrite=True)
    assert open_checkpoint(path)["w"].tolist() == [0.0]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    from safetensors import SafetensorError

    path = save_checkpoint(weights(), tmp_path / "a.safetensors")
    before = path.read_bytes()

    def fail(tensors, filename, metadata):
        with open(filename, "wb") as file:
            file.write(b"half")
        raise SafetensorError("No space left on device")

    monkeypatch.setattr("eigenscape.checkpoints._save.save_file", fail)
    with pytest.raises(OutputError, match="No space left"):
        save_checkpoint({"w": torch.zeros(1)}, path, overwrite=True)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a.pt", "a", "folder.safetensors"])
def test_only_new_safetensors_files_are_written(name, tmp_path):
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(OutputError, match=r"Try: (use .*\.safetensors|give the path of a file)"):
        save_checkpoint(weights(), tmp_path / name, overwrite=True)


# --- names, and files that change ---------------------------------------------------------------


@pytest.mark.parametrize("shard", ["s" * 256, "t" * 5000, "a/" * 200 + "s" * 300])
def test_a_shard_with_a_name_that_no_file_can_have_is_missing(tmp_path, shard):
    write_index(tmp_path, {"w": f"{shard}.safetensors"})
    for path in (tmp_path, tmp_path / "model.safetensors.index.json"):
        with pytest.raises(CheckpointError, match=r"lacks 1 of 1 shard: .* \.\.\. ") as caught:
            open_checkpoint(path)
        assert len(str(caught.value)) < 400


def test_names_of_a_file_reach_no_terminal_raw(tmp_path):
    name = "evil\x1b[2J\r\n.weight"
    write_index(tmp_path, {name: "model-00001-of-00001.safetensors"})
    save_file({"w": torch.ones(2)}, tmp_path / "model-00001-of-00001.safetensors")
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(tmp_path)
    assert str(caught.value).isprintable()
    assert r"evil\x1b[2J\r\n.weight" in str(caught.value)


def test_a_mapped_file_that_is_cut_while_it_is_open_is_an_error_and_no_crash(tmp_path):
    program = """
import sys, os, torch
from eigenscape.checkpoints import open_checkpoint
from eigenscape.errors import CheckpointError
path = sys.argv[1]
checkpoint = open_checkpoint(path)
print(float(checkpoint["a"].sum()))
os.truncate(path, 3000)
try:
    checkpoint["b"]
except CheckpointError as error:
    print("refused")
"""
    path = tmp_path / "w.pt"
    torch.save({"a": torch.ones(1000), "b": torch.ones(100_000)}, path)
    assert in_new_process(program, path).split() == ["1000.0", "refused"]


@pytest.mark.parametrize("verb", ["analyze(held)", "compare(held, whole)", "checkup(held)"])
def test_examinations_of_a_file_that_is_cut_meanwhile_end_in_words(tmp_path, verb):
    """In threads, of which the second reads after the first has failed to open the file again."""
    program = f"""
import os, shutil, sys
from eigenscape import analyze, compare
from eigenscape.checkpoints import effective_weights, open_checkpoint
from eigenscape.checkup import checkup
from eigenscape.errors import EigenscapeError
path = sys.argv[1]
whole = shutil.copy(path, path + ".whole")
held = open_checkpoint(path)
effective = effective_weights(held)
names = [name for name in held if held[name].numel() > 0]
os.truncate(path, 70_000)
for read in (lambda: {verb}, *2 * [lambda: effective[names[1]], lambda: held[names[0]]]):
    try:
        read()
    except EigenscapeError:
        print("refused")
"""
    path = tmp_path / "w.pt"
    codes = torch.randn(64, 64).to(torch.float8_e4m3fn)
    weights = {f"l{n}.weight": torch.randn(128, 128) for n in range(3)}
    torch.save({**weights, "q.weight": codes, "q.weight_scale": torch.ones(())}, path)
    assert in_new_process(program, path).split() == 5 * ["refused"]


def test_a_file_that_is_replaced_while_it_is_open_is_read_anew(tmp_path):
    path = tmp_path / "w.pt"
    torch.save({"a": torch.ones(10)}, path)
    checkpoint = open_checkpoint(path)
    assert checkpoint["a"].sum() == 10
    torch.save({"a": torch.full((10,), 2.0), "more": torch.ones(3)}, path)
    assert checkpoint["a"].sum() == 20
    torch.save({"a": torch.ones(11)}, path)
    with pytest.raises(CheckpointError, match="has changed since"):
        checkpoint["a"]


# --- any bytes ----------------------------------------------------------------------------------


def damaged(data, rng):
    """A file with some of its bytes changed, left out, put in, or cut off."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 5, 20])):
        kind, head = rng.integers(5), rng.random() < 0.5
        place = int(rng.integers(min(len(data), 600) if head else len(data)))
        if kind == 0:
            data[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[place] = int(rng.integers(256))
        elif kind == 2:
            del data[place : place + int(rng.integers(1, 40))]
        elif kind == 3:
            data[place:place] = rng.bytes(int(rng.integers(1, 20)))
        else:
            del data[place:]
        data = data or bytearray(b"x")
    return bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors", "patch", "index"])
def test_damaged_files_raise_our_errors_alone(tmp_path, kind):
    tensors = {**weights(), "b": torch.ones(3, 3).bfloat16(), "b_scale": torch.ones(())}
    path = tmp_path / "model.safetensors"
    if kind == "safetensors":
        save_checkpoint(tensors, path)
    elif kind == "patch":
        changed = {name: tensor * (tensor > 0) for name, tensor in tensors.items()}
        Patch.diff(tensors, changed).save(path)
    elif kind == "index":
        write_sharded(tmp_path, tensors)
        path = tmp_path / "model.safetensors.index.json"
    else:
        path = tmp_path / "w.pt"
        sparse = {**tensors, "s": torch.eye(4).to_sparse()}
        torch.save(sparse, path, _use_new_zipfile_serialization=kind == "zip")
    whole, rng, refused = path.read_bytes(), np.random.default_rng(0), 0
    for _ in range(800):
        path.write_bytes(damaged(whole, rng))
        try:
            dict(effective_weights(path))
        except CheckpointError:
            refused += 1
        try:
            Patch.load(path).frame()
        except CheckpointError:
            refused += 1
    assert refused > 800
