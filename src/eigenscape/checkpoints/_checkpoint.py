"""The Checkpoint: a mapping of names to tensors that are read when asked for."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from eigenscape.checkpoints._reader import Listing, Reader, tie_notes
from eigenscape.checkpoints._tensor_info import TensorInfo
from eigenscape.checkpoints._text import counted, few
from eigenscape.errors import CheckpointError


class _UnknownNameError(CheckpointError, KeyError):
    """No tensor of that name; a KeyError too, as mappings promise."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would show the message in quotes


class Checkpoint(Mapping[str, Tensor]):
    """The weights of a network by name; each is read anew whenever it is asked for.

    ``checkpoint[name]`` is a detached tensor on the CPU, in memory of its own: change it freely,
    and delete it before reading the next one to keep only one in memory. Tied tensors are listed
    once; their other names are found too. A checkpoint of a path pickles in a few kilobytes.

    ``unread`` describes the tensors of quantized types whose values cannot be computed; they are
    not in the mapping. Get one from :func:`~eigenscape.checkpoints.open_checkpoint`.

    Args:
        reader: reads a tensor by its stored name.
        listing: the tensors, by the names to show.
        source: where they come from, for messages.
        stored: the stored name of each tensor whose name was shortened.
        config: the model's config, as JSON has it; empty where there is none.
        module: the module, where it came from one.
    """

    def __init__(
        self,
        reader: Reader,
        listing: Listing,
        *,
        source: str,
        stored: Mapping[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
        module: nn.Module | None = None,
    ) -> None:
        self._reader = reader
        self._infos = {info.name: info for info in listing.infos}
        self._names = {name: info.name for info in listing.infos for name in info.names}
        self._stored = dict(stored or {})
        self.source = source
        self.format = reader.format
        self.config = dict(config or {})
        self.module = module
        self.notes = listing.notes + tie_notes(listing.infos)
        self.unread = listing.unread

    def info(self, name: str) -> TensorInfo:
        """Describe one tensor, without reading it.

        Args:
            name: its name, or one of its aliases.

        Raises:
            CheckpointError: no tensor has that name; it is a KeyError too.
        """
        if name not in self._names:
            raise self._unknown(name)
        return self._infos[self._names[name]]

    def infos(self) -> tuple[TensorInfo, ...]:
        """Describe every tensor, in order, without reading any."""
        return tuple(self._infos.values())

    def __getitem__(self, name: str) -> Tensor:
        """Read one tensor.

        Raises:
            CheckpointError: no tensor has that name (a KeyError too), or it cannot be read now.
        """
        info = self.info(name)
        tensor = self._reader.read(self._stored.get(info.name, info.name))
        if (tuple(tensor.shape), tensor.dtype) != (info.shape, info.dtype):
            raise CheckpointError(
                f"{info.name} is now {tuple(tensor.shape)} of {tensor.dtype}, and was "
                f"{info.shape} of {info.dtype} when {self.source} was opened: it has changed "
                "since. Try: open it again"
            )
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._infos)

    def __len__(self) -> int:
        return len(self._infos)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    # mappings compare by content, which would read every tensor
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        size = sum(info.bytes for info in self._infos.values()) / 1e6
        return (
            f"<Checkpoint {self.source!r}: {self.format}, "
            f"{counted(len(self), 'tensor')}, {size:,.1f} MB>"
        )

    def _unknown(self, name: object) -> _UnknownNameError:
        close = difflib.get_close_matches(str(name), self._names, n=3) or list(self._names)
        return _UnknownNameError(
            f"{self.source} has no tensor {name!r}. "
            f"Try: use a name that it has, such as {few(close, shown=3)}"
        )
