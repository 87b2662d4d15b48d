"""What happens inside a worker: one task is run, and what came of it is written there and then."""

from __future__ import annotations

import os
import platform
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eigenscape.runs._store import Record, Slot, write_failure, write_record


@dataclass(frozen=True)
class Order:
    """What a worker is told besides the function and its arguments.

    Args:
        index: the task's place in the list.
        name: the task's name.
        slot: where the outcome is kept, or None to send the value back.
        driver: the process that gives the orders, when its workers are to use one thread each.
    """

    index: int
    name: str
    slot: Slot | None
    driver: tuple[str, int] | None


@dataclass(frozen=True)
class Receipt:
    """What a worker answers; the value travels only when no file holds it."""

    index: int
    seconds: float
    value: Any = None
    error: str | None = None
    traceback: str | None = None


def this_process() -> tuple[str, int]:
    """Name this process among those of a cluster."""
    return platform.node(), os.getpid()


def work(order: Order, function: Callable[..., Any], /, **arguments: Any) -> Receipt:
    """Run one task; an exception becomes part of the receipt, so that no other task is lost."""
    if order.driver is not None and order.driver != this_process():
        _use_one_thread()
    start = time.perf_counter()
    try:
        value = function(**arguments)
        seconds = time.perf_counter() - start
        if order.slot is None:
            return Receipt(order.index, seconds, value=value)
        write_record(order.slot, Record(value, seconds))
        return Receipt(order.index, seconds)
    except Exception as error:
        seconds = time.perf_counter() - start
        line, trace = one_line(error), "".join(traceback.format_exception(_from_here(error)))
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


def _from_here(error: Exception) -> Exception:
    """Drop this file's own frame: the reader looks for theirs."""
    inner = error.__traceback__.tb_next if error.__traceback__ else None
    return error.with_traceback(inner or error.__traceback__)


def _use_one_thread() -> None:
    # The engines set OMP_NUM_THREADS and its kin before a worker starts. That is too late for a
    # torch that a longer-lived worker has loaded already; it is asked directly, never imported.
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
