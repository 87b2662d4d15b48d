"""Names and order of a GGUF file's tensors, as they were before the file was converted.

The tables of the ``gguf`` package say what llama.cpp's converter calls a tensor; here stand, for
each architecture, the names of Hugging Face's model and what the converter changes beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from eigenscape.checkpoints._gguf_header import Value

Undo = Callable[[Tensor], Tensor]
Make = Callable[[Mapping[str, Any], tuple[int, ...]], Undo | None]


@dataclass(frozen=True)
class _Family:
    """The originals of one architecture.

    Args:
        model_type: as ``config.json`` has it.
        names: of the model's modules, those of its first block with the number 0.
        undone: part of the file's name -> what makes the inverse of the converter's change; None
            where the shape does not fit.
    """

    model_type: str
    names: tuple[str, ...]
    undone: Mapping[str, Make] = field(default_factory=dict)


# ---------------------------------------------------------------- what the converter changes


def _rotary(config: Mapping[str, Any], shape: tuple[int, ...], *, key: str) -> Undo | None:
    """Llama's q and k: the two halves of each head, which the file interleaves."""
    heads = config.get(key)
    if not isinstance(heads, int) or heads < 1 or not shape or shape[0] % (2 * heads):
        return None
    return partial(_halves_apart, heads=heads)


def _halves_apart(tensor: Tensor, *, heads: int) -> Tensor:
    pairs = tensor.reshape(heads, tensor.shape[0] // heads // 2, 2, *tensor.shape[1:])
    return pairs.transpose(1, 2).reshape(tensor.shape)


def _by_heads(config: Mapping[str, Any], shape: tuple[int, ...]) -> Undo | None:
    """GPT-NeoX's fused q, k, v: head by head, which the file sorts into q, k and v."""
    heads = config.get("num_attention_heads")
    if not isinstance(heads, int) or heads < 1 or not shape or shape[0] % (3 * heads):
        return None
    return partial(_head_by_head, heads=heads)


def _head_by_head(tensor: Tensor, *, heads: int) -> Tensor:
    parts = tensor.reshape(3, heads, tensor.shape[0] // heads // 3, *tensor.shape[1:])
    return parts.transpose(0, 1).reshape(tensor.shape)


def _transposed(config: Mapping[str, Any], shape: tuple[int, ...]) -> Undo:  # noqa: ARG001
    """GPT-2's Conv1D, (in, out), which the file keeps as (out, in)."""
    return lambda tensor: tensor.t() if tensor.ndim == 2 else tensor


def _less_one(config: Mapping[str, Any], shape: tuple[int, ...]) -> Undo:  # noqa: ARG001
    """Gemma's norms, of which the file keeps 1 + weight."""
    return lambda tensor: tensor - 1


# ---------------------------------------------------------------- families


def _named(block: str, ends: str) -> tuple[str, ...]:
    return tuple(f"{block}.{end}" for end in ends.split())


_BLOCK = "model.layers.0"
_OUTER = ("model.embed_tokens", "model.norm", "lm_head")
_NORMS = _named(_BLOCK, "input_layernorm post_attention_layernorm")
_MLP = _named(f"{_BLOCK}.mlp", "gate_proj up_proj down_proj")
_LLAMA = (*_OUTER, *_NORMS, *_named(f"{_BLOCK}.self_attn", "q_proj k_proj v_proj o_proj"), *_MLP)
_MIXTRAL = _named(f"{_BLOCK}.block_sparse_moe", "gate experts.w1 experts.w2 experts.w3")
_EXPERTS = _named(f"{_BLOCK}.mlp", "gate experts.gate_proj experts.up_proj experts.down_proj")
_SHARED = (
    f"{_BLOCK}.mlp.shared_expert_gate",
    *_named(f"{_BLOCK}.mlp.shared_expert", "gate_proj up_proj down_proj"),
)
_QK_NORMS = _named(f"{_BLOCK}.self_attn", "q_norm k_norm")
_AROUND = _named(_BLOCK, "pre_feedforward_layernorm post_feedforward_layernorm")
_PHI2 = (
    *("model.embed_tokens", "model.final_layernorm", "lm_head", f"{_BLOCK}.input_layernorm"),
    *_named(f"{_BLOCK}.self_attn", "q_proj k_proj v_proj dense"),
    *_named(f"{_BLOCK}.mlp", "fc1 fc2"),
)
_PHI3 = (
    *(*_OUTER, *_NORMS),
    *_named(f"{_BLOCK}.self_attn", "qkv_proj o_proj"),
    *_named(f"{_BLOCK}.mlp", "gate_up_proj down_proj"),
)
_GPT2 = (
    *("transformer.wte", "transformer.wpe", "transformer.ln_f", "lm_head"),
    *_named("transformer.h.0", "ln_1 attn.c_attn attn.c_proj ln_2 mlp.c_fc mlp.c_proj"),
)
_NEOX = (
    *("gpt_neox.embed_in", "gpt_neox.final_layer_norm", "embed_out"),
    *_named("gpt_neox.layers.0", "input_layernorm post_attention_layernorm"),
    *_named("gpt_neox.layers.0.attention", "query_key_value dense"),
    *_named("gpt_neox.layers.0.mlp", "dense_h_to_4h dense_4h_to_h"),
)

_ROTARY: Mapping[str, Make] = {
    "attn_q": partial(_rotary, key="num_attention_heads"),
    "attn_k": partial(_rotary, key="num_key_value_heads"),
}
_PLUS_ONE: Mapping[str, Make] = {
    f"{part}_norm": _less_one
    for part in ("attn", "attn_q", "attn_k", "ffn", "post_attention", "post_ffw", "output")
}
_CONV1D: Mapping[str, Make] = dict.fromkeys(
    ("attn_qkv", "attn_output", "ffn_up", "ffn_down"), _transposed
)

_FAMILIES: Mapping[str, _Family] = {
    "llama": _Family("llama", (*_LLAMA, *_MIXTRAL), _ROTARY),  # Mistral and Mixtral too
    "qwen2": _Family("qwen2", _LLAMA),
    "qwen2moe": _Family("qwen2_moe", (*_LLAMA, *_EXPERTS, *_SHARED)),
    "qwen3": _Family("qwen3", (*_LLAMA, *_QK_NORMS)),
    "qwen3moe": _Family("qwen3_moe", (*_LLAMA, *_QK_NORMS, *_EXPERTS)),
    "gemma": _Family("gemma", _LLAMA, _PLUS_ONE),
    "gemma2": _Family("gemma2", (*_LLAMA, *_AROUND), _PLUS_ONE),
    "gemma3": _Family("gemma3_text", (*_LLAMA, *_AROUND, *_QK_NORMS), _PLUS_ONE),
    "phi2": _Family("phi", _PHI2),
    "phi3": _Family("phi3", _PHI3),
    "gpt2": _Family("gpt2", _GPT2, _CONV1D),
    "gptneox": _Family("gpt_neox", _NEOX, {"attn_qkv": _by_heads}),
}


@dataclass(frozen=True)
class Original:
    """What a tensor of the file was.

    Args:
        name: in the original; the file's own where that is not known.
        undo: from the file's values to the original's; None where they are the same.
        shape: in the original.
        known: whether the name is the original's.
        ordered: whether the entries are in the original's order.
    """

    name: str
    shape: tuple[int, ...]
    undo: Undo | None = None
    known: bool = True
    ordered: bool = True


class Originals:
    """The originals of one file's tensors.

    Args:
        metadata: of the file.
    """

    def __init__(self, metadata: Mapping[str, Value]) -> None:
        self.architecture = str(metadata.get("general.architecture", ""))
        self._family = _FAMILIES.get(self.architecture)
        self.config = _config(metadata, self.architecture, self._family)
        self._parts = _parts(self.architecture, self._family) if self._family else {}

    def of(self, name: str, shape: tuple[int, ...]) -> Original:
        """Return what one tensor was before the conversion."""
        part, number, leaf = _split(name)
        found = self._parts.get(part)
        if self._family is None or found is None:
            return Original(name, shape, known=False)
        original = found if number is None else found.replace(".0.", f".{number}.", 1)
        make = self._family.undone.get(part) if leaf in ("weight", "bias") else None
        undo = make(self.config, shape) if make else None
        turned = tuple(undo(torch.empty(shape, device="meta")).shape) if undo else shape
        return Original(f"{original}.{leaf}", turned, undo, ordered=not make or undo is not None)


def _split(name: str) -> tuple[str, str | None, str]:
    """``blk.3.attn_q.weight`` -> ``attn_q``, ``3``, ``weight``."""
    part, _, leaf = name.rpartition(".")
    if part.startswith("blk."):
        _, number, *rest = part.split(".")
        return (".".join(rest), number, leaf) if number.isdigit() else (part, None, leaf)
    return part, None, leaf


def _parts(architecture: str, family: _Family) -> dict[str, str]:
    """Part of the file's name -> name in the original, by the tables of the package."""
    from gguf import MODEL_ARCH_NAMES, get_tensor_name_map

    kind = next((kind for kind, name in MODEL_ARCH_NAMES.items() if name == architecture), None)
    if kind is None:
        return {}
    table = get_tensor_name_map(kind, 1)
    found: dict[str, str] = {}
    for original in family.names:
        stored = table.get_name(original)
        if stored is not None:
            found.setdefault(_split(f"{stored}.weight")[0], original)
    return found


def _config(
    metadata: Mapping[str, Value], architecture: str, family: _Family | None
) -> dict[str, Any]:
    """The entries of ``config.json`` that the reading of layers asks for."""
    if family is None:
        return {}
    heads = metadata.get(f"{architecture}.attention.head_count")
    groups = metadata.get(f"{architecture}.attention.head_count_kv", heads)
    return {
        "model_type": family.model_type,
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "hidden_size": metadata.get(f"{architecture}.embedding_length"),
    }
