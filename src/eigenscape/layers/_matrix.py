"""Data classes between a checkpoint and its spectra: candidate, layer matrix, skipped tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from eigenscape.checkpoints import TensorInfo
from eigenscape.errors import InputError

#: Turns the tensors of a layer into a stack of equal matrices, (k, rows, cols).
Build = Callable[[Sequence[torch.Tensor]], torch.Tensor]
#: Turns the tensors of a layer into parts of a matrix, one in memory at a time.
Pieces = Callable[[Sequence[torch.Tensor]], Iterator[torch.Tensor]]

_WEIGHT = ".weight"


@dataclass(frozen=True)
class Candidate:
    """One tensor of a checkpoint, with all that a handler may use.

    Args:
        info: name, shape and dtype.
        owner: the module that holds the tensor, or None when only a file is known.
        root: the whole module, or None when only a file is known.
        neighbours: every tensor of the checkpoint by name.
        config: the checkpoint's ``config.json``, or an empty mapping.
        buffer: whether the module holds it as a buffer, which is not trained.
        modules: the modules by name, or an empty mapping when only a file is known.
        scales: of float8 codes: names of scales and offsets beside them that were not applied.
    """

    info: TensorInfo
    owner: nn.Module | None
    root: nn.Module | None
    neighbours: Mapping[str, TensorInfo]
    config: Mapping[str, object]
    buffer: bool = False
    modules: Mapping[str, nn.Module] = field(default_factory=dict)
    scales: tuple[str, ...] = ()

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

    def module_at(self, name: str) -> nn.Module | None:
        """Return the module of that name, where one is known."""
        return self.root if not name else self.modules.get(name)

    def sibling(self, leaf: str) -> TensorInfo | None:
        """Return the tensor of that leaf name in the same module, if there is one."""
        return self.neighbours.get(f"{self.path}.{leaf}" if self.path else leaf)


@dataclass(frozen=True, kw_only=True)
class LayerMatrix:
    """One matrix of a layer, or a pool of equal matrices: the identity of a row of every table.

    Args:
        name: the layer's name.
        kind: what the layer is, such as ``linear`` or ``conv2d``.
        shape: the tensor's shape as stored.
        stack: (k, rows, cols) of what ``build`` returns.
        tensors: the names that ``build`` wants, in its order.
        dtype: the storage type's name, such as ``"float32"``; it bounds the numerical rank.
        encoding: the quantized type that the values were computed from, such as ``Q4_1``.
        block: the repeated block that the layer belongs to, as :func:`blocks` finds it; None
            outside every block.
        scale: a factor on every matrix of the stack.
        aliases: other names of the same memory.
        inferred: how the kind was known.
        note: a remark for readers of the table.
        parameters: entries behind the row.
        independent: eigenvalues that do not follow from others.
        build: from those tensors to the stack; picklable. None in a result that was read from a
            file.
        pieces: from those tensors to what the stack stands for, in parts, where the stack only has
            the same singular values.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    stack: tuple[int, int, int]
    tensors: tuple[str, ...]
    dtype: str
    block: str | None = None
    scale: float = 1.0
    aliases: tuple[str, ...] = ()
    inferred: str = ""
    note: str = ""
    encoding: str = ""
    parameters: int = 0
    independent: int = 0
    build: Build | None = field(default=None, repr=False, compare=False, metadata={"saved": False})
    pieces: Pieces | None = field(
        default=None, repr=False, compare=False, metadata={"saved": False}
    )

    def __post_init__(self) -> None:
        k, rows, cols = self.stack
        if not self.parameters:
            object.__setattr__(self, "parameters", k * rows * cols)
        if not self.independent:
            object.__setattr__(self, "independent", self.n_eigenvalues)

    @classmethod
    def of(
        cls,
        candidate: Candidate,
        kind: str,
        stack: Sequence[int],
        build: Build,
        *,
        part: str = "",
        scale: float = 1.0,
        inferred: str = "",
        note: str = "",
    ) -> LayerMatrix:
        """Return the layer matrix of one candidate, named ``layer[part]``.

        Args:
            candidate: the tensor.
            kind: what it is.
            stack: (k, rows, cols) of what ``build`` returns.
            build: from a list of the one tensor to the stack; a function of a module, or a
                ``functools.partial`` of one, so that it can be sent to worker processes.
            part: which part of the tensor, where it yields several matrices.
            scale: a factor on every matrix of the stack.
            inferred: how the kind was known.
            note: a remark for readers of the table.
        """
        k, rows, cols = stack
        return cls(
            name=layer_name(candidate.name) + (f"[{part}]" if part else ""),
            kind=kind,
            shape=candidate.shape,
            stack=(k, rows, cols),
            tensors=(candidate.name,),
            build=build,
            dtype=str(candidate.info.dtype).removeprefix("torch."),
            scale=scale,
            aliases=tuple(layer_name(alias) for alias in candidate.info.aliases),
            inferred=inferred,
            note=note,
            encoding=candidate.info.encoding,
        )

    @property
    def n_eigenvalues(self) -> int:
        """How many eigenvalues the layer has."""
        return self.stack[0] * min(self.stack[1:])

    @property
    def stored_as(self) -> str:
        """The storage type, for people: of a quantized layer, what it was dequantized from."""
        return f"{self.encoding}, dequantized" if self.encoding else self.dtype

    @property
    def torch_dtype(self) -> torch.dtype:
        """The storage type."""
        found: torch.dtype = getattr(torch, self.dtype)
        return found

    def matrices(self, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the stack, (k, rows, cols), from the tensors of this layer; not yet scaled.

        Raises:
            InputError: the layer was read from a result file, which does not hold the recipe; or
                its handler's recipe makes a stack of another shape than it promised.
        """
        if self.build is None:
            raise InputError(
                f"{self.name} was read from a result file, which does not say how its matrices are "
                "made. Try: find_layers(checkpoint)"
            )
        found = self.build(tensors)
        if not isinstance(found, torch.Tensor) or tuple(found.shape) != self.stack:
            seen = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
            raise InputError(
                f"{self.name}: the handler of the kind {self.kind} made {seen}; expected "
                f"{self.stack}, as it said. Try: in the handler, the stack that build returns"
            )
        return found

    def places(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """Return where each entry of the stack lies in its tensor, so that it can be written back.

        Args:
            tensor: the layer's one tensor.

        Returns:
            int64 ``(k, rows, cols)``: places in ``tensor.flatten()``; None where the stack is not
            made of the entries themselves: of several tensors, of frequencies.
        """
        if len(self.tensors) != 1 or self.build is None or tuple(tensor.shape) != self.shape:
            return None
        try:
            found = self.build([torch.arange(tensor.numel()).reshape(tensor.shape)])
            stack = self.build([tensor])
        except Exception:  # a recipe, perhaps another package's, that computes
            return None
        if found.dtype != torch.int64 or tuple(found.shape) != self.stack:
            return None
        entries = tensor.flatten()[found.to(tensor.device)]
        same = stack.dtype == entries.dtype and torch.equal(
            stack.nan_to_num(), entries.nan_to_num()
        )
        once = len(torch.unique(found)) == found.numel()
        return found if same and once else None


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

    @classmethod
    def of(cls, candidate: Candidate, reason: str) -> Skipped:
        """Return a candidate as skipped."""
        return cls(candidate.name, candidate.shape, reason, candidate.info.aliases)


def layer_name(tensor_name: str) -> str:
    """Return the layer's name: the tensor's, without a trailing ``.weight``.

    >>> layer_name("fc.weight"), layer_name("attn.in_proj_weight")
    ('fc', 'attn.in_proj_weight')
    """
    return tensor_name.removesuffix(_WEIGHT)
