"""The metric behind an adapter: the exponents of the layers that it is for."""

from __future__ import annotations

from typing import Any

from eigenscape.checkpoints import CheckpointLike
from eigenscape.errors import InputError
from eigenscape.layers import blocks
from eigenscape.spectra import SpectraResult, analyze


def exponents(source: SpectraResult | CheckpointLike) -> dict[str, dict[str, Any]]:
    """Return the Hill exponent, block and shape of each linear layer inside a repeated block.

    Args:
        source: a layer table, or what :func:`eigenscape.spectra.analyze` takes.

    Raises:
        InputError: no linear layer inside a repeated block.
    """
    table = source if isinstance(source, SpectraResult) else analyze(source)
    block_of = {
        m: block.name for block in blocks([row.name for row in table]) for m in block.members
    }
    found: dict[str, dict[str, Any]] = {}
    for row in table:
        if row.kind == "linear" and row.name in block_of and row.alpha_hill > 0:
            found[row.name] = {
                "alpha": row.alpha_hill,
                "block": block_of[row.name],
                "shape": list(row.shape),
                "tensors": list(row.tensors),
            }
    if not found:
        kinds = ", ".join(sorted({row.kind for row in table})) or "none"
        raise InputError(
            f"{table.source} has no linear layer with an exponent inside a repeated block; kinds "
            f"of its layers: {kinds}. Try: a language model, or a layer table of one"
        )
    return found
