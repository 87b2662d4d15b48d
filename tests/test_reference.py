"""Reference distributions: places, pools, the user's own file, and the table that is shipped."""

import json
import math
import multiprocessing
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import reference as script
from eigenscape.checkpoints import save_checkpoint
from eigenscape.checkup import checkup
from eigenscape.cli import main
from eigenscape.errors import InputError
from eigenscape.results import Environment, load
from eigenscape.spectra import (
    MeasuredWith,
    Placement,
    Reference,
    ReferenceModel,
    SpectraOptions,
    add_to_reference,
    analyze,
    reference,
)
from eigenscape.spectra._place import Place, placed
from eigenscape.spectra._reference import METRICS, _sizes, shipped
from eigenscape.spectra._reference_model import ReferenceLayer, entries
from tests._data import data_file

OPTIONS = MeasuredWith.of(SpectraOptions())
WHO = {"layer": "q", "kind": "linear", "role": "query", "metric": "alpha_excess"}


def entry(excess, *, depth=None, role="query", kind="linear", name="q", **changes):
    plain = {
        "n_eigenvalues": 64,
        "smaller_side": 64,
        "alpha_hill": 2.0,
        "alpha_ks": 3.0,
        "stable_rank": 16.0,
        "spikes": 4,
        "log_norm": 2.0,
    }
    who = {"name": name, "kind": kind, "role": role, "depth": depth, "shape": (64, 64)}
    return ReferenceLayer(**{**who, **plain, "alpha_excess": excess, **changes})


def network(name, values, *, own=False, read="original", depths=None, **changes):
    depths = depths or [None] * len(values)
    layers = tuple(entry(v, depth=d, **changes) for v, d in zip(values, depths, strict=True))
    return ReferenceModel(
        name=name, source="a file", licence="MIT", read=read, own=own, layers=layers
    )


def table(*models):
    return Reference(environment=Environment.capture(), options=OPTIONS, models=models)


# --- places ---------------------------------------------------------------------------------------


def test_known_percentiles():
    others = [1.0, 2.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]
    assert placed(0.0, others, **WHO).percentile == 0
    assert placed(2.0, others, **WHO).percentile == 20  # 1 below, 2 equal: (1 + 2 / 2) / 10
    assert placed(4.5, others, **WHO).percentile == 50
    assert placed(9.0, others, **WHO).percentile == 95
    assert placed(10.0, others, **WHO).percentile == 100


def test_the_interval_is_the_exact_one_with_ties_either_way():
    from scipy.stats import binomtest

    place = placed(2.0, [1.0, 2.0, 2.0, *range(3, 20)], **WHO)
    low = binomtest(1, 20).proportion_ci(method="exact").low
    high = binomtest(3, 20).proportion_ci(method="exact").high
    assert place.interval[1:3] == pytest.approx((low, high))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "lower than all"),
        (1.5, "lower than 90 % [55, 100] of"),
        (8.5, "higher than 80 % [44, 97] of"),
        (2.0, "as high as 20 % and lower than 70 % [35, 93] of"),
        (11.0, "higher than all"),
    ],
)
def test_the_sentence(value, words):
    others = [1.0, 2.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 9.0, 10.0]
    place = placed(value, others, **WHO, models=1, among="one model: Net")
    assert place.sentence == (
        f"alpha_excess {value:.4g}: {words} query projections seen (n = 10, one model: Net)"
    )


def test_all_equal():
    assert placed(1.0, [1.0] * 6, **WHO).percentile == 50
    assert "as high as all" in placed(1.0, [1.0] * 6, **WHO).sentence


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=60),
    st.floats(-1e6, 1e6),
    st.floats(-1e6, 1e6),
)
def test_the_place_is_monotone_in_the_value(others, one, two):
    low, high = (placed(value, others, **WHO) for value in sorted((one, two)))
    assert low.percentile <= high.percentile
    assert low.interval.low <= high.interval.low
    assert low.interval.high <= high.interval.high
    assert 0 <= low.percentile <= 100


@given(st.lists(st.floats(0.1, 10), min_size=6, max_size=40), st.floats(0.1, 10))
def test_turned_around_the_place_is_turned_around(others, value):
    turned = placed(-value, [-other for other in others], **WHO)
    assert turned.percentile == pytest.approx(100 - placed(value, others, **WHO).percentile)


def test_extremes_by_chance():
    rng = np.random.default_rng(0)
    for n in (6, 24, 40, 100):
        draws = rng.random((4000, n + 1))
        places = [placed(row[0], row[1:], **WHO) for row in draws]
        share = np.mean([place.is_extreme for place in places])
        expected = places[0].by_chance
        assert share == pytest.approx(expected, abs=4 * math.sqrt(expected / 4000))
    assert Place(**WHO, value=1.0, n=39, below=0).by_chance == pytest.approx(2 / 40)


def test_a_place_among_no_layers_is_refused():
    with pytest.raises(InputError, match="at least one layer"):
        Place(**WHO, value=1.0, n=0)
    assert math.isnan(Place(**WHO, value=1.0, n=0, why="no layer of this role").percentile)


def test_one_matrix_is_told_by_its_norm_up_to_rounding():
    one = entry(0.1, log_norm=0.0)
    same = 0.01 / 64  # a hundredth over the root of 64 x 64 entries
    assert one.is_alike(entry(0.1, log_norm=same))
    assert not one.is_alike(entry(0.1, log_norm=1.01 * same))
    assert not one.is_alike(entry(0.1, log_norm=-1.01 * same))


# --- pools ----------------------------------------------------------------------------------------


def test_too_few_give_no_place():
    five = table(network("A", [0.1, 0.2, 0.3, 0.4, 0.5]))
    place = five.place(entry(0.9))
    assert math.isnan(place.percentile)
    assert place.sentence == (
        "alpha_excess 0.9: no reference for query projections: 5 seen, 6 are the fewest that give "
        "a place"
    )
    six = table(network("A", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))
    assert six.place(entry(0.9)).percentile == 100
    # why six: the interval of a layer above all of five reaches over the middle
    assert placed(0.9, [0.1] * 5, **WHO).interval.low < 0.5 < placed(9, [1] * 6, **WHO).interval.low


def test_only_the_same_kind_and_role_counts():
    seen = table(network("A", [0.1] * 6), network("B", [0.1] * 6, role="value"))
    assert "none seen" in seen.place(entry(0.5, role="gate")).why
    assert seen.place(entry(0.5, role="value")).among == "one model: B"
    assert "none seen" in seen.place(entry(0.5, kind="conv2d", role="query")).why


def test_the_users_own_come_first_and_are_named():
    seen = table(network("Mine", [0.1] * 6, own=True), network("Shipped", [0.9] * 30))
    place = seen.place(entry(0.5))
    assert (place.n, place.among) == (6, "one model of yours: Mine")
    few = table(network("Mine", [0.1] * 5, own=True), network("Shipped", [0.9] * 30))
    assert few.place(entry(0.5)).among == "one model: Shipped"


def test_dequantized_networks_are_never_pooled_with_originals():
    q4 = "dequantized from Q4_1"
    seen = table(network("A", [0.1] * 5), network("B", [0.9] * 30, read=q4))
    place = seen.place(entry(0.5))
    assert (place.n, place.among) == (30, f"one model: B, {q4}")
    both = table(network("A", [0.1] * 6), network("B", [0.9] * 30, read=q4))
    assert both.place(entry(0.5)).n == 6
    other = table(network("A", [0.1] * 5, read="from int8"), network("B", [0.9] * 5, read=q4))
    assert other.place(entry(0.5)).why


def test_the_same_third_of_the_depth_where_it_holds_twenty():
    depths = np.linspace(0, 1, 60)
    values = list(depths + 1)  # deeper is higher
    seen = table(network("A", values, depths=[float(d) for d in depths]))
    place = seen.place(entry(1.25, depth=0.1))
    assert (place.n, place.depth) == (20, "in the same third of the depth")
    assert place.percentile == pytest.approx(75)
    assert seen.place(entry(1.25)).n == 60  # outside the blocks
    fewer = table(network("A", values[::2], depths=[float(d) for d in depths[::2]]))
    assert fewer.place(entry(1.25, depth=0.1)).n == 30


def test_sizes_are_compared_relative_to_the_number_of_eigenvalues():
    wide = entry(0.5, stable_rank=64.0, spikes=16, log_norm=2 + math.log10(4), n_eigenvalues=256)
    for metric in ("stable_rank", "spikes", "log_norm"):
        assert wide.number(metric) == pytest.approx(entry(0.5).number(metric))


def test_other_sizes_are_said():
    others = [entry(0.5)]
    assert _sizes(entry(0.5, smaller_side=32), others) == ""
    assert _sizes(entry(0.5, n_eigenvalues=128, smaller_side=128), others) == ""
    far = _sizes(entry(0.5, n_eigenvalues=129, smaller_side=129), others)
    assert far == "they are 64 wide, this one 129"


def test_a_layer_without_the_number():
    seen = table(network("A", [0.5] * 6))
    assert seen.place(entry(math.nan)).why == "the layer has no such number"
    gaps = table(network("A", [0.5, math.nan] * 6))
    assert gaps.place(entry(0.6)).n == 6


def test_unknown_metric():
    with pytest.raises(InputError, match="metric is 'colour'; expected one of alpha_excess"):
        shipped().place(entry(0.5), "colour")


def test_depth_follows_the_numbers_not_the_order_of_the_file():
    names = [f"h.{n}.attn.q_proj.weight" for n in (0, 1, 10, 2, 3, 4, 5, 6, 7, 8, 9)]
    weights = {name: torch.randn(24, 20) for name in names} | {"head.weight": torch.randn(24, 20)}
    found = entries(analyze(weights))
    assert found["h.10.attn.q_proj"].depth == 1
    assert found["h.2.attn.q_proj"].depth == 0.2
    assert found["head"].depth is None


# --- a network among its own ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights():
    generator = torch.Generator().manual_seed(0)
    names = [f"h.{n}.attn.{part}_proj" for n in range(8) for part in "qk"]
    return {f"{name}.weight": torch.randn(48, 40, generator=generator) for name in names}


def test_a_network_is_not_compared_with_itself(weights):
    examined = analyze(weights)
    model = ReferenceModel.of(examined, name="Twin", licence="MIT")
    other = network("Other", [0.1] * 6)
    placement = table(model, other).compare(examined)
    assert placement.notes == ("Twin is this network and is left out",)
    assert {place.among for place in placement.compared} == {"one model: Other"}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_nor_with_itself_in_another_type_or_under_other_names(weights, dtype):
    model = ReferenceModel.of(analyze(weights), name="Twin", licence="MIT")
    copy = analyze({f"model.{name}": W.to(dtype) for name, W in weights.items()})
    assert table(model).compare(copy).notes


def test_nor_when_a_part_of_it_is_examined(weights):
    model = ReferenceModel.of(analyze(weights), name="Twin", licence="MIT")
    assert table(model).compare(analyze(weights, include=("*.k_proj",))).notes


def test_another_seed_is_another_network(weights):
    model = ReferenceModel.of(analyze(weights), name="Twin", licence="MIT")
    for seed in range(1, 4):
        generator = torch.Generator().manual_seed(seed)
        others = {name: torch.randn(48, 40, generator=generator) for name in weights}
        placement = table(model).compare(analyze(others))
        assert placement.notes == ()
        assert {place.n for place in placement.places} == {8}


@pytest.mark.parametrize("width", [32, 200])
def test_how_far_rounding_moves_a_norm(width):
    moved, drawn = [], []
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        W, V = (torch.randn(width, width, generator=generator).double() for _ in range(2))
        norm = [math.log10(float(A.square().sum())) for A in (W, W.bfloat16().double(), V)]
        moved.append(norm[1] - norm[0])
        drawn.append(norm[2] - norm[0])
    assert np.std(moved) * width == pytest.approx(0.0026, rel=0.35)
    assert np.std(drawn) * width == pytest.approx(0.87, rel=0.35)


def test_other_options_are_refused(weights):
    with pytest.raises(InputError, match=r"fraction 0\.3333 \(0\.5 there\).*Try: the reference's"):
        shipped().compare(analyze(weights, xmin="third"))


def test_the_sentence_of_a_network(weights):
    model = ReferenceModel.of(analyze(weights), name="Twin", licence="MIT")
    sick = {name: W @ torch.diag(torch.linspace(0.01, 3, 40)) for name, W in weights.items()}
    placement = table(model).compare(analyze(sick))
    words = placement.sentence()
    assert words.startswith("By alpha_excess, 16 of 16 layers lie below 2.5 % or above 97.5 %")
    assert "(100%; by chance 22%)" in words  # 2 / 9; one network: nothing to hold it against
    assert "does not say that anything is wrong" in words
    frame = placement.frame()
    assert list(frame["alpha_excess percentile"]) == [0.0] * 16
    placement.plot(metric="stable_rank")
    with pytest.raises(InputError, match="'colour' was not compared"):
        placement.plot(metric="colour")


def test_the_control_holds_each_network_against_the_others():
    seen = table(network("A", [0.1] * 8), network("B", [0.9] * 10))
    assert seen.control("alpha_excess") == (18, 18)
    alike = table(network("A", [0.1, 0.9] * 4), network("B", [0.1, 0.9] * 5))
    assert alike.control("alpha_excess") == (0, 18)


# --- the user's own file --------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path):
    return tmp_path / "own.json"


def test_add_show_remove(weights, own, monkeypatch, capsys, tmp_path):
    from safetensors.torch import save_file

    save_file(weights, tmp_path / "net.safetensors")
    monkeypatch.setenv("EIGENSCAPE_REFERENCE", str(own))
    with pytest.raises(InputError, match="which is not there"):
        reference()
    path = str(tmp_path / "net.safetensors")
    assert main(["reference", "add", path, "--name", "Net", "--licence", "CC0", "--quiet"]) == 0
    assert next(iter(reference())).name == "Net"
    assert reference().models[0].licence == "CC0"
    assert main(["reference", "--quiet", "--format", "csv"]) == 0
    assert '"your own, original",1,Net,8,alpha_excess' in capsys.readouterr().out
    assert main(["reference", "add", path, "--name", "Net"]) == 2
    assert main(["reference", "add", path, "--name", "Other"]) == 2
    errors = capsys.readouterr().err
    assert "has a model 'Net' already" in errors
    assert "most layers of Other measure as those of Net" in errors
    assert main(["reference", "remove", "Nett"]) == 2
    assert "has no model 'Nett'; it has Net" in capsys.readouterr().err
    assert main(["reference", "remove", "Net", "--quiet"]) == 0
    assert reference().models == shipped().models


def test_no_file_named(weights, monkeypatch):
    monkeypatch.delenv("EIGENSCAPE_REFERENCE", raising=False)
    with pytest.raises(InputError, match=r"Try: --file FILE\.json, or set EIGENSCAPE_REFERENCE"):
        add_to_reference(weights, name="Net")
    with pytest.raises(InputError, match=r"is not there\. Try: eigenscape reference add"):
        reference("nowhere.json")


def test_a_file_that_the_environment_names_has_to_be_there(weights, monkeypatch, capsys, tmp_path):
    path = str(tmp_path / "net.safetensors")
    save_checkpoint(weights, path)
    missing, old = tmp_path / "none.json", tmp_path / "old.json"
    old.write_text('{"schema": "eigenscape.reference/9"}')
    out = str(tmp_path / "out")
    for file, words in ((missing, "which is not there"), (old, "has version 9")):
        monkeypatch.setenv("EIGENSCAPE_REFERENCE", str(file))
        for verb in (["spectra", path, "--reference"], ["checkup", path, "--out", out]):
            assert main([*verb, "--quiet"]) == 2
            err = capsys.readouterr().err
            assert words in err
            assert str(file) in err
    assert main(["reference"]) == 2


def test_a_network_with_a_layer_that_is_not_finite_is_no_reference(weights, tmp_path):
    name = next(iter(weights))
    broken = {**weights, name: weights[name].clone().fill_(math.nan)}
    with pytest.raises(InputError, match=r"1 of \d+ layers .* not finite \(.*Try: "):
        add_to_reference(broken, name="Net", file=tmp_path / "own.json")
    assert not (tmp_path / "own.json").exists()


def test_a_name_of_the_shipped_table_is_taken(weights, own):
    with pytest.raises(InputError, match="already"):
        add_to_reference(weights, name="stories260K", file=own)
    assert not own.exists()


def test_options_of_measuring_are_the_references(weights, own):
    with pytest.raises(InputError, match="hill paper"):
        add_to_reference(weights, name="Net", file=own, hill="paper")
    add_to_reference(weights, name="Net", file=own, include=("*q_proj",))
    assert len(Reference.load(own).models[0].layers) == 8


def changed(path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def layer_of(data):
    return data["models"][0]["layers"][0]


DAMAGES = {
    "another version": (lambda d: d.update(schema="eigenscape.reference/99"), "version 99"),
    "other options": (lambda d: d["options"].update(fraction=0.25), "fraction"),
    "an exponent below 1": (lambda d: layer_of(d).update(alpha_hill=0.5), "alpha_hill 0.5"),
    "an infinite norm": (lambda d: layer_of(d).update(log_norm="Infinity"), "log_norm inf"),
    "more spikes than values": (lambda d: layer_of(d).update(spikes=10**9), "spikes 1000000000"),
    "a depth beyond the last": (lambda d: layer_of(d).update(depth=2.0), "depth 2.0"),
    "a stable rank below 1": (lambda d: layer_of(d).update(stable_rank=0.2), "stable_rank 0.2"),
    "a kind of many lines": (lambda d: layer_of(d).update(kind="a\n" * 9), "kind"),
    "text for a number": (lambda d: layer_of(d).update(alpha_ks="much"), "alpha_ks"),
    "no layers": (lambda d: d["models"][0].update(layers=[]), "no layer"),
    "a name twice": (lambda d: d["models"].append(d["models"][0]), "twice"),
    "an unknown field": (lambda d: d["models"][0].update(own=True), "own"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused_in_one_line(damage, weights, own, capsys):
    add_to_reference(weights, name="Net", file=own)
    change, said = DAMAGES[damage]
    changed(own, change)
    before = own.read_bytes()
    for words in (["reference"], ["reference", "remove", "Net"]):
        if words[1:] and damage == "other options":
            continue  # it may still be emptied
        assert main([*words, "--file", str(own)]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
        assert "Try: move the file away and add its models again" in error
    assert own.read_bytes() == before


def test_half_a_file_is_refused(weights, own):
    add_to_reference(weights, name="Net", file=own)
    own.write_bytes(own.read_bytes()[:3000])
    with pytest.raises(InputError, match="is not JSON"):
        reference(own)


def _add_one(number, path):
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(number)
    W = torch.randn(20, 24, generator=generator)
    add_to_reference({"fc.weight": W}, name=f"Net {number}", file=path, jobs=1)


@pytest.mark.slow
def test_processes_that_add_at_once_lose_nothing(own):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_add_one, args=(n, own)) for n in range(6)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 6
    assert sorted(model.name for model in Reference.load(own)) == [f"Net {n}" for n in range(6)]


def test_threads_that_add_at_once_lose_nothing(own):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(_add_one, range(8), [own] * 8))
    assert sorted(model.name for model in Reference.load(own)) == [f"Net {n}" for n in range(8)]


# --- beside the layer table -----------------------------------------------------------------------


@pytest.fixture
def file_of_layers(weights, tmp_path):
    from safetensors.torch import save_file

    save_file(weights, tmp_path / "net.safetensors")
    return str(tmp_path / "net.safetensors")


def test_spectra_with_places(file_of_layers, capsys, tmp_path):
    out = tmp_path / "out"
    words = ["spectra", file_of_layers, "--reference", "--out", str(out)]
    assert main([*words, "--format", "csv"]) == 0
    printed = pd.read_csv(StringIO(capsys.readouterr().out))
    placement = Placement.load(out / "reference.json")
    for row in printed.itertuples():
        places = {place.metric: place for place in placement.of(row.name)}
        assert row.alpha_excess_percentile == pytest.approx(places["alpha_excess"].percentile)
        assert row.stable_rank_percentile == pytest.approx(places["stable_rank"].percentile)
        assert row.reference_n == 30
    assert main(words) == 0
    shown = capsys.readouterr()
    assert "% of 30" in shown.out
    assert "By alpha_excess, " in shown.err


def test_spectra_with_places_refuses_before_the_work(file_of_layers, capsys, monkeypatch):
    monkeypatch.setattr("eigenscape.spectra.analyze", None)
    assert main(["spectra", file_of_layers, "--reference", "--xmin", "third"]) == 2
    assert "fraction 0.3333 (0.5 there)" in capsys.readouterr().err
    assert main(["spectra", file_of_layers, "--reference", "--format", "json"]) == 2
    assert "Try: --out DIR" in capsys.readouterr().err


# --- what is shipped ------------------------------------------------------------------------------


def test_the_shipped_table_is_small_and_says_where_it_is_from():
    import eigenscape.spectra

    path = Path(eigenscape.spectra.__file__).parent / "reference.json"
    assert path.stat().st_size < 200_000
    for model in shipped():
        assert model.source
        assert model.licence != "not given"
    reads = {model.name: model.read for model in shipped()}
    assert reads["SmolLM2-135M-Instruct"] == "dequantized from Q4_1"
    assert load(path) == shipped()


@pytest.mark.parametrize("name", list(script.MODELS))
def test_the_shipped_rows_are_measured_again(name):
    facts = script.MODELS[name]
    found = script.entry(name, data_file(facts["path"]), facts)
    kept = next(model for model in shipped() if model.name == name)
    assert [layer.name for layer in found.layers] == [layer.name for layer in kept.layers]
    for mine, its in zip(found.layers, kept.layers, strict=True):
        assert (mine.kind, mine.role, mine.depth) == (its.kind, its.role, its.depth)
        for number in set(METRICS) - {"spikes"}:
            # the last of four digits may fall either way on another processor
            expected = pytest.approx(getattr(its, number), rel=1.1e-3, nan_ok=True)
            assert getattr(mine, number) == expected, f"{mine.name} {number}"
        assert mine.spikes == its.spikes


# --- on the page of a check-up --------------------------------------------------------------------


def test_the_check_up_places_layers(weights, monkeypatch):
    monkeypatch.delenv("EIGENSCAPE_REFERENCE", raising=False)
    result = checkup(weights)
    placement = result.around["The layers among those of real, trained networks"]
    assert len(placement.compared) == 64
    assert placement.sentence() in "\n".join(result.sentences)
    [finding] = [one for one in result.statements if "reference layers" in one.text]
    assert finding.basis == "description"
    assert not finding.is_advice


def test_the_check_up_says_why_it_does_not(weights, monkeypatch):
    monkeypatch.delenv("EIGENSCAPE_REFERENCE", raising=False)
    result = checkup(weights, xmin="third")
    assert not result.around
    assert result.sentences[-1].startswith("Not compared with the layers of real networks: ")
    assert "fraction 0.3333" in result.sentences[-1]


def test_no_reference_no_word(monkeypatch):
    monkeypatch.delenv("EIGENSCAPE_REFERENCE", raising=False)
    result = checkup({"fc.weight": torch.randn(64, 64)})
    assert not result.around
    assert "reference" not in "\n".join(result.sentences)
