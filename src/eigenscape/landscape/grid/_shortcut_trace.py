"""The calls of a forward pass, their inputs and outputs, summarised to compare two passes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from eigenscape.models import tensors_of

_SAMPLE = 4096
_PLAIN = (Tensor, str, int, float, bool, type(None))


@dataclass(frozen=True)
class Call:
    """One module in one pass.

    Args:
        calls: how often it was called.
        inputs: the mark of its inputs; None where they cannot be compared.
        outputs: the mark of its outputs; None where they are not tensors.
        bytes: of its outputs.
        depends: whether an input hangs on a parameter that requires a gradient, in the graph of the
            pass: also where it happens not to move.
    """

    calls: int
    inputs: tuple[Any, ...] | None
    outputs: tuple[Any, ...] | None
    bytes: int
    depends: bool


@contextmanager
def traced(model: nn.Module) -> Iterator[dict[str, Call]]:
    """Yield a record, by module name and in the order of ending, of what is called meanwhile."""
    record: dict[str, Call] = {}

    def hook(name: str) -> Any:
        def after(_module: nn.Module, args: Any, kwargs: Any, outputs: Any) -> None:
            before = record.get(name)
            record[name] = Call(
                calls=1 + (before.calls if before else 0),
                inputs=_mark((*args, kwargs)),
                outputs=_mark(outputs) if _is_output(outputs) else None,
                bytes=sum(tensor.nbytes for tensor in tensors_of(outputs)),
                depends=any(tensor.requires_grad for tensor in tensors_of((list(args), kwargs))),
            )

        return after

    with hooked(model, hook):
        yield record


@contextmanager
def hooked(model: nn.Module, hook: Any, names: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Register ``hook(name)`` on each module (those in ``names``), and remove all afterwards."""
    handles = []
    try:
        for name, module in model.named_modules():
            if names is None or name in names:
                handles.append(module.register_forward_hook(hook(name), with_kwargs=True))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _is_output(value: Any) -> bool:
    if isinstance(value, Tensor):
        return True
    return type(value) is tuple and all(part is None or isinstance(part, Tensor) for part in value)


def _mark(value: Any) -> tuple[Any, ...] | None:
    """Return what two equal nests of tensors share; None for what is more than tensors."""
    if not _only_tensors(value):
        return None
    return tuple(_mark_tensor(tensor) for tensor in tensors_of(value))


def _only_tensors(value: Any) -> bool:
    if isinstance(value, Mapping):
        return type(value) is dict and all(map(_only_tensors, value.values()))
    if isinstance(value, tuple | list):
        return all(map(_only_tensors, value))
    return isinstance(value, _PLAIN)


def _mark_tensor(tensor: Tensor) -> tuple[Any, ...]:
    flat = torch.view_as_real(tensor).reshape(-1) if tensor.is_complex() else tensor.reshape(-1)
    wide = torch.float64 if flat.is_floating_point() else torch.int64
    sample = flat[:: max(1, len(flat) // _SAMPLE)]
    return (tuple(tensor.shape), tensor.dtype, flat.sum(dtype=wide).item(), *sample.tolist())
