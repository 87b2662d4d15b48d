"""The shape of the code: small files, small functions, documented public names."""

import ast
import statistics
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
FILES = sorted(SOURCE.rglob("*.py"))
FOLDERS = sorted(path.parent for path in SOURCE.glob("*/*/__init__.py"))
TREES = {path: ast.parse(path.read_text()) for path in FILES}


def functions(package):
    for path in of(package):
        for node in ast.walk(TREES[path]):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


def code_lines(node):
    """Lines of a function without its docstring."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return (body[-1].end_lineno - body[0].lineno + 1) if body else 1


def of(package):
    return [path for path in FILES if path.relative_to(SOURCE).parts[0] == package]


@pytest.mark.parametrize("package", ["eigenscape", "eigenscape_studies"])
def test_files_are_small(package):
    lengths = [len(path.read_text().splitlines()) for path in of(package)]
    assert statistics.median(lengths) <= 180
    assert max(lengths) <= 450


@pytest.mark.parametrize("package", ["eigenscape", "eigenscape_studies"])
def test_functions_are_small(package):
    lengths = sorted(code_lines(node) for node in functions(package))
    assert lengths[int(0.9 * len(lengths))] <= 50
    assert max(lengths) <= 90


def test_public_names_are_documented():
    missing = [
        f"{path.relative_to(SOURCE)}:{node.name}"
        for path, tree in TREES.items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert missing == []


def test_the_library_does_not_print():
    prints = [
        str(path.relative_to(SOURCE))
        for path, tree in TREES.items()
        if "cli" not in path.parts
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
    ]
    assert prints == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_package_lists_what_it_offers(folder):
    tree = TREES[folder / "__init__.py"]
    names = [
        node
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
    ]
    assert names, f"{folder} has no __all__"
