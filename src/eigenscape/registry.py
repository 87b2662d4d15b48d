"""Named parts that others can add: in one process by a decorator, in all by entry points."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from eigenscape.errors import InputError

T = TypeVar("T")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """One registered part.

    Args:
        name: unique in its registry.
        order: the smallest comes first; equal ones come in the order of their names.
        value: the part itself.
    """

    name: str
    order: float
    value: T


class Registry(Generic[T]):
    """Parts by name, in a stated order that does not depend on what was imported first.

    Packages add to it through an entry-point group, so that worker processes find the same parts:
    each entry point names a module or a function, and loading it registers what is there.

    Args:
        group: the entry-point group.
        what: one part, as an error message calls it.

    >>> numbers = Registry[int]("eigenscape.doctest_numbers", "number")
    >>> numbers.add("two", 2.0, 2); numbers.add("one", 1.0, 1)
    >>> [entry.name for entry in numbers]
    ['one', 'two']
    """

    def __init__(self, group: str, what: str) -> None:
        self.group, self.what = group, what
        self._entries: dict[str, Entry[T]] = {}
        self._sorted: tuple[Entry[T], ...] | None = None
        self._loaded = False
        self._lock = threading.RLock()

    def add(self, name: str, order: float, value: T) -> None:
        """Register a part.

        Raises:
            InputError: the name is taken.
        """
        with self._lock:
            if name in self._entries:
                raise InputError(
                    f"the {self.what} {name!r} is registered already, by "
                    f"{_origin(self._entries[name].value)}. Try: another name for "
                    f"{_origin(value)}"
                )
            self._entries[name] = Entry(name, order, value)
            self._sorted = None

    def remove(self, name: str) -> None:
        """Remove a part.

        Raises:
            InputError: no such part.
        """
        with self._lock:
            if name not in self._entries:
                raise InputError(f"unknown {self.what} {name!r}; known: {', '.join(self.names())}")
            del self._entries[name]
            self._sorted = None

    def names(self) -> tuple[str, ...]:
        """Return every name, in order."""
        return tuple(entry.name for entry in self)

    def expect(self, names: tuple[str, ...]) -> None:
        """Make sure that this process has the same parts as another one.

        Raises:
            InputError: it lacks one, or has one too many.
        """
        differ = set(names) ^ set(self.names())
        if differ:
            raise InputError(
                f"the {self.what} {', '.join(sorted(differ))} is not registered in each process. "
                f"Try: the entry-point group {self.group!r} of an installed package, or the engine "
                "'threads'"
            )

    def __iter__(self) -> Iterator[Entry[T]]:
        with self._lock:
            self._load()
            if self._sorted is None:
                self._sorted = tuple(
                    sorted(self._entries.values(), key=lambda entry: (entry.order, entry.name))
                )
            return iter(self._sorted)

    def __contains__(self, name: str) -> bool:
        return name in self.names()

    def _load(self) -> None:
        """Load the entry points, once."""
        if self._loaded:
            return
        self._loaded = True
        for point in entry_points(group=self.group):
            try:
                point.load()
            except Exception as error:
                self._loaded = False
                raise InputError(
                    f"the entry point {point.name!r} = {point.value!r} of the group "
                    f"{self.group!r} failed: {error}. Try: repair or uninstall the package that "
                    "offers it"
                ) from error


def _origin(value: object) -> str:
    module, name = getattr(value, "__module__", ""), getattr(value, "__qualname__", "")
    return f"{module}.{name}" if name else repr(value)
