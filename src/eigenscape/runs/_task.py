"""A task, a call with a name; and its outcome."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eigenscape.errors import InputError, TaskError
from eigenscape.results import address, canonical, content_hash

_FORM = "eigenscape.task/1"  # part of every key: a new way of making keys needs a new one
_LONGEST_NAME = 80  # a file name holds 255 bytes on the usual systems


@dataclass(frozen=True)
class Task:
    """One call of a pure function, under a name that is unique within a run.

    The function is a pure one: it does not change its arguments, and what it returns depends on
    nothing else.

    Args:
        name: what reports, progress and files call it.
        function: a function at the top level of a module, so that any worker can import it.
        arguments: its keyword arguments.
        cost: how long it takes compared with the others of its run, for the estimate of the time
            that is left.

    >>> import statistics
    >>> task = Task("mean of three", statistics.fmean, {"data": [1.0, 2.0, 6.0]})
    >>> task.key
    'mean_of_three-54c0a8d98d7f78c5'
    """

    name: str
    function: Callable[..., Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    cost: float = 1.0

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


@dataclass(frozen=True)
class Outcome:
    """The result of one task: its value, or why there is none.

    Args:
        name: the task's name.
        value: what the function returned; None when it failed.
        error: the failure on one line, or None.
        traceback: the failure as Python prints it, or None.
        seconds: how long the function took, when it was computed.
        resumed: the value was read from an earlier run's file.
        damaged: there was such a file, but damaged, and the task was computed again.
        late: it was not finished within the run's time budget.
        file: where the value, or the failure, is kept; None for a run without a folder.
    """

    name: str
    value: Any = None
    error: str | None = None
    traceback: str | None = None
    seconds: float = 0.0
    resumed: bool = False
    file: Path | None = None
    damaged: bool = False
    late: bool = False

    @property
    def ok(self) -> bool:
        """The task finished."""
        return self.error is None


def raise_failures(outcomes: Sequence[Outcome]) -> None:
    """Do nothing when every task finished; otherwise raise one error that names all that failed.

    Raises:
        TaskError: one or more tasks failed.

    >>> raise_failures([Outcome("a", 1.0), Outcome("b", error="ValueError: no data")])
    Traceback (most recent call last):
    eigenscape.errors.TaskError: 1 of 2 tasks failed:
      b: ValueError: no data
    1 finished and is held in memory only. Try: give a folder, so that finished tasks are kept
    """
    failed = [outcome for outcome in outcomes if not outcome.ok]
    if not failed:
        return
    lines = [f"  {outcome.name}: {outcome.error}" for outcome in failed]
    head = f"{len(failed)} of {len(outcomes)} tasks failed:"
    finished = len(outcomes) - len(failed)
    rest = [_rest(outcomes, finished)] if finished else []
    raise TaskError("\n".join([head, *lines, *rest]))


def _rest(outcomes: Sequence[Outcome], finished: int) -> str:
    verb = "is" if finished == 1 else "are"
    folder = next((outcome.file.parent for outcome in outcomes if outcome.file), None)
    if folder is None:
        return (
            f"{finished} finished and {verb} held in memory only. "
            "Try: give a folder, so that finished tasks are kept"
        )
    return (
        f"{finished} finished and {verb} kept in {folder}. "
        "Try: remove the cause and run the same again, only the failed ones are computed"
    )
