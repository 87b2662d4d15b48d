"""Spectral convolutions of Fourier neural operators: one complex matrix for each mode."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import torch

from eigenscape.layers._matrix import Candidate
from eigenscape.layers._options import SpectraOptions
from eigenscape.layers._registry import Reading, layer_handler, matrix

_NAME = re.compile(r"spectral|fourier", re.IGNORECASE)


def modes(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """(in, out, *modes), complex -> (modes, in, out)."""
    return tensors[0].flatten(2).permute(2, 0, 1)


def paired_modes(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """(in, out, *modes, 2), real and imaginary parts -> (modes, in, out)."""
    return modes([torch.view_as_complex(tensors[0].float().contiguous())])


@layer_handler
def spectral_convolution(candidate: Candidate, options: SpectraOptions) -> Reading:  # noqa: ARG001
    """Complex weights (in, out, *modes), stored as complex numbers or as pairs of reals."""
    shape = candidate.shape
    if candidate.info.dtype.is_complex and len(shape) >= 3:
        stack = (math.prod(shape[2:]), *shape[:2])
        seen = f"complex {len(shape)}-D tensor (in, out, modes)"
        return [matrix(candidate, "spectral_conv", stack, modes, inferred=seen)]
    if len(shape) >= 4 and shape[-1] == 2 and _NAME.search(candidate.name):
        stack = (math.prod(shape[2:-1]), *shape[:2])
        seen = "the name, and a last dimension of 2 (real and imaginary part)"
        return [matrix(candidate, "spectral_conv", stack, paired_modes, inferred=seen)]
    return None
