"""The Result protocol: what every examination, diagnosis and treatment returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from eigenscape.errors import InputError
from eigenscape.results._environment import Environment
from eigenscape.results._files import write_text
from eigenscape.results._json import dumps, jsonable, read_object

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_BY_SCHEMA: dict[str, type[Result]] = {}


@dataclass(frozen=True, kw_only=True)
class Result(ABC):
    """A table, a picture, a JSON file and a stamp.

    A subclass sets ``schema`` (``"eigenscape.NAME/VERSION"``) and says how its payload becomes a
    dictionary and comes back.

    Args:
        environment: what made this result.
    """

    schema: ClassVar[str]
    environment: Environment

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "schema" in cls.__dict__:
            _BY_SCHEMA[cls.schema] = cls

    @abstractmethod
    def payload(self) -> dict[str, Any]:
        """Return everything but schema and environment, in the order in which it is written."""

    @classmethod
    @abstractmethod
    def from_payload(cls, data: dict[str, Any], environment: Environment) -> Self:
        """Rebuild from :meth:`payload` after a round trip through JSON."""

    @abstractmethod
    def frame(self) -> pd.DataFrame:
        """Return the result as a table."""

    @abstractmethod
    def plot(self) -> Figure:
        """Return the result as a picture; nothing is shown and no global figure is left open."""

    def to_dict(self) -> dict[str, Any]:
        """Return the whole result in JSON's own types."""
        head = {"schema": self.schema, "environment": self.environment.to_dict()}
        tail = jsonable(self.payload())
        return {**head, **tail}

    def save(self, path: str | Path) -> Path:
        """Write the result as JSON, atomically.

        Raises:
            OutputError: the file could not be written.
        """
        return write_text(path, dumps(self.to_dict(), indent=1) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a result of this class back.

        Raises:
            InputError: not such a file, or one of another schema.
        """
        result = load(path)
        if not isinstance(result, cls):
            raise InputError(f"{path} holds {result.schema}; expected {cls.schema}")
        return result

    def _repr_html_(self) -> str:
        html: str = self.frame().to_html(float_format=lambda x: f"{x:.4g}")
        return html


def load(path: str | Path) -> Result:
    """Read any result file, by the schema that it states.

    Raises:
        InputError: not a result file, or a schema that this version (or this import) does not know.
    """
    data = read_object(path)
    schema = data.get("schema")
    kind = _BY_SCHEMA.get(schema) if isinstance(schema, str) else None
    if kind is None:
        known = ", ".join(sorted(_BY_SCHEMA)) or "none"
        raise InputError(
            f"{path} states the schema {schema!r}; this version reads: {known}. "
            "Mend: make the file again with this version"
        )
    try:
        environment = Environment.from_dict(data.get("environment") or {})
        return kind.from_payload(data, environment)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} states {schema} but lacks a field of it: {error}") from error
