"""Which function draws which result: registered beside the drawing, found by name after a load."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from eigenscape.errors import InputError

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
