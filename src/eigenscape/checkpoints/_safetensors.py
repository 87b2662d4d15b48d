"""Read one ``.safetensors`` file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import safe_open
from torch import Tensor

from eigenscape.checkpoints._errors import teaching
from eigenscape.checkpoints._reader import Listing
from eigenscape.checkpoints._tensor_info import TensorInfo, stored_type
from eigenscape.checkpoints._text import few, natural
from eigenscape.errors import CheckpointError

PATCH_KEY = "eigenscape"  # of the metadata of a patch
PATCH_SCHEMA = "eigenscape.patch/"


@dataclass(frozen=True)
class SafetensorsReader:
    """A ``.safetensors`` file, opened anew for each tensor so that none stays mapped.

    Args:
        path: of the file; its suffix does not matter.
    """

    path: Path
    format: ClassVar[str] = "safetensors"

    def listing(self) -> Listing:
        """List the tensors from the header, sorted by name: the file keeps no order of layers.

        Raises:
            CheckpointError: the file is truncated or corrupt, or has a type that torch lacks.
        """
        with teaching(self.path), safe_open(str(self.path), framework="pt", device="cpu") as file:
            stored = {}
            for name in sorted(file.keys(), key=natural):
                view = file.get_slice(name)
                stored[name] = (view.get_dtype(), view.get_shape())
            metadata = file.metadata() or {}
        if f'"{PATCH_SCHEMA}' in metadata.get(PATCH_KEY, ""):
            raise CheckpointError(
                f"{self.path} is a patch, not a checkpoint. "
                "Try: Patch.load(path).apply(base), or eigenscape patch apply"
            )
        aliases = _aliases(metadata, stored)
        return Listing(self._infos(stored, aliases))

    def read(self, name: str) -> Tensor:
        """Read one tensor; the clone lets the mapped pages go when the file closes."""
        with teaching(self.path), safe_open(str(self.path), framework="pt", device="cpu") as file:
            tensor: Tensor = file.get_tensor(name)
            return tensor.clone()

    def _infos(
        self, stored: dict[str, tuple[str, list[int]]], aliases: dict[str, list[str]]
    ) -> tuple[TensorInfo, ...]:
        types = {name: stored_type(*held) for name, held in stored.items()}
        unknown = [f"{name} ({stored[name][0]})" for name, held in types.items() if held is None]
        if unknown:
            raise CheckpointError(
                f"{self.path} stores tensors in types that torch {torch.__version__} lacks: "
                f"{few(unknown)}. Try: update torch, or convert them to a wider type"
            )
        return tuple(
            TensorInfo(name, held[1], held[0], str(self.path), tuple(aliases.get(name, ())))
            for name, held in types.items()
            if held is not None
        )


def _aliases(metadata: Mapping[str, str], stored: Mapping[str, Any]) -> dict[str, list[str]]:
    """Shared tensors are stored once; ``safetensors.torch.save_model`` notes the other names."""
    aliases: dict[str, list[str]] = {}
    for alias, name in metadata.items():
        if name in stored and alias not in stored:
            aliases.setdefault(name, []).append(alias)
    return aliases
