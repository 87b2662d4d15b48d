"""Models of the Hugging Face Hub, by id."""

from __future__ import annotations

import re
from pathlib import Path

from eigenscape.checkpoints._file import TORCH_SUFFIXES
from eigenscape.checkpoints._unsupported import UNSUPPORTED
from eigenscape.errors import CheckpointError, MissingExtraError

_FILE_SUFFIXES = {*TORCH_SUFFIXES, *UNSUPPORTED, ".safetensors", ".json", ".pkl", ".zip"}
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
