"""What came of a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eigenscape.errors import TaskError


@dataclass(frozen=True)
class Outcome:
    """A task's value, or why there is none.

    Args:
        name: the task's name.
        value: what the function returned; None when it failed.
        error: the failure on one line, or None.
        traceback: the failure as Python prints it, or None.
        seconds: how long the function took, when it was computed.
        resumed: the value was read from an earlier run's file.
        file: where the value, or the failure, is kept; None for a run without a folder.
    """

    name: str
    value: Any = None
    error: str | None = None
    traceback: str | None = None
    seconds: float = 0.0
    resumed: bool = False
    file: Path | None = None

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
    1 finished and is held in memory only; mend: give a folder, so that finished tasks are kept
    """
    failed = [outcome for outcome in outcomes if not outcome.ok]
    if not failed:
        return
    lines = [f"  {outcome.name}: {outcome.error}" for outcome in failed]
    head = f"{len(failed)} of {len(outcomes)} tasks failed:"
    raise TaskError("\n".join([head, *lines, _rest(outcomes, len(outcomes) - len(failed))]))


def _rest(outcomes: Sequence[Outcome], finished: int) -> str:
    verb = "is" if finished == 1 else "are"
    folder = next((outcome.file.parent for outcome in outcomes if outcome.file), None)
    if folder is None:
        return (
            f"{finished} finished and {verb} held in memory only; "
            "mend: give a folder, so that finished tasks are kept"
        )
    return (
        f"{finished} finished and {verb} kept in {folder}; "
        "mend: remove the cause and run the same again, only the failed ones are computed"
    )
