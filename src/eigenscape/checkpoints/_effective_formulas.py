"""How weights follow from the parts that they are stored in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

_USUAL_BLOCK = 128  # of block scales (DeepSeek-AI, "DeepSeek-V3 Technical Report", 2024, 3.3.2)


def wide_type(dtype: torch.dtype) -> torch.dtype:
    """Return the type that a computed weight has: float32 in place of shorter ones."""
    return dtype if dtype.itemsize >= 4 else torch.float32


def masked(original: Tensor, mask: Tensor) -> Tensor:
    """Return a pruned weight, as ``torch.nn.utils.prune`` computes it."""
    return original * mask.to(original.dtype)


def normed_axes(g: Sequence[int], v: Sequence[int]) -> tuple[int, ...] | None:
    """Return the axes that a weight normalisation takes the norm over; None where none fits.

    ``g`` has the shape of ``v`` with 1 at these axes; a number alone means all of them.

    >>> normed_axes((8, 1, 1), (8, 4, 3)), normed_axes((), (8, 4)), normed_axes((4,), (8, 4))
    ((1, 2), (0, 1), None)
    """
    if not g:
        return tuple(range(len(v)))
    if len(g) != len(v) or any(one not in (1, whole) for one, whole in zip(g, v, strict=True)):
        return None
    kept = sum(one > 1 for one in g)
    return tuple(axis for axis, one in enumerate(g) if one == 1) if kept <= 1 else None


def weight_normed(g: Tensor, v: Tensor) -> Tensor:
    """Return ``v g / |v|`` (Salimans and Kingma, 2016, equation 2)."""
    axes = normed_axes(g.shape, v.shape)
    assert axes is not None
    wide = v.to(torch.float64)
    if not axes:
        signed: Tensor = wide * g.sign()
        return signed
    length: Tensor = torch.linalg.vector_norm(wide, dim=axes, keepdim=True)
    return wide * (g.to(torch.float64) / length)


def spectral_axes(
    shape: Sequence[int], u: Sequence[int], v: Sequence[int] | None
) -> tuple[int, ...]:
    """Return the axes of a weight that u and v fit as rows and columns.

    >>> spectral_axes((8, 4, 3), (8,), (12,)), spectral_axes((6, 6), (6,), None)
    ((0,), (0, 1))
    """
    whole = math.prod(shape)
    return tuple(
        axis
        for axis, rows in enumerate(shape[:2])
        if rows and tuple(u) == (rows,) and (v is None or tuple(v) == (whole // rows,))
    )


def spectral_normed(weight: Tensor, u: Tensor, v: Tensor | None = None) -> Tensor:
    """Return ``W / (u' W v)`` (Miyato et al., 2018, equation 8) with u and v as they are stored.

    The matrix has as rows the axis that u is as long as: the first, or the second of transposed
    convolutions. Where both are, it is the one for which u is closer to ``W v``, as the power
    iteration leaves it.
    """
    wide, u = weight.to(torch.float64), u.to(torch.float64)
    found = []
    for axis in spectral_axes(weight.shape, u.shape, None if v is None else v.shape):
        matrix = wide.movedim(axis, 0).flatten(1)
        right = matrix.mT @ u if v is None else v.to(torch.float64)
        if v is None:
            right = right / right.norm()
        image = matrix @ right
        found.append((float(u @ image / image.norm()), -axis, float(u @ image)))
    return wide / max(found)[2]


def scale_blocks(
    shape: tuple[int, ...], scale: tuple[int, ...], declared: Any = None
) -> tuple[int, ...] | None:
    """Return how many entries along each axis share a scale; None where that is not clear.

    Args:
        shape: of the codes.
        scale: shape of the scales: one number, one for each row, or one for each block.
        declared: ``weight_block_size`` of the model's config.

    >>> scale_blocks((6, 4), ()), scale_blocks((6, 4), (6,)), scale_blocks((6, 4), (3, 2))
    ((6, 4), (1, 4), (2, 2))
    >>> scale_blocks((200, 300), (2, 3)), scale_blocks((6, 4), (4,))
    ((128, 128), None)
    """
    if all(size == 1 for size in scale):
        return shape
    if len(scale) == 1 and scale[0] == shape[0]:
        scale = (scale[0], *(1,) * (len(shape) - 1))
    if len(scale) != len(shape):
        return None
    blocks = []
    for axis, (whole, count) in enumerate(zip(shape, scale, strict=True)):
        sizes = [whole] if count == 1 else [1] if count == whole else [_USUAL_BLOCK]
        if count and whole % count == 0:
            sizes.append(whole // count)
        if isinstance(declared, list | tuple) and len(declared) == len(shape):
            sizes.insert(0, declared[axis])
        fits = [
            size for size in sizes if type(size) is int and size > 0 and -(-whole // size) == count
        ]
        if not fits:
            return None
        blocks.append(fits[0])
    return tuple(blocks)


def scaled(
    codes: Tensor, scale: Tensor, second: Tensor | None = None, *, blocks: tuple[int, ...]
) -> Tensor:
    """Return codes times the scale of their block, and that of the scales, in float32."""
    wide = codes.to(torch.float32)
    factor = scale.to(torch.float32)
    if second is not None:
        factor = factor * second.to(torch.float32).reshape(())
    if factor.numel() == 1:
        return wide * factor.reshape(())
    factor = factor.reshape(*factor.shape, *(1,) * (codes.ndim - factor.ndim))
    for axis, size in enumerate(blocks):
        factor = factor.repeat_interleave(size, dim=axis).narrow(axis, 0, codes.shape[axis])
    return wide * factor
