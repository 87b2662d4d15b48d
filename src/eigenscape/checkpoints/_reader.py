"""What a :class:`~eigenscape.checkpoints.Checkpoint` asks of the format behind it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from torch import Tensor

from eigenscape.checkpoints._tensor_info import TensorInfo
from eigenscape.checkpoints._text import few

_TIES = 3


@dataclass(frozen=True)
class Listing:
    """The tensors of a source, none of them read, and what was done to find them.

    Args:
        infos: one for each tensor, in the source's order.
        notes: sentences for the user.
        unread: tensors of quantized types whose values cannot be computed.
    """

    infos: tuple[TensorInfo, ...]
    notes: tuple[str, ...] = ()
    unread: tuple[TensorInfo, ...] = ()

    @property
    def names(self) -> list[str]:
        """Every name, aliases included."""
        return [name for info in self.infos for name in info.names]

    def noting(self, *notes: str) -> Listing:
        """Return the listing with further notes."""
        return replace(self, notes=self.notes + notes)


class Reader(Protocol):
    """One format: lists its tensors, and reads one of them. Readers of files pickle cheaply."""

    @property
    def format(self) -> str:
        """The format's name, for messages."""

    def listing(self) -> Listing:
        """List the tensors without keeping their data.

        Raises:
            CheckpointError: the source cannot be read.
        """

    def read(self, name: str) -> Tensor:
        """Return one tensor in memory of its own.

        Raises:
            CheckpointError: the source cannot be read.
        """


def tie_notes(infos: Iterable[TensorInfo]) -> tuple[str, ...]:
    """Say which names are aliases: one sentence for each tensor, or one for all where many are.

    >>> import torch
    >>> tie_notes([TensorInfo("embed.weight", (4, 2), torch.float32, aliases=("head.weight",))])
    ('head.weight is tied to embed.weight',)
    """
    ties = [
        f"{few(info.aliases)} {'is' if len(info.aliases) == 1 else 'are'} tied to {info.name}"
        for info in infos
        if info.aliases
    ]
    return tuple(ties) if len(ties) <= _TIES else (few(ties, shown=_TIES),)
