"""The packed input projection of nn.MultiheadAttention."""

from __future__ import annotations

from functools import partial

from torch import nn

from eigenscape.layers._linear import row_block, whole
from eigenscape.layers._matrix import Candidate
from eigenscape.layers._options import SpectraOptions
from eigenscape.layers._registry import Reading, layer_handler, matrix

_SEPARATE = ("q_proj_weight", "k_proj_weight", "v_proj_weight")


@layer_handler
def attention(candidate: Candidate, options: SpectraOptions) -> Reading:  # noqa: ARG001
    """``in_proj_weight``, (3 width, width), as its q, k and v; or the three kept apart."""
    if len(candidate.shape) != 2:
        return None
    known = isinstance(candidate.owner, nn.MultiheadAttention)
    inferred = "module type MultiheadAttention" if known else f"the name {candidate.leaf}"
    rows, cols = candidate.shape
    if candidate.leaf in _SEPARATE:
        return [
            matrix(candidate, "attention_projection", (1, rows, cols), whole, inferred=inferred)
        ]
    if candidate.leaf != "in_proj_weight" or rows % 3:
        return None
    return [
        matrix(
            candidate,
            "attention_projection",
            (1, rows // 3, cols),
            partial(row_block, index=index, count=3),
            part=part,
            inferred=inferred,
        )
        for index, part in enumerate("qkv")
    ]
