"""One look for every picture: a colour-blind-safe palette and figures without global state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigenscape.results._printable import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LONGEST_LABEL = 48
#: Okabe and Ito's palette (2008), safe for the common colour-vision deficiencies.
PALETTE = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "vermilion": "#D55E00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "grey": "#7F7F7F",
    "black": "#1A1A1A",
}


def label_text(name: str) -> str:
    r"""Return a name from a file as the text of a label: no formula, no control character, short.

    >>> label_text("a$x$\n"), len(label_text("x" * 10_000))
    ('a\\$x\\$\\n', 48)
    """
    return printable(name, _LONGEST_LABEL).replace("$", r"\$")


def new_figure(width: float = 7.0, height: float = 4.0) -> Figure:
    """Return an empty figure, in inches, that pyplot does not keep.

    >>> new_figure(4, 3).get_size_inches().tolist()
    [4.0, 3.0]
    """
    from matplotlib.figure import Figure  # matplotlib costs 0.3 s: only where something is drawn

    return Figure(figsize=(width, height), layout="constrained")
