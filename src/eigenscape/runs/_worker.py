"""Inside a worker: run one task and write its result."""

from __future__ import annotations

import os
import platform
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from eigenscape.runs._parcel import Call, Parcel, packed
from eigenscape.runs._store import Record, Slot, write_failure, write_record

_SECONDS_BETWEEN_LOOKS = 0.5


@dataclass(frozen=True)
class Order:
    """What a worker needs besides the function and its arguments.

    Args:
        index: the task's place in the list.
        name: the task's name.
        slot: where the outcome is kept, or None to send the value back.
        driver: the process that sends the tasks; its workers use one thread each.
        dtype: torch's default dtype in the driver, or None where torch is not loaded.
    """

    index: int
    name: str
    slot: Slot | None
    driver: tuple[str, int]
    dtype: str | None = None


@dataclass(frozen=True)
class Receipt:
    """The answer of a worker; the value is sent only when no file holds it."""

    index: int
    seconds: float
    value: Any = None
    packed: bytes | None = None
    error: str | None = None
    traceback: str | None = None


def this_process() -> tuple[str, int]:
    """Return the name of this process within a cluster."""
    return platform.node(), os.getpid()


def enter_worker(parent: int | None) -> None:
    """Set up a process that was started as a worker.

    What is written to standard output, also below Python, goes to standard error: standard output
    belongs to the driver. Ctrl-C is left to the driver. When the driver ends, so does this process,
    also during a task.

    Args:
        parent: the driver, where it is the parent process; None where the engine ends it.
    """
    sys.stdout.flush()
    os.dup2(2, 1)
    with suppress(AttributeError):  # a stream of somebody's own
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    with suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if parent is not None:
        threading.Thread(target=_outlive_nobody, args=(parent,), daemon=True).start()


def _outlive_nobody(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os._exit(1)


def work(order: Order, call: Call | Parcel) -> Receipt:
    """Run one task; what it raises becomes part of the receipt, as text, so that it always arrives.

    Args:
        order: which one.
        call: function and arguments, or a parcel of them that came to another process.
    """
    start = time.perf_counter()
    try:
        with _as_ordered(order):
            call = call.opened() if isinstance(call, Parcel) else call
            start = time.perf_counter()
            value = call.run()
            seconds = time.perf_counter() - start
            if order.slot is not None:
                write_record(order.slot, Record(value, seconds))
                return Receipt(order.index, seconds)
            if call.here:
                return Receipt(order.index, seconds, value)
            return Receipt(order.index, seconds, packed=packed(value))
    except (Exception, SystemExit) as error:
        seconds = time.perf_counter() - start
        line, trace = one_line(error), "".join(traceback.format_exception(_from_task(error)))
        if order.slot is not None:
            write_failure(order.slot, order.name, line, trace)
        return Receipt(order.index, seconds, error=line, traceback=trace)


def one_line(error: BaseException) -> str:
    r"""Return ``"ValueError: what it said"`` on one line.

    >>> one_line(ValueError("first\n second"))
    'ValueError: first second'
    """
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _from_task(error: BaseException) -> BaseException:
    """Drop the frames of this package's runs: the reader looks for theirs."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals["__name__"] in (__name__, Call.__module__):
        trace = trace.tb_next
    return error.with_traceback(trace or error.__traceback__)


@contextmanager
def _as_ordered(order: Order) -> Iterator[None]:
    """Work as the driver would, but on one thread; leave the process as it was found."""
    undo: list[Callable[[], object]] = []
    abroad = order.driver != this_process()
    if abroad or threading.current_thread() is threading.main_thread():
        undo.append(back_here())
    if abroad:
        undo += _settings_of_driver(order.dtype)
    try:
        yield
    finally:
        for action in undo:
            action()


def back_here() -> Callable[[], None]:
    """Return a function that goes back to the present working directory, if that is still there."""
    try:
        place = os.getcwd()
    except OSError:
        return lambda: None

    def go() -> None:
        with suppress(OSError):
            os.chdir(place)

    return go


def _settings_of_driver(dtype: str | None) -> list[Callable[[], object]]:
    # The engines set OMP_NUM_THREADS and its kin before a worker starts. That is too late for a
    # torch that a longer-lived worker has loaded already; it is asked directly, and imported only
    # where the driver's own setting is not torch's.
    if "torch" not in sys.modules and dtype in (None, "float32"):
        return []
    import torch

    threads, before = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_num_threads(1)
    torch.set_default_dtype(getattr(torch, dtype or "float32"))
    return [lambda: torch.set_num_threads(threads), lambda: torch.set_default_dtype(before)]
