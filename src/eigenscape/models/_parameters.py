"""The space that a landscape lives in: chosen parameters of a model as one flat vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import prod

import torch
from torch import Tensor, nn

from eigenscape.errors import InputError


@dataclass(frozen=True)
class ParameterSpace:
    """Names and shapes of the parameters that are moved, and how they lie in one vector.

    A complex parameter takes two real coordinates for each of its numbers.

    Args:
        names: as ``model.named_parameters()`` gives them; a tied tensor occurs once.
        shapes: one for each name.
        complex_names: those that are complex.

    >>> space = ParameterSpace.of(torch.nn.Linear(3, 2))
    >>> space.names, space.count
    (('weight', 'bias'), 8)
    >>> {name: tuple(part.shape) for name, part in space.split(torch.zeros(8)).items()}
    {'weight': (2, 3), 'bias': (2,)}
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    complex_names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, model: nn.Module, patterns: Sequence[str] | None = None) -> ParameterSpace:
        """Return the space of a model's trainable parameters, or of those that match a pattern.

        Args:
            model: any module.
            patterns: globs over parameter names, such as ``"layers.0.*"``; None for all that
                require a gradient.

        Raises:
            InputError: nothing to move, or a pattern that matches nothing.
        """
        owned = dict(model.named_parameters())
        chosen = {
            name: tensor
            for name, tensor in owned.items()
            if (
                tensor.requires_grad
                if patterns is None
                else any(fnmatchcase(name, pattern) for pattern in patterns)
            )
        }
        idle = [p for p in patterns or () if not any(fnmatchcase(name, p) for name in owned)]
        if idle or not chosen:
            seen = ", ".join(list(owned)[:8]) or "none"
            what = (
                f"no parameter matches {', '.join(map(repr, idle))}"
                if idle
                else ("no parameter of the model requires a gradient")
            )
            raise InputError(f"{what}; the model's parameters: {seen}{' ...' * (len(owned) > 8)}")
        strange = [n for n, t in chosen.items() if not (t.is_floating_point() or t.is_complex())]
        if strange:
            raise InputError(f"parameters that are no real numbers cannot move: {strange}")
        return cls(
            tuple(chosen),
            tuple(tuple(tensor.shape) for tensor in chosen.values()),
            frozenset(name for name, tensor in chosen.items() if tensor.is_complex()),
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Real coordinates of each parameter."""
        return tuple(
            prod(shape) * (2 if name in self.complex_names else 1)
            for name, shape in zip(self.names, self.shapes, strict=True)
        )

    @property
    def count(self) -> int:
        """Real coordinates in all: the length P of the vector."""
        return sum(self.sizes)

    @property
    def slices(self) -> dict[str, slice]:
        """Where each parameter lies in the vector."""
        places, start = {}, 0
        for name, size in zip(self.names, self.sizes, strict=True):
            places[name] = slice(start, start + size)
            start += size
        return places

    def split(self, vector: Tensor) -> dict[str, Tensor]:
        """Return the parts of a vector ``(P,)`` in the parameters' shapes.

        They are views, but for a complex part that begins at an odd place: that is a copy.

        Raises:
            InputError: another length.
        """
        if tuple(vector.shape) != (self.count,):
            raise InputError(
                f"a point has the shape {tuple(vector.shape)}; expected ({self.count},), one "
                "coordinate for each number in the parameters that are moved"
            )
        parts = {}
        for name, shape, part in zip(
            self.names, self.shapes, torch.split(vector, list(self.sizes)), strict=True
        ):
            if name in self.complex_names:
                aligned = part.clone() if part.storage_offset() % 2 else part
                parts[name] = torch.view_as_complex(aligned.reshape(*shape, 2))
            else:
                parts[name] = part.view(shape)
        return parts

    def join(self, tensors: Mapping[str, Tensor], dtype: torch.dtype) -> Tensor:
        """Return named tensors as one new vector ``(P,)``.

        Raises:
            InputError: a tensor is missing or has another shape; all of them are named.
        """
        wrong = [
            f"{name}: {tuple(tensors[name].shape) if name in tensors else 'missing'}, "
            f"expected {shape}"
            for name, shape in zip(self.names, self.shapes, strict=True)
            if name not in tensors or tuple(tensors[name].shape) != shape
        ]
        if wrong:
            raise InputError("tensors do not fit the parameters: " + "; ".join(wrong))
        parts = []
        for name in self.names:
            tensor = tensors[name].detach()
            if name in self.complex_names:
                tensor = torch.view_as_real(tensor.to(torch.complex128))
            parts.append(tensor.to(dtype).reshape(-1))
        return torch.cat(parts)
