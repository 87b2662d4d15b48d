"""Write tensors to a new ``.safetensors`` file."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from eigenscape.checkpoints._checkpoint import Checkpoint
from eigenscape.checkpoints._contents import is_plain
from eigenscape.checkpoints._tensor_info import TORCH_DTYPES, TensorInfo
from eigenscape.checkpoints._tensors import dense, describe
from eigenscape.checkpoints._text import few
from eigenscape.errors import CheckpointError, OutputError
from eigenscape.results import replacing

_SUFFIX = ".safetensors"


def save_checkpoint(
    tensors: Mapping[str, Tensor], path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write tensors to a ``.safetensors`` file, whole or not at all.

    Tied tensors are written once, and their other names noted in the file's metadata, the way
    ``safetensors.torch.load_model`` and :func:`~eigenscape.checkpoints.open_checkpoint` read them.

    Args:
        tensors: by name; a :class:`~eigenscape.checkpoints.Checkpoint` too. All must fit in memory.
        path: a new file; its name ends in ``.safetensors``.
        overwrite: replace a file that is there.

    Returns:
        The path.

    Raises:
        CheckpointError: some tensors cannot be written; all of them are named.
        OutputError: the path is taken, has another suffix, or cannot be written.

    >>> import tempfile
    >>> from eigenscape.checkpoints import open_checkpoint
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_checkpoint({"w": torch.eye(2)}, Path(folder) / "edited.safetensors")
    ...     open_checkpoint(path)["w"].tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    target = new_target(Path(path), overwrite=overwrite)
    held = dict(tensors)
    problems = list(_problems(held)) if held else ["there are no tensors"]
    if problems:
        raise CheckpointError(
            f"nothing was written to {target}: {few(problems, shown=12)}. "
            "Try: leave these out, or make them plain tensors with data, named by strings"
        )
    infos = tensors.infos() if isinstance(tensors, Checkpoint) else describe(held)
    aliases = {alias: info.name for info in infos for alias in info.aliases}
    write_tensors(_alone(held, infos), target, {**aliases, "format": "pt"})
    return target


def write_tensors(tensors: dict[str, Tensor], target: Path, metadata: dict[str, str]) -> None:
    """Write contiguous tensors on the CPU, no two in one memory, atomically.

    Raises:
        OutputError: the file cannot be written.
    """
    needed = sum(tensor.nbytes for tensor in tensors.values())
    with replacing(target, needed=needed) as temporary:
        try:
            save_file(tensors, str(temporary), metadata)
        except SafetensorError as error:
            if f"os error {errno.ENOSPC}" in str(error):
                raise OSError(errno.ENOSPC, str(error)) from error
            raise OutputError(
                f"could not write {target}: {error}. Try: free some disk space"
            ) from error


def new_target(path: Path, *, overwrite: bool) -> Path:
    """Return the path that tensors may be written to.

    Raises:
        OutputError: it is taken, a folder, or ends in another suffix.
    """
    if path.suffix != _SUFFIX:
        raise OutputError(
            f"{path} does not end in {_SUFFIX}, the one format that is written. "
            f"Try: use {path.with_name(path.name + _SUFFIX) if path.name else 'a file name'}"
        )
    if path.is_dir():
        raise OutputError(f"{path} is a folder. Try: give the path of a file in it")
    if path.exists() and not overwrite:
        raise OutputError(
            f"{path} exists and was not overwritten. Try: choose another name "
            "(in Python also: overwrite=True)"
        )
    return path


def _problems(held: Mapping[Any, Any]) -> Iterator[str]:
    for name, tensor in held.items():
        if not isinstance(name, str) or name == "__metadata__":
            yield f"{name!r} cannot name a tensor"
        elif not is_plain(tensor):
            yield f"{name} is a {type(tensor).__name__}, not a plain tensor"
        elif tensor.device.type == "meta":
            yield f"{name} is on the meta device and has no data"
        elif tensor.dtype not in TORCH_DTYPES.values():
            yield f"{name} is of {tensor.dtype}, which safetensors does not know"


def _alone(held: Mapping[str, Tensor], infos: Iterable[TensorInfo]) -> dict[str, Tensor]:
    """Dense, contiguous tensors on the CPU, no two in one memory, copied only where need be."""
    alone: dict[str, Tensor] = {}
    taken: set[int] = set()
    for info in infos:
        tensor = held[info.name].detach()
        if tensor.layout != torch.strided:
            tensor = dense(tensor)
        tensor = tensor.cpu().contiguous().resolve_conj().resolve_neg()
        if tensor.untyped_storage().data_ptr() in taken:
            tensor = tensor.clone()
        taken.add(tensor.untyped_storage().data_ptr())
        alone[info.name] = tensor
    return alone
