"""A task: a name, a function of a module, and its arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from eigenscape.errors import InputError
from eigenscape.results import address, canonical, content_hash

_FORM = "eigenscape.task/1"  # part of every key: a new way of making keys needs a new one
_LONGEST_NAME = 80  # a file name holds 255 bytes on the usual systems


@dataclass(frozen=True)
class Task:
    """One call of a pure function, under a name that is its own within a run.

    The function is a pure one: it does not change its arguments, and what it returns depends on
    nothing else.

    Args:
        name: what reports, progress and files call it.
        function: a function at the top level of a module, so that any worker can import it.
        arguments: its keyword arguments.

    >>> import statistics
    >>> task = Task("mean of three", statistics.fmean, {"data": [1.0, 2.0, 6.0]})
    >>> task.key
    'mean_of_three-54c0a8d98d7f78c5'
    """

    name: str
    function: Callable[..., Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The name of the task's file, without an ending.

        A safe form of the name and 64 bits of a SHA-256 over the name, the function's module and
        name, and the arguments: when a setting changes, the key changes, and the task is computed
        anew. The function's code is not part of it: after a change of code take another folder.

        Raises:
            InputError: the function cannot be imported by its name, or an argument has no canonical
                form; all of these at once.
        """
        refused = []

        def form(what: str, write: Callable[[Any], bytes | str], value: Any) -> tuple[Any, ...]:
            try:
                return what, write(value)
            except InputError as error:
                refused.append(f"task {self.name!r}, {what}: {error}")
                return (what,)

        parts = [form("name", canonical, self.name), form("function", address, self.function)]
        for name, value in sorted(self.arguments.items()):
            parts.append(form(f"argument {name!r}", canonical, value))
        if refused:
            raise InputError("; ".join(refused))
        return f"{_safe(self.name)}-{content_hash(_FORM, parts)[:16]}"


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._=+-]+", "_", name).lstrip(".-")[:_LONGEST_NAME] or "task"
