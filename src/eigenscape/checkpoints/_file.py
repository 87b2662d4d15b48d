"""Chooses the reader of a file, and reads the JSON files beside the weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eigenscape.checkpoints._errors import teaching
from eigenscape.checkpoints._gguf import GGUFReader
from eigenscape.checkpoints._reader import Reader
from eigenscape.checkpoints._safetensors import SafetensorsReader
from eigenscape.checkpoints._sniff import Kind, sniff
from eigenscape.checkpoints._torch_file import TorchFileReader
from eigenscape.errors import CheckpointError

GGUF_SUFFIX = ".gguf"
TORCH_SUFFIXES = (".pt", ".pth", ".th", ".ckpt", ".bin")


def file_reader(path: Path) -> Reader:
    """Return the reader of one weights file, by its bytes.

    Raises:
        UnsafeCheckpointError: it is a plain Python pickle.
        CheckpointError: it is missing, or of a kind that cannot be read.
        MissingExtraError: it is a GGUF file, and the package gguf is not installed.
    """
    kind = sniff(path)
    path = path.absolute()  # the reader may be used after a change of folder, or in another process
    if kind is Kind.SAFETENSORS:
        return SafetensorsReader(path)
    if kind is Kind.GGUF:
        return GGUFReader(path)
    return TorchFileReader(path, mapped=kind is Kind.TORCH_ZIP)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        CheckpointError: the file cannot be read, or holds something else.
    """
    with teaching(path):
        text = path.read_text(encoding="utf-8")
        try:
            value = json.loads(text)
        except ValueError as error:
            raise CheckpointError(
                f"{path} is not JSON ({error}). Try: fetch it again, or correct it"
            ) from error
    if not isinstance(value, dict):
        raise CheckpointError(
            f"{path} holds a JSON {type(value).__name__}; expected an object. Try: fetch it again"
        )
    return value
