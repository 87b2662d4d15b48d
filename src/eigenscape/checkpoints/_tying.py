"""Output heads that a model's config ties to its embedding, and that files therefore leave out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from eigenscape.checkpoints._reader import Listing

_HEAD = "lm_head.weight"
_HEADS = {  # embedding -> output head, by family
    "model.embed_tokens.weight": _HEAD,  # Llama, Mistral, Qwen, Gemma
    "model.language_model.embed_tokens.weight": _HEAD,  # their multimodal sisters
    "model.decoder.embed_tokens.weight": _HEAD,  # OPT
    "transformer.wte.weight": _HEAD,  # GPT-2 with its head
    "wte.weight": _HEAD,  # GPT-2 as first published
    "transformer.word_embeddings.weight": _HEAD,  # BLOOM, Falcon
    "gpt_neox.embed_in.weight": "embed_out.weight",
    "model.shared.weight": _HEAD,  # BART
    "shared.weight": _HEAD,  # T5
    "bert.embeddings.word_embeddings.weight": "cls.predictions.decoder.weight",
    "roberta.embeddings.word_embeddings.weight": "lm_head.decoder.weight",
}


def with_tied_head(listing: Listing, config: Mapping[str, Any]) -> Listing:
    """Add the output head as an alias of the embedding, where the config ties them.

    >>> import torch
    >>> from eigenscape.checkpoints._tensor_info import TensorInfo
    >>> listing = Listing((TensorInfo("wte.weight", (8, 2), torch.float32),))
    >>> with_tied_head(listing, {"tie_word_embeddings": True}).infos[0].aliases
    ('lm_head.weight',)
    """
    if config.get("tie_word_embeddings") is not True:
        return listing
    stored = set(listing.names)
    embedding = next((name for name in _HEADS if name in stored), None)
    if embedding is None or _HEADS[embedding] in stored:
        return listing
    head = _HEADS[embedding]
    infos = tuple(
        replace(info, aliases=(*info.aliases, head)) if embedding in info.names else info
        for info in listing.infos
    )
    return replace(listing, infos=infos)
