"""Writes small GGUF files with the package's own writer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def write(
    path: Path, tensors: Mapping[str, tuple[np.ndarray, str]], arch: str = "llama", **metadata: Any
) -> Path:
    """Write tensors, each in its type; whole numbers and texts under the architecture's keys."""
    import gguf

    writer = gguf.GGUFWriter(path, arch)
    writer.add_token_list(["<s>", "a", "b"] * 50)
    writer.add_float32(f"{arch}.rope.freq_base", 1e4)
    for key, value in metadata.items():
        writer.add_uint32(f"{arch}.{key.replace('__', '.')}", value)
    for name, (values, kind) in tensors.items():
        type_ = gguf.GGMLQuantizationType[kind]
        if kind in ("F64", "I32", "I8"):
            writer.add_tensor(name, values)
        else:
            data = gguf.quants.quantize(values, type_)
            writer.add_tensor(name, data, raw_dtype=type_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def interleaved(weight: np.ndarray, heads: int) -> np.ndarray:
    """Llama's q or k as llama.cpp's converter permutes it."""
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return halves.swapaxes(1, 2).reshape(weight.shape)


HEADS, GROUPS, WIDTH = 4, 2, 64


def small_llama(seed: int = 0) -> dict[str, np.ndarray]:
    """Two blocks of Llama, tied, by Hugging Face's names."""
    rng = np.random.default_rng(seed)
    shapes = {"model.embed_tokens.weight": (150, WIDTH), "model.norm.weight": (WIDTH,)}
    for block in range(2):
        within = f"model.layers.{block}"
        shapes |= {
            f"{within}.input_layernorm.weight": (WIDTH,),
            f"{within}.post_attention_layernorm.weight": (WIDTH,),
            f"{within}.self_attn.q_proj.weight": (WIDTH, WIDTH),
            f"{within}.self_attn.k_proj.weight": (WIDTH // 2, WIDTH),
            f"{within}.self_attn.v_proj.weight": (WIDTH // 2, WIDTH),
            f"{within}.self_attn.o_proj.weight": (WIDTH, WIDTH),
            f"{within}.mlp.gate_proj.weight": (128, WIDTH),
            f"{within}.mlp.up_proj.weight": (128, WIDTH),
            f"{within}.mlp.down_proj.weight": (WIDTH, 128),
        }
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


LLAMA_PARTS = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def converted(original: str) -> str:
    """The name of a tensor of Llama in llama.cpp's files."""
    base = original.removesuffix(".weight")
    if base in LLAMA_PARTS:
        return f"{LLAMA_PARTS[base]}.weight"
    _, _, block, rest = base.split(".", 3)
    return f"blk.{block}.{LLAMA_PARTS[rest]}.weight"


def write_llama(path: Path, tensors: Mapping[str, np.ndarray], kind: str = "F32") -> Path:
    """Write Llama's tensors as the converter would: matrices in ``kind``, vectors in float32."""
    stored = {}
    for name, values in tensors.items():
        heads = HEADS if "q_proj" in name else GROUPS if "k_proj" in name else 0
        data = interleaved(values, heads) if heads else values
        stored[converted(name)] = (data, kind if data.ndim > 1 else "F32")
    about = {"attention__head_count": HEADS, "attention__head_count_kv": GROUPS}
    return write(path, stored, embedding_length=WIDTH, block_count=2, **about)
