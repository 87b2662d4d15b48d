"""One change of one tensor, kept to the bit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from eigenscape.checkpoints._bits import Entries, codes_of, differing, from_codes
from eigenscape.errors import CheckpointError
from eigenscape.results import content_hash

Kind = Literal["mask", "set", "lora"]
_BLOCK = 2**22  # entries that are merged at a time, in float64


@dataclass(frozen=True, eq=False)
class Edit:
    """What a patch does to one tensor.

    Args:
        name: of the tensor.
        kind: ``"mask"`` sets entries to zero, ``"set"`` to other values, ``"lora"`` adds a product.
        shape: of the tensor.
        dtype: of the tensor.
        base: hash of the tensor that the edit was made for.
        result: hash of the tensor that it leaves.
        aliases: other names of the same tensor.
        entries: those that change; None of a low-rank pair.
        new: ``(count,)``, the values that are set.
        old: ``(count,)``, the values that are replaced; None where they were not kept.
        factors: ``A`` (r, columns) and ``B`` (rows, r); rows is the tensor's first axis, columns
            the others together. ``B A`` is added, at scale 1.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    dtype: torch.dtype
    base: str
    result: str
    aliases: tuple[str, ...] = ()
    entries: Entries | None = None
    new: Tensor | None = None
    old: Tensor | None = None
    factors: tuple[Tensor, Tensor] | None = None

    @property
    def count(self) -> int:
        """How many entries change; of a low-rank pair all of them."""
        return self.entries.count if self.entries is not None else torch.Size(self.shape).numel()

    def parts(self) -> dict[str, Tensor]:
        """Return the tensors that make the edit, by the names that a file gives them."""
        held = {
            "mask": self.entries.bits if self.entries else None,
            "index": self.entries.index if self.entries else None,
            "set": self.new,
            "old": self.old,
            "lora_A": self.factors[0] if self.factors else None,
            "lora_B": self.factors[1] if self.factors else None,
        }
        return {part: tensor for part, tensor in held.items() if tensor is not None}

    def without_old(self) -> Edit:
        """Return the edit without the values that it replaces."""
        return replace(self, old=None)

    def forward(self, tensor: Tensor) -> Tensor:
        """Return a new tensor with the edit done.

        Raises:
            CheckpointError: the tensor is not the one that the edit was made for.
        """
        self.expect_base(tensor)
        after = self.change(tensor)
        if content_hash(after) != self.result:
            raise CheckpointError(
                f"{self.name}: the patch leads to other values than it states: it is damaged. "
                "Try: fetch it again, or make it again with Patch.diff"
            )
        return after

    def back(self, tensor: Tensor) -> Tensor:
        """Return a new tensor with the edit undone.

        Raises:
            CheckpointError: the tensor is not what the edit leads to, or the old values were not
                kept.
        """
        self.expect_result(tensor)
        if self.old is None:
            why = "a low-rank pair" if self.kind == "lora" else "saved without the old values"
            raise CheckpointError(
                f"{self.name}: its edit is {why}, and reverts only with the base. "
                "Try: revert(edited, base=the checkpoint it was made for)"
            )
        before = self._filled(tensor, self.old)
        if content_hash(before) != self.base:
            raise CheckpointError(f"{self.name}: the patch is damaged. Try: fetch it again")
        return before

    def expect_base(self, tensor: Tensor) -> None:
        """Raise CheckpointError for any tensor but the one that the edit was made for."""
        self._expect(tensor, self.base, "was made for", "it has the edit already", self.result)

    def expect_result(self, tensor: Tensor) -> None:
        """Raise CheckpointError for any tensor but the one that the edit leads to."""
        self._expect(tensor, self.result, "leads to", "the edit is not in it", self.base)

    def change(self, tensor: Tensor) -> Tensor:
        """Return a tensor of the right shape and type with the edit done, whatever its values."""
        if self.factors is not None:
            return merged(tensor, *self.factors)
        return self._filled(tensor, self.new)

    def _filled(self, tensor: Tensor, values: Tensor | None) -> Tensor:
        assert self.entries is not None
        codes = codes_of(tensor).clone()
        codes[self.entries.mask()] = 0 if values is None else codes_of(values)
        return from_codes(codes, self.dtype, self.shape)

    def _expect(self, tensor: Tensor, wanted: str, verb: str, instead: str, other: str) -> None:
        shape, dtype = tuple(tensor.shape), tensor.dtype
        if (shape, dtype) != (self.shape, self.dtype):
            raise CheckpointError(
                f"{self.name} is {shape} of {dtype}; the patch {verb} {self.shape} of {self.dtype}"
            )
        found = content_hash(tensor)
        if found != wanted:
            hint = f" ({instead})" if found == other else ""
            raise CheckpointError(
                f"{self.name}: its values are not those that the patch {verb}{hint}: hash "
                f"{found[:12]}, expected {wanted[:12]}"
            )


def edit_between(
    name: str, before: Tensor, after: Tensor, aliases: tuple[str, ...] = ()
) -> Edit | None:
    """Return the edit that makes ``after`` of ``before``; None where their bits are equal.

    Raises:
        CheckpointError: another shape or type.
    """
    if (before.shape, before.dtype) != (after.shape, after.dtype):
        raise CheckpointError(
            f"{name} is {tuple(before.shape)} of {before.dtype} before and "
            f"{tuple(after.shape)} of {after.dtype} after"
        )
    where = differing(before, after)
    return set_edit(name, before, after, where, aliases) if bool(where.any()) else None


def set_edit(
    name: str, before: Tensor, after: Tensor, where: Tensor, aliases: tuple[str, ...] = ()
) -> Edit:
    """Return the edit of the entries at ``where``, bool ``(n,)``; all that differ are among them.

    It is a mask where all of these are zero afterwards.
    """
    shape, dtype = tuple(before.shape), before.dtype
    old, new = codes_of(before)[where], codes_of(after)[where]
    values = from_codes(new, dtype, (-1,)) if bool((new != 0).any()) else None
    return Edit(
        name=name,
        kind="mask" if values is None else "set",
        shape=shape,
        dtype=dtype,
        base=content_hash(before),
        result=content_hash(after),
        aliases=aliases,
        entries=Entries.of(where),
        new=values,
        old=from_codes(old, dtype, (-1,)),
    )


def mask_edit(name: str, before: Tensor, where: Tensor, aliases: tuple[str, ...] = ()) -> Edit:
    """Return the edit that sets entries to zero; those that are zero already stay on its list.

    Raises:
        CheckpointError: the mask is not bool, has another shape, or the type has no zero.
    """
    if where.dtype != torch.bool or where.shape != before.shape:
        raise CheckpointError(
            f"{name}: the mask is {tuple(where.shape)} of {where.dtype}; expected bool "
            f"{tuple(before.shape)}, true where an entry becomes zero"
        )
    if "e8m0" in str(before.dtype):
        raise CheckpointError(f"{name}: {before.dtype} has no zero")
    entries = Entries.of(where)
    shape, dtype = tuple(before.shape), before.dtype
    old = from_codes(codes_of(before)[where.reshape(-1)], dtype, (-1,))
    edit = Edit(name, "mask", shape, dtype, content_hash(before), "", aliases, entries, old=old)
    return replace(edit, result=content_hash(edit.change(before)))


def lora_edit(
    name: str, before: Tensor, a: Tensor, b: Tensor, aliases: tuple[str, ...] = ()
) -> Edit:
    """Return the edit that adds ``B A``.

    Raises:
        CheckpointError: the factors do not fit, or are no floating numbers.
    """
    shape = tuple(before.shape)
    wide = (shape[0], before.numel() // max(shape[0], 1)) if len(shape) > 1 else ()
    fits = a.ndim == b.ndim == 2 and (b.shape[0], a.shape[1]) == wide and b.shape[1] == a.shape[0]
    numbers = all(t.is_floating_point() or t.is_complex() for t in (before, a, b))
    numbers &= torch.complex128 not in (a.dtype, b.dtype)  # which no file can hold
    if not (fits and numbers):
        raise CheckpointError(
            f"{name} {shape} of {before.dtype} cannot take B {tuple(b.shape)} times "
            f"A {tuple(a.shape)} of {a.dtype}; expected floating numbers (complex64 at most), "
            "A (r, columns) and "
            f"B (rows, r) with (rows, columns) = {wide or 'those of a matrix'}"
        )
    factors = (a.detach().cpu().contiguous(), b.detach().cpu().contiguous())
    edit = Edit(
        name, "lora", shape, before.dtype, content_hash(before), "", aliases, factors=factors
    )
    return replace(edit, result=content_hash(edit.change(before)))


def merged(tensor: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return ``W + B A``, summed in float64 one rank after the other.

    Matrix products round differently from one machine to another; this sum does not.
    """
    wide = torch.complex128 if tensor.is_complex() else torch.float64
    rows = tensor.reshape(tensor.shape[0], -1)
    step = max(1, _BLOCK // max(1, rows.shape[1]))
    right, left = a.to(wide), b.to(wide)
    blocks = []
    for start in range(0, len(rows), step):
        block = rows[start : start + step].to(wide, copy=True)
        for rank in range(len(right)):
            block += left[start : start + step, rank, None] * right[rank]
        blocks.append(block.to(tensor.dtype))
    return torch.cat(blocks).reshape(tensor.shape) if blocks else tensor.clone()
