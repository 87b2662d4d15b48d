"""Places of the code that can be changed, and the sample of them: see mutants.py."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

#: Fixed before the first run; the list that they gave stands.
SEED, COUNT = 0, 200
ROOMS = (
    *("theory", "topology", "layers", "spectra", "landscape"),
    *("allocation", "balancing", "diagnosis"),
)
#: Files that do not compute: contents, pictures, files read and written, options.
EXCLUDED = (
    *("__init__.py", "_pictures.py", "*_pictures.py", "_draw_*.py", "_read*.py", "*_netcdf.py"),
    *("_folder.py", "_options.py", "_request.py", "_declared.py"),
)
OPERATORS = ("comparison", "sign", "integer", "term", "constant")

_EXCHANGED: dict[type, type] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}


@dataclass(frozen=True)
class Mutant:
    """Bytes `start` to `end` become `text`; the tests of lines `first` to `last` see it."""

    file: str
    operator: str
    start: int
    end: int
    text: str
    first: int
    last: int

    def applied(self, source: bytes) -> bytes:
        return source[: self.start] + self.text.encode() + source[self.end :]

    def lines(self, source: bytes) -> tuple[str, str]:
        """The changed line before and after."""
        low = source.rfind(b"\n", 0, self.start) + 1
        high = source.find(b"\n", self.end)
        line = source[low:high].decode()
        changed = self.applied(source)[low : high + len(self.text.encode()) - self.end + self.start]
        return " ".join(line.split()), " ".join(changed.decode().split())


def places(source: bytes, file: str = "") -> list[list[Mutant]]:
    """Every place and operator, each with its variants (plus or minus one, this side or that)."""
    offsets = [0]
    for line in source.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line))
    found = []
    for node, (first, last) in _expressions(ast.parse(source), (0, 0)):
        start = offsets[node.lineno - 1] + node.col_offset
        end = offsets[node.end_lineno - 1] + node.end_col_offset
        for operator, changed in _changes(node).items():
            texts = [f"({ast.unparse(each)})" for each in changed]
            found.append([Mutant(file, operator, start, end, t, first, last) for t in texts])
    return found


def _expressions(node: ast.AST, lines: tuple[int, int]) -> Iterator[tuple[Any, tuple[int, int]]]:
    """Every expression that computes, and the lines whose tests see it: (0, 0) in no function."""
    if isinstance(node, ast.JoinedStr | ast.Raise) or _warns(node):
        return
    if isinstance(node, ast.expr):
        yield node, lines
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _expressions(child, _lines(node, name, child, lines))


def _lines(node: Any, name: str, child: Any, lines: tuple[int, int]) -> tuple[int, int]:
    """Of a simple statement all lines; of an `if`, `for` or `with` those of this part."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        if name == "args":  # a default counts where its function runs
            return node.body[0].lineno, node.end_lineno
        return (child.lineno, child.end_lineno) if name == "body" else lines
    if lines == (0, 0):
        return lines
    if isinstance(child, ast.stmt):
        return child.lineno, child.end_lineno
    if isinstance(node, ast.stmt):
        part = child if hasattr(node, "body") and hasattr(child, "lineno") else node
        return part.lineno, part.end_lineno
    return lines


def _warns(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).endswith("warn")


def _changes(node: Any) -> dict[str, list[ast.expr]]:
    """The changed expressions of a node, by operator."""
    match node:
        case ast.Compare(left=left, ops=ops, comparators=right):
            changed = [
                ast.Compare(left, [*ops[:i], _EXCHANGED[type(op)](), *ops[i + 1 :]], right)
                for i, op in enumerate(ops)
                if type(op) in _EXCHANGED
            ]
            return {"comparison": changed} if changed else {}
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _EXCHANGED:
            if any(map(_is_text, (left, right))):
                return {}
            exchanged = {"sign": [ast.BinOp(left, _EXCHANGED[type(op)](), right)]}
            additive = isinstance(op, ast.Add | ast.Sub)
            return exchanged | ({"term": [left, right]} if additive else {})
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return {"sign": [operand]}
        case ast.BoolOp(values=values):
            return {"term": [_without(node, i) for i in range(len(values))]}
        case ast.Constant(value=bool()):
            return {}
        case ast.Constant(value=int(value)):
            return {"integer": [_parsed(value + 1), _parsed(value - 1)]}
        case ast.Constant(value=float(value)):
            return {"constant": [_parsed(2 * value if value else 1.0)]}
    return {}


def _without(node: ast.BoolOp, i: int) -> ast.expr:
    rest = node.values[:i] + node.values[i + 1 :]
    return rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)


def _parsed(value: float) -> ast.expr:
    return ast.parse(repr(value), mode="eval").body


def _is_text(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_text(node.left) or _is_text(node.right)
    text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return text or isinstance(node, ast.JoinedStr | ast.List | ast.Tuple | ast.ListComp)


def draw(root: Path, seed: int = SEED, count: int = COUNT) -> list[Mutant]:
    """The sample: of each package in proportion to its places, by largest remainders."""
    found = {room: [] for room in ROOMS}
    for room in ROOMS:
        for path in sorted((root / "src" / "eigenscape" / room).rglob("*.py")):
            if not any(fnmatch(path.name, pattern) for pattern in EXCLUDED):
                found[room] += places(path.read_bytes(), str(path.relative_to(root)))
    total = sum(map(len, found.values()))
    exact = {room: count * len(each) / total for room, each in found.items()}
    counts = {room: int(share) for room, share in exact.items()}
    rest = sorted(ROOMS, key=lambda room: counts[room] - exact[room])
    for room in rest[: count - sum(counts.values())]:
        counts[room] += 1
    generator = random.Random(seed)
    drawn = [m for room in ROOMS for m in generator.sample(found[room], counts[room])]
    return [generator.choice(variants) for variants in drawn]
