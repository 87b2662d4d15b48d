"""The documentation: links that lead somewhere, and a reference page for every public package."""

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import eigenscape
import eigenscape_studies

ROOT = Path(__file__).parents[1]
PYPROJECT = ROOT / "pyproject.toml"
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


# --- public names

CODE = re.compile(r"```.*?```|`[^`\n]+`|^ {4}.*$", re.DOTALL | re.MULTILINE)


def package_of(module):
    """`eigenscape.topology` of `eigenscape.topology._tree`; of a study, its own folder or file."""
    return ".".join(module.split(".")[:2])


def named_by_packages():
    """(package, name) of what a package takes from another one, as a name or as an attribute."""
    source = ROOT / "src"
    for path in source.rglob("*.py"):
        own = package_of(".".join(path.relative_to(source).with_suffix("").parts))
        if own.endswith(".__init__"):  # hands names on
            continue
        modules = {}
        nodes = list(ast.walk(ast.parse(path.read_text())))
        for node in nodes:
            if isinstance(node, ast.ImportFrom) and node.module and package_of(node.module) != own:
                yield from ((node.module, name.name) for name in node.names)
                for name in node.names:
                    modules[name.asname or name.name] = f"{node.module}.{name.name}"
        for node in nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                yield modules.get(node.value.id, own), node.attr


def named_by_pages():
    """Words in the code of the README and of every page but the reference; and entry points."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    code = "\n".join(part for page in pages for part in CODE.findall(page.read_text()))
    entry_points = re.findall(r'(?m)^\w+ = "eigenscape[\w.]*:(\w+)"', PYPROJECT.read_text())
    return {*re.findall(r"\w+", code), *entry_points}


def test_every_public_name_is_used_by_a_page_or_by_another_package():
    words, taken = named_by_pages(), set(named_by_packages())
    unused = [
        f"{package}.{name}"
        for package in packages()
        for name in importlib.import_module(package).__all__
        if name not in words and (package, name) not in taken
    ]
    assert not unused, "make private, document or delete: " + ", ".join(unused)
