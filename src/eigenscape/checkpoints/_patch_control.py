"""The control of a patch: as many entries of the same tensors, changed alike, at random places."""

from __future__ import annotations

import torch
from torch import Tensor

from eigenscape.checkpoints._bits import codes_of, from_codes
from eigenscape.checkpoints._edit import Edit, lora_edit, set_edit


def random_edits(edits: list[Edit], base: Tensor, generator: torch.Generator) -> list[Edit]:
    """Return the controls of the edits of one tensor, in their order.

    Args:
        edits: of one tensor, each made for what the one before leaves.
        base: the tensor that the first was made for.
        generator: draws places and order.

    Raises:
        CheckpointError: another base.
    """
    real, control, made = base, base, []
    for edit in edits:
        after = edit.forward(real)
        other = _random(edit, real, after, control, generator)
        real, control = after, other.change(control)
        made.append(other)
    return made


def _random(
    edit: Edit, before: Tensor, after: Tensor, control: Tensor, generator: torch.Generator
) -> Edit:
    if edit.factors is not None:
        a, b = edit.factors
        columns = torch.randperm(a.shape[1], generator=generator)
        rows = torch.randperm(b.shape[0], generator=generator)
        return lora_edit(edit.name, control, a[:, columns], b[rows], edit.aliases)
    assert edit.entries is not None
    places = torch.randperm(edit.entries.numel, generator=generator)[: edit.count]
    where = torch.zeros(edit.entries.numel, dtype=torch.bool)
    where[places] = True
    changed = edit.entries.mask()
    old, new = codes_of(before)[changed], codes_of(after)[changed]
    codes = codes_of(control).clone()
    codes[places] = 0 if edit.new is None else _moved(codes[places], old, new, edit.dtype)
    return set_edit(
        edit.name, control, from_codes(codes, edit.dtype, edit.shape), where, edit.aliases
    )


def _moved(there: Tensor, old: Tensor, new: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the codes of other entries after the changes from ``old`` to ``new``."""
    if dtype == torch.bool or "float4" in str(dtype):
        return there ^ (old ^ new)
    if dtype.is_complex or (dtype.is_floating_point and "e8m0" not in str(dtype)):
        wide = torch.complex128 if dtype.is_complex else torch.float64
        values = [from_codes(codes, dtype, (-1,)).to(wide) for codes in (there, old, new)]
        return codes_of((values[0] + (values[2] - values[1])).to(dtype))
    return there + (new - old)  # whole numbers wrap around
