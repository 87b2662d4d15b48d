"""Where tasks run: threads, processes, Ray or Dask, each through a backend of joblib."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal, get_args

from eigenscape.errors import EigenscapeError, TaskError
from eigenscape.runs._dask import dask_engine
from eigenscape.runs._joblib import parallel, workers
from eigenscape.runs._ray import ray_engine
from eigenscape.runs._work import Receipt, one_line

Engine = Literal["threads", "local", "ray", "dask"]
ENGINES: tuple[Engine, ...] = get_args(Engine)


def dispatch(
    calls: Iterable[Any], count: int, engine: Engine, jobs: int | None
) -> Generator[Receipt]:
    """Run joblib's delayed calls, ``count`` of them, and yield each receipt as it comes.

    Raises:
        MissingExtraError: the engine's package is not installed.
        TaskError: the engine itself broke off, for example because a worker was killed.
    """
    try:
        with _PARALLELS[engine](jobs, count) as run:
            receipts = run(calls)
            try:
                # Not 'yield from', which would close the receipts itself, and loudly.
                for receipt in receipts:  # noqa: UP028
                    yield receipt
            finally:
                _close(receipts)
    except EigenscapeError:
        raise
    except Exception as error:
        raise TaskError(
            f"the engine '{engine}' broke off: {one_line(error)}\n"
            "Tasks that finished are kept if the run has a folder. Mend: run the same again to "
            "continue, with fewer jobs if memory ran out"
        ) from error


def _close(receipts: Any) -> None:
    with warnings.catch_warnings():
        # joblib warns that tasks are cancelled; who breaks a run off knows that.
        warnings.simplefilter("ignore", UserWarning)
        receipts.close()


@contextmanager
def _threads(jobs: int | None, count: int) -> Iterator[Any]:
    yield parallel("threading", workers(jobs, count))


@contextmanager
def _local(jobs: int | None, count: int) -> Iterator[Any]:
    processes = workers(jobs, count)  # with a single one joblib runs the tasks in this process
    yield parallel("loky", processes, inner_max_num_threads=1 if processes > 1 else None)


_PARALLELS: dict[Engine, Callable[[int | None, int], AbstractContextManager[Any]]] = {
    "threads": _threads,
    "local": _local,
    "ray": ray_engine,
    "dask": dask_engine,
}
