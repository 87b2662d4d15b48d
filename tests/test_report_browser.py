"""The page in a real browser: what is seen, measured at two widths, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from eigenscape.allocation import allocate
from eigenscape.landscape import sample
from eigenscape.models import Objective, build
from eigenscape.report import Page, write_page
from eigenscape.results import Result
from eigenscape.spectra import analyze, compare
from eigenscape.zoo import MLP
from tests._browser import Tab, browser_tab, find_browser

BROWSER = find_browser()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on the path"),
]
WIDTHS, MODES = (1280, 390), (False, True)
KINDS = ("mlp.down_proj", "mlp.up_proj", "mlp.gate_proj", "self_attn.k_proj", "self_attn.q_proj")

#: Of every text that is seen: the contrast of its colour to what lies behind it (WCAG 2.2).
CONTRASTS = """(() => {
  document.querySelectorAll('details').forEach((d) => { d.open = true; });
  const parse = (c) => { const v = c.match(/[\\d.]+/g).map(Number);
    return v.length < 4 ? [...v, 1] : v; };
  const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const light = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => { v /= 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05); };
  const behind = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      layers.push(c);
      if (c[3] === 1) break;
    }
    return layers.reduceRight((below, c) => over(c, below), [255, 255, 255, 1]);
  };
  const shape = (element, box) => {
    const all = document.elementsFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    const under = all.slice(all.indexOf(element) + 1);
    const painted = all.includes(element) && under.find((e) => e instanceof SVGGeometryElement
      && getComputedStyle(e).fill !== 'none' && Number(getComputedStyle(e).fillOpacity) > 0);
    return painted ? parse(getComputedStyle(painted).fill) : null;
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || ['SCRIPT', 'STYLE'].includes(element.tagName)) continue;
    const box = element.getBoundingClientRect();
    if (!box.width || !element.checkVisibility({ visibilityProperty: true })) continue;
    const style = getComputedStyle(element);
    const drawn = element instanceof SVGElement;
    let below = behind(drawn ? element.closest('svg').parentElement : element);
    const under = drawn && shape(element, box);
    if (under) below = over(under, below);
    const ink = over(parse(drawn ? style.fill : style.color), below);
    found.push([contrast(ink, below), node.data.trim().slice(0, 60)]);
  }
  return found;
})()"""


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with browser_tab(str(BROWSER)) as opened:
        yield opened


def network(layers: int, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    kinds = KINDS if layers > 3 else ("fc.weight",)
    return {
        f"model.layers.{n // len(kinds)}.{kinds[n % len(kinds)]}.weight": torch.randn(
            24, 32, generator=generator
        )
        for n in range(layers)
    }


def examined(layers: int) -> Result:
    return analyze(network(layers))


def compared() -> Result:
    before = network(20)
    moved = {
        name: value * (1 if ".1." in name else 1.4) + ("up_proj" in name) * network(20, 1)[name]
        for name, value in before.items()
    }
    return compare(before, moved)


def landscape() -> Result:
    generator = torch.Generator().manual_seed(0)
    inputs, labels = torch.randn(64, 8, generator=generator), torch.arange(64) % 3
    model = build(lambda: MLP(8, [8], 3, batch_norm=False), seed=0)
    objective = Objective(model, torch.nn.functional.cross_entropy, (inputs, labels))
    return sample(objective, "random", steps=11)


CASES = {
    "3 layers": lambda: {"three": examined(3)},
    "20 layers": lambda: {"twenty": examined(20)},
    "210 layers": lambda: {"large": examined(210)},
    "comparison": lambda: {"comparison": compared()},
    "landscape": lambda: {"plane": landscape()},
    "allocation": lambda: {"budgets": allocate(examined(210), kind="lr")},
    "several": lambda: {"one": examined(20), "two": examined(3), "plane": landscape()},
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    return {
        name: write_page(Page(f"Report for {name}", case()), folder / f"{number}.html")
        for number, (name, case) in enumerate(CASES.items())
    }


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_wider_paler_or_asked_for(tab: Tab, pages: dict[str, Path], name: str) -> None:
    path = pages[name]
    assert path.stat().st_size < 1_000_000
    for width in WIDTHS:
        for dark in MODES:
            tab.open(path, width, dark=dark)
            assert tab.value("matchMedia('(prefers-color-scheme: dark)').matches") == dark
            assert tab.value("document.documentElement.scrollWidth") <= width
            assert tab.requests() == [path.as_uri()]
            assert tab.errors() == []
            tab.grow()
            contrasts = tab.value(CONTRASTS)
            assert len(contrasts) > 50
            assert [one for one in contrasts if one[0] < 4.5] == []
            tab.open(path, width, dark=dark)  # the folded parts were opened, and nothing grew wide
            tab.value("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
            assert tab.value("document.documentElement.scrollWidth") <= width


def column(tab: Tab, index: int) -> list[str]:
    return tab.value(
        "[...document.querySelectorAll('#s0 table.rows:last-of-type tbody tr:not([hidden])')]"
        f".filter((r) => r.id).map((r) => r.cells[{index}].textContent)"
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_a_click_sorts_and_typing_filters(tab: Tab, pages: dict[str, Path], width: int) -> None:
    tab.open(pages["20 layers"], width)
    head = "#s0 table.rows:has(tr[id]) th:nth-child({}) button"
    at_first = [float(value) for value in column(tab, 3)]
    assert len(at_first) == 20
    tab.click(head.format(4))
    assert [float(value) for value in column(tab, 3)] == sorted(at_first)
    tab.click(head.format(4))
    assert [float(value) for value in column(tab, 3)] == sorted(at_first, reverse=True)
    tab.click(head.format(1))
    names = column(tab, 0)
    assert names[0] == "model.layers.0.mlp.down_proj"
    assert names[-1] == "model.layers.3.self_attn.q_proj"
    tab.value(
        "document.querySelector('#s0 .box:has(tr[id])').previousElementSibling"
        ".querySelector('input').focus()"
    )
    tab.type("up_proj layers.2")
    assert column(tab, 0) == ["model.layers.2.mlp.up_proj"]
    assert "1 of 20" in tab.value("document.querySelector('#s0').innerText")


def in_sight(tab: Tab, anchor: str) -> bool:
    return tab.value(
        f"(() => {{ const b = document.getElementById('{anchor}').getBoundingClientRect();"
        "return b.height > 0 && b.top >= 0 && b.bottom <= innerHeight; })()"
    )


def test_a_cell_leads_to_its_spectrum_and_that_to_its_row(tab: Tab, pages: dict[str, Path]) -> None:
    tab.open(pages["210 layers"], 1280)
    assert not in_sight(tab, "p0-100")
    tab.click("a[href='#p0-100']")
    assert tab.value("location.hash") == "#p0-100"
    tab.settle()
    assert in_sight(tab, "p0-100")  # its block was folded
    tab.click("#p0-100 > a")
    tab.settle()
    assert in_sight(tab, "r0-100")
    assert "model.layers.20." in tab.value("document.getElementById('r0-100').textContent")


def test_without_scripts_the_page_is_whole(tab: Tab, pages: dict[str, Path]) -> None:
    for width in WIDTHS:
        tab.open(pages["210 layers"], width, scripts=False)
        assert tab.value("document.querySelectorAll('button, input').length") == 0
        assert tab.value("document.documentElement.scrollWidth") <= width
        text = tab.value("document.body.innerText")
        for name in network(210):
            assert name.removesuffix(".weight") in text
        assert tab.value("document.querySelectorAll('.grid td a').length") == 210
        tab.click("details:has(#p0-0) > summary")
        assert tab.value("document.getElementById('p0-0').getBoundingClientRect().height") > 100


def test_a_name_with_markup_runs_nothing(tab: Tab, tmp_path: Path) -> None:
    bad = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
    result = analyze({f"{bad}.{n}.weight": torch.randn(24, 24) for n in range(3)})
    path = write_page(Page(bad, {bad: result}), tmp_path / "bad.html")
    tab.open(path, 390)
    assert tab.value("document.title") == bad
    assert tab.value("document.querySelectorAll('img, script').length") == 1
    assert tab.requests() == [path.as_uri()]
    assert tab.value("document.documentElement.scrollWidth") <= 390
