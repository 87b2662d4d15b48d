"""Linear, GPT-2's transposed Conv1D, Bilinear, fused q, k, v, embeddings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from eigenscape.layers._handlers import Reading, handler
from eigenscape.layers._matrix import Candidate, LayerMatrix, Skipped
from eigenscape.layers._options import LayerOptions

_FUSED = ("qkv", "c_attn", "query_key_value", "wqkv", "in_proj", "qkv_proj")
_QKV = ("q", "k", "v")
# What PEFT puts between a module and its weight.
_WRAPPED = re.compile(r"\.(base_layer|original_module|modules_to_save\.[^.]+)(?=\.|$)")
_EMBEDDING = re.compile(
    r"(^|[._])(wte|wpe|embed_tokens|embed_in|embed_positions|embeddings?|embed|pos_embed"
    r"|position_embeddings?|pos_embedding|tok_embeddings|(tok|pos)_emb|embedding_table"
    r"|relative_(attention_bias|position_bias_table)|shared)($|[._](weight)?$)"
)


def whole(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """(rows, cols) -> (1, rows, cols)."""
    return tensors[0].unsqueeze(0)


def as_stack(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """(k, rows, cols) unchanged."""
    return tensors[0]


def row_block(tensors: Sequence[torch.Tensor], *, index: int, count: int) -> torch.Tensor:
    """The ``index``-th of ``count`` equal row blocks."""
    return tensors[0].chunk(count, dim=0)[index].unsqueeze(0)


def column_block(tensors: Sequence[torch.Tensor], *, index: int, count: int) -> torch.Tensor:
    """The ``index``-th of ``count`` equal column blocks."""
    return tensors[0].chunk(count, dim=1)[index].unsqueeze(0)


def head_block(tensors: Sequence[torch.Tensor], *, index: int, heads: int) -> torch.Tensor:
    """Part ``index`` of rows ordered (head, q k v, head width): GPT-NeoX and BLOOM."""
    W = tensors[0]
    rows, cols = W.shape
    return W.reshape(heads, 3, rows // (3 * heads), cols)[:, index].reshape(1, rows // 3, cols)


@handler("linear", order=900)
def linear(candidate: Candidate, options: LayerOptions) -> Reading:
    """Any 2-D weight that no other handler claims: a Linear, (out, in)."""
    if len(candidate.shape) != 2 or 1 in candidate.shape:
        return None
    transposed, inferred = _orientation(candidate)
    if options.split_qkv and _is_fused(candidate, transposed):
        return _split_qkv(candidate, transposed, inferred)
    kind = "linear_transposed" if transposed else "linear"
    unequal = options.split_qkv and _named_fused(candidate)
    note = "not split: q, k and v are of unequal size" if unequal else ""
    return [
        LayerMatrix.of(candidate, kind, (1, *candidate.shape), whole, inferred=inferred, note=note)
    ]


@handler("bilinear", order=800)
def bilinear(candidate: Candidate, options: LayerOptions) -> Reading:  # noqa: ARG001
    """nn.Bilinear, (out, in1, in2): a pool of ``out`` matrices."""
    if not isinstance(candidate.owner, nn.Bilinear) or len(candidate.shape) != 3:
        return None
    return [
        LayerMatrix.of(
            candidate, "bilinear", candidate.shape, as_stack, inferred="module type Bilinear"
        )
    ]


def _orientation(candidate: Candidate) -> tuple[bool, str]:
    rows, cols = candidate.shape
    owner = candidate.owner
    if isinstance(owner, nn.Linear):
        return False, f"module type {type(owner).__name__}"
    if owner is not None and type(owner).__name__ == "Conv1D" and hasattr(owner, "nf"):
        return True, "module type Conv1D (in, out)"
    bias = candidate.sibling("bias")
    if bias is not None and bias.shape == (cols,) and rows != cols:
        return True, "2-D, and the bias has one entry for each column: (in, out)"
    if candidate.leaf == "weight" and bias is not None and bias.shape == (rows,):
        return False, "2-D, and the bias has one entry for each row: (out, in)"
    return False, "2-D tensor"


def _named_fused(candidate: Candidate) -> bool:
    return candidate.path.lower().rpartition(".")[2] in _FUSED


def _is_fused(candidate: Candidate, transposed: bool) -> bool:
    rows, cols = candidate.shape
    return _named_fused(candidate) and (cols == 3 * rows if transposed else rows == 3 * cols)


def _split_qkv(candidate: Candidate, transposed: bool, inferred: str) -> Reading:
    rows, cols = candidate.shape
    heads = 0  # not stored head by head, as far as the name tells
    if candidate.path.endswith("query_key_value"):
        found_heads = candidate.config.get("num_attention_heads") or candidate.config.get("n_head")
        if not isinstance(found_heads, int) or rows % (3 * found_heads):
            note = (
                "not split: stored head by head, and config.json does not have the number of heads"
            )
            stack = (1, rows, cols)
            return [LayerMatrix.of(candidate, "linear", stack, whole, inferred=inferred, note=note)]
        heads = found_heads
    found = []
    for index, part in enumerate(_QKV):
        if transposed:
            build, stack = partial(column_block, index=index, count=3), (1, rows, cols // 3)
        elif heads:
            build, stack = partial(head_block, index=index, heads=heads), (1, rows // 3, cols)
        else:
            build, stack = partial(row_block, index=index, count=3), (1, rows // 3, cols)
        found.append(
            LayerMatrix.of(
                candidate,
                "attention_projection",
                stack,
                build,
                part=part,
                inferred=f"{inferred}; fused q, k, v by its name",
            )
        )
    return found


def table(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """(..., tokens, width) with leading ones -> (1, tokens, width)."""
    return tensors[0].reshape(1, *tensors[0].shape[-2:])


@handler("embedding", order=500)
def embedding(candidate: Candidate, options: LayerOptions) -> Reading:
    """nn.Embedding, or a table with an embedding's name."""
    known = isinstance(candidate.owner, nn.Embedding | nn.EmbeddingBag)
    named = candidate.owner is None or candidate.leaf != "weight"
    if not known and not (named and _EMBEDDING.search(_WRAPPED.sub("", candidate.name))):
        return None
    shape = candidate.shape
    if len(shape) < 2 or any(width != 1 for width in shape[:-2]) or 1 in shape[-2:]:
        return None
    if not options.embeddings:
        return Skipped.of(
            candidate, "an embedding, examined only when asked for; include it with --embeddings"
        )
    inferred = f"module type {type(candidate.owner).__name__}" if known else "the name"
    return [LayerMatrix.of(candidate, "embedding", (1, *shape[-2:]), table, inferred=inferred)]
