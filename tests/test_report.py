"""The page: self-contained, small, complete, safe."""

import base64
import hashlib
import re
from dataclasses import fields, replace
from html.parser import HTMLParser

import pytest
import torch
from markupsafe import escape

from eigenscape.checkup import CheckupResult, checkup_page
from eigenscape.report import Page, write_page
from eigenscape.report._page import render
from eigenscape.report._panel import spectrum_panel
from eigenscape.results import Finding
from eigenscape.spectra import SpectraResult, analyze, compare
from tests._results import EXAMPLES

VOID = {"meta", "br", "hr", "img", "link", "input", "wbr"}


class Balanced(HTMLParser):
    """Fails on a tag that closes what is not open."""

    def __init__(self):
        super().__init__()
        self.open, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def renamed(row, name):
    return replace(row, layer=replace(row.layer, name=name))


@pytest.fixture(scope="module")
def result():
    torch.manual_seed(0)
    weights = {f"blocks.{i}.fc.weight": torch.randn(48, 64) for i in range(5)}
    weights["bad.weight"] = torch.full((32, 32), float("nan"))
    weights["zero.weight"] = torch.zeros(32, 32)
    weights["<script>alert(1)</script>.weight"] = torch.randn(40, 40)
    weights["b.bias"] = torch.zeros(9)
    return analyze(weights)


def page_of(label, result):
    return render(Page("t", {label: result}))


def parsed(html):
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    return parser.tags


def without_code(html):
    return re.sub(r"<style>.*?</style>|<script>.*?</script>", "", html, flags=re.S)


def test_page_is_self_contained_and_balanced(result):
    html = render(Page("A <title>", {"checkpoint": result}))
    tags = parsed(html)
    assert html.startswith("<!doctype html>")
    assert [attributes for tag, attributes in tags if tag == "script"] == [{}]
    for _, attributes in tags:
        assert not attributes.get("src")
        assert (attributes.get("href") or "#").startswith("#")
        assert not any(name.startswith("on") for name in attributes)
    assert "http:" not in html
    assert "https:" not in html
    assert "<h1>A &lt;title&gt;</h1>" in html
    assert "prefers-color-scheme: dark" in html


def test_the_policy_allows_this_script_alone(result):
    html = page_of("checkpoint", result)
    script = re.search(r"<script>(.*?)</script>", html, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(a["content"] for _, a in parsed(html) if a.get("http-equiv"))
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_every_link_leads_somewhere(result):
    html = render(Page("t", {"one": result, "two": result}))
    tags = parsed(html)
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {a["href"][1:] for tag, a in tags if tag == "a"}
    assert links <= set(ids)
    assert {f"p0-{i}" for i in range(len(result))} <= links


def test_every_layer_and_every_reason_is_on_the_page(result):
    html = page_of("checkpoint", result)
    assert html.count("<svg") == len(result)
    plain = without_code(html).replace("<wbr>", "")
    for layer in result:
        assert layer.name.replace("<", "&lt;").replace(">", "&gt;") in plain
    for item in result.skipped:
        assert item.reason.split(";")[0] in plain


def test_names_from_a_file_stay_text(result):
    html = without_code(page_of("<img src=x>", result))
    assert "alert(1)" in html.replace("<wbr>", "")
    assert not [tag for tag, _ in parsed(html) if tag in ("script", "img")]


def many(result, count, name="model.layers.{}.some.long.module.path"):
    row = result.layers[0]
    return replace(result, layers=tuple(renamed(row, name.format(i)) for i in range(count)))


@pytest.mark.slow
def test_a_large_model_stays_below_one_megabyte(result):
    html = page_of("big", many(result, 3000))
    assert len(html.encode()) < 1_000_000
    assert "2,790 layers are not drawn" in html
    assert "The first 600 of 3,000 rows" in html
    assert "2,600 layers are not in the picture" in html


def test_layers_with_a_certain_fault_are_drawn_first(result):
    large = many(result, 400, "l{}")
    html = page_of("x", replace(large, layers=(*large.layers, result["bad"])))
    assert html.count("<figure") == 210
    assert re.search(r"<figure id=\"p0-400\".*?not-finite", html)


class Pointing(SpectraResult):
    @property
    def answer(self):
        return "Two of the layers are worth a look."

    @property
    def findings(self):
        return (
            Finding(text="blocks.1.fc is odd.", basis="measurement", layers=("blocks.1.fc",)),
            Finding(
                text="So is another.",
                basis="guess",
                todo="Look closer",
                command="eigenscape spectra 'a & b'",
                layers=("bad", "blocks.1.fc"),
            ),
            *(Finding(text=f"Number {n}.", basis="guess") for n in (3, 4)),
        )


@pytest.fixture(scope="module")
def pointing(result):
    return Pointing(**{f.name: getattr(result, f.name) for f in fields(result)})


def test_the_first_screen_has_the_answer_and_three_findings(pointing):
    html = page_of("x", pointing)
    head = without_code(html[: html.index("</header>")])
    assert "Two of the layers are worth a look." in head
    assert head.count("<li id=") == 3
    assert "Nothing to do." in head
    assert "<code>eigenscape spectra &#39;a &amp; b&#39;</code>" in head
    assert "Number 4." not in head
    assert "1 further finding" in html
    assert "Number 4." in html


def test_findings_link_to_row_and_spectrum_and_mark_their_cells(pointing):
    html = page_of("x", pointing)
    names = [layer.name for layer in pointing]
    for name in ("bad", "blocks.1.fc"):
        index = names.index(name)
        head = html[: html.index("</header>")]
        assert f'href="#r0-{index}">row' in head
        assert f'href="#p0-{index}">spectrum' in head
    assert 'title="blocks.1.fc: ' in html
    cell = re.search(r'<td class="([^"]*)"><a href="#p0-1" title="([^"]*)"', html)
    assert "mark" in cell[1].split()
    assert cell[2].endswith("findings 1, 2")


def test_comparison_page():
    torch.manual_seed(0)
    W = torch.randn(40, 60)
    html = page_of("c", compare({"w": W}, {"w": W * 1.5}))
    assert "What moved" in html
    assert "1.500" in html


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_kind_of_result_has_a_page(name):
    example = EXAMPLES[name]()
    page = checkup_page(example) if isinstance(example, CheckupResult) else None
    html = render(page or Page("t", {"a $ & <b>": example}))
    parsed(re.sub(r"<svg.*?</svg>", "", html, flags=re.S))
    assert len(html) < 1_000_000
    if example.answer:
        assert escape(example.answer) in html


def test_several_results_have_an_overview(result):
    html = render(Page("t", {"spectra": result, "plane": EXAMPLES["Landscape"]()}))
    assert "2 results." in html
    assert '<a href="#s1">plane</a>' in html


def test_panel_places_lie_within_the_drawing(result):
    for layer in result:
        svg = spectrum_panel(layer)
        for x, y in re.findall(r"(-?\d+\.\d),(-?\d+\.\d)", svg):
            assert 0 <= float(x) <= 250
            assert 0 <= float(y) <= 147


def test_page_is_written_whole(result, tmp_path):
    path = write_page(Page("t", {"checkpoint": result}), tmp_path / "page.html")
    assert path.read_text().rstrip().endswith("</html>")
    assert list(tmp_path.iterdir()) == [path]
