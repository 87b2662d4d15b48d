"""GGUF files: values, names and order as before the conversion; damaged ones are refused."""

import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from eigenscape import analyze, compare, open_checkpoint
from eigenscape.checkpoints import save_checkpoint
from eigenscape.cli import main
from eigenscape.errors import CheckpointError, InputError, MissingExtraError
from eigenscape.models import LanguageModel
from tests import _gguf_files as files
from tests._checkpoint_files import in_new_process

gguf = pytest.importorskip("gguf")


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    ("kind", "dtype", "error"),
    [
        ("F64", torch.float64, 0),
        ("F32", torch.float32, 0),
        ("F16", torch.float16, 2**-11),
        ("BF16", torch.bfloat16, 2**-8),
        ("Q8_0", torch.float32, 0.5 / 127),
        ("Q5_1", torch.float32, 1 / 31),
        ("Q4_0", torch.float32, 1 / 8),
        ("Q4_1", torch.float32, 1 / 15),
        ("TQ2_0", torch.float32, 1 / 2),
    ],
)
def test_each_type_is_read_within_half_a_step(kind, dtype, error, tmp_path):
    values = np.random.default_rng(1).uniform(-1, 1, (24, 512)).astype(np.float32)
    stored = values.astype(np.float64) if kind == "F64" else values
    checkpoint = open_checkpoint(files.write(tmp_path / "a.gguf", {"w": (stored, kind)}))
    info = checkpoint.info("w")
    plain = kind[0] in "FB"
    assert (info.shape, info.dtype, info.encoding) == ((24, 512), dtype, "" if plain else kind)
    off = (checkpoint["w"].double() - torch.from_numpy(values).double()).abs().max()
    assert off <= error * 1.01 + (0 if plain else 2**-10)  # scales are stored as float16
    assert (off == 0) == (error == 0)


@pytest.mark.parametrize("kind", ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS", "IQ1_S"])
def test_types_that_the_package_does_not_write_equal_its_own_values(kind, tmp_path):
    type_ = gguf.GGMLQuantizationType[kind]
    entries, size = gguf.GGML_QUANT_SIZES[type_]
    codes = np.random.default_rng(2).integers(0, 60, (6, 4 * size), dtype=np.uint8)
    writer = gguf.GGUFWriter(tmp_path / "a.gguf", "llama")
    writer.add_tensor("w", codes, raw_dtype=type_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    read = open_checkpoint(tmp_path / "a.gguf")["w"]
    assert tuple(read.shape) == (6, 4 * entries)
    assert np.array_equal(read.numpy(), gguf.quants.dequantize(codes, type_), equal_nan=True)


def test_a_large_tensor_is_computed_in_parts(tmp_path, monkeypatch):
    values = noise(40, 96)
    path = files.write(tmp_path / "a.gguf", {"w": (values, "Q8_0")})
    whole = open_checkpoint(path)["w"]
    monkeypatch.setattr("eigenscape.checkpoints._gguf._AT_ONCE", 224)
    assert torch.equal(open_checkpoint(path)["w"], whole)


def test_llama_has_the_names_and_the_order_of_the_folder(tmp_path):
    tensors = files.small_llama()
    checkpoint = open_checkpoint(files.write_llama(tmp_path / "a.gguf", tensors))
    assert {name for info in checkpoint.infos() for name in info.names} == {
        *tensors,
        "lm_head.weight",  # tied: the file has no output.weight
    }
    assert all(torch.equal(checkpoint[name], torch.from_numpy(x)) for name, x in tensors.items())
    assert checkpoint.config["num_key_value_heads"] == files.GROUPS
    assert len(pickle.dumps(checkpoint)) < 8000
    assert torch.equal(
        pickle.loads(pickle.dumps(checkpoint))["model.norm.weight"],
        torch.from_numpy(tensors["model.norm.weight"]),
    )


def test_comparing_with_the_dequantized_folder_shows_no_change(tmp_path):
    path = files.write_llama(tmp_path / "a.gguf", files.small_llama(), "Q4_1")
    checkpoint = open_checkpoint(path)
    save_checkpoint(dict(checkpoint), tmp_path / "folder.safetensors")
    result = compare(path, tmp_path / "folder.safetensors", min_eigenvalues=16)
    assert result.summary["states"] == {"same": 14}
    changed = files.small_llama()
    changed["model.layers.1.self_attn.k_proj.weight"][0, 0] += 9
    other = files.write_llama(tmp_path / "b.gguf", changed, "Q4_1")
    moved = compare(path, other, min_eigenvalues=16).summary
    assert moved["most_moved"] == "model.layers.1.self_attn.k_proj"


def test_the_quantized_type_is_said_everywhere(tmp_path, capsys):
    path = files.write_llama(tmp_path / "a.gguf", files.small_llama(), "Q4_1")
    result = analyze(path)
    assert set(result.frame(full=True)["dtype"]) == {"Q4_1, dequantized"}
    row = "dequantized from Q4_1: values are rounded to the quantization grid"
    assert all(row in layer.notes for layer in result)
    said = "15 tensors dequantized from Q4_1 (15): values are rounded to the quantization grid"
    assert said in result.notes
    assert main(["checkup", str(path), "--out", str(tmp_path / "out")]) == 0
    assert "rounded to the quantization grid" in " ".join(capsys.readouterr().out.split())
    assert said in (tmp_path / "out" / "report.html").read_text()


def test_an_untied_head_and_stacked_experts_are_read(tmp_path):
    tensors = {
        "output.weight": (noise(150, 64), "Q8_0"),
        "token_embd.weight": (noise(150, 64), "Q8_0"),
        "blk.0.ffn_gate_exps.weight": (noise(3, 96, 64), "Q4_0"),
        "blk.0.ffn_gate_inp.weight": (noise(3, 64), "F32"),
    }
    path = files.write(tmp_path / "a.gguf", tensors)
    checkpoint = open_checkpoint(path)
    moe = "model.layers.0.block_sparse_moe"
    assert list(checkpoint) == [
        "lm_head.weight", "model.embed_tokens.weight",
        f"{moe}.experts.w1.weight", f"{moe}.gate.weight",
    ]  # fmt: skip
    rows = {row.name: row for row in analyze(path)}
    assert rows[f"{moe}.experts.w1"].layer.stack == (3, 96, 64)


def test_other_architectures_are_undone_too(tmp_path):
    bias, conv, norm = noise(192), noise(192, 64), noise(64)
    gpt2 = {
        "blk.0.attn_qkv.weight": (conv, "F32"),
        "blk.0.attn_qkv.bias": (bias, "F32"),
        "position_embd.weight": (noise(32, 64), "F32"),
    }
    found = open_checkpoint(files.write(tmp_path / "2.gguf", gpt2, "gpt2"))
    name = "transformer.h.0.attn.c_attn"
    assert found.info(f"{name}.weight").shape == (64, 192)
    assert torch.equal(found[f"{name}.weight"], torch.from_numpy(conv.T))
    assert torch.equal(found[f"{name}.bias"], torch.from_numpy(bias))
    assert "transformer.wpe.weight" in found

    heads = 4
    by_heads = conv.reshape(heads, 3, 16, 64)
    sorted_ = by_heads.swapaxes(0, 1).reshape(192, 64)  # as the converter writes it
    neox = {"blk.11.attn_qkv.weight": (sorted_, "F32")}
    about = {"attention__head_count": heads}
    found = open_checkpoint(files.write(tmp_path / "n.gguf", neox, "gptneox", **about))
    (name,) = found
    assert name == "gpt_neox.layers.11.attention.query_key_value.weight"
    assert torch.equal(found[name], torch.from_numpy(conv))

    gemma = {"blk.0.attn_norm.weight": (norm + 1, "F32")}
    found = open_checkpoint(files.write(tmp_path / "g.gguf", gemma, "gemma2"))
    assert torch.allclose(
        found["model.layers.0.input_layernorm.weight"], torch.from_numpy(norm), atol=1e-6
    )


def test_what_is_not_known_stays_as_it_is_and_is_said(tmp_path):
    tensors = {"blk.0.attn_q.weight": (noise(64, 64), "F32"), "blk.0.odd": (noise(64), "F32")}
    other = open_checkpoint(files.write(tmp_path / "o.gguf", tensors, "mamba"))
    assert list(other) == ["blk.0.attn_q.weight", "blk.0.odd"]
    assert "not known for the architecture 'mamba'" in " ".join(other.notes)
    assert other.config == {}
    headless = open_checkpoint(files.write(tmp_path / "l.gguf", tensors))
    name = "model.layers.0.self_attn.q_proj.weight"
    assert list(headless) == ["blk.0.odd", name]
    assert "names kept as in the GGUF file: blk.0.odd" in headless.notes
    assert f"rows kept in the order of the GGUF file: {name}" in " ".join(headless.notes)


def patched(path, old, new):
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))
    return path


@pytest.mark.parametrize(("number", "said"), [(15, "Q8_K"), (4242, "type 4242")])
def test_a_type_that_cannot_be_dequantized_is_named_and_the_rest_goes_on(number, said, tmp_path):
    tensors = {"fc1.weight": (noise(64, 512), "F32"), "fc2.weight": (noise(64, 512, seed=1), "F32")}
    path = files.write(tmp_path / "a.gguf", tensors)
    entry = struct.pack("<Q10sI2QI", 10, b"fc2.weight", 2, 512, 64, 0)
    patched(path, entry, entry[:-4] + struct.pack("<I", number))
    result = analyze(path)
    assert [row.name for row in result] == ["fc1"]
    (left,) = [item for item in result.skipped if item.name == "fc2.weight"]
    assert said in left.reason
    assert "cannot dequantize" in left.reason
    assert result.parameters_total == 2 * 64 * 512
    with pytest.raises(CheckpointError, match="no tensor"):
        open_checkpoint(path)["fc2.weight"]


def test_a_damaged_header_is_refused_before_memory_is_taken(tmp_path):
    whole = files.write(tmp_path / "a.gguf", {"w": (noise(64, 64), "Q8_0")}).read_bytes()
    huge = struct.pack("<Q", 1 << 60)
    vocabulary = struct.pack("<IQ", 8, 150)
    for change, said in [
        (lambda c: c[:8] + huge + c[16:], "tensors, more than"),
        (lambda c: c[:16] + huge + c[24:], "keys, more than"),
        (lambda c: c.replace(vocabulary, struct.pack("<I", 8) + huge), "texts or arrays, more"),
        (lambda c: c.replace(vocabulary, struct.pack("<I", 0) + huge), "entries of an array"),
        (lambda c: c.replace(struct.pack("<2Q", 64, 64), huge + huge), "truncated or corrupt"),
        (
            lambda c: c.replace(struct.pack("<2Q", 64, 64), struct.pack("<2Q", 33, 64)),
            "in blocks of 32",
        ),
        (lambda c: c[:-1000], r"bytes to [\d,]+ of"),
        (lambda c: c[:9], "truncated or corrupt"),
        (lambda c: c[:4] + struct.pack("<I", 1) + c[8:], "version 1; expected 2 or 3"),
        (lambda c: c[:4] + struct.pack(">I", 3) + c[8:], "big-endian"),
    ]:
        changed = change(whole)
        assert changed != whole
        (tmp_path / "b.gguf").write_bytes(changed)
        with pytest.raises(CheckpointError, match=said):
            open_checkpoint(tmp_path / "b.gguf")


def test_one_part_of_a_split_file_is_refused(tmp_path, capsys):
    path = files.write(
        tmp_path / "m-00001-of-00003.gguf", {"w": (noise(64, 64), "F32")}, "split", count=3
    )
    with pytest.raises(CheckpointError, match=r"one of 3 parts.*llama-gguf-split --merge"):
        open_checkpoint(path)
    assert main(["checkup", str(path)]) == 2
    assert "one of 3 parts" in " ".join(capsys.readouterr().err.split())


def test_a_file_that_changes_after_opening(tmp_path):
    path = files.write(tmp_path / "a.gguf", {"w": (noise(64, 64), "F32")})
    checkpoint = open_checkpoint(path)
    files.write(path, {"w": (noise(32, 64), "F32")})
    with pytest.raises(CheckpointError, match="has changed since"):
        checkpoint["w"]
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(CheckpointError, match="truncated"):
        checkpoint["w"]
    files.write(path, {"v": (noise(32, 64), "F32")})
    with pytest.raises(CheckpointError, match="no tensor w any more"):
        checkpoint["w"]


def test_a_folder_with_one_gguf_file_is_that_file(tmp_path):
    path = files.write_llama(tmp_path / "a.gguf", files.small_llama())
    assert open_checkpoint(tmp_path).config["model_type"] == "llama"
    path.rename(tmp_path / "b.gguf")
    files.write_llama(tmp_path / "a.gguf", files.small_llama())
    with pytest.raises(CheckpointError, match=r"2 GGUF files: a\.gguf, b\.gguf.*one of them"):
        open_checkpoint(tmp_path)


def test_no_language_model_is_made_of_it(tmp_path):
    path = files.write_llama(tmp_path / "a.gguf", files.small_llama())
    with pytest.raises(InputError, match="GGUF file, from which no language model"):
        LanguageModel.of(path)


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    path = files.write(tmp_path / "a.gguf", {"w": (noise(64, 64), "F32")})
    monkeypatch.setitem(__import__("sys").modules, "gguf", None)
    with pytest.raises(MissingExtraError, match=r"GGUF file .*eigenscape\[gguf\]"):
        open_checkpoint(path)


def test_the_package_is_imported_for_such_a_file_only(tmp_path):
    path = save_checkpoint({"w": torch.ones(3, 3)}, tmp_path / "a.safetensors")
    program = (
        "import sys; from eigenscape import open_checkpoint; open_checkpoint(sys.argv[1])['w']"
    )
    assert in_new_process(f"{program}; print('gguf' in sys.modules)", path) == "False"


# ------------------------------------------------------------ against another reader

FAMILIES = {
    "llama": ("LlamaConfig", {}),
    "qwen2": ("Qwen2Config", {}),
    "qwen3": ("Qwen3Config", {"head_dim": 16}),
    "qwen2moe": ("Qwen2MoeConfig", {"num_experts": 4, "decoder_sparse_step": 1}),
    "qwen3moe": ("Qwen3MoeConfig", {"num_experts": 4, "head_dim": 16}),
    "gemma": ("GemmaConfig", {"head_dim": 16}),
    "gemma2": ("Gemma2Config", {"head_dim": 16}),
    "gemma3": ("Gemma3TextConfig", {"head_dim": 16}),
    "phi2": ("PhiConfig", {}),
    "phi3": ("Phi3Config", {"pad_token_id": 0}),
    "gpt2": ("GPT2Config", {"n_embd": 64, "n_layer": 2, "n_head": 4}),
    "gptneox": ("GPTNeoXConfig", {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("arch", FAMILIES)
def test_names_are_those_of_the_model_in_transformers(arch, tmp_path):
    transformers = pytest.importorskip("transformers")
    kind, more = FAMILIES[arch]
    size = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = getattr(transformers, kind)(vocab_size=96, **size, **more)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    names = gguf.get_tensor_name_map(
        next(k for k, v in gguf.MODEL_ARCH_NAMES.items() if v == arch), 2
    )
    tensors, expected = {}, set()
    for name, value in model.state_dict().items():
        base, _, leaf = name.rpartition(".")
        stored = names.get_name(base)
        if stored is None or not value.ndim:
            continue  # fused experts, which a file splits; counters
        tensors[f"{stored}.{leaf}"] = (np.zeros(value.shape, dtype=np.float32), "F32")
        expected.add("embed_out.weight" if (arch, base) == ("gptneox", "lm_head") else name)
    if "output.weight" not in tensors:  # Gemma's converter writes none: it is tied
        expected.add("lm_head.weight")
    found = open_checkpoint(files.write(tmp_path / "a.gguf", tensors, arch))
    assert {name for info in found.infos() for name in info.names} == expected
    assert found.config["model_type"] == config.model_type


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["llama", "gpt2", "gemma2"])
@pytest.mark.filterwarnings("ignore")
def test_values_are_those_that_transformers_reads(arch, tmp_path):
    transformers = pytest.importorskip("transformers")
    shapes = {
        "llama": {"blk.0.attn_q": (64, 64), "blk.0.attn_k": (32, 64), "blk.0.ffn_up": (128, 64)},
        "gpt2": {
            "blk.0.attn_qkv": (192, 64),
            "blk.0.attn_output": (64, 64),
            "blk.0.ffn_down": (64, 256),
        },
        "gemma2": {"blk.0.attn_norm": (64,), "blk.0.ffn_up": (128, 64), "output_norm": (64,)},
    }[arch]
    stored = {
        f"{n}.weight": (noise(*shape, seed=i), "F32") for i, (n, shape) in enumerate(shapes.items())
    }
    stored["token_embd.weight"] = (noise(150, 64), "F32")
    about = {
        "block_count": 1, "embedding_length": 64,
        "feed_forward_length": 256 if arch == "gpt2" else 128,
        "context_length": 64, "attention__head_count": 4, "attention__head_count_kv": 2,
        "attention__key_length": 16, "vocab_size": 150,
    }  # fmt: skip
    path = files.write(tmp_path / "a.gguf", stored, arch, **about)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file="a.gguf", dtype=torch.float32
    ).state_dict()
    ours = open_checkpoint(path)
    assert len(ours) == len(stored)
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name


@pytest.mark.slow
def test_a_real_file_equals_the_folder_made_from_it():
    """SmolLM2-135M: EIGENSCAPE_SMOLLM2 names the folder; the file lies beside it, as OUT.gguf."""
    folder = os.environ.get("EIGENSCAPE_SMOLLM2", "")
    if not folder or not Path(f"{folder}.gguf").is_file():
        pytest.skip("no SmolLM2 here: set EIGENSCAPE_SMOLLM2 to its folder")
    ours, theirs = open_checkpoint(f"{folder}.gguf"), open_checkpoint(folder)
    assert [i.names for i in ours.infos()] == [i.names for i in theirs.infos()]
    different = [
        name
        for name in theirs
        if not torch.equal(ours[name].view(torch.int32), theirs[name].view(torch.int32))
    ]
    assert len(ours) == 272
    assert different == []
