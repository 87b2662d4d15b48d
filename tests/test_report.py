"""The page: self-contained, small, complete, safe."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import torch

from eigenscape.report import Page, write_page
from eigenscape.report._page import render
from eigenscape.report._panel import spectrum_panel
from eigenscape.spectra import analyze, compare

VOID = {"meta", "br", "hr", "img", "link", "input"}


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


def test_page_is_self_contained_and_balanced(result):
    html = render(Page("A title", ("one", "two <b>")), {"checkpoint": result})
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    assert "script" not in {tag for tag, _ in parser.tags}
    assert not re.search(r"(src|href)\s*=", html)
    assert "http" not in html
    assert "two &lt;b&gt;" in html
    assert "prefers-color-scheme: dark" in html


def test_every_layer_and_every_reason_is_on_the_page(result):
    html = render(Page("t"), {"checkpoint": result})
    assert html.count("<svg") == len(result)
    for layer in result:
        assert layer.name.replace("<", "&lt;").replace(">", "&gt;") in html
    for item in result.skipped:
        assert item.reason.split(";")[0] in html


def test_a_large_model_stays_below_two_megabytes():
    torch.manual_seed(0)
    one = analyze({"w": torch.randn(128, 256)})
    layers = tuple(
        renamed(one.layers[0], f"model.layers.{i}.some.long.module.path.weight")
        for i in range(3000)
    )
    html = render(Page("t"), {"big": replace(one, layers=layers)})
    assert len(html.encode()) < 2_000_000
    assert "2820 layers are not drawn" in html
    assert "The first 1200 of 3000 layers" in html


def test_layers_with_a_certain_fault_are_drawn_first(result):
    from eigenscape.report import _page

    bad = result["bad"]
    many = tuple(renamed(result.layers[0], f"l{i}") for i in range(400))
    panels = _page._panels({"x": replace(result, layers=(*many, bad))})
    assert len(panels) == 180
    assert any("not-finite" in panel for panel in panels)


def test_comparison_page():
    torch.manual_seed(0)
    W = torch.randn(40, 60)
    html = render(Page("t"), {"c": compare({"w": W}, {"w": W * 1.5})})
    assert "What moved" in html
    assert "1.500" in html


def test_panel_places_lie_within_the_drawing(result):
    for layer in result:
        svg = spectrum_panel(layer)
        for x, y in re.findall(r"(-?\d+\.\d),(-?\d+\.\d)", svg):
            assert 0 <= float(x) <= 250
            assert 0 <= float(y) <= 165


def test_page_is_written_whole(result, tmp_path):
    path = write_page(Page("t"), {"checkpoint": result}, tmp_path / "page.html")
    assert path.read_text().rstrip().endswith("</html>")
    assert list(tmp_path.iterdir()) == [path]
