"""Embeddings: examined only when asked for, because their rows follow the tokens' frequencies."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import nn

from eigenscape.layers._matrix import Candidate
from eigenscape.layers._options import SpectraOptions
from eigenscape.layers._registry import Reading, layer_handler, matrix, skipped

# What PEFT puts between a module and its weight.
_WRAPPED = re.compile(r"\.(base_layer|original_module|modules_to_save\.[^.]+)(?=\.|$)")
_NAME = re.compile(
    r"(^|[._])(wte|wpe|embed_tokens|embed_in|embed_positions|embeddings?|embed|pos_embed"
    r"|position_embeddings?|pos_embedding|tok_embeddings|(tok|pos)_emb|embedding_table"
    r"|relative_(attention_bias|position_bias_table)|shared)($|[._](weight)?$)"
)


def table(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """(..., tokens, width) with leading ones -> (1, tokens, width)."""
    return tensors[0].reshape(1, *tensors[0].shape[-2:])


@layer_handler
def embedding(candidate: Candidate, options: SpectraOptions) -> Reading:
    """nn.Embedding, or a table with an embedding's name."""
    known = isinstance(candidate.owner, nn.Embedding | nn.EmbeddingBag)
    named = candidate.owner is None or candidate.leaf != "weight"
    if not known and not (named and _NAME.search(_WRAPPED.sub("", candidate.name))):
        return None
    shape = candidate.shape
    if len(shape) < 2 or any(width != 1 for width in shape[:-2]) or 1 in shape[-2:]:
        return None
    if not options.embeddings:
        return skipped(
            candidate, "an embedding, examined only when asked for; include it with --embeddings"
        )
    inferred = f"module type {type(candidate.owner).__name__}" if known else "the name"
    return [matrix(candidate, "embedding", (1, *shape[-2:]), table, inferred=inferred)]
