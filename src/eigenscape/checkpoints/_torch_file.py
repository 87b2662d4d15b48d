"""Read one file of ``torch.save`` without running any code in it."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from eigenscape.checkpoints._contents import Contents, find_tensors
from eigenscape.checkpoints._errors import teaching
from eigenscape.checkpoints._reader import Listing
from eigenscape.checkpoints._tensors import describe, own_copy

_MAPPED_BYTES = 8 * 2**20  # read this much, then let the mapping and its pages go
_LOADING = threading.Lock()  # torch.load keeps state of its own between calls


class TorchFileReader:
    """A file of ``torch.save``, mapped into memory where its layout allows.

    Opening the file again costs a walk over all its names. So the mapping is kept while little has
    been read through it, and dropped before its pages add up or when the file has changed.

    Args:
        path: of the file.
        mapped: whether it can be mapped: it is a zip archive, as torch has written since 1.6.
    """

    format = "torch file"

    def __init__(self, path: Path, *, mapped: bool) -> None:
        # torch.load hands a path with this suffix to safetensors, and maps only paths
        self._misnamed = path.suffix == ".safetensors"
        self._path = path
        self._mapped = mapped and not self._misnamed
        self._contents: Contents | None = None
        self._passed = 0
        self._stamp: tuple[int, int] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the tensors out: an unpickled reader opens the file again."""
        return {**self.__dict__, "_contents": None, "_passed": 0}

    def listing(self) -> Listing:
        """List the tensors.

        Raises:
            UnsafeCheckpointError: the file asks for more than tensors and plain containers.
            CheckpointError: it is truncated or corrupt, or holds no tensors.
        """
        contents = self._open()
        with teaching(self._path):
            infos = describe(contents.tensors, str(self._path))
        if self._mapped:
            return Listing(infos, contents.notes)
        whole = "cannot be read tensor by tensor (an old format or a foreign suffix): read at once"
        return Listing(infos, (*contents.notes, f"{self._path.name} {whole}"))

    def read(self, name: str) -> Tensor:
        """Copy one tensor out of the file."""
        with teaching(self._path):
            tensor = self._open().tensors[name]
            copy = own_copy(tensor, name)
        self._passed += copy.nbytes
        if self._mapped and self._passed >= _MAPPED_BYTES:
            self._contents, self._passed = None, 0
        return copy

    def _open(self) -> Contents:
        with _LOADING, teaching(self._path):
            contents = self._contents
            status = self._path.stat()
            stamp = status.st_size, status.st_mtime_ns
            if contents is None or stamp != self._stamp:
                # also of a file that has changed: what was mapped may lie beyond its end by now,
                # and reading there would end the process; also where it cannot be opened again
                self._contents = None
                contents = find_tensors(self._load(), str(self._path))
                self._contents, self._stamp = contents, stamp
            return contents

    def _load(self) -> Any:
        with warnings.catch_warnings():
            # torch warns that kinds of tensors (quantized, nested) and of pickles are going out of
            # use: of use to whoever saved the file; its reader can do nothing about it
            warnings.simplefilter("ignore", UserWarning)
            if not self._misnamed:
                return torch.load(
                    self._path, weights_only=True, map_location="cpu", mmap=self._mapped
                )
            with self._path.open("rb") as file:
                return torch.load(file, weights_only=True, map_location="cpu", mmap=False)
