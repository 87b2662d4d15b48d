"""Which of several named arrays is the loss, and which are its coordinates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from eigenscape.errors import InputError

#: Names that mean a loss, the best first.
LOSS_NAMES = (
    "loss",
    "train_loss",
    "losses",
    "values",
    "loss_values",
    "landscape",
    "loss_landscape",
    "f",
)

_NAMED = 12
_ACCURACIES = ("acc", "acc1", "acc5", "accuracy", "top1", "top5")
#: Names that mean a coordinate, in the order of the axes.
COORDINATE_NAMES = (
    ("xcoordinates", "ycoordinates", "zcoordinates"),
    ("x", "y", "z", "w"),
    ("x0", "x1", "x2", "x3", "x4"),
    ("x1", "x2", "x3", "x4", "x5"),
    ("alpha", "beta", "gamma", "delta"),
    ("alpha0", "alpha1", "alpha2", "alpha3"),
    ("alpha_1", "alpha_2", "alpha_3", "alpha_4"),
    ("a", "b", "c", "d"),
    ("i", "j", "k", "l"),
    ("row", "col"),
    ("row", "column"),
)


def choose_value(shapes: Mapping[str, tuple[int, ...]], value: str | None, source: str) -> str:
    """Return the name of the array that holds the losses.

    Args:
        shapes: name to shape of everything that the file holds.
        value: the name that the user asked for, if any.
        source: the file, for an error.

    Raises:
        InputError: no such array, or an ambiguous choice; the message lists them.
    """
    listed = few([f"{name} {shape}" for name, shape in shapes.items()]) or "nothing"
    if value is not None:
        if value not in shapes:
            raise InputError(f"value is {value!r}; {source} holds the arrays {listed}")
        return value
    lower = {name.lower(): name for name in shapes}
    for name in LOSS_NAMES:
        if name in lower:
            return lower[name]
    several = [name for name, shape in shapes.items() if len(shape) >= 2]
    for candidates in (several, list(shapes)):
        if len(candidates) == 1 and not is_accuracy(candidates[0]):
            return candidates[0]
    raise InputError(
        f"{source} holds {listed}; which of them is the loss? An accuracy is none. Try: value=NAME"
    )


def few(names: Sequence[str]) -> str:
    """Return names in one line, of many the first.

    >>> few(["a", "b"])
    'a, b'
    """
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def is_accuracy(name: str) -> bool:
    """Tell an accuracy by its name: it is best at its maximum, so it is never taken for a loss.

    >>> [is_accuracy(name) for name in ("train_acc", "Test Accuracy", "valAcc")]
    [True, True, True]
    >>> [is_accuracy(name) for name in ("loss", "accumulated")]
    [False, False]
    """
    spread = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return any(word in _ACCURACIES for word in re.split(r"[^a-z0-9]+", spread))


def choose_axes(shapes: Mapping[str, tuple[int, ...]], dimensions: int) -> tuple[str, ...]:
    """Return the names of the coordinate arrays of a grid, or nothing if there are none.

    >>> choose_axes({"x": (3,), "y": (4,), "loss": (3, 4)}, 2)
    ('x', 'y')
    """
    lower = {name.lower(): name for name in shapes}
    for names in COORDINATE_NAMES:
        wanted = names[:dimensions]
        if len(wanted) == dimensions and all(name in lower for name in wanted):
            found = tuple(lower[name] for name in wanted)
            if all(len(shapes[name]) == 1 for name in found):
                return found
    return ()
