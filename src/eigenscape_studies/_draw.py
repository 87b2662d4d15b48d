"""What the studies' pictures share: panels, curves and marks with their intervals, legends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

from eigenscape.results import PALETTE, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: One ink for all text and axes, which the page replaces by its own.
_INK = "#1a1a1a"
_INKED = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
_STYLE: dict[Any, Any] = {
    **dict.fromkeys((*_INKED, "axes.titlecolor"), _INK),
    "font.size": 9,
    "axes.titlesize": 9.5,
    **dict.fromkeys(("axes.spines.top", "axes.spines.right"), False),
}


def panels(
    rows: int, columns: int, width: float, height: float, **options: Any
) -> tuple[Figure, Any]:
    """Return a figure and its axes, (rows, columns), in the study's style."""
    with mpl.rc_context(_STYLE):
        figure = new_figure(width, height)
        return figure, figure.subplots(rows, columns, squeeze=False, **options)


def curve(summary: pd.DataFrame, x: str, **where: Any) -> pd.DataFrame:
    """Return the rows of the summary that match, ordered along x."""
    rows = summary
    for name, value in where.items():
        rows = rows[rows[name] == value]
    return rows.sort_values(x)


def draw(
    axes: Axes,
    rows: pd.DataFrame,
    x: str,
    label: str,
    colour: str,
    marker: str = "o",
    **options: Any,
) -> None:
    """Draw means with their intervals."""
    if rows.empty:
        return
    ink = PALETTE[colour]
    drawn = rows[rows["mean"].notna()]
    axes.plot(
        drawn[x], drawn["mean"], marker=marker, ms=3.5, lw=1.4, color=ink, label=label, **options
    )
    axes.fill_between(drawn[x], drawn["low"], drawn["high"], color=ink, alpha=0.2, lw=0)


def dots(axes: Axes, table: pd.DataFrame, x: str, y: str) -> None:
    """Draw one dot for each row, and a line through the medians."""
    axes.plot(table[x], table[y], "o", ms=4, alpha=0.6, color=PALETTE["blue"])
    middle = table.groupby(x)[y].median()
    axes.plot(middle.index, middle.to_numpy(), lw=1.4, color=PALETTE["blue"])


def label(axes: Axes, title: str, x: str, y: str) -> None:
    """Set the labels of one panel."""
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def ticks(
    axes: Axes, places: Sequence[float], words: Sequence[str] | None = None, *, base: int = 10
) -> None:
    """Make the horizontal axis logarithmic, with ticks at these places alone."""
    axes.set_xscale("log", base=base)
    axes.set_xticks(places, [f"{place:g}" for place in places] if words is None else words)
    axes.minorticks_off()


def below(figure: Figure, axes: Axes, columns: int | None = None) -> None:
    """Draw one legend for all panels, below them: that of one of them."""
    handles, words = axes.get_legend_handles_labels()
    look: dict[str, Any] = {"frameon": False, "fontsize": 8, "labelcolor": _INK}
    count = columns or len(words)
    figure.legend(handles, words, loc="outside lower center", ncol=count, **look)


def legend(axes: Axes, **options: Any) -> None:
    """Draw a legend without a frame."""
    axes.legend(frameon=False, fontsize=7.5, labelcolor=_INK, **options)
