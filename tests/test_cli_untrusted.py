"""Names from a stranger's file: nothing of them reaches the terminal or the page as a command."""

import io
import json
import re

import pytest
import torch
from safetensors.torch import save_file

from eigenscape.allocation import allocate
from eigenscape.cli import main
from eigenscape.results import dumps, printable
from eigenscape.spectra import analyze, compare
from tests._results import EXAMPLES

EVIL = (
    "\x1b[31mred\x1b]0;title\x07\nrow2.weight",
    "\u202egnp.\x9b31m\x7f\u200bx.weight",
    "<script>alert(1)</script>.weight",
    "[bold]a|b[/bold].weight",
    "n" * 10_000 + ".weight",
)
COMMANDS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202e]")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evil")
    generator = torch.Generator().manual_seed(0)
    weights = {name: torch.randn(48, 48, generator=generator) for name in EVIL}
    save_file(weights, folder / "a.safetensors")
    save_file({name: 2 * tensor for name, tensor in weights.items()}, folder / "b.safetensors")
    save_file({"other.weight": torch.randn(48, 48)}, folder / "c.safetensors")
    return {name: str(folder / f"{name}.safetensors") for name in "abc"}


@pytest.mark.parametrize(
    "words",
    [
        "spectra A",
        "spectra A --format md",
        "spectra A --format csv",
        "spectra A --format json",
        "spectra A --include typo",
        "compare A B --fail-on weights=0",
        "compare A C",
        "allocate lr A --group matrix",
        "patch diff A C --out OUT/p.safetensors",
        "checkup A --out OUT",
    ],
)
def test_the_terminal_gets_one_short_line_for_each_name(capsys, files, tmp_path, words):
    places = {"A": files["a"], "B": files["b"], "C": files["c"]}
    words = [places.get(word, word.replace("OUT", str(tmp_path))) for word in words.split()]
    main(words)
    captured = capsys.readouterr()
    assert not COMMANDS.search(captured.out + captured.err)
    if "json" in words:
        names = {layer["layer"]["name"] for layer in json.loads(captured.out)["layers"]}
        assert names == {name.removesuffix(".weight") for name in EVIL}
    elif "csv" not in words:
        assert max(map(len, (captured.out + captured.err).splitlines())) < 1500
        assert len(captured.out.splitlines()) < 45
        assert len(captured.err.splitlines()) <= len(EVIL)


def test_the_page_holds_names_as_text(files, tmp_path, capsys):
    for words in (
        ["checkup", files["a"], "--out", str(tmp_path / "one")],
        ["compare", files["a"], files["b"], "--out", str(tmp_path / "two")],
    ):
        assert main([*words, "--quiet"]) == 0
        page = next(tmp_path.joinpath(words[-1]).glob("*.html")).read_text("utf-8")
        assert not COMMANDS.search(page)
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page
        assert "n" * 201 not in page
    capsys.readouterr()


@pytest.mark.parametrize("kind", ["spectra", "comparison", "allocation"])
def test_a_picture_takes_no_name_for_a_formula(kind):
    names = ("x$\\bad{$", "_$^$", "\x1b[31m", "n" * 10_000)
    weights = {f"{name}.weight": torch.randn(32, 32) for name in names}
    spectra = analyze(weights)
    result = {
        "spectra": lambda: spectra,
        "comparison": lambda: compare(weights, weights),
        "allocation": lambda: allocate(spectra, kind="lr", rule="tb_linear"),
    }[kind]()
    drawn = io.StringIO()
    result.plot().savefig(drawn, format="svg")
    assert "\x1b" not in drawn.getvalue()


def test_a_result_whose_numbers_contradict_each_other_is_said(tmp_path, capsys):
    data = EXAMPLES["HessianResult"]().to_dict()
    data["density"]["weights"][0] = [1.0]
    (tmp_path / "hessian.json").write_text(json.dumps(data))
    capsys.readouterr()
    assert main(["report", str(tmp_path / "hessian.json"), "--out", str(tmp_path / "page")]) == 2
    error = capsys.readouterr().err
    assert "do not fit together" in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("verb", [["allocate", "lr"], ["report"], ["spectra"]])
def test_json_that_is_nested_too_deeply_is_said(tmp_path, capsys, verb):
    deep = tmp_path / "deep.json"
    deep.write_text("[" * 100_000 + "]" * 100_000)
    assert main([*verb, str(deep)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_what_is_escaped():
    from eigenscape.cli._tables import cell

    assert printable("a\tb\x00\u2028\U000e0041\ud800") == "a\\tb\\x00\\u2028\\U000e0041\\ud800"
    assert printable("plain – Ünïcode 漢字\u00a0") == "plain – Ünïcode 漢字\u00a0"
    assert printable("x" * 300 + " y", most=10) == "xxxx…xxxxx y"
    assert len(printable("a " * 10_000)) == 4000
    assert len(cell("a " * 10_000)) == 400
    strange = {"a\x7f": ["b\u202e\U000e0041\n", "\ud800"]}
    assert json.loads(dumps(strange, indent=1)) == strange
    assert not COMMANDS.search(dumps(strange, indent=1))
