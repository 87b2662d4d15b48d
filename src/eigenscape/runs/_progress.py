"""How far a run is, and how long it will still take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """The state of a run, told when it starts and after every task.

    Args:
        done: tasks that are over: resumed, finished now, or failed.
        total: all tasks.
        resumed: those among ``done`` that an earlier run had finished.
        failed: those among ``done`` that failed.
        elapsed_seconds: time since this run started.
        remaining_seconds: an estimate from the tasks of this run alone, resumed ones being free;
            None until one of them is over.
        name: the task that is just over; empty when the run starts.
    """

    done: int
    total: int
    resumed: int
    failed: int
    elapsed_seconds: float
    remaining_seconds: float | None
    name: str


ProgressCallback = Callable[[Progress], None]


class Tracker:
    """Counts tasks and tells a callback.

    Args:
        total: all tasks.
        resumed: those that need not be computed.
        tell: whom to tell, or None.
        clock: seconds of a steady clock.
    """

    def __init__(
        self,
        total: int,
        resumed: int,
        tell: ProgressCallback | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = total
        self._resumed = resumed
        self._tell = tell
        self._clock = clock
        self._start = clock()
        self._fresh = 0
        self._failed = 0

    def start(self) -> None:
        """Tell what is done before the first task."""
        self._report("")

    def step(self, name: str, *, failed: bool) -> None:
        """Count one task of this run, and tell."""
        self._fresh += 1
        self._failed += failed
        self._report(name)

    def _report(self, name: str) -> None:
        if self._tell is None:
            return
        done = self._resumed + self._fresh
        elapsed = self._clock() - self._start
        # Time per task on the wall, so that workers side by side are counted as they are.
        remaining = elapsed / self._fresh * (self._total - done) if self._fresh else None
        self._tell(
            Progress(done, self._total, self._resumed, self._failed, elapsed, remaining, name)
        )
