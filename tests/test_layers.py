"""What a layer is: handlers and their order, options, identity."""

import importlib.metadata
import math
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from eigenscape.checkpoints import open_checkpoint, save_checkpoint
from eigenscape.cli import main
from eigenscape.errors import EigenscapeError, InputError
from eigenscape.layers import (
    HANDLERS,
    Candidate,
    LayerMatrix,
    LayerOptions,
    NonFiniteError,
    Skipped,
    eigenvalues,
    find_layers,
    handler,
)
from eigenscape.layers._options import matches
from eigenscape.registry import Registry
from eigenscape.spectra import analyze, compare


def bank(tensors):
    return tensors[0]


@pytest.fixture
def added():
    """Registers handlers for one test."""
    names = []

    def add(name, order, function):
        handler(name, order=order)(function)
        names.append(name)

    yield add
    for name in names:
        HANDLERS.remove(name)


def found(tensors, **options):
    return find_layers(open_checkpoint(tensors), LayerOptions(**options))


# --- handlers


def test_the_smallest_order_is_asked_first_whatever_was_registered_first(added):
    def says(word):
        def read(candidate, options):
            return Skipped.of(candidate, word) if candidate.name == "x" else None

        return read

    added("late", 20, says("late"))
    added("early", 10, says("early"))
    assert found({"x": torch.ones(20, 20)}).skipped[0].reason == "early"
    assert HANDLERS.names()[:3] == ("declared", "early", "late")


def test_equal_orders_go_by_name(added):
    for name in ("b", "a"):
        added(name, 50, lambda candidate, options: None)
    assert HANDLERS.names().index("a") < HANDLERS.names().index("b")


def test_a_name_twice_is_an_error_that_names_both():
    with pytest.raises(InputError, match=r"'linear' is registered already.*_linear\.linear"):
        handler("linear", order=1)(bank)
    assert HANDLERS.names().count("linear") == 1


def test_an_unknown_name_cannot_be_removed():
    with pytest.raises(InputError, match=r"unknown handler 'nobody'; known: declared"):
        HANDLERS.remove("nobody")


def test_every_answer_of_a_handler(added):
    def read(candidate: Candidate, options: LayerOptions):
        if candidate.name == "bank":
            return [LayerMatrix.of(candidate, "bank", candidate.shape, bank, inferred="its name")]
        if candidate.name == "reason":
            return Skipped.of(candidate, "not wanted")
        return [] if candidate.name == "covered" else None

    added("mine", 50, read)
    tensors = {name: torch.randn(4, 20, 30) for name in ("bank", "reason", "covered")}
    result = found({**tensors, "plain": torch.randn(20, 30)})
    assert [(layer.name, layer.kind, layer.stack) for layer in result.layers] == [
        ("bank", "bank", (4, 20, 30)),
        ("plain", "linear", (1, 20, 30)),
    ]
    assert [(item.name, item.reason) for item in result.skipped] == [("reason", "not wanted")]
    assert analyze(tensors)["bank"].n_eigenvalues == 80


class _Point:
    """An entry point of an installed package."""

    name, value = "theirs", "package.module"

    def __init__(self, load):
        self.load = load


def entry_points(monkeypatch, registry, *points):
    group = registry.group
    monkeypatch.setattr(
        "eigenscape.registry.entry_points",
        lambda *, group: points if group == registry.group else importlib.metadata.EntryPoints(),
    )
    assert group == registry.group


def test_layers_of_one_name_are_told_apart():
    one, two = torch.randn(32, 32), torch.randn(32, 32)
    for weights in ({"fc": one, "fc.weight": two}, {"fc.weight": two, "fc": one}):
        norms = {row.name: row.spectral_norm for row in analyze(weights)}
        assert norms == {
            name: pytest.approx(float(torch.linalg.matrix_norm(tensor.double(), 2)), rel=1e-6)
            for name, tensor in weights.items()
        }


def test_a_handler_that_names_two_matrices_alike_is_told(added):
    def twice(candidate, options):
        return [LayerMatrix.of(candidate, "twice", (1, *candidate.shape), list)] * 2

    added("twice", 1, twice)
    with pytest.raises(InputError, match="two layers have the name fc"):
        analyze({"fc.weight": torch.randn(32, 32)})


def test_a_handler_that_returns_something_else_is_told(added):
    added("wrong", 1, lambda candidate, options: candidate.name)
    with pytest.raises(InputError, match="handler wrong returned a str"):
        analyze({"fc.weight": torch.randn(32, 32)})


def test_packages_add_by_entry_points_and_are_loaded_once(monkeypatch):
    registry = Registry("eigenscape.test", "part")
    loads = []

    def load():
        loads.append(1)
        registry.add("theirs", 5, "value")

    entry_points(monkeypatch, registry, _Point(load))
    assert "theirs" in registry
    assert registry.names() == ("theirs",)
    assert loads == [1]


def test_a_failing_entry_point_is_named(monkeypatch):
    registry = Registry("eigenscape.test", "part")

    def load():
        raise ImportError("no module named torchfoo")

    entry_points(monkeypatch, registry, _Point(load))
    with pytest.raises(InputError, match=r"'theirs' = 'package\.module'.*torchfoo.*Try:"):
        registry.names()


def test_processes_that_differ_are_told_apart(added):
    names = HANDLERS.names()
    HANDLERS.expect(names)
    added("only_here", 50, lambda candidate, options: None)
    with pytest.raises(InputError, match=r"only_here is not registered in each process"):
        HANDLERS.expect(names)


def test_the_handlers_of_installed_packages_have_a_group():
    assert HANDLERS.group == "eigenscape.handlers"


# --- what is printed can be asked for


def test_a_printed_name_matches_itself():
    tensors = {"attn.in_proj_weight": torch.randn(96, 32), "fc[0].weight": torch.randn(32, 32)}
    names = [layer.name for layer in found(tensors).layers]
    assert names == [*(f"attn.in_proj_weight[{part}]" for part in "qkv"), "fc[0]"]
    for name in names:
        assert [layer.name for layer in found(tensors, include=name).layers] == [name]
        assert name not in [layer.name for layer in found(tensors, exclude=(name,)).layers]
    assert matches("in_proj_weight[q]", ["*[[]q]"])
    assert not matches("in_proj_weight[q]", ["in_proj_weight"])


# --- identity


def test_the_identity_of_a_layer_can_be_compared_and_needs_a_recipe():
    one, two = (found({"w": torch.randn(20, 30)}).layers[0] for _ in range(2))
    assert one == two
    assert (one.dtype, one.torch_dtype, one.parameters, one.independent) == (
        "float32",
        torch.float32,
        600,
        20,
    )
    with pytest.raises(InputError, match=r"w was read from a result file"):
        LayerMatrix(
            name="w", kind="linear", shape=(2, 2), stack=(1, 2, 2), tensors=("w",), dtype="float32"
        ).matrices([torch.ones(2, 2)])


def test_tied_tensors_are_one_layer_with_an_alias():
    model = nn.ModuleDict({"a": nn.Linear(20, 20), "b": nn.Linear(20, 20)})
    model["b"].weight = model["a"].weight
    [layer] = find_layers(open_checkpoint(model)).layers
    assert (layer.name, layer.aliases) == ("a", ("b",))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"conv": "wavelets"}, "conv must be one of slices, flatten, fft"),
        ({"min_eigenvalues": 1}, "min_eigenvalues must be at least 2"),
        ({"color": "red"}, "unknown option color; known: conv"),
    ],
)
def test_options_say_what_is_wrong(changes, words):
    with pytest.raises(InputError, match=words):
        LayerOptions.of(None, changes)


def test_options_of_another_kind_are_refused():
    with pytest.raises(InputError, match=r"options must be a LayerOptions; got a dict. Try:"):
        LayerOptions.of({"conv": "fft"}, {})


# --- the solver


def test_the_routes_state_themselves():
    generator = torch.Generator().manual_seed(0)
    stack = torch.randn(2, 30, 50, generator=generator)
    exact = torch.linalg.svdvals(stack.double()).flatten().square().sort().values
    plain = eigenvalues(stack)
    assert (plain.route, plain.stack, plain.rank) == ("gram-float64", (2, 30, 50), 60)
    torch.testing.assert_close(torch.from_numpy(plain.values), exact, rtol=1e-9, atol=0.0)
    quick = eigenvalues(stack, precision="float32")
    assert quick.route == "gram-float32"
    assert not quick.fell_back
    torch.testing.assert_close(torch.from_numpy(quick.values), exact, rtol=1e-3, atol=0.0)
    assert eigenvalues(stack, smallest=True).route == "svd-float64"
    scaled = eigenvalues(stack, scale=3.0)
    torch.testing.assert_close(torch.from_numpy(scaled.values), 9 * exact, rtol=1e-9, atol=0.0)


def test_float32_falls_back_where_it_cannot_resolve_what_is_needed():
    wide = torch.diag(torch.logspace(0, -4, 40, dtype=torch.float64)).float().unsqueeze(0)
    top = eigenvalues(wide, precision="float32", needed=lambda found: found.largest / 10)
    assert top.route == "gram-float64"  # too many lie below the floor of float32
    narrow = torch.diag(torch.logspace(0, -1, 40)).unsqueeze(0)
    assert eigenvalues(narrow, precision="float32").route == "gram-float32"
    none = eigenvalues(narrow, precision="float32", needed=lambda found: math.nan)
    assert (none.route, none.fell_back) == ("gram-float64", True)


def test_rows_of_zeros_can_be_left_out():
    W = torch.randn(30, 40, generator=torch.Generator().manual_seed(1))
    W[:10] = 0
    whole, trimmed = eigenvalues(W[None]), eigenvalues(W[None], trim=True)
    assert (whole.stack, whole.rank, whole.trimmed) == ((1, 30, 40), 20, False)
    assert (trimmed.stack, trimmed.rank, trimmed.trimmed) == ((1, 20, 40), 20, True)
    assert eigenvalues(torch.zeros(1, 5, 5), trim=True).largest == 0
    dead = eigenvalues((W[10:] * (torch.arange(40) > 0))[None], trim=True)  # a column, full rank
    assert (dead.stack, dead.rank, dead.trimmed) == ((1, 20, 40), 20, False)


def test_the_type_of_a_module_goes_before_names_and_shapes():
    class Mixer(nn.MultiheadAttention):  # neither its name nor what is beside it tells
        def __init__(self):
            super().__init__(24, 2)
            self.out_proj = nn.Identity()

    kinds = [layer.kind for layer in found(nn.ModuleDict({"mix": Mixer()})).layers]
    assert kinds == ["attention_projection"] * 3


@pytest.mark.parametrize(
    ("kernel", "bias", "kind"),
    [(16, None, "conv1d"), (17, None, None), (19, 20, "conv1d"), (20, 20, None), (19, 21, None)],
)
def test_a_long_3d_tensor_is_a_convolution_where_its_bias_fits(kernel, bias, kind):
    tensors = {"conv.weight": torch.ones(20, 24, kernel)}
    if bias:
        tensors["conv.bias"] = torch.ones(bias)
    kinds = {layer.kind == "conv1d" for layer in found(tensors).layers}
    assert kinds == ({True} if kind else set())


def test_overflow_of_float32_is_not_an_error_and_nan_is():
    huge = 1e25 * torch.randn(1, 20, 20, generator=torch.Generator().manual_seed(2))
    found = eigenvalues(huge, precision="float32")
    assert found.route == "gram-float64"
    assert not found.fell_back  # it could not even be tried
    with pytest.raises(NonFiniteError):
        eigenvalues(torch.full((1, 3, 3), math.nan), precision="float32")


@pytest.mark.parametrize("bad", [torch.ones(3, 3), torch.ones(0, 3, 3)])
def test_what_is_no_stack_is_refused(bad):
    with pytest.raises(InputError, match=r"expected a stack \(k, rows, cols\).*unsqueeze"):
        eigenvalues(bad)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64])
def test_declared_integers_are_examined(dtype):
    codes = torch.randint(-9, 9, (30, 40), generator=torch.Generator().manual_seed(3)).to(dtype)
    row = analyze({"codes": codes}, kinds={"codes": "linear"})["codes"]
    assert row.dtype == str(dtype).removeprefix("torch.")
    assert math.isfinite(row.alpha_hill)


# --- installed packages

PACKAGE = """
from eigenscape.layers import LayerMatrix, handler
from eigenscape.spectra import metric

def as_stored(tensors):
    return tensors[0]

@handler("mixer", order=50)
def mixer(candidate, options):
    if not candidate.name.endswith("bank"):
        return None
    return [LayerMatrix.of(candidate, "mixer", candidate.shape, as_stored)]

@metric("gap")
def gap(eigenvalues, context):
    return {"gap": eigenvalues[-1] / eigenvalues[-2]}
"""
SCRIPT = """
import sys
from eigenscape.spectra import analyze

if __name__ == "__main__":
    for engine in ("threads", "local"):
        for row in analyze(sys.argv[1], engine=engine, jobs=2):
            print(engine, row.name, row.kind, row.extras["gap"])
"""


@pytest.mark.slow
def test_workers_find_the_parts_of_an_installed_package(tmp_path):
    info = tmp_path / "site" / "mixers-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mixers\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[eigenscape.handlers]\nmixer = mixers\n[eigenscape.metrics]\ngap = mixers\n"
    )
    (tmp_path / "site" / "mixers.py").write_text(PACKAGE)
    (tmp_path / "script.py").write_text(SCRIPT)
    torch.save({"a.bank": torch.randn(2, 20, 30), "w": torch.randn(20, 30)}, tmp_path / "model.pt")
    paths = os.pathsep.join([str(tmp_path / "site"), *sys.path])
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py", tmp_path / "model.pt"],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    here, there = (
        [line.split()[1:] for line in done.stdout.splitlines() if line.startswith(engine)]
        for engine in ("threads", "local")
    )
    assert [words[:2] for words in here] == [["a.bank", "mixer"], ["w", "linear"]]
    assert there == here


# --- patterns that match nothing


PATTERNS = {f"h.{n}.{part}.weight": torch.ones(20, 24) for n in range(2) for part in ("fc", "proj")}


@pytest.mark.parametrize("flag", ["include", "exclude"])
@pytest.mark.parametrize(("typo", "near"), [("*.prj", "h.0.proj"), ("h.0.fcc", "h.0.fc")])
def test_a_mistyped_pattern_is_told_with_near_names(flag, typo, near):
    with pytest.raises(InputError, match="matches nothing; near: ") as told:
        found(PATTERNS, **{flag: (typo,)})
    assert f"--{flag} {typo}" in str(told.value)
    assert near in str(told.value)


def test_one_good_pattern_does_not_hide_a_bad_one():
    with pytest.raises(InputError, match="--include fcc, --exclude hd match nothing"):
        found(PATTERNS, include=("*.fc", "fcc"), exclude=("hd",))


def test_a_pattern_may_mean_what_is_left_out_anyway():
    tensors = {**PATTERNS, "n.bias": torch.ones(9), "wte.weight": torch.ones(64, 24)}
    kept = found(tensors, exclude=("*.bias", "wte", "h.0.*")).layers
    assert [layer.name for layer in kept] == ["h.1.fc", "h.1.proj"]


def test_what_is_asked_for_and_not_read_has_its_reason():
    tensors = {**PATTERNS, "wte.weight": torch.ones(64, 24)}
    with pytest.raises(InputError, match=r"wte\.weight: an embedding, .* --embeddings"):
        found(tensors, include=("wte",))
    assert [layer.name for layer in found(tensors, include=("wte",), embeddings=True).layers] == [
        "wte"
    ]


@pytest.mark.parametrize("flag", ["include", "exclude"])
def test_a_pattern_may_mean_either_of_two_checkpoints(flag):
    before = {**PATTERNS, "old.weight": torch.ones(20, 20)}
    states = {
        change.name for change in compare(before, PATTERNS, **{flag: ("old", "*.fc")}).changes
    }
    kept = {"old", "h.0.fc", "h.1.fc"}
    assert states == (kept if flag == "include" else {"h.0.proj", "h.1.proj"})
    with pytest.raises(InputError, match="--exclude odl matches nothing; near: old"):
        compare(before, PATTERNS, exclude=("odl",))


def test_an_alias_is_a_name():
    shared = nn.Linear(24, 32, bias=False)
    tied = nn.ModuleDict({"a": shared, "head": nn.Linear(24, 32, bias=False)})
    tied["head"].weight = shared.weight
    assert found(tied, exclude=("head",)).layers == ()
    assert [layer.name for layer in found(tied, include=("head",)).layers] == ["a"]


# --- what a handler promises


@pytest.mark.parametrize(
    ("build", "seen"),
    [
        (lambda tensors: tensors[0], r"\(20, 24\)"),
        (lambda tensors: tensors[0][None, :10], r"\(1, 10, 24\)"),
        (lambda tensors: tensors[0].mT[None], r"\(1, 24, 20\)"),
        (lambda tensors: None, "NoneType"),
    ],
)
def test_a_stack_of_another_shape_is_the_handlers_mistake(build, seen):
    @handler("wrong", order=50)
    def wrong(candidate, options):
        return [LayerMatrix.of(candidate, "odd", (1, 20, 24), build)]

    try:
        with pytest.raises(
            EigenscapeError, match=rf"fc.*the kind odd.*{seen}; expected \(1, 20, 24\)"
        ):
            analyze({"fc.weight": torch.randn(20, 24)})
    finally:
        HANDLERS.remove("wrong")


@pytest.mark.parametrize(
    "words",
    ["spectra A", "checkup A --out OUT", "compare A A", "allocate sparsity A --sparsity 0.5"],
)
def test_verbs_tell_a_mistyped_pattern(words, tmp_path, capsys):
    path = save_checkpoint(PATTERNS, tmp_path / "a.safetensors")
    places = {"A": str(path), "OUT": str(tmp_path / "out")}
    given = [places.get(word, word) for word in words.split()]
    assert main([*given, "--exclude", "*.fcc"]) == 2
    assert "--exclude *.fcc matches nothing; near: h." in capsys.readouterr().err
