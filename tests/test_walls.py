"""Imports between the packages, and what may occur in one package only."""

import ast
import re
import tomllib
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy.sparse.csgraph import connected_components

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
PACKAGES = ("eigenscape", "eigenscape_studies")


def module_name(path):
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {
    module_name(path): ast.parse(path.read_text())
    for package in PACKAGES
    for path in sorted((SOURCE / package).rglob("*.py"))
}


def for_type_checkers(tree):
    """The nodes under `if TYPE_CHECKING`."""
    return {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in node.body
        for inner in ast.walk(child)
    }


def imported(module, *, typing):
    """Every dotted name that a module imports, lazily or not; a name within a module is joined."""
    tree = TREES[module]
    hidden = set() if typing else for_type_checkers(tree)
    for node in ast.walk(tree):
        if node in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def package_of(name):
    """The package, and in `eigenscape` the folder or file right below it."""
    package, *rest = name.split(".")
    return package if package == "eigenscape_studies" or not rest else f"{package}.{rest[0]}"


def private(name):
    return any(part.startswith("_") and not part.startswith("__") for part in name.split("."))


# --- imports


def named_in_text(module):
    """Modules that are named in strings: "eigenscape.a._b:function" is an import as well."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"^(eigenscape(?:_studies)?(?:\.\w+)+)(?::\w+)?$", node.value)


def test_nothing_private_is_imported_from_another_room():
    found = sorted(
        {
            f"{module} imports {name}"
            for module in TREES
            for name in [*imported(module, typing=True), *named_in_text(module)]
            if name.split(".")[0] in PACKAGES
            and private(name)
            and package_of(name) != package_of(module)
        }
    )
    assert not found, "\n".join(found)


def test_a_study_imports_nothing_private_of_another():
    folders = {path.name for path in (SOURCE / "eigenscape_studies").iterdir() if path.is_dir()}
    found = sorted(
        f"{module} imports {name}"
        for module in TREES
        for name in imported(module, typing=True)
        if name.startswith("eigenscape_studies.")
        and private(name)
        and name.split(".")[1] in folders - {*module.split(".")[1:2]}
    )
    assert not found, "\n".join(found)


def import_circles():
    names = sorted(TREES)
    place = {name: index for index, name in enumerate(names)}
    edges = np.zeros((len(names), len(names)), bool)
    for module in names:
        for name in imported(module, typing=False):
            target = name if name in place else name.rpartition(".")[0]
            if target in place and target != module:
                edges[place[module], place[target]] = True
    _, label = connected_components(edges, directed=True, connection="strong")
    circles = defaultdict(list)
    for name, index in zip(names, label, strict=True):
        circles[index].append(name)
    return [circle for circle in circles.values() if len(circle) > 1]


def test_imports_go_in_no_circle():
    circles = import_circles()
    assert not circles, "\n".join(map(str, circles))


def test_calls_with_other_tensors_are_made_in_one_room():
    packages = {
        package_of(module)
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if "functional_call"
        in (getattr(node, "id", ""), getattr(node, "attr", ""), getattr(node, "name", ""))
    }
    assert packages == {"eigenscape.models"}


# --- training

#: Every function that changes parameters, and why it is one beside `fit`.
TRAINING = {
    "eigenscape.diagnosis.growing._training.RowSGD.step": "an optimizer: a rate for each network",
    "eigenscape.landscape.paths._bend.train_curves": "moves bends, not networks: at a new t a step",
    "eigenscape.models._fit._Loop._closed_step": "`fit`, for optimizers that evaluate the loss",
    "eigenscape.models._fit._Loop._plain_step": "`fit`",
    "eigenscape_studies.laboratory._optimizers.Adam.step": "an optimizer",
    "eigenscape_studies.laboratory._optimizers.GradientDescent.step": "an optimizer",
}
_RATE = re.compile(r"\b(lr|\w*rate|velocity|momentum)\b")


def changes_parameters(statement):
    """An optimizer's step, or a step by hand: a difference, in place or not, that names a rate."""
    text = ast.unparse(statement)
    for node in ast.walk(statement):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            receiver = ast.unparse(node.func.value)
            if node.func.attr == "step" and re.search(r"optim", receiver):
                return True
            if node.func.attr in ("sub_", "addcmul_", "addcdiv_") and _RATE.search(text):
                return True
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Sub):
        return bool(_RATE.search(text))
    if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.BinOp):
        target, value = ast.unparse(statement.targets[0]), statement.value
        minus = isinstance(value.op, ast.Sub) and ast.unparse(value.left) == target
        return minus and bool(_RATE.search(text))
    return False


def training_functions():
    def within(node, name):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                yield from within(child, f"{name}.{child.name}")
            else:
                simple = isinstance(child, ast.Expr | ast.Assign | ast.AugAssign | ast.Return)
                if simple and changes_parameters(child):
                    yield name
                yield from within(child, name)

    return {name for module, tree in TREES.items() for name in within(tree, module)}


def test_every_loop_that_trains_has_its_reason():
    assert sorted(training_functions()) == sorted(TRAINING)


# --- layers of packages


def test_the_layers_of_the_docs_are_those_of_lint_imports():
    with (ROOT / "pyproject.toml").open("rb") as handle:
        [contract] = tomllib.load(handle)["tool"]["importlinter"]["contracts"]
    kept = {
        part.strip().removeprefix("eigenscape."): level
        for level, layer in enumerate(reversed(contract["layers"]))
        for part in re.split(r"[|:]", layer)
    }
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| (\d+) \| ((?:`[\w/]+`(?:, )?)+) \|", page, re.MULTILINE)
    told = {
        name.rstrip("/"): int(level)
        for level, names in rows
        for name in re.findall(r"`([\w/]+)`", names)
    }
    assert told == kept
    there = {path.stem for path in (SOURCE / "eigenscape").iterdir() if path.suffix in ("", ".py")}
    assert set(kept) - {"eigenscape_studies"} == there - {"__init__", "__main__", "__pycache__"}


# --- format


def test_the_formatter_is_rarely_told_to_look_away():
    mark = "# fmt: " + "skip"
    folders = (SOURCE, ROOT / "tests", ROOT / "benchmarks", ROOT / "examples", ROOT / "docs")
    count = sum(path.read_text().count(mark) for folder in folders for path in folder.rglob("*.py"))
    assert count <= 20
