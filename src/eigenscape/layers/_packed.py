"""Several matrices in one tensor: attention's q, k and v, recurrent gates, stacks of experts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from eigenscape.layers._handlers import Reading, handler
from eigenscape.layers._linear import as_stack, row_block, whole
from eigenscape.layers._matrix import Candidate, LayerMatrix
from eigenscape.layers._options import LayerOptions

_SEPARATE = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
_RECURRENT = re.compile(r"^weight_(ih|hh|hr)((?:_l\d+)?(?:_reverse)?)$")
#: Gate names in the order in which torch stacks them, by their number.
GATES = {1: ("h",), 3: ("r", "z", "n"), 4: ("i", "f", "g", "o")}
_EXPERT = re.compile(r"expert|(^|[._])moe($|[._])", re.IGNORECASE)


@handler("attention", order=310)
def attention(candidate: Candidate, options: LayerOptions) -> Reading:  # noqa: ARG001
    """``in_proj_weight``, (3 width, width), as its q, k and v; or the three kept apart."""
    if len(candidate.shape) != 2:
        return None
    known = isinstance(candidate.owner, nn.MultiheadAttention)
    inferred = "module type MultiheadAttention" if known else f"the name {candidate.leaf}"
    rows, cols = candidate.shape
    if candidate.leaf in _SEPARATE:
        return [
            LayerMatrix.of(
                candidate, "attention_projection", (1, rows, cols), whole, inferred=inferred
            )
        ]
    if candidate.leaf != "in_proj_weight" or not (known or _is_fused_attention(candidate)):
        return None
    return [
        LayerMatrix.of(
            candidate,
            "attention_projection",
            (1, rows // 3, cols),
            partial(row_block, index=index, count=3),
            part=part,
            inferred=inferred,
        )
        for index, part in enumerate("qkv")
    ]


def _is_fused_attention(candidate: Candidate) -> bool:
    """Whether an ``in_proj_weight`` is that of an attention, as far as names and shapes tell."""
    rows, cols = candidate.shape
    around = f"{candidate.path}.{type(candidate.owner).__name__}".lower()
    beside = candidate.sibling("out_proj.weight")
    return rows == 3 * cols and (
        "attn" in around
        or "attention" in around
        or (beside is not None and beside.shape == (cols, cols))
    )


@handler("recurrent", order=300)
def recurrent(candidate: Candidate, options: LayerOptions) -> Reading:  # noqa: ARG001
    """``weight_ih``, ``weight_hh`` (gates * hidden, width) and the projection ``weight_hr``."""
    match = _RECURRENT.match(candidate.leaf)
    if match is None or len(candidate.shape) != 2:
        return None
    rows, cols = candidate.shape
    known = isinstance(candidate.owner, nn.RNNBase | nn.RNNCellBase)
    source = f"module type {type(candidate.owner).__name__}" if known else "the name"
    if match.group(1) == "hr":
        return [
            LayerMatrix.of(
                candidate, "recurrent_projection", (1, rows, cols), whole, inferred=source
            )
        ]
    hidden = _hidden_size(candidate, match.group(2))
    count, remainder = divmod(rows, hidden) if hidden else (0, 1)
    if remainder or count not in GATES:
        inferred = f"{source}; gates unknown: {rows} rows, hidden size {hidden or 'not found'}"
        return [LayerMatrix.of(candidate, "recurrent", (1, rows, cols), whole, inferred=inferred)]
    return [
        LayerMatrix.of(
            candidate,
            "recurrent_gate",
            (1, hidden, cols),
            partial(row_block, index=index, count=count),
            part=gate,
            inferred=f"{source}; {count} gate{'s' if count > 1 else ''} of {hidden}",
        )
        for index, gate in enumerate(GATES[count])
    ]


def _hidden_size(candidate: Candidate, suffix: str) -> int:
    owner = candidate.owner
    if isinstance(owner, nn.RNNBase | nn.RNNCellBase):
        return int(owner.hidden_size)
    projection = candidate.sibling(f"weight_hr{suffix}")
    if projection is not None:  # (projected, hidden)
        return projection.shape[1]
    recurrent_weight = candidate.sibling(f"weight_hh{suffix}")
    return recurrent_weight.shape[1] if recurrent_weight is not None else 0


def one_expert(tensors: Sequence[torch.Tensor], *, index: int) -> torch.Tensor:
    """(experts, rows, cols) -> (1, rows, cols)."""
    return tensors[0][index : index + 1]


@handler("experts", order=600)
def experts(candidate: Candidate, options: LayerOptions) -> Reading:
    """A 3-D parameter (experts, rows, cols) with an expert's name."""
    if len(candidate.shape) != 3 or not _EXPERT.search(candidate.name):
        return None
    return read_experts(candidate, options, inferred="3-D tensor with an expert's name")


def read_experts(candidate: Candidate, options: LayerOptions, *, inferred: str) -> Reading:
    """Read (experts, rows, cols) as one pool, or as a row for each expert."""
    count, rows, cols = candidate.shape
    if not options.split_experts:
        return [LayerMatrix.of(candidate, "experts", candidate.shape, as_stack, inferred=inferred)]
    return [
        LayerMatrix.of(
            candidate,
            "expert",
            (1, rows, cols),
            partial(one_expert, index=index),
            part=str(index),
            inferred=inferred,
        )
        for index in range(count)
    ]
