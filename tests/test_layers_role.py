"""What a layer does within its block, by the names of many families."""

import pytest
import torch

from eigenscape.checkpoints import open_checkpoint
from eigenscape.layers import LayerOptions, find_layers, role


def roles(shapes, **options):
    checkpoint = open_checkpoint({name: torch.ones(*shape) for name, shape in shapes.items()})
    found = find_layers(checkpoint, LayerOptions(**options))
    return {layer.name: role(layer) for layer in found.layers}


#: Family: the block's names with the roles that they should be given, in its order.
FAMILIES = {
    "llama": {
        "model.layers.{}.self_attn.q_proj": "query",
        "model.layers.{}.self_attn.k_proj": "key",
        "model.layers.{}.self_attn.v_proj": "value",
        "model.layers.{}.self_attn.o_proj": "output",
        "model.layers.{}.mlp.gate_proj": "gate",
        "model.layers.{}.mlp.up_proj": "up",
        "model.layers.{}.mlp.down_proj": "down",
    },
    "llama, as Meta stores it": {
        "layers.{}.attention.wq": "query",
        "layers.{}.attention.wo": "output",
        "layers.{}.feed_forward.w1": "gate",
        "layers.{}.feed_forward.w2": "down",
        "layers.{}.feed_forward.w3": "up",
    },
    "gpt2": {
        "h.{}.attn.c_attn": "query-key-value",
        "h.{}.attn.c_proj": "output",
        "h.{}.mlp.c_fc": "up",
        "h.{}.mlp.c_proj": "down",
    },
    "bert": {
        "encoder.layer.{}.attention.self.query": "query",
        "encoder.layer.{}.attention.self.value": "value",
        "encoder.layer.{}.attention.output.dense": "output",
        "encoder.layer.{}.intermediate.dense": "up",
        "encoder.layer.{}.output.dense": "down",
    },
    "t5": {
        "decoder.block.{}.layer.0.SelfAttention.q": "query",
        "decoder.block.{}.layer.0.SelfAttention.o": "output",
        "decoder.block.{}.layer.1.DenseReluDense.wi_0": "gate",
        "decoder.block.{}.layer.1.DenseReluDense.wi_1": "up",
        "decoder.block.{}.layer.1.DenseReluDense.wo": "down",
    },
    "vit": {
        "blocks.{}.attn.qkv": "query-key-value",
        "blocks.{}.attn.proj": "output",
        "blocks.{}.mlp.fc1": "up",
        "blocks.{}.mlp.fc2": "down",
    },
    "mixtral": {
        "model.layers.{}.block_sparse_moe.gate": "linear",  # the router
        "model.layers.{}.block_sparse_moe.experts.3.w1": "gate",
    },
}


@pytest.mark.parametrize("family", FAMILIES)
def test_roles_of_a_family(family):
    wanted = {
        name.format(number): given
        for number in range(2)
        for name, given in FAMILIES[family].items()
    }
    assert roles({f"{name}.weight": (24, 20) for name in wanted}) == wanted


def test_a_plain_network_has_no_up_or_down():
    shapes = {"fc1.weight": (24, 20), "fc2.weight": (20, 24), "fc.weight": (20, 20)}
    assert roles(shapes) == {"fc1": "linear", "fc2": "linear", "fc": "head"}


def test_parts_of_a_fused_tensor():
    shapes = {"layers.0.self_attn.in_proj_weight": (96, 32), "layers.1.self_attn.x": (32, 32)}
    found = roles(shapes)
    assert [found[f"layers.0.self_attn.in_proj_weight[{part}]"] for part in "qkv"] == [
        *("query", "key", "value")
    ]


def test_convolutions():
    inner = {
        "conv1.weight": (16, 16, 3, 3),
        "conv2.weight": (32, 16, 1, 1),
        "downsample.0.weight": (32, 16, 1, 1),
        "depth.weight": (32, 1, 5, 5),
    }
    shapes = {f"layer1.{n}.{name}": shape for n in range(2) for name, shape in inner.items()}
    found = roles({"conv1.weight": (16, 3, 7, 7), **shapes})
    assert found["conv1"] == "stem"
    assert found["layer1.1.conv1"] == "convolution"
    assert found["layer1.1.conv2"] == "pointwise"
    assert found["layer1.1.downsample.0"] == "shortcut"
    assert found["layer1.1.depth"] == "depthwise_conv2d"


def test_an_embedding_is_its_own_role():
    shapes = {"model.embed_tokens.weight": (64, 32), "lm_head.weight": (64, 32)}
    assert list(roles(shapes, embeddings=True).values()) == ["embedding", "head"]
