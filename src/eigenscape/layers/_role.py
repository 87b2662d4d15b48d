"""What a layer does within its block, as its name says it: the value projection, the gate, ..."""

from __future__ import annotations

import re

from eigenscape.layers._matrix import LayerMatrix

#: The last parts of names that mean one thing in every family.
_NAMED = {
    "query": ("q_proj", "to_q", "wq", "q_lin", "q_proj_weight", "query_proj"),
    "key": ("k_proj", "to_k", "wk", "k_lin", "k_proj_weight", "key_proj"),
    "value": ("v_proj", "to_v", "wv", "v_lin", "v_proj_weight", "value_proj"),
    "query-key-value": ("qkv", "qkv_proj", "query_key_value", "wqkv", "in_proj", "to_qkv"),
    "output": ("o_proj", "out_proj", "to_out", "out_lin"),
    "gate": ("gate_proj", "wi_0"),
    "up": ("up_proj", "c_fc", "dense_h_to_4h", "wi", "wi_1"),
    "gate-up": ("gate_up_proj",),
    "down": ("down_proj", "dense_4h_to_h"),
}
#: Those that mean it within a repeated block only: a plain network's first layer is ``fc1`` too.
#: (A bare ``gate`` is the router of a mixture of experts as often as not.)
_IN_BLOCKS = {
    "query": ("query", "q"),
    "key": ("key", "k"),
    "value": ("value", "v"),
    "output": ("o",),
    "gate": ("w1",),
    "up": ("up", "fc1", "lin1", "linear1", "w3", "fc_in"),
    "down": ("down", "fc2", "lin2", "linear2", "w2", "fc_out"),
}
#: Those that name an output: of the attention where the path says so, else of the other half.
_ENDS = ("c_proj", "proj", "dense", "wo")
_HEADS = ("lm_head", "head", "classifier", "fc", "embed_out", "score", "output_projection")
_ATTENTION = re.compile(r"(^|[._])(\w*attn\w*|\w*attention\w*|\w*selfattn\w*)([._]|$)", re.I)
_SHORTCUT = re.compile(r"(^|\.)(downsample|shortcut|identity)(\.|$)")
_ROLE = {name: role for role, names in _NAMED.items() for name in names}
_ROLE_IN_BLOCKS = {name: role for role, names in _IN_BLOCKS.items() for name in names}
_PARTS = {"q": "query", "k": "key", "v": "value"}


def role(layer: LayerMatrix) -> str:
    """Return what a layer does within its block, as far as its name and shape tell.

    One of ``query``, ``key``, ``value``, ``query-key-value``, ``output`` (of the attention),
    ``gate``, ``up``, ``gate-up``, ``down``, ``head``, ``convolution``, ``pointwise``,
    ``shortcut``, ``stem`` (a convolution outside every block); the layer's kind where none of them
    is known.

    >>> import torch
    >>> from eigenscape.checkpoints import open_checkpoint
    >>> from eigenscape.layers import find_layers
    >>> names = ["h.0.attn.q_proj.weight", "h.0.mlp.c_proj.weight", "lm_head.weight", "odd.weight"]
    >>> found = find_layers(open_checkpoint({name: torch.ones(16, 16) for name in names}))
    >>> [role(layer) for layer in found.layers]
    ['query', 'down', 'head', 'linear']
    """
    path, _, part = layer.name.partition("[")
    if layer.kind.startswith("conv"):
        return _of_convolution(layer, path)
    if layer.kind not in ("linear", "linear_transposed", "attention_projection"):
        return layer.kind
    if part.rstrip("]") in _PARTS:
        return _PARTS[part.rstrip("]")]
    names = path.lower().removesuffix(".weight").split(".")
    while len(names) > 1 and names[-1] in ("0", "base_layer"):  # to_out.0 of diffusers, LoRA's base
        names.pop()
    return _of_matrix(layer, names)


def _of_convolution(layer: LayerMatrix, path: str) -> str:
    if _SHORTCUT.search(path):
        return "shortcut"
    if layer.block is None:
        return "stem"
    return "pointwise" if set(layer.shape[2:]) == {1} else "convolution"


def _of_matrix(layer: LayerMatrix, names: list[str]) -> str:
    leaf, above = names[-1], ".".join(names[:-1])
    if leaf in _ROLE:
        return _ROLE[leaf]
    attends = bool(_ATTENTION.search(above))
    if leaf == "c_attn":
        return "query-key-value"
    if layer.block is None:
        return "head" if leaf in _HEADS else layer.kind
    if leaf == "dense" and names[-2:-1] == ["intermediate"]:  # BERT
        return "up"
    if leaf in _ENDS:
        return "output" if attends else "down"
    return _ROLE_IN_BLOCKS.get(leaf, layer.kind)
