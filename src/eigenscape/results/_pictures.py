"""Which function draws which result: registered beside the drawing, found by name after a load."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from eigenscape.errors import InputError
from eigenscape.results._printable import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from eigenscape.results._result import Result

F = TypeVar("F", bound=Callable[..., Any])
_PICTURES: dict[type[Result], Callable[..., Figure]] = {}


def picture_of(kind: type[Result]) -> Callable[[F], F]:
    """Register the function that draws a result: ``result.plot(**options)`` calls it.

    It belongs in a module ``_pictures`` beside the one that defines the result, or in a package
    above: that module is imported when something is drawn, so that no result imports its picture.

    Args:
        kind: the class of the results.

    Raises:
        TypeError: another function draws them already.
    """

    def register(draw: F) -> F:
        before = _PICTURES.setdefault(kind, draw)
        if _name(before) != _name(draw):
            raise TypeError(f"{_name(before)} and {_name(draw)} both draw a {kind.__name__}")
        _PICTURES[kind] = draw
        return draw

    return register


def drawing_of(kind: type[Result]) -> Callable[..., Figure]:
    """Return the function that draws results of a class.

    Raises:
        InputError: there is none.
    """
    for one in kind.__mro__:
        if one not in _PICTURES:
            _import_pictures(one)
        if one in _PICTURES:
            return _PICTURES[one]
    raise InputError(
        f"no picture of a {kind.__name__} is registered. Try: decorate a function that draws it "
        f"with eigenscape.results.picture_of({kind.__name__})"
    )


def _import_pictures(kind: type) -> None:
    package = kind.__module__.rpartition(".")[0]
    while package and kind not in _PICTURES:
        if find_spec(f"{package}._pictures") is not None:
            importlib.import_module(f"{package}._pictures")
        package = package.rpartition(".")[0]


def _name(draw: Callable[..., Any]) -> str:
    return f"{draw.__module__}.{draw.__qualname__}"


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
