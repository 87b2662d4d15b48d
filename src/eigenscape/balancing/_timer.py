"""When to measure again: a fixed interval, or one that keeps the cost below a share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter


class Timer:
    """Decides when an update is due, and adds up what updates cost.

    Args:
        every: calls from one update to the next.
        start: calls before the first.
        max_overhead: the largest share of the other time that updates may take; None for no limit.

    >>> timer = Timer(every=2, start=0, max_overhead=None)
    >>> [timer.due(step) for step in range(3)]
    [True, True, True]
    >>> with timer.measuring(0):
    ...     pass
    >>> [timer.due(step) for step in range(5)]
    [False, False, True, True, True]
    """

    def __init__(self, every: int, start: int, max_overhead: float | None) -> None:
        self.every, self.start, self.max_overhead = every, start, max_overhead
        self.last: int | None = None
        self.spent = 0.0
        self._worst = 0.0
        self._began: float | None = None

    @property
    def overhead(self) -> float:
        """Seconds spent on updates for each second of the rest since the first; 0 before it."""
        rest = self._rest()
        return self.spent / rest if rest > 0 else 0.0

    def due(self, step: int) -> bool:
        """Tell whether it is time to measure, at this many calls."""
        if self.last is None:
            return step >= self.start
        if step - self.last < self.every:
            return False
        if self.max_overhead is None:
            return True
        return self.spent + self._worst <= self.max_overhead * self._rest()

    @contextmanager
    def measuring(self, step: int) -> Iterator[None]:
        """Time one update."""
        start = perf_counter()
        self._began = start if self._began is None else self._began
        try:
            yield
        finally:
            cost = perf_counter() - start
            self.spent += cost
            self._worst = max(self._worst, cost)
            self.last = step

    def _rest(self) -> float:
        return 0.0 if self._began is None else perf_counter() - self._began - self.spent
