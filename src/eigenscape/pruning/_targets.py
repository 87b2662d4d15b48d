"""What is pruned: the weight matrices inside the repeated blocks of a network, by module type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn
from torch.nn import functional

from eigenscape.checkpoints import named_modules
from eigenscape.errors import InputError
from eigenscape.layers import blocks

_SHOWN = 6


@dataclass(frozen=True)
class Target:
    """One matrix to prune.

    Args:
        name: of its module.
        block: the repeated block that it belongs to; its own name outside every block.
        module: a linear layer, a Conv1D of transformers, or a convolution of one group.
    """

    name: str
    block: str
    module: nn.Module

    @property
    def tensor(self) -> str:
        """The name of its tensor in a checkpoint."""
        return f"{self.name}.weight" if self.name else "weight"

    @property
    def weight(self) -> Tensor:
        """The module's weight as stored."""
        weight: Tensor = self.module.weight  # type: ignore[assignment]
        return weight

    @property
    def shape(self) -> tuple[int, int]:
        """(out, in) of the matrix."""
        rows, columns = self.matrix(self.weight).shape
        return rows, columns

    def matrix(self, tensor: Tensor) -> Tensor:
        """Return the matrix (out, in) that a tensor of the weight's shape stands for."""
        return tensor.T if _transposed(self.module) else tensor.flatten(1)

    def as_stored(self, matrix: Tensor) -> Tensor:
        """Return a matrix (out, in) in the shape of the weight."""
        stored = matrix.T if _transposed(self.module) else matrix
        return stored.reshape(self.weight.shape)

    def rows_of(self, inputs: Tensor) -> Tensor:
        """Return the module's inputs as rows ``(..., in)`` of the matrix product."""
        if isinstance(self.module, nn.Conv2d):
            one = self.module
            padding = one.padding if not isinstance(one.padding, str) else _same(one)
            cut = functional.unfold(inputs, one.kernel_size, one.dilation, padding, one.stride)
            return cut.transpose(1, 2)
        return inputs


@dataclass(frozen=True)
class Stage:
    """What is pruned together: the targets of one block, before the next one is calibrated.

    Args:
        name: of the block.
        targets: its matrices, in the order of the network.
    """

    name: str
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Targets:
    """All that is pruned, and what is not.

    Args:
        stages: the blocks in the order of the network.
        left_out: weights of two or more axes that stay as they are, with the reason.
        repeated: whether the stages are the repeated blocks of the network.
    """

    stages: tuple[Stage, ...]
    left_out: tuple[tuple[str, str], ...]
    repeated: bool

    @property
    def all(self) -> tuple[Target, ...]:
        """The matrices in the order of the network."""
        return tuple(target for stage in self.stages for target in stage.targets)

    def words(self) -> str:
        """Return what was recognised, in one sentence.

        >>> from torch import nn
        >>> find_targets(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))).words()
        'no repeated blocks; 1 matrix is pruned: 0'
        """
        names = [target.name for target in self.all]
        what = f"{len(names)} matrices are" if len(names) != 1 else "1 matrix is"
        if not self.repeated:
            return f"no repeated blocks; {what} pruned: {_few(names)}"
        first = self.stages[0]
        inside = [name.removeprefix(f"{first.name}.") for name in names[: len(first.targets)]]
        return (
            f"{len(self.stages)} blocks ({first.name} to {self.stages[-1].name}); {what} pruned, "
            f"in each block such as the first: {_few(inside, 12)}"
        )


def find_targets(
    model: nn.Module, *, include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> Targets:
    """Return the matrices to prune.

    Linear layers, Conv1D of transformers and convolutions of one group, inside the repeated blocks
    as :func:`eigenscape.layers.blocks` recognises them. Embeddings, normalization, the output head
    and everything else outside the blocks stays (Lu et al. 2024, Sun et al. 2024). A network
    without repeated blocks loses weights in all such layers but the last, its output.

    Args:
        model: any module.
        include: shell patterns of names; only these are pruned. None for all.
        exclude: shell patterns of names that are not.

    Raises:
        InputError: nothing is left to prune; what was recognised is named.
    """
    modules = named_modules(model)
    block_of = {
        member.rpartition(".")[0]: block.name for block in blocks(model) for member in block.members
    }
    found: list[Target] = []
    left: list[tuple[str, str]] = []
    seen: dict[int, str] = {}
    matrices = {name: module for name, module in modules.items() if _has_matrix(module)}
    repeated = any(name in block_of for name, module in matrices.items() if not _why_not(module))
    last = next((n for n, m in reversed(matrices.items()) if not _why_not(m)), "")
    for name, module in matrices.items():
        weight = id(module.weight)
        reason = _why_not(module)
        if not reason and repeated and name not in block_of:
            reason = "outside the repeated blocks"
        elif not reason and not repeated and name == last and len(matrices) > 1:
            reason = "the last layer, whose outputs are the network's"
        elif not reason and weight in seen:
            reason = f"shares its weight with {seen[weight]}"
        elif not reason and include and not _matches(name, include):
            reason = "not included"
        elif not reason and _matches(name, exclude):
            reason = "excluded"
        if reason:
            left.append((name, reason))
            continue
        seen[weight] = name
        found.append(Target(name, block_of.get(name, name), module))
    if not found:
        raise InputError(_nothing(model, left))
    stages: dict[str, list[Target]] = {}
    for target in found:
        stages.setdefault(target.block, []).append(target)
    listed = tuple(Stage(name, tuple(targets)) for name, targets in stages.items())
    return Targets(listed, tuple(left), repeated)


def _has_matrix(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.ndim > 1


def _transposed(module: nn.Module) -> bool:
    return type(module).__name__ == "Conv1D"  # of transformers: y = x W + b


def _why_not(module: nn.Module) -> str:
    """Why a module's weight is no matrix to prune; empty where it is one."""
    weight = module.weight
    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        return "an embedding"
    plain = isinstance(module, nn.Conv2d) and module.groups == 1 and module.padding_mode == "zeros"
    if not (plain or _transposed(module) or isinstance(module, nn.Linear)):
        return f"a {type(module).__name__}, which has no rule for pruning"
    assert isinstance(weight, Tensor)
    return "" if weight.is_floating_point() else f"its weight is stored as {weight.dtype}"


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _same(module: nn.Conv2d) -> tuple[int, int] | int:
    """The padding that 'valid' or 'same' stands for, where it is the same on both sides."""
    if module.padding == "valid":
        return 0
    wide = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
    if any(width % 2 for width in wide):
        raise InputError(
            f"a convolution with padding='same' and an even kernel {module.kernel_size} cannot be "
            "calibrated. Try: --exclude it"
        )
    return wide[0] // 2, wide[1] // 2


def _nothing(model: nn.Module, left: Sequence[tuple[str, str]]) -> str:
    seen = "; ".join(f"{name}: {reason}" for name, reason in left[:_SHOWN])
    found = ", ".join(block.name for block in blocks(model)[:_SHOWN]) or "none"
    return (
        f"{type(model).__name__} has no matrix to prune ({seen or 'no weight of two axes'}); "
        f"repeated blocks: {found}. Expected linear layers, Conv1D or convolutions. Try: another "
        "--include, or a network that was not quantized"
    )


def _few(names: Sequence[str], most: int = _SHOWN) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def check_finite(targets: Iterable[Target]) -> None:
    """Refuse weights that are not finite.

    Raises:
        InputError: naming each layer that has some.
    """
    bad = [t.name for t in targets if not bool(torch.isfinite(t.weight).all())]
    if bad:
        raise InputError(
            f"{_few(bad)}: the weights are not finite, so that nothing can be said of their size. "
            "Try: eigenscape checkup on the model"
        )
