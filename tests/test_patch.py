"""Patches: exact both ways, for every kind and type; refused where they do not fit."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from eigenscape.checkpoints import Patch, open_checkpoint, save_checkpoint
from eigenscape.errors import CheckpointError, OutputError
from tests._checkpoint_files import raw_safetensors

DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.uint16,
    torch.uint32,
    torch.uint64,
    torch.bool,
    torch.complex64,
    torch.complex128,
]
EXOTIC = [
    getattr(torch, name)
    for name in ("float8_e8m0fnu", "float4_e2m1fn_x2", "float8_e4m3fnuz")
    if hasattr(torch, name)
]
KINDS = ("mask", "set", "dense")


def raw(tensor):
    """The bytes of a tensor."""
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def drawn(dtype, shape=(7, 11), seed=0):
    """A tensor of random bits, NaN and infinities among them; of bool, random truth."""
    generator = torch.Generator().manual_seed(seed)
    if dtype == torch.bool:
        return torch.rand(shape, generator=generator) < 0.5
    count = math.prod(shape) * dtype.itemsize
    return (
        torch.randint(0, 256, (count,), generator=generator, dtype=torch.uint8)
        .view(torch.float64 if dtype == torch.complex128 else dtype)
        .view(dtype)
        .reshape(shape)
    )


def with_bits(tensor, where, source):
    """A copy with some entries' bits from another tensor, or all zero."""
    size = tensor.dtype.itemsize
    codes = np.frombuffer(raw(tensor), np.uint8).reshape(-1, size).copy()
    other = np.frombuffer(raw(source), np.uint8).reshape(-1, size) if source is not None else None
    codes[where] = 0 if other is None else other[where]
    flat = torch.from_numpy(codes.reshape(-1))
    if tensor.dtype == torch.complex128:
        return torch.view_as_complex(flat.view(torch.float64).reshape(-1, 2)).reshape(tensor.shape)
    return flat.view(tensor.dtype).reshape(tensor.shape)


def pair(dtype, kind, seed=0):
    """Two states, one tensor of them changed as the kind says."""
    before = drawn(dtype, seed=seed)
    where = np.random.default_rng(seed).random(77) < (1.0 if kind == "dense" else 0.3)
    after = with_bits(before, where, None if kind == "mask" else drawn(dtype, seed=seed + 1))
    return {"a.w": before, "b": torch.arange(3.0)}, {"a.w": after, "b": torch.arange(3.0)}


def equal(checkpoint, tensors):
    return set(checkpoint) == set(tensors) and all(
        raw(checkpoint[name]) == raw(tensor) and checkpoint[name].dtype == tensor.dtype
        for name, tensor in tensors.items()
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES + EXOTIC, ids=str)
def test_a_difference_applies_and_reverts_to_the_bit(tmp_path, dtype, kind):
    before, after = pair(dtype, kind)
    patch = Patch.diff(before, after)
    assert patch.names == ("a.w",)
    assert [edit.kind for edit in patch.edits] == ["mask" if kind == "mask" else "set"]
    assert equal(patch.apply(before), after)
    assert equal(patch.revert(after), before)
    assert equal(patch.revert(patch.apply(before), base=before), before)

    again = Patch.load(patch.save(tmp_path / "a.safetensors"))
    assert again.hash == patch.hash
    assert equal(again.apply(before), after)
    assert equal(again.revert(after), before)

    small = Patch.load(patch.save(tmp_path / "b.safetensors", revertible=False))
    assert (small.hash, small.revertible, patch.revertible) == (patch.hash, False, True)
    assert equal(small.apply(before), after)
    assert equal(small.revert(after, base=before), before)
    with pytest.raises(CheckpointError, match="reverts only with the base"):
        small.revert(after)


@given(
    dtype=st.sampled_from(DTYPES),
    kinds=st.lists(st.sampled_from(KINDS), min_size=3, max_size=3),
    seed=st.integers(0, 2**16),
)
def test_stacking_is_associative_and_reverts_last_first(dtype, kinds, seed):
    states = [{"w": drawn(dtype, seed=seed)}]
    for number, kind in enumerate(kinds, 1):
        where = np.random.default_rng(seed + number).random(77) < (kind == "dense" or 0.3)
        source = None if kind == "mask" else drawn(dtype, seed=seed + 10 * number)
        states.append({"w": with_bits(states[-1]["w"], where, source)})
    a, b, c = (Patch.diff(x, y) for x, y in pairwise(states))
    left, right = a.stack(b).stack(c), a.stack(b.stack(c))
    assert left.hash == right.hash
    for patch in (left, right):
        assert equal(patch.apply(states[0]), states[3])
        assert equal(patch.revert(states[3]), states[0])


def test_a_patch_refuses_to_follow_another_that_leaves_other_values():
    before, after = pair(torch.float32, "set")
    patch = Patch.diff(before, after)
    with pytest.raises(CheckpointError, match="do not follow each other"):
        patch.stack(patch)
    assert equal(patch.stack(Patch.diff(after, before)).apply(before), before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.complex64])
def test_a_low_rank_patch_is_one_rounding_and_needs_its_base(tmp_path, dtype):
    generator = torch.Generator().manual_seed(1)
    base = {"w": torch.randn(6, 5, 2, generator=generator).to(dtype)}
    a, b = torch.randn(3, 10, generator=generator), torch.randn(6, 3, generator=generator)
    patch = Patch.low_rank(base, {"w": (a, b)})
    wide = torch.complex128 if dtype.is_complex else torch.float64
    exact = base["w"].to(wide) + (b.double() @ a.double()).reshape(6, 5, 2)
    merged = patch.apply(base)["w"]
    step = torch.finfo(dtype).eps
    assert float(((merged.to(wide) - exact).abs() / exact.abs()).max()) <= step
    with pytest.raises(CheckpointError, match="low-rank pair, and reverts only with the base"):
        patch.revert(patch.apply(base))
    again = Patch.load(patch.save(tmp_path / "lora.safetensors"))
    assert equal(again.revert({"w": merged}, base=base), base)
    with pytest.raises(CheckpointError, match="was made for"):
        again.revert({"w": merged}, base={"w": base["w"] + 1})
    with safe_open(tmp_path / "lora.safetensors", framework="pt") as file:
        assert set(file.keys()) == {"w.lora_A", "w.lora_B"}
    mask = Patch.masking({"w": merged}, {"w": torch.ones(6, 5, 2, dtype=torch.bool)})
    stacked = patch.stack(mask)
    assert not stacked.apply(base)["w"].any()
    assert equal(stacked.revert(stacked.apply(base), base=base), base)


def test_a_sum_and_its_difference_would_not_revert():
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(10_000, generator=generator).bfloat16()
    b = torch.randn(10_000, generator=generator).bfloat16()
    assert not torch.equal((a + (b - a)), b)
    assert equal(Patch.diff({"w": a}, {"w": b}).apply({"w": a}), {"w": b})


# --- refusals ---------------------------------------------------------------------------------


def test_other_values_are_refused_and_every_problem_is_named():
    before = {"a": torch.ones(3), "b": torch.ones(3), "c": torch.ones(3)}
    patch = Patch.diff(before, {name: tensor * 2 for name, tensor in before.items()})
    damaged = {"a": torch.tensor([1.0, 1.0, -1.0]), "b": torch.ones(4), "d": torch.ones(3)}
    with pytest.raises(CheckpointError) as error:
        patch.apply(damaged)
    for text in ("a: its values", "b is (4,)", "no tensor 'c'", "Try:"):
        assert text in str(error.value)
    with pytest.raises(CheckpointError, match="has the edit already"):
        patch.apply(patch.apply(before))
    with pytest.raises(CheckpointError, match="the edit is not in it"):
        patch.revert(before)


def test_one_bit_is_enough_to_refuse():
    before, after = pair(torch.float32, "set")
    patch = Patch.diff(before, after)
    for state, act in ((before, patch.apply), (after, patch.revert)):
        flipped = dict(state)
        flipped["a.w"] = state["a.w"].clone()
        flipped["a.w"].view(torch.int32)[3, 3] ^= 1
        with pytest.raises(CheckpointError, match="its values are not those"):
            act(flipped)


def test_a_tensor_that_changes_after_the_check_is_refused_when_it_is_read():
    module = nn.Linear(3, 2)
    patched = Patch.masking(module, {"weight": torch.ones(2, 3, dtype=torch.bool)}).apply(module)
    assert not patched["weight"].any()
    with torch.no_grad():
        module.weight.add_(1)
    with pytest.raises(CheckpointError, match="its values are not those"):
        patched["weight"]


def test_no_patch_leads_between_different_networks():
    with pytest.raises(CheckpointError) as error:
        Patch.diff(
            {"a": torch.ones(2), "b": torch.ones(2)}, {"a": torch.ones(2), "c": torch.ones(1)}
        )
    assert "b is missing after" in str(error.value)
    assert "c is missing before" in str(error.value)
    with pytest.raises(CheckpointError, match="float32 before and"):
        Patch.diff({"a": torch.ones(2)}, {"a": torch.ones(2).half()})


@pytest.mark.parametrize(
    "make",
    [
        lambda base: Patch.masking(base, {"w": torch.ones(2, 2)}),
        lambda base: Patch.masking(base, {"w": torch.ones(4, dtype=torch.bool)}),
        lambda base: Patch.masking(base, {"x": torch.ones(2, 2, dtype=torch.bool)}),
        lambda base: Patch.low_rank(base, {"w": (torch.ones(1, 3), torch.ones(2, 1))}),
        lambda base: Patch.low_rank(base, {"w": (torch.ones(1, 2), torch.ones(2, 2))}),
        lambda base: Patch.low_rank(base, {"n": (torch.ones(1, 2), torch.ones(2, 1))}),
        lambda base: Patch.low_rank(base, {"v": (torch.ones(1, 1), torch.ones(2, 1))}),
    ],
)
def test_edits_that_do_not_fit_are_refused(make):
    base = {"w": torch.eye(2), "v": torch.ones(2), "n": torch.ones(2, 2, dtype=torch.int32)}
    with pytest.raises(CheckpointError):
        make(base)


def test_nothing_changed_is_an_empty_patch(tmp_path):
    before, _ = pair(torch.float32, "set")
    patch = Patch.diff(before, before)
    assert (patch.names, repr(patch)) == (
        (),
        "<Patch: 0 tensors, 0 entries (empty), reverts alone>",
    )
    assert equal(Patch.load(patch.save(tmp_path / "p.safetensors")).apply(before), before)
    assert list(patch.frame()) == []


# --- modules and files -------------------------------------------------------------------------


class Tied(nn.Module):
    """An embedding whose weight is the head's."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.head = nn.Linear(3, 5, bias=False)
        self.head.weight = self.embed.weight


def test_tied_tensors_are_changed_once_and_stay_tied():
    module = Tied()
    before = module.embed.weight.detach().clone()
    patch = Patch.masking(module, {"head.weight": before > 0})
    assert [edit.aliases for edit in patch.edits] == [("embed.weight",)]
    patched = patch.apply(module)
    assert torch.equal(patched["embed.weight"], before.clamp(max=0))
    assert list(patched) == ["embed.weight"]
    assert patched.notes == ("head.weight is tied to embed.weight",)
    with patch.applied(module):
        assert module.head.weight is module.embed.weight
        assert torch.equal(module.embed.weight.detach(), before.clamp(max=0))
    assert torch.equal(module.embed.weight.detach(), before)
    untied = {"embed.weight": before.clone(), "head.weight": before.clone()}
    with pytest.raises(CheckpointError, match="is a tensor of its own here"):
        patch.apply(untied)
    with pytest.raises(CheckpointError, match=r"is tied to embed.weight before, and differs"):
        Patch.diff(module, {"embed.weight": before, "head.weight": before + 1})


def test_a_module_is_put_back_to_the_bit_also_after_an_error():
    module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).to(torch.bfloat16)
    with torch.no_grad():
        module[0].weight[0, 0] = float("nan")
    before = {name: raw(tensor) for name, tensor in module.state_dict().items()}
    pointer = module[0].weight.data_ptr()
    edited = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    edited["0.weight"][1:] = 7
    edited["1.running_mean"] += 1
    patch = Patch.diff(module, edited)

    class StopError(Exception):
        pass

    with pytest.raises(StopError), patch.applied(module) as same:  # noqa: PT012
        assert same is module
        assert module[0].weight[1, 0] == 7
        assert module[1].running_mean.eq(1).all()
        module[0].weight.data.zero_()
        raise StopError
    assert {name: raw(tensor) for name, tensor in module.state_dict().items()} == before
    assert module[0].weight.data_ptr() == pointer
    with pytest.raises(CheckpointError), patch.applied(nn.Linear(2, 2)):
        pass


def test_a_file_is_patched_lazily_and_written_anew(tmp_path):
    before = {"a": torch.randn(20, 30), "b": torch.randn(4)}
    path = save_checkpoint(before, tmp_path / "base.safetensors")
    original = path.read_bytes()
    patch = Patch.masking(path, {"a": before["a"].abs() < 0.5})
    view = patch.apply(path)
    assert (view.format, len(view)) == ("safetensors", 2)
    assert "with a patch of 1 tensor" in view.source
    edited = save_checkpoint(view, tmp_path / "edited.safetensors")
    assert path.read_bytes() == original
    again = Patch.diff(path, edited)
    assert again.hash == patch.hash
    back = save_checkpoint(patch.revert(edited), tmp_path / "back.safetensors")
    assert back.read_bytes() == original
    with pytest.raises(OutputError, match="exists"):
        patch.save(path)
    with pytest.raises(CheckpointError, match="is a patch, not a checkpoint"):
        open_checkpoint(patch.save(tmp_path / "patch.safetensors"))


def test_a_mask_takes_a_bit_an_entry_and_few_entries_less(tmp_path):
    generator = torch.Generator().manual_seed(0)
    base = {"w": torch.randn(512, 2048, generator=generator).bfloat16()}
    half = Patch.masking(base, {"w": torch.rand(512, 2048, generator=generator) < 0.5})
    few = Patch.masking(base, {"w": torch.rand(512, 2048, generator=generator) < 1e-4})
    size = 512 * 2048
    held = half.save(tmp_path / "half.safetensors", revertible=False).stat().st_size
    assert size / 8 <= held <= size / 8 + 1000  # 7e9 weights: 0.9 GB
    assert few.save(tmp_path / "few.safetensors").stat().st_size <= few.edits[0].count * 10 + 1000
    assert half.save(tmp_path / "with.safetensors").stat().st_size <= size / 8 + size * 1.01 + 1000


def test_the_table_says_what_each_edit_is():
    before, after = pair(torch.float32, "mask")
    row = Patch.diff(before, after).frame().iloc[0]
    changed = int((before["a.w"].view(torch.int32) != after["a.w"].view(torch.int32)).sum())
    assert (row["tensor"], row["kind"], row["shape"], row["changed"]) == (
        "a.w",
        "mask",
        "7x11",
        changed,
    )
    assert row["share"] == pytest.approx(changed / 77)


# --- the control -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["mask", "set", "dense"])
@pytest.mark.parametrize("dtype", [*DTYPES, *EXOTIC], ids=str)
def test_the_control_changes_as_many_entries_at_other_places(dtype, kind):
    before, after = pair(dtype, kind)
    patch = Patch.diff(before, after)
    control = patch.random_like(before, seed=3)
    assert [(e.name, e.kind, e.count) for e in control.edits] == [
        (e.name, e.kind, e.count) for e in patch.edits
    ]
    changed = control.apply(before)
    assert equal(control.revert(changed), before)
    assert control.hash == patch.random_like(before, seed=3).hash
    assert control.hash != patch.random_like(before, seed=4).hash
    if kind != "dense":
        assert not torch.equal(control.edits[0].entries.mask(), patch.edits[0].entries.mask())


@pytest.mark.parametrize("dtype", [torch.float64, torch.int32, torch.complex128])
def test_the_control_moves_values_by_the_same_differences(dtype):
    generator = torch.Generator().manual_seed(0)
    before = torch.randint(-99, 99, (8, 9), generator=generator).to(dtype)
    after = before.clone()
    after[:4] += torch.randint(1, 99, (4, 9), generator=generator).to(dtype)
    control = Patch.diff({"w": before}, {"w": after}).random_like({"w": before})
    moved = (control.apply({"w": before})["w"] - before).real.flatten().sort().values
    assert torch.equal(moved, (after - before).real.flatten().sort().values)


def test_the_control_of_a_low_rank_pair_keeps_its_singular_values():
    generator = torch.Generator().manual_seed(0)
    base = {"w": torch.randn(6, 5, generator=generator, dtype=torch.float64)}
    a = torch.randn(2, 5, generator=generator, dtype=torch.float64)
    b = torch.randn(6, 2, generator=generator, dtype=torch.float64)
    patch = Patch.low_rank(base, {"w": (a, b)})
    control = patch.random_like(base, seed=1)
    real, other = (p.apply(base)["w"] - base["w"] for p in (patch, control))
    assert not torch.allclose(real, other)
    expected = torch.linalg.svdvals(real)
    assert torch.allclose(torch.linalg.svdvals(other), expected, rtol=1e-9, atol=1e-12)


def test_the_control_of_stacked_edits_applies():
    first, second = pair(torch.float32, "set")
    last = {**second, "a.w": with_bits(second["a.w"], slice(0, 20), None)}
    patch = Patch.diff(first, second).stack(Patch.diff(second, last))
    control = patch.random_like(first)
    assert [edit.kind for edit in control.edits] == ["set", "mask"]
    assert equal(control.revert(control.apply(first)), first)
    with pytest.raises(CheckpointError, match="was made for"):
        patch.random_like(second)


# --- hostile files -----------------------------------------------------------------------------


def saved(tmp_path):
    before, after = pair(torch.float32, "set")
    patch = Patch.diff(before, after)
    path = patch.save(tmp_path / "good.safetensors")
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return path, tensors, json.loads(file.metadata()["eigenscape"])


def rewritten(path, tensors, content):
    text = content if isinstance(content, str) else json.dumps(content)
    save_file(tensors, path, {"format": "pt", "eigenscape": text})
    return path


def test_a_truncated_file_is_refused_at_every_length(tmp_path):
    path, _, _ = saved(tmp_path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError):
            Patch.load(path)


def changes():
    """Edits of a good file's content, each of which makes it a bad one."""
    deep = "[" * 100_000
    yield "other schema", lambda t, c: (t, {**c, "schema": "eigenscape.patch/9"})
    yield "no schema", lambda t, c: (t, {"edits": c["edits"]})
    yield "a list", lambda t, c: (t, [1])
    yield "unknown key", lambda t, c: (t, {**c, "hook": "os.system"})
    yield "deep", lambda t, c: (t, deep)
    yield "not json", lambda t, c: (t, "{'schema'")
    yield "unknown tensor", lambda t, c: ({**t, "extra.set": torch.ones(1)}, c)
    yield "missing part", lambda t, c: ({k: v for k, v in t.items() if k != "a.w.set"}, c)
    yield "mask short", lambda t, c: ({**t, "a.w.mask": t["a.w.mask"][:-1]}, c)
    yield "mask beyond", lambda t, c: ({**t, "a.w.mask": t["a.w.mask"] | 0xFF}, c)
    yield "mask type", lambda t, c: ({**t, "a.w.mask": t["a.w.mask"].to(torch.int32)}, c)
    yield "two lists", lambda t, c: ({**t, "a.w.index": torch.arange(3)}, c)
    yield "set short", lambda t, c: ({**t, "a.w.set": t["a.w.set"][:-1]}, c)
    yield "set type", lambda t, c: ({**t, "a.w.set": t["a.w.set"].half()}, c)
    for field, values in {
        "kind": ["exec", 3, None],
        "shape": [[7, 10], "77", [-7, -11], [2**60, 2**60], [7.0, 11]],
        "dtype": ["nonsense", "load", 5],
        "base": ["0", 7],
        "result": [None],
        "name": ["other", 3],
        "aliases": [[1], "x"],
    }.items():
        for value in values:
            yield (
                f"{field}={value}",
                lambda t, c, f=field, v=value: (
                    t,
                    {**c, "edits": [{**c["edits"][0], f: v}]},
                ),
            )
    yield "lacks a field", lambda t, c: (t, {**c, "edits": [{"name": "a.w"}]})
    yield "unknown field", lambda t, c: (t, {**c, "edits": [{**c["edits"][0], "module": "os"}]})
    yield "no edits", lambda t, c: (t, {**c, "edits": []})


@pytest.mark.parametrize(("what", "change"), list(changes()), ids=[name for name, _ in changes()])
def test_a_bad_file_is_refused_with_a_sentence(tmp_path, what, change):
    path, tensors, content = saved(tmp_path)
    with pytest.raises(CheckpointError, match=str(path)):
        Patch.load(rewritten(path, *change(tensors, content)))


def test_values_that_were_tampered_with_are_not_applied(tmp_path):
    path, tensors, content = saved(tmp_path)
    before, after = pair(torch.float32, "set")
    for part, act, state in (("a.w.set", "apply", before), ("a.w.old", "revert", after)):
        other = tensors[part].clone()
        other.view(torch.int32)[0] ^= 1
        patch = Patch.load(rewritten(path, {**tensors, part: other}, content))
        with pytest.raises(CheckpointError, match="damaged"):
            getattr(patch, act)(state)


@pytest.mark.parametrize("index", [[3, 3], [5, 2], [-1, 4], [3, 77]])
def test_an_index_that_leaves_the_tensor_is_refused(tmp_path, index):
    base = {"w": torch.ones(1000)}
    where = torch.zeros(1000, dtype=torch.bool)
    where[[1, 5]] = True
    path = Patch.masking(base, {"w": where}).save(tmp_path / "p.safetensors")
    with safe_open(path, framework="pt") as file:
        text = json.loads(file.metadata()["eigenscape"])
        assert file.get_tensor("w.index").tolist() == [1, 5]
    text["edits"][0]["shape"] = [77]
    tensors = {"w.index": torch.tensor(index), "w.old": torch.ones(2)}
    with pytest.raises(CheckpointError, match="not ascending in"):
        Patch.load(rewritten(path, tensors, text))


def test_other_files_are_no_patches(tmp_path):
    torch.save({"w": torch.ones(2)}, tmp_path / "w.pt")
    plain = save_checkpoint({"w": torch.ones(2)}, tmp_path / "w.safetensors")
    hostile = raw_safetensors(
        tmp_path / "h.safetensors",
        {"x": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}},
    )
    for path in (tmp_path / "w.pt", plain, hostile, tmp_path / "none.safetensors"):
        with pytest.raises(CheckpointError):
            Patch.load(path)
