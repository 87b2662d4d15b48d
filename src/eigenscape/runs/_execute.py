"""Running a list of tasks, and picking it up where it was left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

from eigenscape.errors import InputError, OutputError
from eigenscape.runs._engines import ENGINES, Engine, dispatch
from eigenscape.runs._outcome import Outcome
from eigenscape.runs._progress import ProgressCallback, Tracker
from eigenscape.runs._store import Record, Slot, read_record, write_manifest
from eigenscape.runs._task import Task
from eigenscape.runs._work import Order, Receipt, this_process, work


def execute(
    tasks: Sequence[Task],
    *,
    folder: Path | str | None = None,
    engine: Engine = "local",
    jobs: int | None = None,
    progress: ProgressCallback | None = None,
) -> list[Outcome]:
    """Run tasks side by side and return what came of each, in the order of the tasks.

    A task that raises an exception is recorded and the others go on; see :func:`raise_failures`.

    With a folder, each worker writes each finished task to one file, ``<key>.npz``, in one move. A
    run that was stopped, by whatever means, and is started again reads these and computes the
    rest; a file that is damaged is computed anew. A failed task leaves ``<key>.error.json`` and is
    tried again. Values are then dict, list, tuple, str, int, float, bool, None and numpy arrays of
    numbers, nested as you like: the files hold no pickle and nothing in them is ever executed.
    Without a folder nothing is written, and arguments and values may be whatever the engine can
    carry.

    Args:
        tasks: what to do; their names differ.
        folder: where finished tasks are kept, on storage that all workers share; None for memory.
        engine: ``"threads"`` in this process, ``"local"`` processes, ``"ray"`` or ``"dask"``. The
            last two use the cluster that this process is connected to, or the one that
            ``RAY_ADDRESS`` or Dask's ``scheduler-address`` names; failing these they start one on
            this machine and stop it at the end. As ever with processes, a script that uses
            ``"dask"`` keeps its calls below ``if __name__ == "__main__":``.
        jobs: how many tasks at once; None for one on each usable core. Workers in processes of
            their own then use one thread each. One job of ``"threads"`` or ``"local"`` runs in this
            process. A Dask cluster that is there already decides by itself.
        progress: called when the run starts and after every task; see :func:`progress_bar`.

    Raises:
        InputError: names that occur twice, or tasks that can have no key; all of these at once.
        MissingExtraError: the engine's package is not installed.
        OutputError: the folder cannot be written, or is not shared with the workers.
        TaskError: the engine broke off, for example because a worker was killed.

    >>> import statistics
    >>> data = {"a": [1.0, 2.0, 6.0], "b": []}
    >>> tasks = [Task(name, statistics.fmean, {"data": data[name]}) for name in data]
    >>> for outcome in execute(tasks, engine="threads", jobs=1):
    ...     print(outcome.name, outcome.value, outcome.error)
    a 3.0 None
    b None StatisticsError: fmean requires at least one data point
    """
    keys = _checked_keys(tasks, engine, jobs, keyed=folder is not None)
    slots = {} if folder is None else _open(Path(folder), tasks, keys)
    found = {i: read_record(slot) for i, slot in slots.items()}
    outcomes = {
        i: _resumed(tasks[i], slots[i], record) for i, record in found.items() if record is not None
    }
    pending = [i for i in range(len(tasks)) if i not in outcomes]
    tracker = Tracker(len(tasks), len(outcomes), progress)
    tracker.start()
    receipts = []
    with closing(_run(tasks, pending, slots, engine, jobs)) as running:
        for receipt in running:
            receipts.append(receipt)
            tracker.step(tasks[receipt.index].name, failed=receipt.error is not None)
    outcomes |= _collect(tasks, receipts, slots)
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


def _open(folder: Path, tasks: Sequence[Task], keys: Sequence[str]) -> dict[int, Slot]:
    """Write the manifest first: a folder that cannot be written costs nobody a computed task."""
    folder = folder.absolute()  # a worker may stand in another one
    write_manifest(folder, {task.name: key for task, key in zip(tasks, keys, strict=True)})
    return {i: Slot(folder, key) for i, key in enumerate(keys)}


def _run(
    tasks: Sequence[Task],
    pending: Sequence[int],
    slots: dict[int, Slot],
    engine: Engine,
    jobs: int | None,
) -> Generator[Receipt]:
    if not pending:  # nothing to do starts no engine
        return
    from joblib import delayed  # costs 0.1 s: only where something runs

    driver = None if jobs == 1 else this_process()
    calls = (
        delayed(work)(
            Order(i, tasks[i].name, slots.get(i), driver), tasks[i].function, **tasks[i].arguments
        )
        for i in pending
    )
    yield from dispatch(calls, len(pending), engine, jobs)


def _resumed(task: Task, slot: Slot, record: Record) -> Outcome:
    slot.failed.unlink(missing_ok=True)  # left by a run that was killed just before it did this
    return Outcome(
        task.name, record.value, seconds=record.seconds, resumed=True, file=slot.finished
    )


def _collect(
    tasks: Sequence[Task], receipts: Sequence[Receipt], slots: dict[int, Slot]
) -> dict[int, Outcome]:
    outcomes = {}
    lost = []
    for receipt in receipts:
        i, name, slot = receipt.index, tasks[receipt.index].name, slots.get(receipt.index)
        if receipt.error is not None:
            file = slot.failed if slot else None
            outcomes[i] = Outcome(
                name, None, receipt.error, receipt.traceback, receipt.seconds, file=file
            )
        elif slot is None:
            outcomes[i] = Outcome(name, receipt.value, seconds=receipt.seconds)
        elif record := read_record(slot):
            outcomes[i] = Outcome(name, record.value, seconds=record.seconds, file=slot.finished)
        else:
            lost.append(name)
    if lost:
        raise OutputError(
            f"{len(lost)} tasks finished, but {slots[0].folder} does not hold what they wrote: "
            f"{', '.join(lost)}. The folder must be on storage that every worker shares, under the "
            "same path. Mend: choose such a folder, or the engine 'local'"
        )
    return outcomes
