"""What is known about a stored tensor before it is read."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class TensorInfo:
    """The name, shape and type of one tensor of a checkpoint.

    Args:
        name: its name in the checkpoint.
        shape: its shape.
        dtype: the type that it is stored in; of a quantized one, the type that it is read in.
        file: the path of the file that holds it; None for a tensor in memory.
        aliases: the other names of the same tensor, where weights are tied.
        encoding: the quantized type that the values are computed from, such as ``Q4_1``; empty
            where they are stored themselves.

    >>> info = TensorInfo("fc.weight", (10, 20), torch.bfloat16)
    >>> info.numel, info.bytes
    (200, 400)
    """

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    file: str | None = None
    aliases: tuple[str, ...] = ()
    encoding: str = ""

    @property
    def numel(self) -> int:
        """The number of entries."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """The bytes that the tensor takes once it is read."""
        return self.numel * self.dtype.itemsize

    @property
    def names(self) -> tuple[str, ...]:
        """The name, then the aliases."""
        return (self.name, *self.aliases)


_NAMES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E8M0": "float8_e8m0fnu",
    "F4": "float4_e2m1fn_x2",
    "C64": "complex64",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}

TORCH_DTYPES: dict[str, torch.dtype] = {
    code: getattr(torch, name) for code, name in _NAMES.items() if hasattr(torch, name)
}  # the narrowest floats are younger than the oldest torch that this package takes


def stored_type(code: str, shape: list[int]) -> tuple[torch.dtype, tuple[int, ...]] | None:
    """Return torch's type and shape for a stored one; None where torch has no such type.

    Torch packs two 4-bit floats into one entry, so that the last axis is half as long.

    >>> stored_type("BF16", [3, 2])
    (torch.bfloat16, (3, 2))
    >>> stored_type("F6_E2M3", [4]) is None
    True
    """
    dtype = TORCH_DTYPES.get(code)
    if dtype is None:
        return None
    if code == "F4" and shape:
        return dtype, (*shape[:-1], shape[-1] // 2)
    return dtype, tuple(shape)
