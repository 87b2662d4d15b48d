"""The Result class: what every function that measures something returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from eigenscape.errors import InputError
from eigenscape.results._codec import decode, encode
from eigenscape.results._environment import Environment
from eigenscape.results._files import write_text
from eigenscape.results._finding import Finding
from eigenscape.results._json import jsonable, read_object, text_of
from eigenscape.results._pictures import drawing_of
from eigenscape.results._schemas import class_of, register

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def equal(one: Any, other: Any) -> bool:
    """Whether two values have the same types and contents; 2 is 2.0.

    >>> import math
    >>> equal((math.nan, np.array([1.0, math.nan])), (math.nan, np.array([1.0, math.nan])))
    True
    >>> equal({"a": 1.0, "b": True}, {"a": 1, "b": 1})
    False
    """
    if one is other:
        return True
    one, other = (x.item() if isinstance(x, np.generic) else x for x in (one, other))
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        nan = one.dtype.kind in "fc" and other.dtype.kind in "fc"
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=nan)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if {type(one), type(other)} <= {int, float}:
        return bool(one == other or (one != one and other != other))  # NaN is like NaN
    if type(one) is not type(other):
        return False
    if isinstance(one, complex):
        return equal((one.real, one.imag), (other.real, other.imag))
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(equal, one, other))
    if is_dataclass(one):
        return all(
            equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(one) if f.compare
        )
    return bool(one == other)


#: What is written for readers of any result that has an answer.
_SAID = ("answer", "findings")
_LONG, _ALL = 40, 110


def _is_empty(value: Any) -> bool:
    """Tell what a short text about a result leaves out."""
    if isinstance(value, float):
        return value != value
    return value is None or (isinstance(value, str | tuple | list | Mapping) and not value)


@dataclass(frozen=True, kw_only=True)
class Result(ABC):
    """A result with a table, a picture, a JSON file and its environment.

    A subclass is a frozen dataclass with a ``schema`` of its own, ``"NAME/VERSION"``, and
    :meth:`frame`. Its fields are written and read by their type hints: bool, int, float, complex,
    str, Path, None, Literal, tuples, lists, sets, mappings with keys of str or int, unions, numpy
    arrays (``NDArray[np.float64]``) and dataclasses of these; ``Any`` holds JSON's own values.
    ``field(metadata={"saved": False})`` leaves one out. The properties that ``also_written`` names
    are written for readers of the file, and computed again after reading; so are :attr:`answer` and
    :attr:`findings` where there is an answer. What draws it is registered by :func:`picture_of`.

    Two results are equal when all fields are: NaN is equal to NaN, arrays are by their entries.

    Args:
        environment: what made this result.
    """

    schema: ClassVar[str]
    also_written: ClassVar[tuple[str, ...]] = ()
    environment: Environment

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "schema" in cls.__dict__:
            register(cls)
        for name in ("__eq__", "__repr__"):  # set before @dataclass, which then leaves them alone
            if name not in cls.__dict__:
                setattr(cls, name, getattr(Result, name))

    @property
    def answer(self) -> str:
        """What the result says in all: one sentence with its figures; empty where it says none."""
        return ""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is to be known, the most important first: screens show the first three."""
        return ()

    @abstractmethod
    def frame(self) -> pd.DataFrame:
        """Return the result as a table."""

    def plot(self, **options: Any) -> Figure:
        """Return the result as a picture; nothing is shown and no global figure is left open.

        Args:
            **options: of the drawing.

        Raises:
            InputError: it has no picture, or this one lacks what would be drawn.
        """
        return drawing_of(type(self))(self, **options)

    def to_dict(self) -> dict[str, Any]:
        """Return the whole result in JSON's own types, as :meth:`save` writes it."""
        found: dict[str, Any] = encode(self)
        return found

    def save(self, path: str | Path) -> Path:
        """Write the result as JSON, atomically.

        Raises:
            OutputError: the file could not be written.
        """
        return write_text(path, text_of(self.to_dict()) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a result of this class back.

        Raises:
            InputError: not such a file, one of another schema, or a damaged one.
        """
        result = load(path)
        if not isinstance(result, cls):
            raise InputError(
                f"{path} holds {result.schema}; expected {cls.schema}. Try: give another file"
            )
        return result

    def _adorned(self, plain: dict[str, Any]) -> dict[str, Any]:
        """Add the schema and what is written for readers only."""
        said = _SAID if self.answer else ()
        also = {name: jsonable(getattr(self, name)) for name in (*said, *self.also_written)}
        head = {"schema": self.schema, "environment": plain["environment"]}
        return {**head, **also, **plain}

    @classmethod
    def _stripped(cls, data: dict[str, Any]) -> tuple[type[Result], dict[str, Any]]:
        """Return the class that a file's content is of, and the fields in it."""
        kind = class_of(data.get("schema"), f"a {cls.__name__}")
        if not issubclass(kind, cls):
            raise InputError(f"expected {getattr(cls, 'schema', 'a result')}, found {kind.schema}")
        return kind, {
            k: v for k, v in data.items() if k not in ("schema", *_SAID, *kind.also_written)
        }

    def __eq__(self, other: object) -> bool:
        return equal(self, other) if isinstance(other, Result) else NotImplemented

    def __repr__(self) -> str:
        parts: list[str] = []
        for item in fields(self)[1:]:
            value = getattr(self, item.name)
            text = repr(value) if item.repr and not _is_empty(value) else ""
            if isinstance(value, float) and text:
                text = f"{value:.4g}"
            if isinstance(value, tuple) and value and is_dataclass(value[0]):
                text = f"[{len(value)}]"
            if isinstance(value, str) and len(text) > _LONG:
                text = f"{text[: _LONG - 4]}...'"
            if (
                text
                and "\n" not in text
                and len(text) <= _LONG
                and sum(map(len, parts)) + len(text) <= _ALL
            ):
                parts.append(f"{item.name}={text}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def _repr_html_(self) -> str:
        html: str = self.frame().to_html(float_format=lambda x: f"{x:.4g}")
        return html


def load(path: str | Path) -> Result:
    """Read any result file, by the schema that it states.

    Raises:
        InputError: not a result file, one of an unknown schema or another version, or a damaged
            one; each field that is wrong is named.
    """
    data = read_object(path)
    kind = class_of(data.get("schema"), str(path))
    return decode(data, kind, where=str(path))
