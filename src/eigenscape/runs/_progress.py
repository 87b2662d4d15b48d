"""Progress of a run, the time that is left, and a progress bar."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

_UNSURE = (4.0, 2.0)  # a factor to either side, after one task and after two
_SURE = 1.5  # a range whose ends differ by less is given as one time
_FIRST_LINE, _SECOND_LINE, _RAREST_LINE = 3.0, 10.0, 60.0  # seconds


@dataclass(frozen=True)
class Progress:
    """The state of a run, reported when it starts and after every task.

    Args:
        done: tasks that are over: resumed, finished now, or failed.
        total: all tasks.
        resumed: those among ``done`` that an earlier run had finished.
        failed: those among ``done`` that failed.
        elapsed_seconds: time since this run started.
        remaining_seconds: the shortest and the longest time that is expected, from the tasks of
            this run alone, resumed ones being free; None until one of them is over.
        name: the task that has just finished; empty when the run starts.
        damaged: tasks whose file is damaged, so that they are computed again.
    """

    done: int
    total: int
    resumed: int
    failed: int
    elapsed_seconds: float
    remaining_seconds: tuple[float, float] | None
    name: str
    damaged: int = 0


ProgressCallback = Callable[[Progress], None]


class Tracker:
    """Counts tasks and reports to a callback.

    The time that is left is the work that is left, in the tasks' own costs, at the speed of the
    tasks that are over. It is given as a range: after one task by a factor of four to either side,
    after two by a factor of two (how much tasks differ is not known yet), then by twice the
    standard error that the spread of the speeds makes.

    Args:
        costs: of each task that has to be computed, by name.
        resumed: how many need not be computed.
        tell: the callback, or None.
        damaged: how many have a file that cannot be used.
        workers: how many tasks run side by side; None where that is not known.
        clock: seconds of a steady clock.
    """

    def __init__(
        self,
        costs: Mapping[str, float],
        resumed: int,
        tell: ProgressCallback | None,
        *,
        damaged: int = 0,
        workers: int | None = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._costs = dict(costs)
        self._total = len(costs) + resumed
        self._resumed = resumed
        self._tell = tell
        self._damaged = damaged
        self._workers = workers
        self._clock = clock
        self._start = clock()
        self._speeds: list[tuple[float, float]] = []  # cost, seconds
        self._failed = 0

    def start(self) -> None:
        """Report the state before the first task."""
        self._report("")

    def step(self, name: str, *, failed: bool, seconds: float) -> None:
        """Count one task of this run, which took so long, and report."""
        self._speeds.append((self._costs.pop(name), seconds))
        self._failed += failed
        self._report(name)

    def _report(self, name: str) -> None:
        if self._tell is None:
            return
        elapsed = self._clock() - self._start
        done = self._resumed + len(self._speeds)
        counts = (done, self._total, self._resumed, self._failed)
        self._tell(Progress(*counts, elapsed, self._remaining(elapsed), name, self._damaged))

    def _remaining(self, elapsed: float) -> tuple[float, float] | None:
        if not self._speeds:
            return None
        if not self._costs:
            return 0.0, 0.0
        work, took = (sum(column) for column in zip(*self._speeds, strict=True))
        low, high = self._work_left()
        pace = elapsed / work if self._workers is None else took / work
        factor = self._factor(work, took / work)
        return pace * low / factor, pace * high * factor

    def _work_left(self) -> tuple[float, float]:
        """Return the cost of what is left, as if tasks under way were nearly done, or just begun.

        For tasks side by side it is that of one worker.
        """
        to_do, left = sum(self._costs.values()), len(self._costs)
        if self._workers is None:
            return to_do, to_do
        beside = min(self._workers, left)
        under_way = beside - (left >= self._workers)  # one has just been begun
        least = to_do * (1 - under_way / left)
        return least / beside, max(to_do / beside, *self._costs.values(), 0.0)

    def _factor(self, work: float, mean: float) -> float:
        over, left = len(self._speeds), len(self._costs)
        if over <= len(_UNSURE):
            return _UNSURE[over - 1]
        spread = sum(cost * (seconds / cost - mean) ** 2 for cost, seconds in self._speeds) / work
        return 1 + 2 * math.sqrt(spread * (1 / over + 1 / left)) / (mean or 1.0)


class _Lines:
    """Lines of progress where there is no terminal: the first after some seconds, then rarer.

    They come from a thread of their own, so that one long task is not silence.
    """

    def __init__(self, description: str) -> None:
        self._description = description
        self._seen: tuple[Progress, float] | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def take(self, progress: Progress) -> None:
        """Keep the latest state."""
        self._seen = progress, time.monotonic()

    def stop(self) -> None:
        """Write no more."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        pause = _FIRST_LINE
        while not self._over.wait(pause):
            if self._seen is not None:
                progress, since = self._seen
                text = state(later(progress, time.monotonic() - since))
                sys.stderr.write(f"{self._description}: {text}\n")
                sys.stderr.flush()
            pause = min(max(_SECOND_LINE, 1.5 * pause), _RAREST_LINE)


@contextmanager
def progress_bar(description: str, *, quiet: bool = False) -> Iterator[ProgressCallback]:
    """Yield a callback for :func:`execute` that draws a bar, and remove it at the end.

    The bar goes to standard error. Where that is not a terminal, or one that cannot move its
    cursor (``TERM=dumb``), lines are written instead: the first after three seconds, then every ten
    seconds up to every minute.

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
    if quiet:
        yield lambda _: None
        return
    if not console.is_terminal or console.is_dumb_terminal:
        lines = _Lines(description)
        try:
            yield lines.take
        finally:
            lines.stop()
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


def later(progress: Progress, seconds: float) -> Progress:
    """Return a state as it is some time after it was reported, with no task over since.

    An estimate that has run out is dropped: the task takes longer than those before it.

    >>> later(Progress(3, 8, 1, 1, 75.0, (100.0, 125.0), "seed 2"), 20.0).remaining_seconds
    (80.0, 105.0)
    """
    left = progress.remaining_seconds
    if left is not None:
        left = None if seconds > left[1] else (max(left[0] - seconds, 0.0), left[1] - seconds)
    spent = progress.elapsed_seconds + seconds
    return replace(progress, elapsed_seconds=spent, remaining_seconds=left)


def state(progress: Progress) -> str:
    """Return the text of the bar.

    >>> state(Progress(3, 8, 1, 1, 75.0, (112.0, 140.4), "seed 2"))
    '3/8, 1 failed, 0:01:15 elapsed, about 0:02:06 left'
    >>> state(Progress(3, 8, 1, 0, 75.0, (60.0, 240.0), "seed 2"))
    '3/8, 0:01:15 elapsed, 0:01:00 to 0:04:00 left'
    """
    words = [f"{progress.done}/{progress.total}"]
    if progress.failed:
        words.append(f"{progress.failed} failed")
    if progress.damaged:
        words.append(f"{progress.damaged} damaged files computed again")
    words.append(f"{_clock(progress.elapsed_seconds)} elapsed")
    if progress.remaining_seconds is not None:
        low, high = progress.remaining_seconds
        sure = high <= _SURE * low or high < 1
        about = f"about {_clock((low + high) / 2)}"
        span = f"{_clock(low)} to {_clock(high)}" if low >= 1 else f"up to {_clock(high)}"
        words.append(f"{about if sure else span} left")
    return ", ".join(words)


def time_span(low: float, high: float) -> str:
    """Return an estimate as text: one time where its ends differ little, else both.

    >>> time_span(70.0, 80.0), time_span(40.0, 100.0), time_span(300.0, 9000.0)
    ('about 75 s', '40 s to 100 s', '5 min to 2.5 h')
    """
    if high <= _SURE * low:
        return f"about {duration((low + high) / 2)}"
    return f"{duration(low)} to {duration(high)}"


def duration(seconds: float) -> str:
    """Return a duration as text.

    >>> duration(0.004), duration(75), duration(10000), duration(4e6)
    ('4 ms', '75 s', '2.8 h', '46.3 days')
    """
    for size, unit in ((86400.0, "days"), (3600.0, "h")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    if seconds >= 300:
        return f"{seconds / 60:.0f} min"
    if seconds >= 10:
        return f"{seconds:.0f} s"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1e3:.0f} ms"


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
