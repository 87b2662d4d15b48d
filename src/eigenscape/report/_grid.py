"""The picture of all layers: a row for each kind, a column for each repeated block."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from eigenscape.layers import blocks
from eigenscape.report._colours import Scale, step_class

#: Beyond so many kinds, numbers in a kind's name (of experts, of heads) are put together.
_MOST_KINDS = 40
#: Columns up to which the cells have their numbers in them.
_NUMBERED = 12
#: Columns of one table, and layers in no block; the page says how many layers are not shown.
_MOST = 400


@dataclass(frozen=True)
class LayerNumber:
    """What the picture shows of one layer.

    Args:
        name: of the layer.
        value: the number that its colour shows.
        words: what else is to be read when pointing at it.
        anchor: where its evidence is on the page.
        marks: numbers of the findings that point at it.
        mark: what they ask: ``mark`` to look at it, ``note`` nothing; empty where there are none.
    """

    name: str
    value: float
    words: str
    anchor: str
    marks: tuple[int, ...] = ()
    mark: str = ""


@dataclass(frozen=True)
class GridCell:
    """A layer's cell; several layers that are put together show their median."""

    colour: str
    words: str
    anchor: str
    name: str
    value: float
    mark: str


@dataclass(frozen=True)
class GridTable:
    """Blocks of one stack: a row for each kind of layer in them.

    Args:
        title: what the columns' names share; empty where there is nothing.
        columns: the blocks.
        rows: kind, and a cell or None for each column.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[GridCell | None, ...]], ...]

    @property
    def numbered(self) -> bool:
        """Whether there is room for the numbers in the cells."""
        return len(self.columns) <= _NUMBERED


@dataclass(frozen=True)
class Grid:
    """The picture of all layers.

    Args:
        tables: the layers in repeated blocks, a table for each stack of them.
        others: the layers in no block.
        merged: some cells stand for several layers.
        left_out: layers that are not shown, since there are too many.
    """

    tables: tuple[GridTable, ...]
    others: tuple[GridCell, ...]
    merged: bool
    left_out: int

    @property
    def marks(self) -> set[str]:
        """The kinds of marks that there are."""
        cells = (cell for table in self.tables for _, row in table.rows for cell in row if cell)
        return {cell.mark for cell in (*cells, *self.others)}


def layer_grid(numbers: Sequence[LayerNumber], scale: Scale) -> Grid:
    """Return the picture of some layers.

    >>> names = ["wte", "h.0.q", "h.0.up", "h.1.q", "h.1.up"]
    >>> found = layer_grid([LayerNumber(n, 1.0, "", "") for n in names], Scale(0, 1, 2, 0))
    >>> found.tables[0].title, found.tables[0].columns, [row[0] for row in found.tables[0].rows]
    ('h.', ('0', '1'), ['q', 'up'])
    >>> [cell.name for cell in found.others]
    ['wte']
    """
    by_name = {number.name: number for number in numbers}
    inside = {block.name: block.members for block in blocks(list(by_name))}
    placed = {name for members in inside.values() for name in members}
    stacks = [stack[:_MOST] for stack in _stacks(inside)]
    tables = [_table({block: inside[block] for block in stack}, by_name, scale) for stack in stacks]
    others = [number for name, number in by_name.items() if name not in placed]
    shown = [block for stack in stacks for block in stack]
    return Grid(
        tuple(table for table, _ in tables),
        tuple(_cell([number], scale) for number in others[:_MOST]),
        any(merged for _, merged in tables),
        sum(len(inside[block]) for block in inside.keys() - shown) + len(others[_MOST:]),
    )


def _stacks(inside: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Blocks with a kind in common belong together, also through others."""
    stacks: list[tuple[list[str], set[str]]] = []
    for block, members in inside.items():
        kinds = {_kind(name, block) for name in members}
        meeting = [stack for stack in stacks if stack[1] & kinds]
        rest = [stack for stack in stacks if not stack[1] & kinds]
        merged = [name for stack in meeting for name in stack[0]] + [block]
        stacks = [*rest, (merged, kinds.union(*(stack[1] for stack in meeting)))]
    order = list(inside)
    return sorted(
        (sorted(stack, key=order.index) for stack, _ in stacks), key=lambda s: order.index(s[0])
    )


def _table(
    inside: Mapping[str, Sequence[str]], by_name: Mapping[str, LayerNumber], scale: Scale
) -> tuple[GridTable, bool]:
    kinds = dict.fromkeys(_kind(name, block) for block, names in inside.items() for name in names)
    merge = len(kinds) > _MOST_KINDS
    rows: dict[str, dict[str, list[LayerNumber]]] = {}
    for block, names in inside.items():
        for name in names:
            kind = _kind(name, block)
            kind = re.sub(r"\d+", "*", kind) if merge else kind
            rows.setdefault(kind, {}).setdefault(block, []).append(by_name[name])
    shared = _shared(list(inside))
    table = GridTable(
        title=shared,
        columns=tuple(block[len(shared) :] for block in inside),
        rows=tuple(
            (kind, tuple(_cell(cells[b], scale) if b in cells else None for b in inside))
            for kind, cells in rows.items()
        ),
    )
    return table, any(len(layers) > 1 for cells in rows.values() for layers in cells.values())


def _kind(name: str, block: str) -> str:
    return name[len(block) :].lstrip(".") or name


def _shared(names: Sequence[str]) -> str:
    """What all names begin with, up to a dot or an underscore."""
    first, last = min(names), max(names)
    same = 0
    while same < min(len(first), len(last)) and first[same] == last[same]:
        same += 1
    return first[: 1 + max(first.rfind(mark, 0, same) for mark in "._")]


def _cell(layers: Sequence[LayerNumber], scale: Scale) -> GridCell:
    finite = [layer.value for layer in layers if math.isfinite(layer.value)]
    value = statistics.median(finite) if finite else math.nan
    # a link goes to the layer that a finding points at, where there is one
    chosen = next((layer for layer in layers if layer.mark), layers[0])
    marks = tuple(sorted({mark for layer in layers for mark in layer.marks}))
    return GridCell(
        colour=step_class(scale.step(value)),
        words="\n".join(_words(layers, value, marks)),
        anchor=chosen.anchor,
        name=chosen.name,
        value=value,
        mark=min((layer.mark for layer in layers if layer.mark), default=""),  # mark before note
    )


def _words(layers: Sequence[LayerNumber], value: float, marks: Sequence[int]) -> Iterator[str]:
    first = layers[0]
    if len(layers) == 1:
        yield f"{first.name}: {first.words}"
    else:
        yield f"{first.name} and {len(layers) - 1} more: median {value:.3g}"
    if marks:
        number = "finding" if len(marks) == 1 else "findings"
        yield f"{number} {', '.join(map(str, marks))}"
