"""Linear, GPT-2's transposed Conv1D, Bilinear, fused q, k, v, embeddings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import nn

from eigenscape.layers._handlers import Reading, handler
from eigenscape.layers._matrix import Candidate, LayerMatrix, Skipped
from eigenscape.layers._options import LayerOptions

_FUSED = ("qkv", "c_attn", "query_key_value", "wqkv", "in_proj", "qkv_proj")
_QKV = ("q", "k", "v")
#: Names under which every family keeps the rows of q, then of k, then of v.
_ALWAYS_IN_ROWS = ("qkv", "c_attn")
#: Families of Hugging Face's transformers that do so under other names ...
_IN_ROWS = ("gpt2", "phi3", "mpt", "dbrx", "qwen")
#: ... that keep them head by head ...
_BY_HEADS = (
    "gpt_neox",
    "gpt_neox_japanese",
    "bloom",
    "falcon",
    "gpt_bigcode",
    "persimmon",
    "internlm2",
)
#: ... or in groups of heads that each hold q, v, k (its TPU cores, ``mp_num``).
_CODEGEN_GROUPS = 4
# What PEFT puts between a module and its weight.
_WRAPPED = re.compile(r"\.(base_layer|original_module|modules_to_save\.[^.]+)(?=\.|$)")
_EMBEDDING = re.compile(
    r"(^|[._])(wte|wpe|embed_tokens|embed_in|embed_positions|embeddings?|embed|pos_embed"
    r"|position_embeddings?|pos_embedding|tok_embeddings|(tok|pos)_emb|embedding_table"
    r"|token_embd|position_embd|relative_(attention_bias|position_bias_table)|shared)($|[._](weight)?$)"
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
    """Part ``index`` of rows ordered (group, part, width): GPT-NeoX, BLOOM and CodeGen."""
    W = tensors[0]
    rows, cols = W.shape
    return W.reshape(heads, 3, rows // (3 * heads), cols)[:, index].reshape(1, rows // 3, cols)


@handler("linear", order=900)
def linear(candidate: Candidate, options: LayerOptions) -> Reading:
    """Any 2-D weight that no other handler claims: a Linear, (out, in)."""
    if len(candidate.shape) != 2 or 1 in candidate.shape:
        return None
    transposed, inferred = _orientation(candidate)
    note = ""
    if options.split_qkv and _named_fused(candidate):
        found = _split_qkv(candidate, transposed, inferred)
        if not isinstance(found, str):
            return found
        note = f"not split: {found}"
    kind = "linear_transposed" if transposed else "linear"
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


def _layout(candidate: Candidate, transposed: bool) -> tuple[int, str] | str:
    """How the rows of a fused weight lie: in how many groups, and what each holds in which order.

    Or why that is not known. A name says it where every family that uses it agrees; else the
    model's type in the config does.
    """
    rows, cols = candidate.shape
    if (cols != 3 * rows) if transposed else (rows != 3 * cols):
        return "q, k and v are of unequal size"
    config = candidate.config
    inner = config.get("text_config")
    if "model_type" not in config and isinstance(inner, Mapping):
        config = inner
    model, name = config.get("model_type"), candidate.path.lower().rpartition(".")[2]
    heads = config.get("num_attention_heads") or config.get("n_head")
    if transposed and name in _ALWAYS_IN_ROWS:  # GPT-2's Conv1D
        return 1, "qkv"
    if model == "codegen":
        return _CODEGEN_GROUPS, "qvk"
    by_heads = model in _BY_HEADS or (model is None and name == "query_key_value")
    if by_heads and isinstance(heads, int) and heads > 0 and rows % (3 * heads) == 0:
        return heads, "qkv"
    if by_heads:
        return "stored head by head, and config.json does not say the number of heads"
    if model in _IN_ROWS or (name in _ALWAYS_IN_ROWS and name != "query_key_value"):
        return 1, "qkv"
    return f"neither the name {name} nor config.json says how q, k and v lie in it"


def _split_qkv(candidate: Candidate, transposed: bool, inferred: str) -> list[LayerMatrix] | str:
    layout = _layout(candidate, transposed)
    if isinstance(layout, str):
        return layout
    groups, order = layout
    rows, cols = candidate.shape
    fused = cols if transposed else rows
    if fused % (3 * groups):
        return f"{fused} outputs are not {groups} groups of q, k and v"
    found = []
    for part in _QKV:
        index = order.index(part)
        if transposed:
            build, stack = partial(column_block, index=index, count=3), (1, rows, cols // 3)
        elif groups > 1:
            build, stack = partial(head_block, index=index, heads=groups), (1, rows // 3, cols)
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
