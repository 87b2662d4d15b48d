"""How rows fit a terminal: columns that are left out, words that wrap, or one row below another."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Sequence

#: Lines of prose are no longer, whatever the terminal.
_LONGEST_LINE = 100
#: Columns where there is no terminal.
_WIDE, _PROSE = 170, 80
#: A column of more words than these takes a second line rather than another column's place.
_ENOUGH = 18
_GAP = 2
#: A blank at which no line is broken.
FIXED = "\N{NO-BREAK SPACE}"
_UNIT = re.compile(r"(?<=\d) (?=[^\W\d]|%)")


def prose_width() -> int:
    """Return how long lines of prose are, in columns."""
    return min(shutil.get_terminal_size((_PROSE, 24)).columns, _LONGEST_LINE)


def wrapped(text: str, width: int, indent: str = "") -> str:
    """Wrap between words; one that is longer than a line stays whole, as does a number's noun."""
    lines = textwrap.fill(
        _UNIT.sub(FIXED, text),
        max(width, len(indent) + 1),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines.replace(FIXED, " ")


def print_rows(
    columns: list[str], rows: list[list[str]], title: str = "", spare: Sequence[str] = ()
) -> None:
    """Print rows so that no word is broken.

    Args:
        columns: the headings.
        rows: as many texts each.
        title: a line above.
        spare: columns that a terminal too narrow for all leaves out, the first one first.
    """
    width = shutil.get_terminal_size((_WIDE, 24)).columns
    kept, left, gone = narrowed(columns, rows, spare, width)
    widths = fitted(kept, left, width)
    if widths is None:
        _stack(kept, left, title, width)
    else:
        _print_rich(kept, left, widths, title)
    if gone:
        print(wrapped(f"(not shown at this width: {', '.join(gone)})", min(width, _LONGEST_LINE)))


def narrowed(
    columns: list[str], rows: list[list[str]], spare: Sequence[str], width: int
) -> tuple[list[str], list[list[str]], list[str]]:
    """Leave out spare columns until a table fits a width; also return which.

    >>> narrowed(["a", "b", "c"], [["12345", "1", "2"]], ["b", "c"], 10)
    (['a', 'c'], [['12345', '2']], ['b'])
    """
    gone: list[str] = []
    for name in (one for one in spare if one in columns):
        if sum(_comfortable(texts) + _GAP for texts in _texts(columns, rows)) <= width:
            break
        place = columns.index(name)
        gone.append(name)
        columns = columns[:place] + columns[place + 1 :]
        rows = [row[:place] + row[place + 1 :] for row in rows]
    return columns, rows, gone


def fitted(columns: list[str], rows: list[list[str]], width: int) -> list[int] | None:
    """Return the width of each column, none narrower than its longest word; None if none fits.

    >>> fitted(["name", "labels"], [["abc", "one two three"]], 14)
    [4, 6]
    """
    texts = _texts(columns, rows)
    least = [max(len(word) for text in column for word in text.split(" ")) for column in texts]
    most = [max(map(len, column)) for column in texts]
    spare = width - sum(least) - _GAP * len(columns)
    if spare < 0:
        return None
    widths = list(least)
    while spare > 0 and widths != most:
        open_ = [index for index in range(len(most)) if widths[index] < most[index]]
        narrow = min(open_, key=lambda index: most[index] - widths[index])
        grown = min(most[narrow] - widths[narrow], max(1, spare // len(open_)))
        widths[narrow] += grown
        spare -= grown
    return widths


def _texts(columns: list[str], rows: list[list[str]]) -> list[tuple[str, ...]]:
    return list(zip(columns, *rows, strict=True))


def _comfortable(texts: Sequence[str]) -> int:
    words = max(len(word) for text in texts for word in text.split(" "))
    return min(max(map(len, texts)), max(words, _ENOUGH))


def _stack(columns: list[str], rows: list[list[str]], title: str, width: int) -> None:
    """Print each row as its first value, and the others below it."""
    if title:
        print(title)
    for row in rows:
        print(row[0])
        values = [
            f"{name} ".replace(" ", FIXED) + text
            for name, text in zip(columns[1:], row[1:], strict=True)
            if text.strip("– →×")
        ]
        print("  " + wrapped(", ".join(values), width - 2, "  "))


def _print_rich(
    columns: list[str], rows: list[list[str]], widths: Sequence[int], title: str
) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    class Pipe(Console):
        def on_broken_pipe(self) -> None:  # rich would exit with status 1
            raise BrokenPipeError

    console = Pipe(file=sys.stdout, width=sum(widths) + _GAP * len(widths))
    table = Table(title=escape(title) or None, title_justify="left", header_style="bold", box=None)
    for index, (name, width) in enumerate(zip(columns, widths, strict=True)):
        longest = max((len(row[index]) for row in rows), default=0)
        left = index < 2 or longest > _ENOUGH
        heading = escape(wrapped(name, width))
        table.add_column(heading, justify="left" if left else "right", width=width)
    for row in rows:
        cells = (wrapped(text, width) for text, width in zip(row, widths, strict=True))
        table.add_row(*(escape(text) for text in cells))
    console.print(table)
