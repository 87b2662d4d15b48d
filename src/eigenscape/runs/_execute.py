"""Run a list of tasks, and resume an interrupted run."""

from __future__ import annotations

import pickle
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import ExitStack, closing, contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

from eigenscape.errors import EigenscapeError, InputError, OutputError, TaskError
from eigenscape.runs._executors import ENGINES, Engine, Opened, opened, usable_cores
from eigenscape.runs._parcel import Desk
from eigenscape.runs._progress import ProgressCallback, Tracker
from eigenscape.runs._store import Record, Slot, open_folder, read_record, write_failure
from eigenscape.runs._task import Outcome, Task
from eigenscape.runs._threads import single_thread
from eigenscape.runs._worker import Order, Receipt, back_here, one_line, this_process, work

#: How Dask and Ray call it when a worker is lost; loky's is a BrokenExecutor.
_LOST = {"KilledWorker", "WorkerCrashedError", "NodeDiedError", "OutOfMemoryError"}
#: Workers may be lost so often to no task's fault, such as a machine that is short of memory.
_UNEXPLAINED = 3


def execute(
    tasks: Sequence[Task],
    *,
    folder: Path | str | None = None,
    engine: Engine = "local",
    jobs: int | None = None,
    address: str | None = None,
    about: Mapping[str, Any] | None = None,
    time_budget: float | None = None,
    progress: ProgressCallback | None = None,
) -> list[Outcome]:
    """Run tasks side by side and return the result of each, in the order of the tasks.

    A task that raises an exception is recorded and the others continue; see :func:`raise_failures`.
    A task whose worker dies is tried once more, on its own, and named if it happens again.

    With a folder, each worker writes each finished task to one file, ``<key>.npz``, atomically. A
    run that was stopped, by whatever means, and is started again reads these and computes the
    rest; a file that is damaged is computed anew. A failed task leaves ``<key>.error.json`` and is
    tried again. Values are then dict, list, tuple, str, int, float, bool, None and numpy arrays of
    numbers, nested as you like: the files hold no pickle and nothing in them is ever executed.
    Without a folder nothing is kept, and arguments and values may be what cloudpickle can carry.

    What tasks print goes to standard error. Large numpy arrays among the arguments reach other
    processes as memory-mapped files; for objects that are costly to make see :class:`PerWorker`.

    Args:
        tasks: what to do; their names differ.
        folder: where finished tasks are kept, on storage that all workers share; None for memory.
        engine: ``"threads"`` in this process, ``"local"`` processes, ``"ray"`` or ``"dask"``. As
            ever with processes, a script that uses ``"dask"`` keeps its calls below
            ``if __name__ == "__main__":``.
        jobs: how many tasks at once; None for one on each usable core. Two and more use one thread
            each. One job of ``"threads"`` or ``"local"`` runs in this process. A Dask cluster that
            is there already decides by itself.
        address: of the Dask or Ray cluster to join; see :func:`open_executor`.
        about: what all results depend on besides the tasks' own arguments, in JSON's types; a
            folder that holds a run about something else is refused.
        time_budget: seconds, after which no task is begun and processes of this machine are ended;
            what is not finished has failed. In this process, on threads and on clusters tasks that
            are under way are waited for.
        progress: called when the run starts and after every task; see :func:`progress_bar`.

    Raises:
        InputError: names that occur twice, or tasks that can have no key; all of these at once.
        MissingExtraError: the engine's package is not installed.
        OutputError: the folder cannot be written, or is not shared with the workers.
        TaskError: the engine failed.

    >>> import statistics
    >>> data = {"a": [1.0, 2.0, 6.0], "b": []}
    >>> tasks = [Task(name, statistics.fmean, {"data": data[name]}) for name in data]
    >>> for outcome in execute(tasks, engine="threads", jobs=1):
    ...     print(outcome.name, outcome.value, outcome.error)
    a 3.0 None
    b None StatisticsError: fmean requires at least one data point
    """
    keys = _checked_keys(tasks, engine, jobs, keyed=folder is not None)
    place = None if folder is None else Path(folder).absolute()  # a worker may stand in another
    slots = {}
    if place is not None:
        # First of all: a folder that cannot be written costs no computed task.
        open_folder(place, {task.name: key for task, key in zip(tasks, keys, strict=True)}, about)
        slots = {i: Slot(place, key) for i, key in enumerate(keys)}
    found = {i: read_record(slot) for i, slot in slots.items()}
    outcomes = {
        i: _resumed(tasks[i], slots[i], record) for i, record in found.items() if record is not None
    }
    pending = [i for i in range(len(tasks)) if i not in outcomes]
    damaged = {i for i in pending if i in slots and slots[i].finished.exists()}
    costs = {tasks[i].name: tasks[i].cost for i in pending}
    workers = (jobs or usable_cores()) if engine in ("threads", "local") else None
    tracker = Tracker(costs, len(outcomes), progress, damaged=len(damaged), workers=workers)
    tracker.start()
    receipts = []
    deadline = None if time_budget is None else time.monotonic() + time_budget
    how = (engine, jobs, address, deadline)
    with closing(_receipts(tasks, pending, slots, place, how)) as running:
        for receipt in running:
            receipts.append(receipt)
            name, failed = tasks[receipt.index].name, receipt.error is not None
            tracker.step(name, failed=failed, seconds=receipt.seconds)
    outcomes |= _collect(tasks, receipts, slots, damaged)
    late = f"not finished within {time_budget:.3g} s" if time_budget is not None else ""
    missing = [i for i in pending if i not in outcomes]
    outcomes |= {i: Outcome(tasks[i].name, None, late, late, late=True) for i in missing}
    return [outcomes[i] for i in range(len(tasks))]


def _checked_keys(
    tasks: Sequence[Task], engine: str, jobs: int | None, *, keyed: bool
) -> list[str]:
    """Return the tasks' keys, or none for a run in memory; say at once all that is wrong."""
    keys, found = [], []
    if engine not in ENGINES:
        found.append(f"there is no engine {engine!r}; expected one of {', '.join(ENGINES)}")
    if jobs is not None and (not isinstance(jobs, int) or jobs < 1):
        found.append(f"jobs is {jobs!r}; expected a number of 1 or more, or None for every core")
    counts = Counter(task.name for task in tasks)
    if twice := [f"{name!r} ({count} times)" for name, count in counts.items() if count > 1]:
        found.append(f"each task of a run needs its own name; seen again: {', '.join(twice)}")
    for task in tasks if keyed else ():
        try:
            keys.append(task.key)
        except InputError as error:
            found.append(str(error))
    if found:
        raise InputError("; ".join(found))
    return keys


# --- running --------------------------------------------------------------------------------------


def _receipts(
    tasks: Sequence[Task],
    pending: Sequence[int],
    slots: dict[int, Slot],
    folder: Path | None,
    how: How,
) -> Generator[Receipt]:
    """Yield each task's receipt as it comes."""
    if not pending:  # nothing to do starts no engine
        return
    driver, dtype = this_process(), _default_dtype()
    with Desk(folder) as desk:

        def send(opened: Opened, index: int) -> Future[Receipt]:
            task = tasks[index]
            order = Order(index, task.name, slots.get(index), driver, dtype)
            call = desk.call(task.function, task.arguments, opened.place)
            return opened.executor.submit(work, order, call)

        try:
            with closing(_Line(send, how, len(pending)).run(pending)) as answers:
                for index, answer in answers:
                    yield _opened_receipt(index, answer, tasks[index], slots.get(index))
        except _OutOfTimeError:
            return
        except EigenscapeError:
            raise
        except Exception as error:
            raise TaskError(
                f"the engine '{how[0]}' failed: {one_line(error)}\n"
                "Tasks that finished are kept if the run has a folder. Try: run the same again to "
                "continue, with fewer jobs if memory ran out"
            ) from error


Send = Callable[[Opened, int], "Future[Receipt]"]
How = tuple[Engine, int | None, str | None, float | None]


class _OutOfTimeError(Exception):
    """The time budget is spent; raised through the executor's context, it ends its processes."""


class _Line:
    """Keeps a window of tasks out, and finds the task that costs its worker its life.

    A lost worker takes along what was out with it (loky loses all that was out, Dask and Ray what
    ran on that worker). Each of these is tried again on its own: the task that loses its worker
    then too is given up, and the others go on.
    """

    def __init__(self, send: Send, how: How, count: int) -> None:
        self._send, self._how, self._count = send, how, count
        self._stack = ExitStack()
        self._executor: Opened | None = None
        self._unexplained = 0

    def run(self, pending: Sequence[int]) -> Generator[tuple[int, Receipt | BaseException]]:
        """Yield, for each index, its receipt, or the error that says how its worker was lost."""
        waiting = deque(pending)
        with self._stack:
            while waiting:
                suspects = yield from self._side_by_side(waiting)
                guilty = 0
                for index in suspects:
                    answer = self._alone(index)
                    guilty += isinstance(answer, BaseException)
                    yield index, answer
                if waiting and not guilty:
                    self._count_unexplained()

    def _side_by_side(self, waiting: deque[int]) -> Generator[tuple[int, Receipt], None, list[int]]:
        """Yield receipts until all is done, or a worker is lost; return what it took along."""
        out: dict[Future[Receipt], int] = {}
        suspects: list[int] = []
        try:
            while (waiting and not suspects) or out:
                if not suspects and not self._sent(waiting, out):
                    break
                for future in wait(out, self._left(), FIRST_COMPLETED).done:
                    index, error = out.pop(future), future.exception()
                    if error is None:
                        yield index, future.result()
                    elif _is_loss(error):
                        suspects.append(index)
                    else:
                        raise error
        finally:
            for future in out:  # when the run is broken off
                future.cancel()
        if suspects:
            self._renew()
        return sorted(suspects)

    def _left(self) -> float | None:
        """Return the seconds until the deadline.

        Raises:
            _OutOfTimeError: it is over.
        """
        deadline = self._how[3]
        if deadline is None:
            return None
        if (left := deadline - time.monotonic()) <= 0:
            raise _OutOfTimeError
        return left

    def _sent(self, waiting: deque[int], out: dict[Future[Receipt], int]) -> bool:
        """Send off what the window allows; tell whether tasks are running."""
        try:
            while waiting and len(out) < self._ready().window:
                self._left()
                future = self._send(self._ready(), waiting[0])
                out[future] = waiting.popleft()
        except BrokenExecutor:  # those that are out will tell, if any are
            if not out:
                self._renew()
        return bool(out)

    def _alone(self, index: int) -> Receipt | BaseException:
        try:
            return self._send(self._ready(), index).result()
        except Exception as error:
            if not _is_loss(error):
                raise
            self._renew()
            return error

    def _count_unexplained(self) -> None:
        self._unexplained += 1
        if self._unexplained > _UNEXPLAINED:
            raise TaskError(
                "workers are lost repeatedly, though each task runs on its own; is there "
                "memory for so many at once? Tasks that finished are kept if the run has a folder. "
                "Try: fewer jobs"
            )

    def _ready(self) -> Opened:
        if self._executor is None:
            engine, jobs, address, _ = self._how
            self._executor = self._stack.enter_context(opened(engine, jobs, address, self._count))
            if self._executor.place != "processes":
                self._stack.enter_context(_in_this_process(self._executor.place))
        return self._executor

    def _renew(self) -> None:
        """Close what a lost worker has broken; clusters replace their workers themselves."""
        if self._how[0] == "local":
            self._stack.close()
            self._executor = None


def _is_loss(error: BaseException) -> bool:
    return isinstance(error, BrokenExecutor) or type(error).__name__ in _LOST


@contextmanager
def _in_this_process(place: str) -> Iterator[None]:
    """Keep standard output for the caller, and go back to the caller's folder at the end."""
    go_back = back_here()
    side_by_side = place == "threads" and "torch" in sys.modules
    try:
        with redirect_stdout(sys.stderr), single_thread() if side_by_side else nullcontext():
            yield
    finally:
        go_back()


def _default_dtype() -> str | None:
    torch = sys.modules.get("torch")
    return None if torch is None else str(torch.get_default_dtype()).removeprefix("torch.")


# --- results --------------------------------------------------------------------------------------


def _opened_receipt(
    index: int, answer: Receipt | BaseException, task: Task, slot: Slot | None
) -> Receipt:
    """Return a receipt whose value is unpacked; a lost worker becomes the failure of its task."""
    if isinstance(answer, BaseException):
        lost = (
            "WorkerLostError: the task ended its worker twice, the second time on its own "
            f"({one_line(answer)}). Try: is there memory for it?"
        )
        answer = Receipt(index, 0.0, error=lost, traceback=lost)
        if slot is not None:
            write_failure(slot, task.name, lost, lost)
    elif answer.packed is not None:
        try:
            return Receipt(index, answer.seconds, pickle.loads(answer.packed))
        except Exception as error:
            line = f"the value of the task cannot be read here: {one_line(error)}"
            return Receipt(index, answer.seconds, error=line, traceback=line)
    return answer


def _resumed(task: Task, slot: Slot, record: Record) -> Outcome:
    slot.failed.unlink(missing_ok=True)  # left by a run that was killed just before it did this
    return Outcome(
        task.name, record.value, seconds=record.seconds, resumed=True, file=slot.finished
    )


def _collect(
    tasks: Sequence[Task], receipts: Sequence[Receipt], slots: dict[int, Slot], damaged: set[int]
) -> dict[int, Outcome]:
    outcomes = {}
    lost = []
    for receipt in receipts:
        i, name, slot = receipt.index, tasks[receipt.index].name, slots.get(receipt.index)
        about: dict[str, Any] = {"seconds": receipt.seconds, "damaged": i in damaged}
        if receipt.error is not None:
            file = slot.failed if slot else None
            outcomes[i] = Outcome(name, None, receipt.error, receipt.traceback, file=file, **about)
        elif slot is None:
            outcomes[i] = Outcome(name, receipt.value, **about)
        elif record := read_record(slot):
            about["seconds"] = record.seconds
            outcomes[i] = Outcome(name, record.value, file=slot.finished, **about)
        else:
            lost.append(name)
    if lost:
        raise OutputError(
            f"{len(lost)} tasks finished, but {slots[0].folder} does not hold what they wrote: "
            f"{', '.join(lost)}. The folder must be on storage that every worker shares, under the "
            "same path. Try: such a folder, or the engine 'local'"
        )
    return outcomes
