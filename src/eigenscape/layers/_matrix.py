"""The nouns between a checkpoint and its spectra: candidate, layer matrix, skipped tensor."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from eigenscape.checkpoints import TensorInfo

#: Turns the tensors of a layer into a stack of equal matrices, (k, rows, cols).
Build = Callable[[Sequence[torch.Tensor]], torch.Tensor]

_BLOCK = re.compile(r"^(.*?(?:^|\.)\d+)\.(?=.)")
_WEIGHT = ".weight"


@dataclass(frozen=True)
class Candidate:
    """One tensor of a checkpoint, with all that a handler may ask about it.

    Args:
        info: name, shape and dtype.
        owner: the module that holds the tensor, or None when only a file is known.
        root: the whole module, or None when only a file is known.
        neighbours: every tensor of the checkpoint by name.
        config: the checkpoint's ``config.json``, or an empty mapping.
        buffer: whether the module holds it as a buffer, which is not trained.
    """

    info: TensorInfo
    owner: nn.Module | None
    root: nn.Module | None
    neighbours: Mapping[str, TensorInfo]
    config: Mapping[str, object]
    buffer: bool = False

    @property
    def name(self) -> str:
        """The tensor's full name."""
        return self.info.name

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape as stored."""
        return self.info.shape

    @property
    def path(self) -> str:
        """The name of the module that holds the tensor; empty at the root."""
        return self.name.rpartition(".")[0]

    @property
    def leaf(self) -> str:
        """The last component of the name, such as ``weight``."""
        return self.name.rpartition(".")[2]

    def sibling(self, leaf: str) -> TensorInfo | None:
        """Return the tensor of that leaf name in the same module, if there is one."""
        return self.neighbours.get(f"{self.path}.{leaf}" if self.path else leaf)


@dataclass(frozen=True, kw_only=True)
class LayerMatrix:
    """One matrix of a layer, or a pool of equal matrices, as the spectra see it.

    Args:
        name: the layer's name.
        kind: what the layer is, such as ``linear`` or ``conv2d``.
        shape: the tensor's shape as stored.
        stack: (k, rows, cols) of what ``build`` returns.
        tensors: the names that ``build`` wants, in its order.
        build: from those tensors to the stack; picklable.
        dtype: the storage type, which bounds the numerical rank.
        scale: a factor on every matrix of the stack.
        aliases: other names of the same memory.
        inferred: how the kind was known.
        note: what the reader of the table should know.
        parameters: entries behind the row; by default those of the stack.
        independent: eigenvalues that do not follow from others; by default all.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    stack: tuple[int, int, int]
    tensors: tuple[str, ...]
    build: Build
    dtype: torch.dtype
    scale: float = 1.0
    aliases: tuple[str, ...] = ()
    inferred: str = ""
    note: str = ""
    parameters: int | None = None
    independent: int | None = None

    @property
    def block(self) -> str | None:
        """The repeated unit that the layer belongs to: the name up to its first whole number."""
        return block_of(self.name)

    @property
    def eigenvalues(self) -> int:
        """How many eigenvalues the layer has."""
        return self.stack[0] * min(self.stack[1:])


@dataclass(frozen=True)
class Skipped:
    """A tensor that is not examined, and why.

    Args:
        name: the tensor's name.
        shape: its shape as stored.
        reason: why it is not examined, and what would include it.
        aliases: other names of the same memory.
    """

    name: str
    shape: tuple[int, ...]
    reason: str
    aliases: tuple[str, ...] = ()


def block_of(name: str) -> str | None:
    """Return the block of a layer name, or None where it is in no numbered block.

    >>> block_of("model.layers.3.mlp.down_proj"), block_of("layer1.0.conv1"), block_of("head")
    ('model.layers.3', 'layer1.0', None)
    """
    match = _BLOCK.match(name.split("[")[0])
    return match.group(1) if match else None


def layer_name(tensor_name: str) -> str:
    """Return the layer's name: the tensor's, without a trailing ``.weight``.

    >>> layer_name("fc.weight"), layer_name("attn.in_proj_weight")
    ('fc', 'attn.in_proj_weight')
    """
    if tensor_name.endswith(_WEIGHT):
        return tensor_name[: -len(_WEIGHT)]
    return tensor_name
