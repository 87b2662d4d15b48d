"""Tables on standard output: tables, JSON, CSV, Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from eigenscape.cli._layout import print_rows, prose_width, wrapped
from eigenscape.results import Finding, dumps, printable

if TYPE_CHECKING:
    import pandas as pd

    from eigenscape.results import Result

_SHOWN_FINDINGS = 3
_LONGEST_CELL = 400
_LONGEST_WORD = 80


def print_json(value: Any) -> None:
    """Print one JSON object, and nothing else."""
    print(dumps(value, indent=1))


def print_answer(result: Result) -> None:
    """Print what a result says: its answer, then at most three findings with what to do.

    A command stands in one line, however long, so that it can be copied.
    """
    if not result.answer:
        return
    width = prose_width()
    print(wrapped(printable(result.answer), width))
    for number, found in enumerate(result.findings[:_SHOWN_FINDINGS], 1):
        print("\n".join(finding_lines(found, number, width)))
    print()


def print_statements(statements: Sequence[Finding]) -> None:
    """Print all that is said, at length, each with what it rests on: the end of an answer."""
    print("In detail:")
    for one in statements:
        print(wrapped(f"- {printable(one.text)} ({one.grounds})", prose_width(), "  "))


def finding_lines(found: Finding, number: int, width: int) -> list[str]:
    r"""Return the lines of one finding: the statement, then what to do.

    >>> found = Finding(text="fc: it is so.", basis="guess", todo="Look closer", command="ls -l fc")
    >>> print("\n".join(finding_lines(found, 1, 30)))
    1. fc: it is so.
       -> Look closer: ls -l fc
    """
    says = f"{number}. {printable(found.text)}"
    action = f"-> {found.action}"
    done = f"{action} {printable(found.command)}".rstrip()
    if len(says) + len(done) < width:
        return [f"{says} {done}"]
    indent = " " * (len(str(number)) + 2)
    lines = wrapped(says, width, indent).split("\n")
    if len(indent) + len(done) <= width or not found.command:
        return [*lines, indent + wrapped(done, width - len(indent), indent)]
    if len(lines[-1]) + len(action) < width:
        lines[-1] += f" {action}"
    else:
        lines.append(indent + action)
    return [*lines, f"{indent}   {printable(found.command)}"]


def print_frame(table: pd.DataFrame, form: str, title: str = "", spare: Sequence[str] = ()) -> None:
    """Print a table as ``table``, ``csv`` or ``md``.

    Args:
        table: what to print.
        form: how.
        title: a line above it.
        spare: columns that a terminal too narrow for all leaves out, the first one first.
    """
    if form == "csv":
        print(_one_line_each(table).to_csv(index=False), end="")
        return
    columns = [printable(str(name)) for name in table.columns]
    rows = [[cell(value) for value in row] for row in table.itertuples(index=False)]
    if form == "md":
        print("| " + " | ".join(columns) + " |")
        print("|" + "|".join("---" for _ in columns) + "|")
        for row in rows:
            print("| " + " | ".join(text.replace("|", "\\|") for text in row) + " |")
        return
    print_rows(columns, rows, title, spare)


def cell(value: Any) -> str:
    """Return one value as text: numbers short, a missing one as a dash.

    >>> cell(2.34567), cell(float("nan")), cell((3, 4)), cell(1234567.0)
    ('2.346', '–', '3×4', '1.235e+06')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple | list):
        return "×".join(cell(item) if isinstance(item, str) else str(item) for item in value)
    text = printable(str(value), _LONGEST_WORD)
    return text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 1]}…"


def _one_line_each(table: pd.DataFrame) -> pd.DataFrame:
    """Escape what names from a file may hold; nothing is shortened."""
    return table.map(lambda value: printable(value, None) if isinstance(value, str) else value)
