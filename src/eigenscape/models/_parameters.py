"""Chosen parameters of a model as one flat vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from math import prod

import torch
from torch import Tensor, nn

from eigenscape.errors import InputError


@dataclass(frozen=True)
class ParameterSpace:
    """Names and shapes of the parameters that are moved, and how they lie in one vector.

    A complex parameter takes two real coordinates for each of its numbers. Points are ``(..., P)``:
    one network is ``(P,)``, k networks are ``(k, P)``.

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
    def of(
        cls,
        model: nn.Module,
        include: Sequence[str] | None = None,
        exclude: Sequence[str] | None = None,
    ) -> ParameterSpace:
        """Return the space of a model's trainable parameters, or of those that globs choose.

        Args:
            model: any module.
            include: globs over parameter names, such as ``"layers.0.*"``; None for all that
                require a gradient.
            exclude: globs over the names of those that stay fixed.

        Raises:
            InputError: nothing to move, a glob that matches nothing, or parameters that are no
                real numbers.
        """
        owned = dict(model.named_parameters())
        _check_globs(owned, include, exclude)
        chosen = {
            name: tensor
            for name, tensor in owned.items()
            if (tensor.requires_grad if include is None else _matches(name, include))
            and not _matches(name, exclude or ())
        }
        if not chosen:
            why = "is left over" if include or exclude else "of the model requires a gradient"
            raise InputError(f"no parameter {why}; the model's parameters: {_some(list(owned))}")
        strange = [n for n, t in chosen.items() if not (t.is_floating_point() or t.is_complex())]
        if strange:
            raise InputError(f"parameters that are not real numbers cannot move: {strange}")
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

    def split(self, points: Tensor) -> dict[str, Tensor]:
        """Return the parts of points ``(..., P)``, each ``(..., *shape)``.

        They are views, but for a complex part that begins at an odd place: that is a copy.

        Raises:
            InputError: another length.
        """
        if points.ndim < 1 or points.shape[-1] != self.count:
            raise InputError(
                f"a point has the shape {tuple(points.shape)}; expected (..., {self.count}), one "
                "coordinate for each number in the parameters that are moved"
            )
        return self.shaped(torch.split(points, list(self.sizes), dim=-1))

    def shaped(self, cut: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return the parts ``(..., size)`` of each parameter, each ``(..., *shape)``."""
        parts = {}
        for name, shape, part in zip(self.names, self.shapes, cut, strict=True):
            lead = part.shape[:-1]
            if name in self.complex_names:
                odd = part.storage_offset() % 2 or any(step % 2 for step in part.stride()[:-1])
                aligned = part.clone() if odd else part
                parts[name] = torch.view_as_complex(aligned.reshape(*lead, *shape, 2))
            else:
                parts[name] = part.view((*lead, *shape))
        return parts

    def join(self, tensors: Mapping[str, Tensor], dtype: torch.dtype | None = None) -> Tensor:
        """Return named tensors ``(..., *shape)`` as new points ``(..., P)``.

        Args:
            tensors: by name; others than those of the space are left out.
            dtype: of the points; None for float64 where a tensor is that wide, else float32.

        Raises:
            InputError: a tensor is missing or has another shape; all of them are named.
        """
        wrong = [
            f"{name}: {tuple(tensors[name].shape) if name in tensors else 'missing'}, "
            f"expected {shape}"
            for name, shape in zip(self.names, self.shapes, strict=True)
            if name not in tensors or not _ends_with(tensors[name], shape)
        ]
        if wrong:
            raise InputError("tensors do not fit the parameters: " + "; ".join(wrong))
        leads = {
            name: tuple(tensors[name].shape[: tensors[name].ndim - len(shape)])
            for name, shape in zip(self.names, self.shapes, strict=True)
        }
        if len(set(leads.values())) > 1:
            raise InputError(f"tensors have different first axes, {leads}; expected the same")
        (lead,) = set(leads.values())
        if dtype is None:
            wide = (torch.float64, torch.complex128)
            held = any(tensors[name].dtype in wide for name in self.names)
            dtype = torch.float64 if held else torch.float32
        parts = []
        for name, size in zip(self.names, self.sizes, strict=True):
            tensor = tensors[name].detach()
            if name in self.complex_names:
                tensor = torch.view_as_real(tensor.to(torch.complex128))
            parts.append(tensor.to(dtype).reshape(*lead, size))
        return torch.cat(parts, dim=-1)


def _ends_with(tensor: Tensor, shape: tuple[int, ...]) -> bool:
    return tuple(tensor.shape[max(tensor.ndim - len(shape), 0) :]) == shape


def _matches(name: str, globs: Sequence[str]) -> bool:
    return any(name == glob or fnmatchcase(name, glob) for glob in globs)


def _check_globs(
    owned: Mapping[str, Tensor], include: Sequence[str] | None, exclude: Sequence[str] | None
) -> None:
    wrong = []
    for word, globs in (("include", include), ("exclude", exclude)):
        if isinstance(globs, str):
            wrong.append(f"{word} is the string {globs!r}; expected a list of globs: [{globs!r}]")
            continue
        idle = [g for g in globs or () if not any(_matches(name, [g]) for name in owned)]
        for glob in idle:
            near = get_close_matches(glob, list(owned), n=3, cutoff=0.4)
            names = f"near: {', '.join(near)}" if near else f"there are: {_some(list(owned))}"
            wrong.append(f"no parameter matches {glob!r} of {word} ({names})")
    if wrong:
        raise InputError("; ".join(wrong))


def _some(names: Sequence[str]) -> str:
    return (", ".join(names[:8]) or "none") + " ..." * (len(names) > 8)
