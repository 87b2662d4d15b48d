"""Checkpoints: what can be opened, and what comes out of it."""

import json
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from safetensors.torch import load_model, save_file
from torch import nn

from eigenscape.checkpoints import Checkpoint, TensorInfo, open_checkpoint, save_checkpoint
from eigenscape.errors import CheckpointError
from tests._checkpoint_files import (
    in_new_process,
    quietly,
    raw_safetensors,
    same,
    weights,
    write_sharded,
)
from tests._data import data_file


class Tied(nn.Module):
    """An embedding whose weight is the output head's too."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.norm = nn.BatchNorm1d(3)
        self.head = nn.Linear(3, 5, bias=False)
        self.head.weight = self.embed.weight


# --- in memory --------------------------------------------------------------------------------


def test_a_module_is_listed_like_its_state_dict_with_ties_once():
    module = Tied()
    checkpoint = open_checkpoint(module)

    assert list(checkpoint) == [name for name in module.state_dict() if name != "head.weight"]
    assert checkpoint.info("head.weight") == TensorInfo(
        "embed.weight", (5, 3), torch.float32, None, ("head.weight",)
    )
    assert checkpoint.notes == ("head.weight is tied to embed.weight",)
    assert (checkpoint.module, checkpoint.format, checkpoint.source) == (module, "module", "Tied")
    assert "head.weight" in checkpoint
    assert "nothing" not in checkpoint
    assert torch.equal(checkpoint["head.weight"], module.embed.weight)


def test_a_module_is_read_as_it_is_now_and_copies_stand_alone():
    module = nn.Linear(2, 2)
    checkpoint = open_checkpoint(module)
    with torch.no_grad():
        module.weight.fill_(3.0)

    copy = checkpoint["weight"]
    assert copy.tolist() == [[3.0, 3.0], [3.0, 3.0]]
    assert type(copy) is torch.Tensor
    assert not copy.requires_grad
    copy.zero_()
    assert module.weight.detach().eq(3.0).all()


@pytest.mark.parametrize(
    "wrap", [nn.DataParallel, torch.compile, lambda m: torch.compile(nn.DataParallel(m))]
)
def test_wrapped_modules_are_looked_through(wrap):
    module = nn.Linear(2, 2)
    checkpoint = open_checkpoint(quietly(wrap)(module))  # torch.compile's import warns
    assert list(checkpoint) == ["weight", "bias"]
    assert checkpoint.module is module
    assert "examined the" in checkpoint.notes[0]


def test_a_hugging_face_module_brings_its_config():
    module = nn.Linear(2, 2)
    module.config = type("Config", (), {"to_dict": lambda self: {"heads": 2}})()
    assert open_checkpoint(module).config == {"heads": 2}


def test_meta_tensors_are_listed_but_not_read():
    with torch.device("meta"):
        module = Tied()
    checkpoint = open_checkpoint(module)
    assert checkpoint.info("embed.weight").shape == (5, 3)
    assert checkpoint.info("embed.weight").aliases == ("head.weight",)
    with pytest.raises(CheckpointError, match=r"embed\.weight \(5, 3\) is on the meta device.*Try"):
        checkpoint["embed.weight"]


def test_an_uninitialized_module_is_refused_with_the_names():
    with pytest.raises(CheckpointError, match=r"without a shape yet: 0\.weight, 0\.bias.*Try: run"):
        open_checkpoint(nn.Sequential(nn.LazyLinear(3)))


def test_a_checkpoint_is_returned_as_it_is():
    checkpoint = open_checkpoint(weights())
    assert open_checkpoint(checkpoint) is checkpoint


def test_transposed_views_come_back_contiguous_and_are_no_aliases():
    base = torch.arange(6.0).view(2, 3)
    checkpoint = open_checkpoint({"a": base, "b": base.t(), "c": base[:1]})
    assert list(checkpoint) == ["a", "b", "c"]
    assert checkpoint["b"].is_contiguous()
    assert torch.equal(checkpoint["b"], base.t())


# --- where programs put their weights ---------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (
            {"state_dict": weights(), "epoch": 3},
            "entry 'state_dict' of a dictionary with keys state_dict, epoch",
        ),
        ({"model": {"state_dict": weights()}}, "entry 'model/state_dict'"),
        ({"params": weights(), "params_ema": weights(1)}, "left aside: 'params_ema' (3 tensors)"),
        (
            {"model": weights(), "queue": {"bank": torch.zeros(99, 99)}},
            "left aside: 'queue' (1 tensor)",
        ),
        ({"big": weights(), "small": {"w": torch.zeros(1)}}, "entry 'big'"),
        ({**weights(), "version": 2}, "1 entry beside the tensors ignored"),
        ({**weights(), "net": {"w": torch.zeros(1)}}, "left aside: 'net'"),
        ({"state_dict": weights(), "loss": torch.zeros(1)}, "1 tensor at the top"),
        (
            {"state_dict": weights(), "pytorch-lightning_version": "2.5"},
            "that PyTorch Lightning wrote",
        ),
    ],
)
def test_the_state_dict_is_found(content, note, tmp_path):
    torch.save(content, tmp_path / "saved.pt")
    for checkpoint in (open_checkpoint(content), open_checkpoint(tmp_path / "saved.pt")):
        assert same(checkpoint, weights())
        assert note in " | ".join(checkpoint.notes)


def test_an_optimizer_never_passes_for_weights():
    module = nn.Linear(8, 8)
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(1, 8)).sum().backward()
    optimizer.step()
    saved = {
        "trunk": {"w": torch.zeros(1)},
        "optimizer": optimizer.state_dict(),
        "optim": weights(),
    }
    assert list(open_checkpoint(saved)) == ["w"]
    with pytest.raises(
        CheckpointError, match=r"keys state \(dict\), param_groups \(list\) and no te"
    ):
        open_checkpoint(optimizer.state_dict())


@pytest.mark.parametrize(
    ("prefix", "notes"),
    [
        ("module.", ('prefix "module." stripped from 3 names',)),
        ("_orig_mod.", ('prefix "_orig_mod." stripped from 3 names',)),
        (
            "_orig_mod.module.",
            (
                'prefix "_orig_mod." stripped from 3 names',
                'prefix "module." stripped from 3 names',
            ),
        ),
        ("model.", ()),
    ],
)
def test_prefixes_of_wrappers_are_stripped_and_no_others(prefix, notes, tmp_path):
    wrapped = {prefix + name: tensor for name, tensor in weights().items()}
    expected = weights() if notes else wrapped
    torch.save(wrapped, tmp_path / "a.pt")
    save_file(wrapped, tmp_path / "a.safetensors")
    for source in (wrapped, tmp_path / "a.pt", tmp_path / "a.safetensors"):
        checkpoint = open_checkpoint(source)
        assert same(checkpoint, expected)
        assert checkpoint.notes == notes


def test_a_wrappers_own_counter_keeps_its_name():
    averaged = torch.optim.swa_utils.AveragedModel(nn.Sequential(nn.Linear(2, 2)))
    checkpoint = open_checkpoint(averaged.state_dict())
    assert set(checkpoint) == {"n_averaged", "0.weight", "0.bias"}
    assert checkpoint.notes == ('prefix "module." stripped from 2 of 3 names',)


@pytest.mark.parametrize(
    "names", [["module.a.w", "module.b.w", "head.w"], ["module.a.w", "a.w"], ["module.w", "w"]]
)
def test_a_prefix_of_some_names_or_one_that_tells_names_apart_stays(names):
    checkpoint = open_checkpoint({name: torch.zeros(1) for name in names})
    assert list(checkpoint) == names


# --- torch files ------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [True, False])
def test_torch_files_of_both_layouts(zipped, tmp_path):
    module = Tied()
    path = tmp_path / "model.pth"
    torch.save(module.state_dict(), path, _use_new_zipfile_serialization=zipped)
    checkpoint = open_checkpoint(path)

    assert list(checkpoint) == list(open_checkpoint(module))
    assert checkpoint.info("head.weight").aliases == ("head.weight",)
    assert checkpoint.info("head.weight").file == str(path)
    assert torch.equal(checkpoint["head.weight"], module.embed.weight)
    assert checkpoint.format == "torch file"
    assert any("read at once" in note for note in checkpoint.notes) is not zipped


@quietly
def quantized() -> torch.Tensor:
    return torch.quantize_per_tensor(torch.ones(2, 2), 0.5, 0, torch.qint8)


@quietly
def quantized_by_channel() -> torch.Tensor:
    scales, zeros = torch.tensor([0.5, 1.0]), torch.zeros(2)
    return torch.quantize_per_channel(torch.ones(2, 2), scales, zeros, 0, torch.qint8)


@quietly
def nested() -> torch.Tensor:
    return torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])


def test_what_torch_stores_comes_back(tmp_path):
    stored = {
        "half": torch.ones(2, dtype=torch.bfloat16),
        "float8": torch.ones(3).to(torch.float8_e4m3fn),
        "sparse": torch.eye(3).to_sparse(),
        "quantized": quantized(),
        "quantized by channel": quantized_by_channel(),
        "strided": torch.arange(6.0).view(2, 3).t(),
        "parameter": nn.Parameter(torch.ones(2)),
        "scalar": torch.tensor(3),
        "empty": torch.zeros(0, 4),
    }
    torch.save(stored, tmp_path / "all.pt")
    checkpoint = open_checkpoint(str(tmp_path / "all.pt"))

    assert {info.name: info.dtype for info in checkpoint.infos()} == {
        name: tensor.dtype for name, tensor in stored.items()
    }
    assert torch.equal(checkpoint["sparse"], torch.eye(3))
    assert checkpoint["quantized"].int_repr().tolist() == [[2, 2], [2, 2]]
    assert checkpoint["quantized by channel"].dequantize().tolist() == [[1.0, 1.0]] * 2
    assert checkpoint["strided"].is_contiguous()
    assert type(checkpoint["parameter"]) is torch.Tensor
    assert checkpoint["empty"].shape == (0, 4)
    assert checkpoint["half"].dtype is torch.bfloat16
    assert checkpoint["float8"].float().tolist() == [1.0, 1.0, 1.0]


def test_nested_tensors_have_no_one_shape_and_are_ignored(tmp_path):
    torch.save({**weights(), "nested": nested()}, tmp_path / "a.pt")
    checkpoint = open_checkpoint(tmp_path / "a.pt")
    assert same(checkpoint, weights())
    assert checkpoint.notes == ("1 entry beside the tensors ignored: not tensors",)


def test_the_mapping_is_opened_anew_after_some_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("eigenscape.checkpoints._torch_file._MAPPED_BYTES", 1)
    torch.save(weights(), tmp_path / "a.pt")
    checkpoint = open_checkpoint(tmp_path / "a.pt")
    assert same(checkpoint, weights())
    save_file({"x": torch.zeros(1)}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoint["first.weight"]


def test_threads_read_one_torch_file_side_by_side(tmp_path, monkeypatch):
    monkeypatch.setattr("eigenscape.checkpoints._torch_file._MAPPED_BYTES", 3000)
    tensors = {f"w{number}": torch.full((500,), float(number)) for number in range(40)}
    torch.save(tensors, tmp_path / "a.pt")
    checkpoint = open_checkpoint(tmp_path / "a.pt")
    with ThreadPoolExecutor(8) as pool:
        read = dict(zip(tensors, pool.map(checkpoint.__getitem__, tensors), strict=True))
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())


# --- safetensors ------------------------------------------------------------------------------


@pytest.mark.parametrize("magic", [b"\x80", b"PK", b"\x1f", b"{"])
def test_a_header_whose_length_looks_like_another_format(magic, tmp_path):
    length = int.from_bytes(magic, "little") + (0 if len(magic) > 1 else 256)
    text = '{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'.ljust(length).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + text + b"\x07")
    assert path.read_bytes().startswith(magic)
    assert open_checkpoint(path)["w"].tolist() == [7]


@pytest.mark.parametrize("suffix", [".safetensors", ".bin", ".pt"])
def test_a_safetensors_file_of_any_suffix(suffix, tmp_path):
    path = tmp_path / f"model{suffix}"
    save_file(weights(), path)
    checkpoint = open_checkpoint(path)
    assert same(checkpoint, weights())
    assert checkpoint.format == "safetensors"
    assert checkpoint.info("first.weight") == TensorInfo(
        "first.weight", (4, 3), torch.float32, str(path)
    )


def test_a_torch_file_that_is_named_safetensors(tmp_path):
    path = tmp_path / "model.safetensors"
    torch.save(weights(), path)
    checkpoint = open_checkpoint(path)
    assert same(checkpoint, weights())
    assert checkpoint.format == "torch file"


YOUNG = ("float8_e8m0fnu", "float4_e2m1fn_x2")
DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.complex64,
    torch.bool,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.uint16,
    torch.uint32,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
    *(getattr(torch, name) for name in YOUNG if hasattr(torch, name)),
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_stored_type_round_trips(dtype, tmp_path):
    tensor = torch.arange(64, dtype=torch.uint8).fmod(2).view(dtype).view(2, -1)
    path = save_checkpoint({"x": tensor}, tmp_path / "x.safetensors")
    info = open_checkpoint(path).info("x")
    back = open_checkpoint(path)["x"]
    assert (info.shape, info.dtype) == (tuple(tensor.shape), dtype)
    assert info.bytes == 64
    assert torch.equal(back.view(torch.uint8), tensor.view(torch.uint8))


def test_layers_are_in_the_order_of_their_numbers(tmp_path):
    names = [f"layers.{number}.weight" for number in (0, 1, 2, 9, 10, 11, 100)]
    save_file({name: torch.zeros(1) for name in names}, tmp_path / "a.safetensors")
    assert list(open_checkpoint(tmp_path / "a.safetensors")) == names


def test_a_type_that_torch_lacks_is_named(tmp_path):
    header = {"blocks.scale": {"dtype": "F6_E2M3", "shape": [4], "data_offsets": [0, 3]}}
    path = raw_safetensors(tmp_path / "a.safetensors", header, bytes(3))
    with pytest.raises(CheckpointError, match=r"torch .* lacks: blocks\.scale \(F6_E2M3\)\. Try"):
        open_checkpoint(path)


@pytest.mark.parametrize("save", [save_file, torch.save])
def test_a_tensor_that_was_read_does_not_hang_on_its_file(save, tmp_path):
    path = tmp_path / "a.bin"
    save({"w": torch.ones(1000)}, path)
    tensor = open_checkpoint(path)["w"]
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    assert tensor.eq(1).all()


# --- the mapping ------------------------------------------------------------------------------


def test_an_unknown_name_is_a_key_error_that_teaches():
    checkpoint = open_checkpoint(weights())
    with pytest.raises(KeyError):
        checkpoint["first.wieght"]
    with pytest.raises(CheckpointError, match=r"no tensor 'first\.wieght'.*first\.weight"):
        checkpoint.info("first.wieght")
    assert checkpoint.get("first.wieght") is None


def test_the_mapping_describes_itself_and_compares_by_identity():
    checkpoint = open_checkpoint(weights())
    assert repr(checkpoint) == "<Checkpoint 'state dict': state dict, 3 tensors, 0.0 MB>"
    assert len(checkpoint) == 3
    assert checkpoint != open_checkpoint(weights())
    assert len({checkpoint, open_checkpoint(weights())}) == 2
    assert sum(tensor.numel() for tensor in checkpoint.values()) == 24
    assert [info.numel for info in checkpoint.infos()] == [12, 4, 8]


def test_a_checkpoint_of_a_path_pickles_small_and_reads_elsewhere(tmp_path, monkeypatch):
    large = {"module.a": torch.randn(300, 300), "module.b.c": torch.randn(300, 300)}
    monkeypatch.chdir(tmp_path)
    write_sharded(tmp_path / "sharded", large)
    save_file(large, "whole")
    torch.save(large, "zip")
    torch.save(large, "legacy", _use_new_zipfile_serialization=False)
    for source in ("sharded", "whole", "zip", "legacy"):
        checkpoint = open_checkpoint(source)
        checkpoint["a"]
        assert checkpoint.source == source
        pickled = pickle.dumps(checkpoint)
        assert len(pickled) < 4000
        (tmp_path / f"{source}.pickle").write_bytes(pickled)

    monkeypatch.chdir("/")
    program = """
import pathlib, pickle, sys
for path in pathlib.Path(sys.argv[1]).glob("*.pickle"):
    print(pickle.loads(path.read_bytes())["b.c"].sum().item())
"""
    printed = in_new_process(program, tmp_path).split()
    assert [float(line) for line in printed] == [large["module.b.c"].sum().item()] * 4


# --- saving -----------------------------------------------------------------------------------


def test_ties_are_saved_once_and_come_back(tmp_path):
    module = Tied()
    path = save_checkpoint(module.state_dict(), tmp_path / "new" / "tied.safetensors")
    again = save_checkpoint(open_checkpoint(path), tmp_path / "again.safetensors")

    for saved in (path, again):
        checkpoint = open_checkpoint(saved)
        assert checkpoint.info("head.weight").names == ("embed.weight", "head.weight")
        assert len(checkpoint) == len(module.state_dict()) - 1
        fresh = Tied()
        assert load_model(fresh, saved) == (set(), [])
        assert torch.equal(fresh.head.weight, module.embed.weight)
    assert list(tmp_path.glob("**/*.part")) == []


def test_views_of_one_memory_are_saved_apart(tmp_path):
    base = torch.arange(6.0)
    tensors = {
        "all": base,
        "matrix": base.view(2, 3),
        "turned": base.view(2, 3).t(),
        "part": base[2:4],
        "sparse": torch.eye(2).to_sparse(),
        "conjugate": torch.ones(2, dtype=torch.complex64).mul(1j).conj(),
        "trained": nn.Parameter(torch.ones(1)),
    }
    checkpoint = open_checkpoint(save_checkpoint(tensors, tmp_path / "a.safetensors"))
    assert same(checkpoint, {**tensors, "sparse": torch.eye(2)})


# --- real weights -----------------------------------------------------------------------------


def test_a_real_language_model():
    folder = data_file("stories260k")
    checkpoint = open_checkpoint(folder)
    config = json.loads((folder / "config.json").read_text())
    assert checkpoint.config == config
    assert checkpoint.format == "safetensors"
    assert checkpoint.info("lm_head.weight").name == "model.embed_tokens.weight"
    assert checkpoint["lm_head.weight"].shape == (config["vocab_size"], config["hidden_size"])
    assert checkpoint.notes == ("lm_head.weight is tied to model.embed_tokens.weight",)


@pytest.mark.parametrize(
    ("name", "entries"), [("resnet20-12fca82f", 271_098), ("resnet56-4bfd9763", 857_082)]
)
def test_a_real_image_classifier(name, entries):
    checkpoint = open_checkpoint(data_file("cifar_resnet") / f"{name}.th")
    assert sum(info.numel for info in checkpoint.infos()) == entries
    assert checkpoint["conv1.weight"].shape == (16, 3, 3, 3)
    notes = " ".join(checkpoint.notes)
    assert "entry 'state_dict' of a dictionary with keys" in notes
    assert 'prefix "module." stripped' in notes


def test_the_room_opens_without_the_libraries_of_the_extra():
    program = (
        "import sys, eigenscape.checkpoints; "
        "print(sorted({'transformers', 'huggingface_hub', 'pandas'} & set(sys.modules)))"
    )
    assert in_new_process(program) == "[]"


def test_the_public_names():
    import eigenscape.checkpoints as room

    assert room.__all__ == [
        "Checkpoint",
        "CheckpointLike",
        "FolderCopy",
        "Patch",
        "TensorInfo",
        "effective_weights",
        "gathered",
        "is_sharded",
        "named_modules",
        "named_tensors",
        "open_checkpoint",
        "save_checkpoint",
    ]
    assert isinstance(open_checkpoint(weights()), Checkpoint)


def test_wrappers_of_inner_modules_are_left_out_of_names():
    plain = {
        "embed.w": torch.ones(2),
        "layers.0.up.w": torch.ones(3),
        "layers.1.up.w": torch.ones(4),
    }
    wrapped = {
        "embed.w": plain["embed.w"],
        "layers.0._fsdp_wrapped_module._checkpoint_wrapped_module.up.w": plain["layers.0.up.w"],
        "layers.1._orig_mod.up.w": plain["layers.1.up.w"],
    }
    checkpoint = open_checkpoint(wrapped)
    assert same(checkpoint, plain)
    assert "left out of 2 names" in checkpoint.notes[0]
    clash = {"a._orig_mod.w": torch.ones(2), "a.w": torch.zeros(2)}
    assert same(open_checkpoint(clash), clash)
