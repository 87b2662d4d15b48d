"""A folder is pruned block by block: as in memory, to the bit; killed, it goes on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from eigenscape.checkpoints import FolderCopy, open_checkpoint
from eigenscape.cli import main
from eigenscape.errors import CheckpointError, InputError, OutputError
from eigenscape.models import LanguageModel, Tokens
from eigenscape.pruning import prune, prune_folder

transformers = pytest.importorskip("transformers", reason='pip install "eigenscape[hf]"')
IDS = torch.randint(0, 60, (5, 20), generator=torch.Generator().manual_seed(0))
TOKENS = Tokens.of(IDS)
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 60,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def make(folder: Path, kind: str = "llama", dtype: str = "float32", **fields: Any) -> Path:
    config = transformers.AutoConfig.for_model(kind, **(SIZES | fields))
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config).to(getattr(torch, dtype))
    model.save_pretrained(folder, max_shard_size="20KB")
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("dense") / "model", tie_word_embeddings=True)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("criterion", "allocation"),
    [("magnitude", "global"), ("wanda", "owl"), ("sparsegpt", "alphapruning")],
)
def test_the_folder_is_what_memory_gives(
    folder: Path, tmp_path: Path, criterion: str, allocation: str
) -> None:
    before = contents(folder)
    asked: dict[str, Any] = {"sparsity": 0.6, "criterion": criterion, "allocation": allocation}
    found = prune_folder(folder, tmp_path / "out", TOKENS, evaluation=TOKENS, **asked)
    model = LanguageModel.of(folder)
    other = prune(model, TOKENS, **asked)
    stored = open_checkpoint(tmp_path / "out")
    for name, tensor in model.model.state_dict().items():
        if name in stored:
            assert torch.equal(stored[name], tensor), name
    assert found.rows == other.rows
    assert found.zeros == round(0.6 * found.parameters)
    assert contents(folder) == before
    again = LanguageModel.of(tmp_path / "out")
    assert torch.equal(again.logits(IDS), model.logits(IDS))
    assert found.perplexity_pruned == pytest.approx(again.perplexity(TOKENS).value)
    assert found.perplexity_dense == pytest.approx(
        LanguageModel.of(folder).perplexity(TOKENS).value
    )
    new = contents(tmp_path / "out")
    assert set(new) == {*before, "pruning.json", "allocation.json"}
    assert new["chat_template.jinja"] == before["chat_template.jinja"]
    assert {n: len(b) for n, b in new.items() if n in before} == {
        n: len(b) for n, b in before.items()
    }
    assert not list(tmp_path.glob(".*"))


def test_weights_are_rounded_to_the_type_of_the_file(tmp_path: Path) -> None:
    dense = make(tmp_path / "dense", dtype="bfloat16")
    found = prune_folder(dense, tmp_path / "out", TOKENS, sparsity=0.5, criterion="sparsegpt")
    stored = open_checkpoint(tmp_path / "out")
    assert stored.info("model.layers.0.mlp.up_proj.weight").dtype is torch.bfloat16
    assert found.zeros == sum(int((stored[f"{row.name}.weight"] == 0).sum()) for row in found.rows)


@pytest.mark.parametrize("kind", ["gpt2", "qwen2"])
def test_other_families_and_names_without_a_prefix(tmp_path: Path, kind: str) -> None:
    own = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 32} if kind == "gpt2" else {}
    dense = make(tmp_path / "dense", kind, **own)
    if kind == "gpt2":  # as the published files of GPT-2 name their tensors
        tensors = {n.removeprefix("transformer."): t for n, t in open_checkpoint(dense).items()}
        for path in dense.glob("*.safetensors*"):
            path.unlink()
        from safetensors.torch import save_file

        save_file(tensors, dense / "model.safetensors", {"format": "pt"})
    asked: dict[str, Any] = {"sparsity": 0.5, "allocation": "alphapruning"}
    found = prune_folder(dense, tmp_path / "out", TOKENS, **asked)
    model = LanguageModel.of(dense)
    assert prune(model, TOKENS, **asked).rows == found.rows
    assert torch.equal(LanguageModel.of(tmp_path / "out").logits(IDS), model.logits(IDS))


class Killed(BaseException):
    """Ends the work as a signal does."""


def test_killed_it_goes_on_with_the_next_block(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {"sparsity": 0.6, "criterion": "sparsegpt", "allocation": "owl"}
    whole = prune_folder(folder, tmp_path / "whole", TOKENS, **asked)

    def stop(progress: Any) -> None:
        if progress.done == 2:
            raise Killed

    with pytest.raises(Killed):
        prune_folder(folder, tmp_path / "out", TOKENS, progress=stop, **asked)
    assert not (tmp_path / "out").exists()
    written: list[int] = []
    write = FolderCopy.replace

    def counted(copy: FolderCopy, tensors: Any) -> None:
        written.append(len(tensors))
        write(copy, tensors)

    monkeypatch.setattr(FolderCopy, "replace", counted)
    resumed = prune_folder(folder, tmp_path / "out", TOKENS, **asked)
    assert written == [7]  # the third block alone
    assert resumed.rows == whole.rows
    for name, data in contents(tmp_path / "whole").items():
        if name not in ("pruning.json", "allocation.json"):
            assert (tmp_path / "out" / name).read_bytes() == data, name
    assert not (tmp_path / ".out.part").exists()


def test_a_damaged_piece_is_done_again(folder: Path, tmp_path: Path) -> None:
    copy = FolderCopy(folder, tmp_path / "out", {"a": 1})
    names = ["model.layers.0.mlp.up_proj.weight", "model.layers.1.mlp.up_proj.weight"]
    for place, name in enumerate(names):
        copy.replace({name: torch.zeros_like(copy.checkpoint[name])})
        copy.record({"step": place}, [name])
    assert [e["step"] for e in FolderCopy(folder, tmp_path / "out", {"a": 1}).entries] == [0, 1]
    path, start, _ = copy._place(names[0])
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\x01")
    again = FolderCopy(folder, tmp_path / "out", {"a": 1})
    assert again.entries == []
    dense = open_checkpoint(folder)
    for name in names:
        assert torch.equal(again.checkpoint[name], dense[name])
    assert FolderCopy(folder, tmp_path / "out", {"a": 2}).entries == []


def test_places_that_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for place, words in (
        (tmp_path / "there", "--overwrite"),
        (folder, "the model's own folder"),
        (folder / "inside", "lies in it"),
        (folder.parent, "holds it"),
    ):
        with pytest.raises(OutputError, match=words):
            prune_folder(folder, place, sparsity=0.5, criterion="magnitude")
    made = prune_folder(
        folder, tmp_path / "there", sparsity=0.5, criterion="magnitude", overwrite=True
    )
    assert made.zeros == round(0.5 * made.parameters)
    torch.save({"w": torch.eye(3)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"no folder with \.safetensors"):
        FolderCopy(tmp_path / "pytorch_model.bin", tmp_path / "x", {})


def test_a_quantized_folder_is_named_and_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "q")
    config = json.loads((tmp_path / "q" / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    (tmp_path / "q" / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"quantized \(gptq\)"):
        prune_folder(tmp_path / "q", tmp_path / "out", sparsity=0.5, criterion="magnitude")
    assert not (tmp_path / "out").exists()


def test_from_the_command_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import numpy as np

    np.save(tmp_path / "ids.npy", IDS.numpy())
    words = ["prune", str(folder), "--sparsity", "0.6", "--out", str(tmp_path / "out")]
    words += ["--calibration", str(tmp_path / "ids.npy"), "--sequence-length", "10"]
    words += ["--samples", "4", "--evaluate", str(tmp_path / "ids.npy")]
    assert main([*words, "--format", "json"]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert "3 blocks (model.layers.0 to model.layers.2); 21 matrices are pruned" in printed.err
    total = sum(layer["parameters"] for layer in found["layers"].values())
    zeros = sum(layer["zeros"] for layer in found["layers"].values())
    assert found["sparsity"] == zeros / total
    assert zeros == round(0.6 * total)
    assert found["target"] == 0.6
    assert found["perplexity_dense"] > 1
    assert found["perplexity_pruned"] > 1
    assert main(words) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0
    assert capsys.readouterr().out.startswith(f"{zeros:,} of {total:,} weights in 21 matrices")
    assert main(["prune", str(folder), "--sparsity", "70", "--out", str(tmp_path / "x")]) == 2
    assert "Try: --sparsity 0.7" in capsys.readouterr().err
