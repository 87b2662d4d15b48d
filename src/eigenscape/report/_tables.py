"""Tables of a page: of layers, of changes, and of any result's frame."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from eigenscape.results import printable
from eigenscape.spectra import ComparisonResult, LayerChange, LayerSpectrum, SpectraResult

if TYPE_CHECKING:
    import pandas as pd

#: Rows of a table on a page; the page names what it leaves out, and ``result.json`` has everything.
MOST_ROWS = 600
#: Of a table that is not of layers.
MOST_OTHER_ROWS = 200
#: Rows beyond which a table that is not of layers is folded.
_FOLDED = 12
_LONGEST = 300
#: Characters of a text that is not broken over lines.
_SHORT = 16


@dataclass(frozen=True)
class Column:
    """A column: its heading, what it means, whether it holds text, and whether that is short."""

    head: str
    meaning: str = ""
    text: bool = False
    short: bool = False

    @property
    def style(self) -> str:
        """The CSS class of its cells."""
        return f"l{' s' if self.short else ''}" if self.text else ""


@dataclass(frozen=True)
class Row:
    """A row: its cells as markup, and its anchor or an empty text."""

    cells: tuple[Markup, ...]
    anchor: str = ""


@dataclass(frozen=True)
class Table:
    """A table of a page.

    Args:
        columns: of each row.
        rows: those that are shown.
        left_out: how many are not.
        folded: it is long, and of numbers that a picture shows.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    left_out: int = 0
    folded: bool = False


def number(value: Any, digits: int = 2) -> str:
    """Return a number as a cell shows it; a dash where there is none.

    >>> number(1234), number(0.12345), number(1e-9), number(float("nan"))
    ('1,234', '0.12', '1e-09', '–')
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "∞" if value == math.inf else "–"
    if isinstance(value, int):
        return f"{value:,}"
    return (
        f"{value:.{digits}f}" if 1e-3 <= abs(value) < 1e5 or value == 0 else f"{value:.{digits}g}"
    )


def shape(sizes: Sequence[int]) -> str:
    """Return a shape as text.

    >>> shape((3, 4)), shape(())
    ('3×4', 'scalar')
    """
    return "×".join(str(width) for width in sizes) or "scalar"


def breakable(name: str, marks: str = "./_") -> Markup:
    """Return a name that a narrow column breaks behind some marks.

    >>> str(breakable("h.0.<b>"))
    'h.<wbr>0.<wbr>&lt;b&gt;'
    """
    parts = re.split(f"(?<=[{re.escape(marks)}])", printable(name, _LONGEST))
    return Markup("<wbr>").join(escape(part) for part in parts if part)


def layer_table(result: SpectraResult, rows: Sequence[str], panels: Sequence[str]) -> Table:
    """Return the layer table.

    Args:
        result: whose layers.
        rows: an anchor for each row.
        panels: the anchor of each layer's panel; empty where none is drawn.
    """
    numbers = [*_LAYER, *_extra(result), *_LAYER_END]
    shown = result.layers[:MOST_ROWS]
    return Table(
        (
            Column("layer", text=True),
            Column("label", text=True, short=True),
            *(c for c, _ in numbers),
        ),
        tuple(
            Row((_layer_name(layer, panel), Markup(escape(layer.label or "–")), *_cells), anchor)
            for layer, anchor, panel, _cells in (
                (layer, anchor, panel, [Markup(escape(get(layer))) for _, get in numbers])
                for layer, anchor, panel in zip(shown, rows, panels, strict=False)
            )
        ),
        max(0, len(result) - MOST_ROWS),
    )


def _layer_name(layer: LayerSpectrum, panel: str) -> Markup:
    name = _linked(layer.name, panel)
    if layer.aliases:
        same = Markup(", ").join(breakable(alias) for alias in layer.aliases)
        name += Markup(" <small>(= {})</small>").format(same)
    return name


def _linked(name: str, anchor: str) -> Markup:
    words = breakable(name)
    return Markup('<a href="#{}">{}</a>').format(anchor, words) if anchor else words


_Get = Callable[[LayerSpectrum], str]
_LAYER: tuple[tuple[Column, _Get], ...] = (
    (Column("shape"), lambda one: shape(one.shape)),
    (Column("α", "PL_Alpha_Hill"), lambda one: number(one.alpha_hill)),
    (
        Column("its interval", "how far α moves with the length of its tail, and by noise"),
        lambda one: f"{number(one.alpha_hill_low)} – {number(one.alpha_hill_high)}",
    ),
    (
        Column("random α", "α of a random matrix of the same shape"),
        lambda one: number(one.alpha_null),
    ),
    (Column("excess", "alpha_excess: 1 is random"), lambda one: number(one.alpha_excess)),
    (
        Column("KS α ± 2 se", "exponent of the fitted power law, with two standard errors"),
        lambda one: (
            f"{number(one.alpha_ks)} ± {number(2 * one.sigma)}"
            if math.isfinite(one.alpha_ks)
            else "–"
        ),
    ),
    (Column("tail", "eigenvalues in the tail of the fit"), lambda one: number(one.tail_size)),
    (Column("spikes", "eigenvalues above the random edge"), lambda one: number(one.spikes)),
    (Column("stable rank"), lambda one: number(one.stable_rank, 1)),
    (Column("rank", "numerical rank"), lambda one: number(one.rank)),
    (Column("σ max", "the largest singular value"), lambda one: number(one.spectral_norm)),
)
_LAYER_END: tuple[tuple[Column, _Get], ...] = (
    (
        Column("rows z", "dispersion of row norms, in standard deviations of independent entries"),
        lambda one: number(one.row_dispersion, 1),
    ),
    (
        Column("columns z", "dispersion of column norms, likewise"),
        lambda one: number(one.column_dispersion, 1),
    ),
)


def _extra(result: SpectraResult) -> list[tuple[Column, _Get]]:
    def getter(name: str) -> _Get:
        return lambda one: number(one.extras.get(name))

    return [(Column(name), getter(name)) for name in result.extra_columns]


def change_table(result: ComparisonResult, rows: Sequence[str]) -> Table:
    """Return the table of what moved between two checkpoints, with an anchor for each row."""
    return Table(
        (
            Column("layer", text=True),
            Column("state", text=True, short=True),
            *(c for c, _ in _CHANGE),
        ),
        tuple(
            Row(
                (
                    breakable(change.name),
                    Markup(escape(change.state)),
                    *(Markup(escape(get(change))) for _, get in _CHANGE),
                ),
                anchor,
            )
            for change, anchor in zip(result.changes[:MOST_ROWS], rows, strict=False)
        ),
        max(0, len(result.changes) - MOST_ROWS),
    )


def _labels(change: LayerChange) -> str:
    before, after = change.label_before or "–", change.label_after or "–"
    return before if before == after else f"{before} → {after}"


_CHANGE: tuple[tuple[Column, Callable[[LayerChange], str]], ...] = (
    (
        Column("weights moved", "norm of the difference over the norm before"),
        lambda one: number(one.weight_change, 4),
    ),
    (Column("zeros before"), lambda one: number(one.sparsity_before, 3)),
    (Column("zeros after"), lambda one: number(one.sparsity_after, 3)),
    (Column("α before"), lambda one: number(one.alpha_hill_before, 3)),
    (Column("α after"), lambda one: number(one.alpha_hill_after, 3)),
    (
        Column("change / sd", "change of α in standard deviations of random matrices"),
        lambda one: number(one.alpha_hill_z, 1),
    ),
    (Column("KS α change"), lambda one: number(one.alpha_ks_change)),
    (
        Column("σ max ratio", "the largest singular value, after over before"),
        lambda one: number(one.spectral_norm_ratio, 3),
    ),
    (Column("stable rank ratio"), lambda one: number(one.stable_rank_ratio, 3)),
    (Column("spikes", "more or fewer"), lambda one: f"{one.spikes_change:+d}"),
    (Column("label", text=True, short=True), _labels),
)


def frame_table(frame: pd.DataFrame, rows: Sequence[str] = ()) -> Table:
    """Return any result's frame as a table, with an anchor for each row where they are given."""
    most = MOST_ROWS if rows else MOST_OTHER_ROWS
    columns = tuple(_column(str(name), frame[name].tolist()) for name in frame.columns)
    anchors = [*rows, *[""] * len(frame)]
    shown = frame.head(most).to_numpy(dtype=object).tolist()
    return Table(
        columns,
        tuple(
            Row(tuple(map(_foreign, row)), anchor)
            for row, anchor in zip(shown, anchors, strict=False)
        ),
        max(0, len(frame) - most),
        folded=not rows and len(frame) > _FOLDED,
    )


def _column(name: str, values: Sequence[Any]) -> Column:
    text = not all(isinstance(value, int | float) or value is None for value in values)
    return Column(name, text=text, short=text and all(len(str(v)) <= _SHORT for v in values))


def _foreign(value: Any) -> Markup:
    """Write one value of a foreign table: numbers to four digits, the rest as it is."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Markup("–")
    if isinstance(value, float):
        return Markup(escape(f"{value:.4g}"))
    if type(value) is int and abs(value) >= 10_000:
        return Markup(escape(number(value)))
    if isinstance(value, tuple | list):
        value = (
            shape(value) if all(isinstance(v, int) for v in value) else ", ".join(map(str, value))
        )
    return breakable(str(value))
