"""Layers that need not be computed at every point: patched within a block, then restored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

Outputs = Tensor | tuple[Tensor | None, ...]


class Precomputed:
    """A layer that is linear in its parameters, on inputs that do not move.

    At the point ``W + sum a_i D_i`` its outputs are ``Y_0 + sum a_i Y_i``.

    Args:
        batches: for each batch ``Y_0 ... Y_n``; None for a direction that leaves the layer alone.
    """

    def __init__(self, batches: Sequence[Sequence[Tensor | None]]) -> None:
        self._batches = batches
        self._rows: list[tuple[tuple[float, ...] | None, Tensor | None]]
        self._rows = [(None, None)] * len(batches)

    def __call__(self, index: int, at: tuple[float, ...]) -> Tensor:
        """Return a new tensor; all but the last direction are added once for each row."""
        head, last = at[:-1], self._batches[index][-1]
        known, row = self._rows[index]
        if row is None or known != head:
            first, *parts = self._batches[index][:-1]
            assert first is not None
            row = first
            for step, part in zip(head, parts, strict=True):
                row = row if part is None else torch.add(row, part, alpha=step)
            self._rows[index] = (head, row)
        return row.clone() if last is None else torch.add(row, last, alpha=at[-1])


class Kept:
    """A module whose outputs do not move at all.

    Args:
        batches: its outputs for each batch.
    """

    def __init__(self, batches: Sequence[Outputs]) -> None:
        self._batches = batches

    def __call__(self, index: int, at: tuple[float, ...]) -> Outputs:  # noqa: ARG002
        """Return copies: a later layer may work in place."""
        outputs = self._batches[index]
        if isinstance(outputs, Tensor):
            return outputs.clone()
        return tuple(None if part is None else part.clone() for part in outputs)


Source = Precomputed | Kept


@dataclass(frozen=True)
class Layers:
    """Layers whose outputs are taken from memory.

    Args:
        linear: names of those that are linear in their moved parameters.
        kept: names of those that do not move.
        bytes: that their outputs take.
    """

    linear: tuple[str, ...]
    kept: tuple[str, ...]
    bytes: int


class Shortcut:
    """Replaces the forward of some modules while it is entered.

    Each of them is called exactly once for a batch, and batches come in their order.

    Args:
        layers: which they are.
        modules: by name.
        sources: what their forward returns, by name.
        batches: how many.
    """

    def __init__(
        self,
        layers: Layers,
        modules: Mapping[str, nn.Module],
        sources: Mapping[str, Source],
        batches: int,
    ) -> None:
        self.layers = layers
        self._modules, self.sources, self._count = modules, sources, batches
        self._at: tuple[float, ...] = ()
        self._turns: dict[str, int] = {}

    def go_to(self, at: Sequence[float]) -> None:
        """Set the point, before an evaluation of all batches."""
        self._at = tuple(at)
        self._turns = dict.fromkeys(self.sources, 0)

    def __enter__(self) -> Self:
        for name in self.sources:
            # an attribute of the instance hides the method of the class
            vars(self._modules[name])["forward"] = self._forward(name)
        return self

    def __exit__(self, *_: object) -> None:
        for name in self.sources:
            vars(self._modules[name]).pop("forward", None)

    def describe(self) -> str:
        """Return a sentence on the layers that are taken from memory."""
        words = []
        for kind, verb in ((Kept, "kept"), (Precomputed, "precomputed for every direction")):
            names = [
                name or "the model"
                for name, source in self.sources.items()
                if isinstance(source, kind)
            ]
            if names:
                more = f" and {len(names) - 4} more" if len(names) > 4 else ""
                words.append(f"outputs of {', '.join(names[:4])}{more} {verb}")
        return "; ".join(words)

    def _forward(self, name: str) -> Callable[..., Any]:
        source = self.sources[name]

        def forward(*_args: Any, **_kwargs: Any) -> Any:
            index = self._turns[name]
            self._turns[name] = (index + 1) % self._count
            return source(index, self._at)

        return forward
