"""Progress of a run, the time that is left, and a progress bar."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Progress:
    """The state of a run, reported when it starts and after every task.

    Args:
        done: tasks that are over: resumed, finished now, or failed.
        total: all tasks.
        resumed: those among ``done`` that an earlier run had finished.
        failed: those among ``done`` that failed.
        elapsed_seconds: time since this run started.
        remaining_seconds: an estimate from the tasks of this run alone, resumed ones being free;
            None until one of them is over.
        name: the task that has just finished; empty when the run starts.
        damaged: tasks whose file is damaged, so that they are computed again.
    """

    done: int
    total: int
    resumed: int
    failed: int
    elapsed_seconds: float
    remaining_seconds: float | None
    name: str
    damaged: int = 0


ProgressCallback = Callable[[Progress], None]


class Tracker:
    """Counts tasks and reports to a callback.

    Args:
        total: all tasks.
        resumed: those that need not be computed.
        tell: the callback, or None.
        damaged: those whose file cannot be used.
        clock: seconds of a steady clock.
    """

    def __init__(
        self,
        total: int,
        resumed: int,
        tell: ProgressCallback | None,
        *,
        damaged: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = total
        self._resumed = resumed
        self._tell = tell
        self._damaged = damaged
        self._clock = clock
        self._start = clock()
        self._fresh = 0
        self._failed = 0

    def start(self) -> None:
        """Report the state before the first task."""
        self._report("")

    def step(self, name: str, *, failed: bool) -> None:
        """Count one task of this run, and report."""
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
        counts = (done, self._total, self._resumed, self._failed)
        self._tell(Progress(*counts, elapsed, remaining, name, self._damaged))


@contextmanager
def progress_bar(description: str, *, quiet: bool = False) -> Iterator[ProgressCallback]:
    """Yield a callback for :func:`execute` that draws a bar, and remove it at the end.

    The bar goes to standard error; nothing is drawn if that is not a terminal.

    Args:
        description: what the work is, in a word or two.
        quiet: draw nothing.

    >>> with progress_bar("training", quiet=True) as progress:
    ...     progress(Progress(1, 2, 0, 0, 3.0, 3.0, "seed 0"))
    """
    from rich.console import Console  # costs 0.1 s: only where a bar is asked for
    from rich.markup import escape
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"))
    with Bar(*columns, console=console, transient=True) as bar:
        drawn = bar.add_task(escape(description), total=None, state="")

        def draw(progress: Progress) -> None:
            bar.update(
                drawn,
                completed=progress.done,
                total=progress.total,
                state=state(progress),
                refresh=True,
            )

        yield draw


def state(progress: Progress) -> str:
    """Return the text of the bar.

    >>> state(Progress(3, 8, 1, 1, 75.0, 125.4, "seed 2"))
    '3/8, 1 failed, 0:01:15 elapsed, 0:02:05 left'
    """
    words = [f"{progress.done}/{progress.total}"]
    if progress.failed:
        words.append(f"{progress.failed} failed")
    if progress.damaged:
        words.append(f"{progress.damaged} damaged files computed again")
    words.append(f"{_clock(progress.elapsed_seconds)} elapsed")
    if progress.remaining_seconds is not None:
        words.append(f"{_clock(progress.remaining_seconds)} left")
    return ", ".join(words)


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
