"""The documentation: links that lead somewhere, and a reference page for every public package."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import eigenscape
import eigenscape_studies

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def packages():
    """Names of the packages whose ``__all__`` is the public surface."""
    found = [f"eigenscape.{m.name}" for m in pkgutil.iter_modules(eigenscape.__path__)]
    inner = [
        f"eigenscape_studies.{m.name}" for m in pkgutil.iter_modules(eigenscape_studies.__path__)
    ]
    names = [*found, "eigenscape_studies", *inner]
    return [name for name in names if getattr(importlib.import_module(name), "__all__", None)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_to_files(page):
    targets = [t for t in LINK.findall(page.read_text()) if "://" not in t]
    assert [t for t in targets if not (page.parent / t).exists()] == []


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text()
    pages = [str(p.relative_to(ROOT / "docs")) for p in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if page not in navigation] == []


def test_every_public_package_has_a_reference_page():
    text = "\n".join(page.read_text() for page in (ROOT / "docs" / "api").glob("*.md"))
    shown = set(re.findall(r"(?m)^::: (\S+)$", text))
    studies = {name for name in packages() if name.startswith("eigenscape_studies.")}
    missing = set(packages()) - shown
    # a study's own package offers its declaration alone, which the page of studies lists
    assert missing <= studies
