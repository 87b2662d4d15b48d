"""Tensors as bits: comparison that sees NaN and minus zero, and sets of entries packed small."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_CODES = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_WIDE = 16  # complex128: two 8-byte codes an entry
_SET_BITS = np.array([byte.bit_count() for byte in range(256)], dtype=np.uint8)
_INDEX_BITS = 64  # an entry listed by its index takes 64 bits, in a packed mask one


def codes_of(tensor: Tensor) -> Tensor:
    """Return the bits of a tensor's entries as whole numbers, ``(n,)``; ``(n, 2)`` of complex128.

    The codes may share the tensor's memory.

    >>> codes_of(torch.tensor([0.0, -0.0, 1.0], dtype=torch.float16)).tolist()
    [0, -32768, 15360]
    """
    flat = tensor.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
    if flat.element_size() == _WIDE:
        return torch.view_as_real(flat).view(torch.int64)
    return flat.view(_CODES[flat.element_size()])


def from_codes(codes: Tensor, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    """Return the tensor that has these codes."""
    if dtype.itemsize == _WIDE:
        return torch.view_as_complex(codes.view(torch.float64)).reshape(shape)
    return codes.view(dtype).reshape(shape)


def differing(first: Tensor, second: Tensor) -> Tensor:
    """Return where two tensors of one shape and type differ in their bits: bool, ``(n,)``."""
    unequal = codes_of(first) != codes_of(second)
    return unequal.any(dim=1) if unequal.ndim == 2 else unequal


@dataclass(frozen=True, eq=False)
class Entries:
    """A set of entries of a tensor of ``numel`` entries, in whichever form is smaller.

    Args:
        numel: of the tensor.
        count: how many entries the set has.
        bits: uint8, ``(ceil(numel / 8),)``: bit ``i % 8`` of byte ``i // 8`` is set for entry i.
        index: int64, ``(count,)``, ascending; in place of ``bits``.

    >>> few, many = (Entries.of(torch.arange(1000) % k == 0) for k in (500, 2))
    >>> few.index.tolist(), many.count, many.bits.numel()
    ([0, 500], 500, 125)
    """

    numel: int
    count: int
    bits: Tensor | None = None
    index: Tensor | None = None

    @classmethod
    def of(cls, where: Tensor) -> Entries:
        """Return the set of the true entries of a bool tensor, read row by row."""
        flat = where.reshape(-1)
        count = int(flat.sum())
        if count * _INDEX_BITS < flat.numel():
            return cls(flat.numel(), count, index=flat.nonzero().reshape(-1))
        packed = np.packbits(flat.cpu().numpy(), bitorder="little")
        return cls(flat.numel(), count, bits=torch.from_numpy(packed))

    def mask(self) -> Tensor:
        """Return the set as a bool tensor ``(numel,)``."""
        if self.index is not None:
            where = torch.zeros(self.numel, dtype=torch.bool)
            where[self.index] = True
            return where
        assert self.bits is not None
        unpacked = np.unpackbits(self.bits.numpy(), count=self.numel, bitorder="little")
        return torch.from_numpy(unpacked.view(np.bool_))

    @classmethod
    def read(cls, numel: int, stored: Tensor, *, packed: bool) -> Entries:
        """Return a set as a file holds it, checked.

        Raises:
            ValueError: it is not a set of entries of such a tensor.
        """
        if not packed:
            ascending = bool((stored[1:] > stored[:-1]).all())
            if stored.numel() and (not ascending or stored[0] < 0 or stored[-1] >= numel):
                raise ValueError(f"entries that are not ascending in [0, {numel})")
            return cls(numel, stored.numel(), index=stored)
        if stored.numel() != -(-numel // 8):
            raise ValueError(f"a mask of {stored.numel()} bytes for {numel} entries")
        spare = -numel % 8
        if spare and int(stored[-1]) >> (8 - spare):
            raise ValueError(f"a mask with bits beyond its {numel} entries")
        return cls(numel, int(_SET_BITS[stored.numpy()].sum(dtype=np.int64)), bits=stored)
