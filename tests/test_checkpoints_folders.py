"""Checkpoints in folders, whole and sharded, and on the Hub."""

import json
import sys
import types

import pytest
import torch
from safetensors.torch import save_file

from eigenscape.checkpoints import open_checkpoint
from eigenscape.errors import CheckpointError, MissingExtraError
from tests._checkpoint_files import same, weights, write_index, write_sharded


def test_a_sharded_folder(tmp_path):
    folder = write_sharded(tmp_path / "model", {f"layers.{n}.w": torch.ones(n) for n in range(12)})
    (folder / "config.json").write_text('{"model_type": "llama"}')
    checkpoint = open_checkpoint(folder)

    assert list(checkpoint) == [f"layers.{n}.w" for n in range(12)]
    assert checkpoint.format == "sharded safetensors"
    assert checkpoint.config == {"model_type": "llama"}
    assert checkpoint.notes == ()
    assert checkpoint["layers.7.w"].shape == (7,)
    assert checkpoint.info("layers.7.w").file == str(folder / "model-00002-of-00002.safetensors")
    index = open_checkpoint(folder / "model.safetensors.index.json")
    assert list(index) == list(checkpoint)


def test_sharded_torch_files(tmp_path):
    parts = {"a.bin": {"module.x": torch.ones(2)}, "b.bin": {"module.y": torch.zeros(3)}}
    for name, part in parts.items():
        torch.save(part, tmp_path / name)
    index = {"weight_map": {"module.x": "a.bin", "module.y": "b.bin"}}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    checkpoint = open_checkpoint(tmp_path)
    assert same(checkpoint, {"x": torch.ones(2), "y": torch.zeros(3)})
    assert checkpoint.format == "sharded torch files"


@pytest.mark.parametrize(
    "name", ["model", "adapter_model", "diffusion_pytorch_model", "consolidated.00", "anything"]
)
def test_a_folder_with_one_safetensors_file(name, tmp_path):
    save_file(weights(), tmp_path / f"{name}.safetensors")
    assert same(open_checkpoint(tmp_path), weights())


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "adapter_model.bin", "diffusion_pytorch_model.bin", "best.ckpt"]
)
def test_a_folder_with_one_torch_file(name, tmp_path):
    torch.save(weights(), tmp_path / name)
    for beside in ("optimizer.pt", "training_args.bin", "rng_state_0.pth"):
        (tmp_path / beside).write_bytes(b"not opened")
    checkpoint = open_checkpoint(tmp_path)
    assert same(checkpoint, weights())
    assert checkpoint.notes == ()


def test_an_adapter_has_its_own_config(tmp_path):
    save_file(weights(), tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text('{"r": 8}')
    (tmp_path / "config.json").write_text('{"r": 0}')
    assert open_checkpoint(tmp_path).config == {"r": 8}


def test_safetensors_go_before_pickles_and_the_note_says_so(tmp_path):
    save_file(weights(), tmp_path / "model.safetensors")
    torch.save(weights(1), tmp_path / "pytorch_model.bin")
    checkpoint = open_checkpoint(tmp_path)
    assert same(checkpoint, weights())
    assert checkpoint.notes == ("not read, in the same folder: pytorch_model.bin",)


def test_several_files_without_an_index_are_read_together(tmp_path):
    save_file({"a": torch.ones(1)}, tmp_path / "encoder.safetensors")
    save_file({"b": torch.ones(2)}, tmp_path / "decoder.safetensors")
    assert set(open_checkpoint(tmp_path)) == {"a", "b"}

    save_file({"b": torch.ones(2)}, tmp_path / "copy.safetensors")
    with pytest.raises(CheckpointError, match=r"same names: b \(in copy.*\)\. Try: give the path"):
        open_checkpoint(tmp_path)


def test_numbered_shards_without_an_index_must_be_complete(tmp_path):
    for number in (1, 3):
        torch.save(
            {f"w{number}": torch.ones(1)}, tmp_path / f"pytorch_model-0000{number}-of-00003.bin"
        )
    with pytest.raises(CheckpointError, match=r"lacks 1 numbered shard: pytorch_model-00002-of-"):
        open_checkpoint(tmp_path)
    torch.save({"w2": torch.ones(1)}, tmp_path / "pytorch_model-00002-of-00003.bin")
    assert list(open_checkpoint(tmp_path)) == ["w1", "w2", "w3"]


def test_several_torch_files_are_for_the_user_to_choose_from(tmp_path):
    for name in ("epoch1.ckpt", "epoch2.ckpt"):
        torch.save(weights(), tmp_path / name)
    with pytest.raises(CheckpointError, match=r"2 files of torch\.save: epoch1\.ckpt, epoch2"):
        open_checkpoint(tmp_path)


def test_a_folder_without_weights_says_what_it_holds(tmp_path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "model_index.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"no weights; it holds model_index\.json, unet/"):
        open_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="it holds nothing"):
        open_checkpoint(tmp_path / "unet")
    (tmp_path / "__0_0.distcp").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="dcp_to_torch"):
        open_checkpoint(tmp_path)


# --- an index that is not right -----------------------------------------------------------------


def test_every_missing_shard_is_named(tmp_path):
    folder = write_sharded(tmp_path / "model", weights(), shards=3)
    for number in (1, 3):
        (folder / f"model-0000{number}-of-00003.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"lacks 2 of 3 shards: model-00001-\S+, model-00003"):
        open_checkpoint(folder)


def test_every_tensor_that_its_shard_lacks_is_named(tmp_path):
    folder = write_sharded(tmp_path / "model", weights())
    shard = "model-00001-of-00002.safetensors"
    write_index(folder, dict.fromkeys([*weights(), "third.weight"], shard))
    with pytest.raises(CheckpointError, match=r"2 tensors .* hold: first\.bias \(in .*third"):
        open_checkpoint(folder)


def test_tensors_beside_the_index_are_left_aside(tmp_path):
    folder = write_sharded(tmp_path / "model", weights())
    write_index(folder, {"first.weight": "model-00001-of-00002.safetensors"})
    checkpoint = open_checkpoint(folder)
    assert list(checkpoint) == ["first.weight"]
    assert "1 tensor of the shards not in the index, and left aside" in checkpoint.notes


@pytest.mark.parametrize(
    "shard",
    ["../secret.safetensors", "/etc/secret", "a/../../b", "..\\b", "C:\\b", "", ".", "a\0b"],
)
def test_an_index_cannot_lead_out_of_its_folder(shard, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    save_file(weights(), tmp_path / "secret.safetensors")
    write_index(folder, dict.fromkeys(weights(), shard))
    with pytest.raises(CheckpointError, match=r"outside its own folder.*not opened"):
        open_checkpoint(folder)


@pytest.mark.parametrize("weight_map", [None, [], {"a": 1}, {"a": ["x"]}])
def test_an_index_without_a_map_is_refused(weight_map, tmp_path):
    write_index(tmp_path, weight_map)
    with pytest.raises(CheckpointError, match="has no 'weight_map'"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("text", "seen"), [("{", "is not JSON"), ("[]", "JSON list"), ("\udcff", "UnicodeDecodeError")]
)
def test_a_broken_config_is_named(text, seen, tmp_path):
    save_file(weights(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(CheckpointError, match=rf"config\.json.*{seen}.*Try"):
        open_checkpoint(tmp_path)


# --- tied output heads --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("embedding", "head"),
    [
        ("model.embed_tokens.weight", "lm_head.weight"),
        ("model.decoder.embed_tokens.weight", "lm_head.weight"),
        ("transformer.wte.weight", "lm_head.weight"),
        ("wte.weight", "lm_head.weight"),
        ("gpt_neox.embed_in.weight", "embed_out.weight"),
    ],
)
def test_a_tied_head_is_an_alias_unless_it_is_stored(embedding, head, tmp_path):
    save_file({embedding: torch.ones(4, 2)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"tie_word_embeddings": true}')
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.info(head).names == (embedding, head)
    assert checkpoint.notes == (f"{head} is tied to {embedding}",)
    assert checkpoint[head].shape == (4, 2)

    (tmp_path / "config.json").write_text('{"tie_word_embeddings": false}')
    assert head not in open_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text('{"tie_word_embeddings": true}')
    save_file({embedding: torch.ones(4, 2), head: torch.ones(4, 2)}, tmp_path / "model.safetensors")
    both = open_checkpoint(tmp_path)
    assert [info.names for info in both.infos()] == sorted([(embedding,), (head,)])


# --- the Hub ------------------------------------------------------------------------------------


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A huggingface_hub whose downloads the test decides; it records what was asked for."""
    fake = types.ModuleType("huggingface_hub")
    fake.asked = []
    fake.give = lambda patterns: None

    def snapshot_download(hub_id, *, allow_patterns):
        fake.asked.append((hub_id, *allow_patterns))
        fake.give(allow_patterns)
        return str(tmp_path)

    fake.snapshot_download = snapshot_download
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    return fake


def test_a_hub_id_is_fetched_as_safetensors(hub, tmp_path):
    hub.give = lambda patterns: save_file(weights(), tmp_path / "model.safetensors")
    checkpoint = open_checkpoint("org/name-2.5B")
    assert same(checkpoint, weights())
    assert checkpoint.notes == (f"org/name-2.5B of the Hugging Face Hub, in {tmp_path}",)
    assert hub.asked == [("org/name-2.5B", "*.safetensors*", "*.json")]


def test_a_hub_model_without_safetensors_is_fetched_as_bin(hub, tmp_path):
    def give(patterns):
        if "*.bin*" in patterns:
            torch.save(weights(), tmp_path / "pytorch_model.bin")

    hub.give = give
    assert same(open_checkpoint("org/name"), weights())
    assert [asked[1] for asked in hub.asked] == ["*.safetensors*", "*.bin*"]


def test_a_failed_download_mentions_the_path_and_the_hub(hub):
    def give(patterns):
        raise ConnectionError("no route\nto host")

    hub.give = give
    with pytest.raises(
        CheckpointError,
        match=r"'org/name' is not a file or folder, and the Hugging Face Hub did not return it "
        r"\(ConnectionError: no route\)\. Try",
    ):
        open_checkpoint("org/name")


def test_without_huggingface_hub_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"not a file or folder.*eigenscape\[hf\]"):
        open_checkpoint("org/name")


@pytest.mark.parametrize(
    "missing", ["runs/model.pt", "a/b/c", "./a/b", "/a/b", "model", "runs/x.safetensors", "~/a"]
)
def test_what_looks_like_a_path_is_never_looked_for_on_the_hub(missing, hub):
    with pytest.raises(CheckpointError, match="no such file"):
        open_checkpoint(missing)
    assert hub.asked == []


def test_a_folder_goes_before_a_hub_id(hub, tmp_path, monkeypatch):
    write_sharded(tmp_path / "org", {})
    write_sharded(tmp_path / "org" / "name", weights())
    monkeypatch.chdir(tmp_path)
    assert same(open_checkpoint("org/name"), weights())
    assert hub.asked == []
