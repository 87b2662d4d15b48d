"""Repeated blocks: the same ones from modules and from names, on the architectures of the field."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from eigenscape.checkpoints import open_checkpoint
from eigenscape.layers import blocks, find_layers
from eigenscape.spectra import analyze
from tests._properties import examples

ATTENTION = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
LLAMA = (*ATTENTION, "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "input_layernorm")
MIXTRAL = (*ATTENTION, "gate", *(f"block_sparse_moe.experts.{n}.w1" for n in range(3)))
FAMILIES = {
    "llama": ("model.layers.", LLAMA, ("model.embed_tokens", "model.norm", "lm_head")),
    "gpt2": (
        "h.",
        ("ln_1", "attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"),
        ("wte", "ln_f"),
    ),
    "neox": (
        "gpt_neox.layers.",
        ("attention.query_key_value", "attention.dense", "mlp.dense_h_to_4h"),
        ("gpt_neox.embed_in", "embed_out"),
    ),
    "opt": (
        "model.decoder.layers.",
        (*ATTENTION, "fc1", "fc2", "final_layer_norm"),
        ("model.decoder.embed_tokens", "model.decoder.embed_positions"),
    ),
    "vit_timm": (
        "blocks.",
        ("norm1", "attn.qkv", "attn.proj", "mlp.fc1"),
        ("patch_embed.proj", "head"),
    ),
    "vit_hf": (
        "vit.encoder.layer.",
        ("attention.attention.query", "intermediate.dense", "output.dense"),
        ("vit.embeddings.patch_embeddings.projection", "classifier"),
    ),
    "vit_torchvision": (
        "encoder.layers.encoder_layer_",
        ("ln_1", "self_attention.out_proj", "mlp.0", "mlp.3"),
        ("conv_proj", "heads.head"),
    ),
    "mixtral": ("model.layers.", MIXTRAL, ("model.embed_tokens", "lm_head")),
}


def family(name, depth=4):
    stem, inside, around = FAMILIES[name]
    every = [
        *around[:1],
        *(f"{stem}{n}.{part}" for n in range(depth) for part in inside),
        *around[1:],
    ]
    return stem, inside, every


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("ending", ["", ".weight"])
def test_blocks_of_the_families_by_name(name, ending):
    stem, inside, every = family(name)
    found = blocks([f"{path}{ending}" for path in every])
    assert [block.name for block in found] == [f"{stem}{n}" for n in range(4)]
    assert found[2].members == tuple(f"{stem}2.{part}{ending}" for part in inside)


RESNET = {
    "layer1.0": ("conv1", "bn1", "conv2", "bn2"),
    "layer1.1": ("conv1", "bn1", "conv2", "bn2"),
    "layer2.0": ("conv1", "bn1", "conv2", "bn2", "downsample.0", "downsample.1"),
    "layer2.1": ("conv1", "bn1", "conv2", "bn2"),
}


def test_a_resnet_has_blocks_and_not_stages():
    names = ["conv1", *(f"{unit}.{part}" for unit, parts in RESNET.items() for part in parts), "fc"]
    assert [block.name for block in blocks(names)] == list(RESNET)


def test_stages_of_unequal_depth_are_no_blocks():
    depths = (2, 2, 6, 2)
    names = [
        f"stages.{stage}.blocks.{n}.{part}.weight"
        for stage, depth in enumerate(depths)
        for n in range(depth)
        for part in ("attn.qkv", "mlp.fc1")
    ]
    names += [f"stages.{stage}.downsample.reduction.weight" for stage in range(3)]
    found = blocks(names)
    assert [block.name for block in found] == [
        f"stages.{stage}.blocks.{n}" for stage, depth in enumerate(depths) for n in range(depth)
    ]


def test_a_layer_between_the_blocks_of_a_stage_is_in_no_block():
    weights = {
        f"stages.{stage}.{part}.weight": torch.randn(20, 20)
        for stage, depth in enumerate((1, 3))
        for part in ("downsample", *(f"blocks.{n}.{leaf}" for n in range(depth) for leaf in "ab"))
    }
    found = {layer.name: layer.block for layer in find_layers(open_checkpoint(weights)).layers}
    assert found["stages.1.downsample"] is None
    assert found["stages.1.blocks.2.b"] == "stages.1.blocks.2"


def test_a_first_layer_of_another_kind_does_not_hide_the_rest():
    dense = [f"model.layers.0.{part}" for part in LLAMA]
    sparse = [f"model.layers.{n}.{part}" for n in (1, 2, 3) for part in MIXTRAL]
    assert [b.name for b in blocks([*dense, *sparse])] == [f"model.layers.{n}" for n in range(4)]


def test_adapters_belong_to_the_block_around_them():
    names = [
        f"base_model.model.model.layers.{n}.self_attn.q_proj.lora_{side}.weight"
        for n in range(2)
        for side in "AB"
    ]
    assert [block.name for block in blocks(names)] == [
        f"base_model.model.model.layers.{n}" for n in range(2)
    ]


# --- modules


class Encoder(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.attn = nn.MultiheadAttention(width, 2)
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, width)


class Basic(nn.Module):
    def __init__(self, shortcut):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3)
        self.downsample = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)) if shortcut else None


def named(**children):
    model = nn.Module()
    for name, child in children.items():
        model.add_module(name, child)
    return model


MODULES = {
    "transformer": (
        lambda: named(embed=nn.Embedding(9, 8), layers=nn.ModuleList(Encoder() for _ in range(3))),
        ["layers.0", "layers.1", "layers.2"],
    ),
    "one layer": (lambda: named(h=nn.ModuleList([Encoder()])), ["h.0"]),
    "resnet": (
        lambda: named(
            conv1=nn.Conv2d(3, 8, 3),
            layer1=nn.Sequential(Basic(False), Basic(False)),
            layer2=nn.Sequential(Basic(True), Basic(False)),
        ),
        ["layer1.0", "layer1.1", "layer2.0", "layer2.1"],
    ),
    "names in a Sequential": (
        lambda: named(
            body=nn.Sequential(*[]),
            layers=_ordered(stem=nn.Linear(8, 8), first=Encoder(), second=Encoder()),
        ),
        ["layers.first", "layers.second"],
    ),
    "mlp": (
        lambda: nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.Linear(8, 2)),
        [],
    ),
    "cnn": (lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, 2)), []),
}


def _ordered(**children):
    model = nn.Sequential()
    for name, child in children.items():
        model.add_module(name, child)
    return model


@pytest.mark.parametrize("name", MODULES)
def test_blocks_of_modules(name):
    make, expected = MODULES[name]
    assert [block.name for block in blocks(make())] == expected


@pytest.mark.parametrize("name", [name for name in MODULES if name != "names in a Sequential"])
def test_a_saved_network_has_the_blocks_of_the_module(name):
    model = MODULES[name][0]()
    assert [b.name for b in blocks(list(model.state_dict()))] == [b.name for b in blocks(model)]
    by_module = find_layers(open_checkpoint(model)).layers
    by_name = find_layers(open_checkpoint(model.state_dict())).layers
    assert [layer.block for layer in by_module] == [layer.block for layer in by_name]


def test_the_layer_table_has_the_blocks():
    model = named(layers=nn.ModuleList(Encoder(32) for _ in range(2)), head=nn.Linear(32, 32))
    found = {row.name: row.block for row in analyze(model)}
    assert found["layers.1.fc"] == found["layers.1.attn.in_proj_weight[k]"] == "layers.1"
    assert found["head"] is None


# --- properties

words = st.text("abcdefgh", min_size=1, max_size=4)
parts = st.lists(st.builds("{}.{}".format, words, words), min_size=2, max_size=5, unique=True)


@given(stem=words, inside=parts, depth=st.integers(2, 6), data=st.data())
@examples(60)
def test_a_list_of_equal_units_is_found_in_any_order_of_names(stem, inside, depth, data):
    names = [f"{stem}.{n}.{part}.weight" for n in range(depth) for part in inside]
    names += ["zz_head.weight"]
    mixed = data.draw(st.permutations(names))
    found = blocks(mixed)
    assert {block.name for block in found} == {f"{stem}.{n}" for n in range(depth)}
    assert all(len(block.members) == len(inside) for block in found)


@given(
    st.lists(st.lists(words | st.integers(0, 12).map(str), min_size=1, max_size=5), unique_by=tuple)
)
@examples(100)
def test_every_name_is_in_at_most_one_block_that_its_path_goes_through(paths):
    names = [".".join(path) for path in paths]
    found = blocks(names)
    members = [member for block in found for member in block.members]
    assert len(members) == len(set(members))
    assert set(members) <= set(names)
    for block in found:
        assert all(member.startswith(f"{block.name}.") for member in block.members)
    again = blocks(dict.fromkeys(names))
    assert again == found


@given(depth=st.integers(1, 5), experts=st.integers(1, 6))
@examples(30)
def test_lists_within_blocks_are_part_of_them(depth, experts):
    names = [
        f"layers.{n}.{part}"
        for n in range(depth)
        for part in ("attn", "router", *(f"experts.{e}.w" for e in range(experts)))
    ]
    assert [block.name for block in blocks(names)] == [f"layers.{n}" for n in range(depth)]


def test_no_names_no_blocks():
    assert blocks([]) == ()
    assert blocks(nn.ReLU()) == ()
    assert blocks({"fc.weight": torch.ones(2, 2)}) == ()
