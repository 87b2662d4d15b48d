"""A progress bar on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from eigenscape.runs._progress import Progress, ProgressCallback


@contextmanager
def progress_bar(description: str, *, quiet: bool = False) -> Iterator[ProgressCallback]:
    """Yield a callback for :func:`execute` that draws a bar, and take the bar away at the end.

    The bar goes to standard error; nothing at all is drawn when that is not a terminal.

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
    """Say in words what a bar shows.

    >>> state(Progress(3, 8, 1, 1, 75.0, 125.4, "seed 2"))
    '3/8, 1 failed, 0:01:15 elapsed, 0:02:05 left'
    """
    words = [f"{progress.done}/{progress.total}"]
    if progress.failed:
        words.append(f"{progress.failed} failed")
    words.append(f"{_clock(progress.elapsed_seconds)} elapsed")
    if progress.remaining_seconds is not None:
        words.append(f"{_clock(progress.remaining_seconds)} left")
    return ", ".join(words)


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
