"""Convolutions of one, two and three dimensions: grouped, depthwise, transposed, spectral."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from eigenscape.layers._handlers import Reading, handler
from eigenscape.layers._matrix import Candidate, LayerMatrix
from eigenscape.layers._options import LayerOptions

#: The published code multiplies each kernel slice by this (TempBalance, WeightWatcher).
SLICE_SCALE = math.sqrt(0.5)
#: Width of the torus on which ``conv="fft"`` samples the frequencies of the convolution.
TORUS = 8
_LONGEST_KERNEL = 31
_SPECTRAL = re.compile(r"spectral|fourier", re.IGNORECASE)


def slices(tensors: Sequence[torch.Tensor], *, groups: int, transposed: bool) -> torch.Tensor:
    """Kernel slices of each group: (groups * k, out, in)."""
    grouped = _grouped(tensors[0], groups, transposed)  # (g, out, in, k)
    return grouped.permute(0, 3, 1, 2).flatten(0, 1)


def flattened(tensors: Sequence[torch.Tensor], *, groups: int, transposed: bool) -> torch.Tensor:
    """One matrix for each group: (groups, out, in * k)."""
    return _grouped(tensors[0], groups, transposed).flatten(2)


def depthwise(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """One matrix of all filters: (1, channels, k)."""
    return tensors[0].flatten(1).unsqueeze(0)


def frequencies(tensors: Sequence[torch.Tensor], *, groups: int, transposed: bool) -> torch.Tensor:
    """The convolution's matrices at each frequency of a torus: (groups * frequencies, out, in).

    Source: Sedghi, Gupta and Long (2019), with the torus as wide as ``TORUS`` or the kernel.
    """
    W = tensors[0].float()
    size = tuple(max(TORUS, k) for k in W.shape[2:])
    symbol = torch.fft.fftn(W, s=size, dim=tuple(range(2, W.ndim)))
    return slices([symbol], groups=groups, transposed=transposed)


def _grouped(W: torch.Tensor, groups: int, transposed: bool) -> torch.Tensor:
    first, second = W.shape[:2]
    parts = W.reshape(groups, first // groups, second, -1)  # transposed: (g, in, out, k)
    return parts.transpose(1, 2) if transposed else parts


@handler("convolution", order=700)
def convolution(candidate: Candidate, options: LayerOptions) -> Reading:
    """Convolutions, known by module type, or by shape when only a file is there."""
    owner = candidate.owner
    if isinstance(owner, nn.modules.conv._ConvNd) and candidate.leaf == "weight":
        return read_convolution(
            candidate,
            options,
            groups=owner.groups,
            transposed=owner.transposed,
            inferred=f"module type {type(owner).__name__}",
        )
    dims = len(candidate.shape)
    if owner is not None and candidate.leaf != "weight":
        return None
    if dims not in (3, 4, 5) or max(candidate.shape[2:]) > _LONGEST_KERNEL:
        return None
    if dims == 3 and not _looks_like_conv1d(candidate):
        return None
    return _infer(candidate, options)


def read_convolution(
    candidate: Candidate, options: LayerOptions, *, groups: int, transposed: bool, inferred: str
) -> Reading:
    """Read a tensor (out, in / groups, *kernel), or (in, out / groups, *kernel) when transposed."""
    dims = len(candidate.shape) - 2
    first, second = candidate.shape[:2]
    k = math.prod(candidate.shape[2:])
    if second == 1 and groups == first and not transposed:
        kind = f"depthwise_conv{dims}d"
        return [LayerMatrix.of(candidate, kind, (1, first, k), depthwise, inferred=inferred)]
    kind = f"conv_transpose{dims}d" if transposed else f"conv{dims}d"
    rows, cols = (second, first // groups) if transposed else (first // groups, second)
    scale, stack = 1.0, (groups, rows, cols * k)
    read = flattened
    if options.conv == "fft":
        read = frequencies
        stack = (groups * math.prod(max(TORUS, w) for w in candidate.shape[2:]), rows, cols)
    elif options.conv == "slices":
        read, scale, stack = slices, SLICE_SCALE, (groups * k, rows, cols)
    build = partial(read, groups=groups, transposed=transposed)
    found = LayerMatrix.of(candidate, kind, stack, build, scale=scale, inferred=inferred)
    entries = math.prod(candidate.shape)
    return [replace(found, parameters=entries, independent=groups * min(rows * k, cols * k))]


def _looks_like_conv1d(candidate: Candidate) -> bool:
    first, _, k = candidate.shape
    bias = candidate.sibling("bias")
    return candidate.leaf == "weight" and (
        k <= 16 or (bias is not None and bias.shape == (first,) and k < first)
    )


def _infer(candidate: Candidate, options: LayerOptions) -> Reading:
    first, second = candidate.shape[:2]
    dims = len(candidate.shape) - 2
    bias = candidate.sibling("bias")
    transposed = bias is not None and bias.shape == (second,) and first != second and second > 1
    groups = first if second == 1 and first > 1 else 1
    seen = f"{dims + 2}-D tensor with a kernel of {'x'.join(map(str, candidate.shape[2:]))}"
    if transposed:
        seen += "; the bias fits dimension 1, so transposed"
    elif groups > 1:
        seen += "; one input channel, so depthwise"
    else:
        seen += "; groups taken as 1"
    return read_convolution(candidate, options, groups=groups, transposed=transposed, inferred=seen)


def modes(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """(in, out, *modes), complex -> (modes, in, out)."""
    return tensors[0].flatten(2).permute(2, 0, 1)


def paired_modes(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """(in, out, *modes, 2), real and imaginary parts -> (modes, in, out)."""
    return modes([torch.view_as_complex(tensors[0].float().contiguous())])


@handler("spectral_convolution", order=400)
def spectral_convolution(candidate: Candidate, options: LayerOptions) -> Reading:  # noqa: ARG001
    """Complex weights (in, out, *modes), stored as complex numbers or as pairs of reals."""
    shape = candidate.shape
    if candidate.info.dtype.is_complex and len(shape) >= 3:
        stack = (math.prod(shape[2:]), *shape[:2])
        seen = f"complex {len(shape)}-D tensor (in, out, modes)"
        return [LayerMatrix.of(candidate, "spectral_conv", stack, modes, inferred=seen)]
    if len(shape) >= 4 and shape[-1] == 2 and _SPECTRAL.search(candidate.name):
        stack = (math.prod(shape[2:-1]), *shape[:2])
        seen = "the name, and a last dimension of 2 (real and imaginary part)"
        return [LayerMatrix.of(candidate, "spectral_conv", stack, paired_modes, inferred=seen)]
    return None
