"""Opens anything that holds weights."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from eigenscape.checkpoints._checkpoint import Checkpoint
from eigenscape.checkpoints._contents import find_tensors
from eigenscape.checkpoints._errors import teaching
from eigenscape.checkpoints._file import GGUF_SUFFIX, TORCH_SUFFIXES, file_reader, read_json
from eigenscape.checkpoints._folder import INDEX, folder_reader, index_reader
from eigenscape.checkpoints._gguf import GGUFReader
from eigenscape.checkpoints._memory import MemoryReader, module_config, module_reader
from eigenscape.checkpoints._reader import Listing, Reader
from eigenscape.checkpoints._unsupported import UNSUPPORTED
from eigenscape.checkpoints._wrappers import unwrapped, without_wrappers
from eigenscape.errors import CheckpointError, MissingExtraError

_FILE_SUFFIXES = {
    *TORCH_SUFFIXES,
    *UNSUPPORTED,
    ".safetensors",
    GGUF_SUFFIX,
    ".json",
    ".pkl",
    ".zip",
}
_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def is_hub_id(source: str) -> bool:
    """Return whether a text that is no path here may be a hub id.

    >>> is_hub_id("Qwen/Qwen2.5-0.5B"), is_hub_id("runs/model.pt"), is_hub_id("./runs/last")
    (True, False, False)
    """
    suffix = Path(source).suffix.lower()
    return _ID.fullmatch(source) is not None and suffix not in _FILE_SUFFIXES


def download(hub_id: str) -> Path:
    """Return the local folder of a hub model; its safetensors, or failing those its ``.bin``.

    Raises:
        MissingExtraError: huggingface_hub is not installed.
        CheckpointError: the Hub has no such model, or cannot be reached.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingExtraError(
            "huggingface_hub",
            "hf",
            f"'{hub_id}' is not a file or folder;  to look for it on the Hugging Face Hub",
        ) from error
    try:
        folder = Path(snapshot_download(hub_id, allow_patterns=["*.safetensors*", "*.json"]))
        if not any(folder.glob("*.safetensors")):
            folder = Path(snapshot_download(hub_id, allow_patterns=["*.bin*", "*.json"]))
    except Exception as error:  # the network, the Hub and the cache each have errors of their own
        lines = str(error).strip().splitlines() or [""]
        raise CheckpointError(
            f"'{hub_id}' is not a file or folder, and the Hugging Face Hub did not return it "
            f"({type(error).__name__}: {lines[0]}). Try: check the spelling of the path or of the "
            "id, the network, and for a private model run: hf auth login"
        ) from error
    return folder


_HEAD = "lm_head.weight"
_HEADS = {  # embedding -> output head, by family
    "model.embed_tokens.weight": _HEAD,  # Llama, Mistral, Qwen, Gemma
    "model.language_model.embed_tokens.weight": _HEAD,  # their multimodal sisters
    "model.decoder.embed_tokens.weight": _HEAD,  # OPT
    "transformer.wte.weight": _HEAD,  # GPT-2 with its head
    "wte.weight": _HEAD,  # GPT-2 as first published
    "transformer.word_embeddings.weight": _HEAD,  # BLOOM, Falcon
    "gpt_neox.embed_in.weight": "embed_out.weight",
    "model.shared.weight": _HEAD,  # BART
    "shared.weight": _HEAD,  # T5
    "bert.embeddings.word_embeddings.weight": "cls.predictions.decoder.weight",
    "roberta.embeddings.word_embeddings.weight": "lm_head.decoder.weight",
}


def with_tied_head(listing: Listing, config: Mapping[str, Any]) -> Listing:
    """Add the output head as an alias of the embedding, where the config ties them.

    >>> import torch
    >>> from eigenscape.checkpoints._tensor_info import TensorInfo
    >>> listing = Listing((TensorInfo("wte.weight", (8, 2), torch.float32),))
    >>> with_tied_head(listing, {"tie_word_embeddings": True}).infos[0].aliases
    ('lm_head.weight',)
    """
    if config.get("tie_word_embeddings") is not True:
        return listing
    stored = set(listing.names)
    embedding = next((name for name in _HEADS if name in stored), None)
    if embedding is None or _HEADS[embedding] in stored:
        return listing
    head = _HEADS[embedding]
    infos = tuple(
        replace(info, aliases=(*info.aliases, head)) if embedding in info.names else info
        for info in listing.infos
    )
    return replace(listing, infos=infos)


CheckpointLike = nn.Module | Mapping[str, Tensor] | str | os.PathLike[str] | Checkpoint


def open_checkpoint(source: CheckpointLike) -> Checkpoint:
    """Open weights without reading them.

    A file is known by its bytes, not by its suffix. Pickles are read with ``weights_only=True``:
    nothing that a file brings along is ever run.

    Args:
        source: one of

            - a module: its parameters and persistent buffers; DataParallel and torch.compile are
              looked through;
            - a state dict, or a dictionary with one in it;
            - a file of ``torch.save`` (``.pt``, ``.pth``, ``.th``, ``.ckpt``, ``.bin``) or a
              ``.safetensors`` file; a ``.gguf`` file (needs the extra ``gguf``), dequantized, by
              the names of the original;
            - a folder as Hugging Face libraries write it, sharded or not, model or adapter; or a
              shard index;
            - the id ``org/name`` of a model on the Hugging Face Hub, where no such path exists
              (needs the extra ``hf``);
            - a checkpoint, which is returned.

    Returns:
        The checkpoint; its notes say what was done to find the tensors.

    Raises:
        UnsafeCheckpointError: reading the file would run code.
        CheckpointError: there is nothing to read, or it is truncated, corrupt, incomplete or of a
            kind that is not supported.
        MissingExtraError: a hub id or a GGUF file was given, and huggingface_hub or gguf is not
            installed.

    >>> checkpoint = open_checkpoint(nn.Linear(3, 2))
    >>> list(checkpoint), checkpoint["weight"].shape
    (['weight', 'bias'], torch.Size([2, 3]))
    """
    if isinstance(source, Checkpoint):
        return source
    if isinstance(source, nn.Module):
        return _of_module(source)
    if isinstance(source, Mapping):
        found = find_tensors(source, "the mapping")
        return _assemble(MemoryReader("state dict", found.tensors, found.notes), "state dict")
    if isinstance(source, str | os.PathLike) and os.fspath(source):
        return _of_path(os.fspath(source))
    raise CheckpointError(
        f"a checkpoint cannot be opened from {source!r:.80} ({type(source).__name__}); "
        "expected a module, a state dict, a path or a hub id"
    )


def _of_module(module: nn.Module) -> Checkpoint:
    inner, notes = unwrapped(module)
    reader = module_reader(inner)
    listing = reader.listing().noting(*notes)
    kind = type(inner).__name__
    _check_not_empty(len(listing.infos), f"the module {kind}")
    listing, stored = without_wrappers(listing)
    config = module_config(inner)
    return Checkpoint(reader, listing, source=kind, stored=stored, config=config, module=inner)


def _of_path(source: str) -> Checkpoint:
    path = Path(source)
    with teaching(path):
        path = path.expanduser()
        there, is_folder = path.exists(), path.is_dir()
    if not there and is_hub_id(source):
        path, is_folder = download(source), True
        return _of_folder(path, (f"{source} of the Hugging Face Hub, in {path}",))
    if is_folder:
        return _of_folder(path, ())
    if path.name.endswith(INDEX) and there:
        return _assemble(index_reader(path)[0], str(path))
    reader = file_reader(path)
    config = reader.config if isinstance(reader, GGUFReader) else _adapter_config(path)
    return _assemble(reader, str(path), config)


def _adapter_config(path: Path) -> dict[str, Any]:
    """Return the config beside an adapter's file: without it, its scale is not known."""
    beside = path.parent / "adapter_config.json"
    with teaching(beside):
        there = path.name.startswith("adapter_model.") and beside.is_file()
    return read_json(beside) if there else {}


def _of_folder(folder: Path, notes: tuple[str, ...]) -> Checkpoint:
    reader, config, unread = folder_reader(folder)
    if isinstance(reader, GGUFReader):
        config = reader.config
    return _assemble(reader, str(folder), config, notes + unread)


def _assemble(
    reader: Reader, source: str, config: dict[str, Any] | None = None, notes: tuple[str, ...] = ()
) -> Checkpoint:
    listing = reader.listing().noting(*notes)
    _check_not_empty(len(listing.infos), source)
    listing, stored = without_wrappers(listing)
    listing = with_tied_head(listing, config or {})
    return Checkpoint(reader, listing, source=source, stored=stored, config=config)


def _check_not_empty(tensors: int, source: str) -> None:
    if not tensors:
        raise CheckpointError(
            f"{source} holds no tensors; expected at least one. Try: give the trained weights"
        )
