"""Embeddings: examined only when asked for, because their rows follow the tokens' frequencies."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import nn

from eigenscape.spectra._matrix import Candidate
from eigenscape.spectra._options import SpectraOptions
from eigenscape.spectra.layers._registry import Reading, layer_handler, matrix, skipped

_NAME = re.compile(
    r"(^|[._])(wte|wpe|embed_tokens|embed_in|embeddings?|embed|pos_embed|position_embeddings?"
    r"|pos_embedding|tok_embeddings|relative_attention_bias|shared)($|[._](weight)?$)"
)


def table(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """(..., tokens, width) with leading ones -> (1, tokens, width)."""
    return tensors[0].reshape(1, *tensors[0].shape[-2:])


@layer_handler
def embedding(candidate: Candidate, options: SpectraOptions) -> Reading:
    """nn.Embedding, or a table with an embedding's name."""
    known = isinstance(candidate.owner, nn.Embedding | nn.EmbeddingBag)
    named = candidate.owner is None or candidate.leaf != "weight"
    if not known and not (named and _NAME.search(candidate.name)):
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
