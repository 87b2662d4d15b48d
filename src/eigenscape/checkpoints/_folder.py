"""Finds the weights in a folder, laid out as Hugging Face libraries do or with files alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from eigenscape.checkpoints._errors import teaching
from eigenscape.checkpoints._file import GGUF_SUFFIX, TORCH_SUFFIXES, file_reader, read_json
from eigenscape.checkpoints._reader import Reader
from eigenscape.checkpoints._sharded import indexed, together
from eigenscape.checkpoints._text import counted, few, natural
from eigenscape.errors import CheckpointError

INDEX = ".index.json"
_NAMED = (  # the first that exists is read, as Hugging Face libraries would; safetensors first
    "model.safetensors",
    "model.safetensors.index.json",
    "adapter_model.safetensors",
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "adapter_model.bin",
    "diffusion_pytorch_model.bin",
    "diffusion_pytorch_model.bin.index.json",
)
_NOT_WEIGHTS = re.compile(r"(training_args|optimizer|scheduler|scaler|rng_state|random_states)")
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})(\.\w+)")


def folder_reader(folder: Path) -> tuple[Reader, dict[str, Any], tuple[str, ...]]:
    """Return the reader of a folder's weights, its config, and what was not read.

    Raises:
        CheckpointError: the folder has no weights, several to choose from, or incomplete ones.
    """
    with teaching(folder):
        entries = sorted(folder.iterdir())
        files = [entry.name for entry in entries if entry.is_file()]
    named = [name for name in _NAMED if name in files]
    reader, used = _named(folder, named[0]) if named else _unnamed(folder, files, entries)
    config = "adapter_config.json" if any("adapter_" in name for name in used) else "config.json"
    unread = [name for name in files if _is_weights(name) and name not in used]
    notes = (f"not read, in the same folder: {few(unread)}",) if unread else ()
    return reader, read_json(folder / config) if config in files else {}, notes


def index_reader(path: Path) -> tuple[Reader, set[str]]:
    """Return the reader of an index's shards, and their names.

    Raises:
        CheckpointError: the index is no index, leads out of its folder, or its shards are missing.
    """
    weight_map = read_json(path).get("weight_map")
    if not isinstance(weight_map, dict) or not all(
        isinstance(shard, str) for shard in weight_map.values()
    ):
        raise CheckpointError(
            f"{path} has no 'weight_map' from tensor names to file names; expected the index of a "
            "sharded checkpoint. Try: fetch it again"
        )
    shards = set(weight_map.values())
    _check_shards(path, shards)
    return indexed(path.parent, weight_map), shards


def _check_shards(path: Path, shards: Iterable[str]) -> None:
    shards = sorted(shards, key=natural)
    outside = [shard for shard in shards if _leads_out(shard)]
    if outside:
        raise CheckpointError(
            f"{path} names files outside its own folder: {few(outside)}; they were not opened. "
            "Try: do not trust this index; fetch it from its publisher"
        )
    missing = [shard for shard in shards if not _is_there(path.parent / shard)]
    if missing:
        raise CheckpointError(
            f"{path.parent} lacks {len(missing)} of {counted(len(shards), 'shard')}: "
            f"{few(missing, shown=12)}. Try: download the missing files into the folder"
        )


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name longer than the file system allows
        return False


def _leads_out(shard: str) -> bool:
    posix, windows = PurePosixPath(shard), PureWindowsPath(shard)
    rooted = posix.is_absolute() or bool(windows.drive or windows.root)
    return rooted or "\0" in shard or ".." in windows.parts or not posix.parts


def _named(folder: Path, name: str) -> tuple[Reader, set[str]]:
    if not name.endswith(INDEX):
        return file_reader(folder / name), {name}
    reader, shards = index_reader(folder / name)
    return reader, {name, *shards}


def _unnamed(folder: Path, files: list[str], entries: list[Path]) -> tuple[Reader, set[str]]:
    weights = [name for name in files if name.endswith(".safetensors")]
    weights = weights or [
        name for name in files if name.endswith(TORCH_SUFFIXES) and _is_weights(name)
    ]
    weights = weights or [name for name in files if name.endswith(GGUF_SUFFIX)]
    if not weights and any(name.endswith(".distcp") for name in files):
        raise CheckpointError(
            f"{folder} is a distributed checkpoint of torch, which is not supported. Try: python "
            f"-m torch.distributed.checkpoint.format_utils dcp_to_torch {folder} whole.pt"
        )
    if not weights:
        found = [f"{entry.name}/" if entry.is_dir() else entry.name for entry in entries]
        raise CheckpointError(
            f"{folder} holds no weights; it holds {few(found, shown=12) or 'nothing'}. Expected "
            "model.safetensors, an index with its shards, a file of torch.save or a GGUF file. "
            "Try: give the folder or the file that holds the weights"
        )
    if len(weights) > 1 and weights[0].endswith(GGUF_SUFFIX):
        raise CheckpointError(
            f"{folder} holds {len(weights)} GGUF files: {few(weights, shown=12)}. "
            "Try: give the path of one of them, or of the parts joined (llama-gguf-split --merge)"
        )
    if len(weights) == 1 and not _SHARD.fullmatch(weights[0]):
        return file_reader(folder / weights[0]), set(weights)
    _check_numbers(folder, weights)
    if not weights[0].endswith(".safetensors") and not all(map(_SHARD.fullmatch, weights)):
        raise CheckpointError(
            f"{folder} holds {len(weights)} files of torch.save: {few(weights, shown=12)}. "
            "Try: give the path of one of them"
        )
    return together(folder, weights), set(weights)


def _check_numbers(folder: Path, names: Iterable[str]) -> None:
    """Files numbered -00001-of-00005 and so on must be there to the last."""
    missing: dict[str, None] = {}
    for found in filter(None, map(_SHARD.fullmatch, names)):
        stem, _, count, suffix = found.groups()
        wanted = (f"{stem}-{n:05d}-of-{count}{suffix}" for n in range(1, int(count) + 1))
        missing.update({name: None for name in wanted if not (folder / name).exists()})
    if missing:
        raise CheckpointError(
            f"{folder} lacks {counted(len(missing), 'numbered shard')}: {', '.join(missing)}. "
            "Try: download the missing files into the folder"
        )


def _is_weights(name: str) -> bool:
    if name.endswith((".safetensors", GGUF_SUFFIX)):
        return True
    return name.endswith(TORCH_SUFFIXES) and _NOT_WEIGHTS.match(name) is None
