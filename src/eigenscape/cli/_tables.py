"""Tables on standard output: tables, JSON, CSV, Markdown."""

from __future__ import annotations

import math
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from eigenscape.results import Finding, dumps, printable

if TYPE_CHECKING:
    import pandas as pd

    from eigenscape.results import Result
    from eigenscape.spectra import ComparisonResult, Placement, SpectraResult

_WIDE = 170
#: Lines of prose are no longer, whatever the terminal; so wide where there is none.
_LONGEST_LINE, _NO_TERMINAL = 100, 80
_SHOWN_FINDINGS = 3
_LONGEST_NUMBER = 40
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
    width = min(shutil.get_terminal_size((_NO_TERMINAL, 24)).columns, _LONGEST_LINE)
    print(_wrapped(printable(result.answer), width))
    for number, found in enumerate(result.findings[:_SHOWN_FINDINGS], 1):
        print("\n".join(finding_lines(found, number, width)))
    print()


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
    lines = _wrapped(says, width, indent).split("\n")
    if len(indent) + len(done) <= width or not found.command:
        return [*lines, indent + _wrapped(done, width - len(indent), indent)]
    return [*lines, indent + action, f"{indent}   {printable(found.command)}"]


def _wrapped(text: str, width: int, indent: str = "") -> str:
    return textwrap.fill(
        text,
        max(width, 20),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


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
    _print_rich(columns, rows, title, spare)


#: Columns of the layer table that a narrow terminal does without, the first one first.
SPARE = ("interval", "stable rank", "kind", "eigs", "random", "shape")


def layer_table(result: SpectraResult) -> pd.DataFrame:
    """Return the columns that fit a terminal, intervals written out."""
    import pandas as pd

    rows = [
        {
            "layer": layer.name,
            "kind": layer.kind,
            "shape": "×".join(map(str, layer.shape)),
            "eigs": layer.n_eigenvalues,
            "alpha": _three(layer.alpha_hill),
            "interval": _interval(layer.alpha_hill_low, layer.alpha_hill_high),
            "random": _three(layer.alpha_null),
            "excess": _three(layer.alpha_excess),
            "ks alpha": _plus_minus(layer.alpha_ks, 2 * layer.sigma),
            "spikes": layer.spikes,
            "stable rank": _three(layer.stable_rank),
            "label": layer.label or "–",
        }
        for layer in result
    ]
    return pd.DataFrame(rows)


def with_places(table: pd.DataFrame, placement: Placement, *, short: bool) -> pd.DataFrame:
    """Return a layer table with where each layer lies among reference layers.

    Args:
        table: with the layers' names in its first column.
        placement: the places.
        short: one column, by alpha_excess, instead of a number for each metric.
    """
    names = table.iloc[:, 0]
    found = {place.layer: place for place in placement.places if place.metric == "alpha_excess"}
    if short:
        words = [
            f"{found[name].percentile:.0f} % of {found[name].n}"
            if name in found and not found[name].why
            else "–"
            for name in names
        ]
        return table.assign(**{"excess above": words})
    known = {(place.layer, place.metric): place.percentile for place in placement.places}
    columns: dict[str, list[Any]] = {
        f"{metric}_percentile": [known.get((name, metric), math.nan) for name in names]
        for metric in placement.metrics
    }
    columns["reference_n"] = [found[name].n if name in found else 0 for name in names]
    return table.assign(**columns)


def change_table(result: ComparisonResult) -> pd.DataFrame:
    """Return the changes, in columns that fit a terminal."""
    import pandas as pd

    rows = [
        {
            "layer": change.name,
            "state": change.state,
            "weights": cell(change.weight_change),
            "zeros": f"{cell(change.sparsity_before)} → {cell(change.sparsity_after)}",
            "alpha": f"{cell(change.alpha_hill_before)} → {cell(change.alpha_hill_after)}",
            "in sd": cell(change.alpha_hill_z),
            "ks alpha": cell(change.alpha_ks_change),
            "norm": f"×{cell(change.spectral_norm_ratio)}",
            "stable rank": f"×{cell(change.stable_rank_ratio)}",
            "label": change.label_before
            if change.label_before == change.label_after
            else f"{change.label_before or '–'} → {change.label_after or '–'}",
        }
        for change in result.changes
    ]
    return pd.DataFrame(rows)


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
    return printable(str(value), _LONGEST_WORD)


def _one_line_each(table: pd.DataFrame) -> pd.DataFrame:
    """Escape what names from a file may hold; nothing is shortened."""
    return table.map(lambda value: printable(value, None) if isinstance(value, str) else value)


def _three(value: float) -> str:
    """Three digits: intervals of an exponent are wider than the fourth."""
    return "–" if math.isnan(value) else f"{value:.3g}"


def _interval(low: float, high: float) -> str:
    return "–" if math.isnan(low) else f"{low:.2f}–{high:.2f}"


def _plus_minus(value: float, error: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}±{error:.2f}"


def _print_rich(
    columns: list[str], rows: list[list[str]], title: str, spare: Sequence[str]
) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    class Pipe(Console):
        def on_broken_pipe(self) -> None:  # rich would exit with status 1
            raise BrokenPipeError

    console = Pipe(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDE)
    columns, rows, gone = _narrowed(columns, rows, spare, console.width)
    table = Table(title=escape(title) or None, title_justify="left", header_style="bold", box=None)
    for index, name in enumerate(columns):
        prose = max((len(row[index]) for row in rows), default=0) > _LONGEST_NUMBER
        left = index < 2 or prose
        table.add_column(name, justify="left" if left else "right", overflow="fold")
    for row in rows:
        table.add_row(*(escape(text) for text in row))
    console.print(table)
    if gone:
        console.print(f"(not shown at this width: {', '.join(gone)})", highlight=False)


def _narrowed(
    columns: list[str], rows: list[list[str]], spare: Sequence[str], width: int
) -> tuple[list[str], list[list[str]], list[str]]:
    """Leave out spare columns until a table fits a width; also return which.

    >>> _narrowed(["a", "b", "c"], [["12345", "1", "2"]], ["b", "c"], 10)
    (['a', 'c'], [['12345', '2']], ['b'])
    """
    gone: list[str] = []
    for name in spare:
        wide = [max(map(len, texts)) + 2 for texts in zip(columns, *rows, strict=True)]
        if sum(wide) <= width:
            break
        place = columns.index(name)
        gone.append(name)
        columns = [one for one in columns if one != name]
        rows = [row[:place] + row[place + 1 :] for row in rows]
    return columns, rows, gone
