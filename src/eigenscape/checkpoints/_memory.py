"""Reads what is in memory already: modules and state dicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from eigenscape.checkpoints._contents import is_plain
from eigenscape.checkpoints._reader import Listing
from eigenscape.checkpoints._tensors import describe, own_copy
from eigenscape.checkpoints._text import counted, few
from eigenscape.errors import CheckpointError


@dataclass(frozen=True)
class MemoryReader:
    """Tensors in memory, held without a copy: a module's are read as they are at the time.

    Args:
        format: what they came from.
        tensors: by name.
        notes: what was done to find them.
    """

    format: str
    tensors: dict[str, Tensor]
    notes: tuple[str, ...] = ()

    def listing(self) -> Listing:
        """List the tensors."""
        return Listing(describe(self.tensors), self.notes)

    def read(self, name: str) -> Tensor:
        """Copy one tensor."""
        return own_copy(self.tensors[name], name)


def module_config(module: nn.Module) -> dict[str, Any]:
    """Return the config that a Hugging Face model carries, else an empty one."""
    to_dict = getattr(getattr(module, "config", None), "to_dict", None)
    config = to_dict() if callable(to_dict) else None
    return config if isinstance(config, dict) else {}


def module_reader(module: nn.Module) -> MemoryReader:
    """Return a reader of a module's parameters and persistent buffers.

    Raises:
        CheckpointError: some parameters have no shape yet.
    """
    state = module.state_dict(keep_vars=True)
    lazy = [name for name, value in state.items() if is_lazy(value)]
    if lazy:
        raise CheckpointError(
            f"{type(module).__name__} has parameters without a shape yet: {few(lazy)}. "
            "Try: run the module once on an example input"
        )
    tensors = {name: value for name, value in state.items() if is_plain(value)}
    ignored = len(state) - len(tensors)
    notes = (f"{counted(ignored, 'entry')} of the state ignored: not tensors",) if ignored else ()
    return MemoryReader("module", tensors, notes)
