"""What a change cannot reach: the blocks before the changed layer, taken from memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from eigenscape.checkpoints import named_modules
from eigenscape.layers import LayerMatrix, blocks

Outputs = Tensor | tuple[Tensor | None, ...]
#: Outputs of blocks are kept up to this size, in bytes.
MOST_BYTES = 2**30


@dataclass(eq=False)
class Prefix:
    """The outputs of the repeated blocks of the unchanged network, batch by batch.

    Args:
        modules: the blocks by name, in the order in which they are called.
        outputs: of each block, for each batch.
        before: of each layer, how many blocks are over when it is first used.
    """

    modules: Mapping[str, nn.Module]
    outputs: Mapping[str, Sequence[Outputs]]
    before: Mapping[str, int]
    _turns: dict[str, int] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """The memory that the outputs take."""
        return sum(_bytes(one) for kept in self.outputs.values() for one in kept)

    @contextmanager
    def skipping(self, count: int) -> Iterator[None]:
        """Let the first blocks return what they returned for the unchanged network."""
        names = list(self.modules)[:count]
        self._turns = dict.fromkeys(names, 0)
        try:
            for name in names:  # an attribute of the instance hides the method of the class
                vars(self.modules[name])["forward"] = self._forward(name)
            yield
        finally:
            for name in names:
                vars(self.modules[name]).pop("forward", None)

    def _forward(self, name: str) -> Callable[..., Outputs]:
        def forward(*_args: Any, **_kwargs: Any) -> Outputs:
            turn = self._turns[name]
            self._turns[name] = turn + 1
            return _copied(self.outputs[name][turn])  # a later layer may work in place

        return forward


class Recorder:
    """Watches a network while it is evaluated on all batches, to make a :class:`Prefix`.

    Args:
        model: whose blocks are watched.
        layers: whose first use is watched.
        batches: how many there are.
    """

    def __init__(self, model: nn.Module, layers: Sequence[LayerMatrix], batches: int) -> None:
        everything = named_modules(model)
        self._blocks = {block.name: everything[block.name] for block in blocks(model)}
        # a tied tensor is used at several places, and so by nobody known
        self._owners = {
            layer.name: None if layer.aliases else everything.get(_owner(layer.tensors[0]))
            for layer in layers
        }
        self._batches = batches
        self._outputs: dict[str, list[Outputs]] = {name: [] for name in self._blocks}
        self._started: list[str] = []
        self._over = 0
        self._first: dict[nn.Module, int] = {}
        self._why_not = "" if self._blocks else "the network has no repeated blocks"
        if any("forward" in vars(module) for module in self._blocks.values()):
            self._why_not = "a block has a forward of its own"  # which skipping would take away

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch within the block; the network is left as found."""
        handles = [
            module.register_forward_hook(self._keep(name)) for name, module in self._blocks.items()
        ]
        handles += [
            module.register_forward_pre_hook(self._start(name))
            for name, module in self._blocks.items()
        ]
        owners = {owner for owner in self._owners.values() if owner is not None}
        handles += [owner.register_forward_pre_hook(self._use) for owner in owners]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def prefix(self) -> Prefix | str:
        """Return what was recorded, or why nothing can be taken from memory."""
        names = self._started[: len(self._blocks)]
        if not self._why_not and (
            len(set(names)) != len(self._blocks) or self._started != names * self._batches
        ):
            self._why_not = "the blocks are not called one after the other, each once for a batch"
        if self._why_not:
            return self._why_not
        before = {
            layer: 0 if owner is None else self._first.get(owner, 0)
            for layer, owner in self._owners.items()
        }
        modules = {name: self._blocks[name] for name in names}
        return Prefix(modules, self._outputs, before)

    # ------------------------------------------------------------------ hooks

    def _start(self, name: str) -> Callable[..., None]:
        def start(*_: Any) -> None:
            if len(self._started) != self._over:
                self._why_not = "blocks lie within blocks"
            self._started.append(name)

        return start

    def _keep(self, name: str) -> Callable[..., None]:
        def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
            self._over += 1
            if self._why_not:
                return
            whole = isinstance(output, tuple) and all(
                part is None or isinstance(part, Tensor) for part in output
            )
            if not whole and not isinstance(output, Tensor):
                self._why_not = f"a block returns a {type(output).__name__}"
                return
            self._outputs[name].append(_copied(output))
            if sum(_bytes(one) for kept in self._outputs.values() for one in kept) > MOST_BYTES:
                self._why_not = f"outputs of blocks take more than {MOST_BYTES / 2**30:.0f} GiB"
                self._outputs = {name: [] for name in self._blocks}

        return keep

    def _use(self, module: nn.Module, _inputs: Any) -> None:
        # within the first batch, blocks that are over; later batches call in the same order
        self._first.setdefault(module, self._over)


def _owner(name: str) -> str:
    return name.rpartition(".")[0]


def _copied(outputs: Outputs) -> Outputs:
    if isinstance(outputs, Tensor):
        return outputs.detach().clone()
    return tuple(None if part is None else part.detach().clone() for part in outputs)


def _bytes(outputs: Outputs) -> int:
    parts = (outputs,) if isinstance(outputs, Tensor) else outputs
    return sum(part.nbytes for part in parts if part is not None)
