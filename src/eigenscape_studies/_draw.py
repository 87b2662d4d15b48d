"""What the studies' pictures share: curves with their intervals, labelled axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl

from eigenscape.results import PALETTE, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: One ink for all text and axes, which the page replaces by its own.
_INK = "#1a1a1a"
_STYLE: dict[Any, Any] = {
    "text.color": _INK, "axes.labelcolor": _INK, "axes.edgecolor": _INK, "xtick.color": _INK,
    "ytick.color": _INK, "axes.titlecolor": _INK, "font.size": 9, "axes.titlesize": 9.5,
    "axes.spines.top": False, "axes.spines.right": False,
}  # fmt: skip


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
    axes: Axes, rows: pd.DataFrame, x: str, label: str, colour: str, marker: str = "o",
    **options: Any,
) -> None:  # fmt: skip
    """Draw means with their intervals."""
    if rows.empty:
        return
    ink = PALETTE[colour]
    drawn = rows[rows["mean"].notna()]
    axes.plot(
        drawn[x], drawn["mean"], marker=marker, ms=3.5, lw=1.4, color=ink, label=label, **options
    )
    axes.fill_between(drawn[x], drawn["low"], drawn["high"], color=ink, alpha=0.2, lw=0)


def label(axes: Axes, title: str, x: str, y: str) -> None:
    """Set the words of one panel."""
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def below(figure: Figure, handles: list[Any], words: list[str]) -> None:
    """Draw one legend for all panels, below them."""
    figure.legend(
        handles, words, loc="outside lower center", ncol=len(words), frameon=False, fontsize=8,
        labelcolor=_INK,
    )  # fmt: skip


def legend(axes: Axes, **options: Any) -> None:
    """Draw a legend without a frame."""
    axes.legend(frameon=False, fontsize=7.5, labelcolor=_INK, **options)
