"""A backend of joblib on which every task is a Ray task."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from joblib.parallel import ParallelBackendBase


class RayTasks(ParallelBackendBase):  # type: ignore[misc]
    """Hands each task to Ray, whose scheduler gives it to the next core that is free.

    Ray brings a backend too, ``ray.util.joblib``. It deals tasks out to its workers in turn, busy
    or not, so that behind one long task the whole run comes to a stand; and it tells of results
    only when all are there.

    Args:
        ray: the package, connected to a cluster.
    """

    supports_retrieve_callback = True

    def __init__(self, ray: Any) -> None:
        super().__init__(nesting_level=0)
        self._remote = ray.remote(_run)  # on one core, and so, by Ray's own rule, with one thread
        self._out: set[Any] = set()
        self._answers: ThreadPoolExecutor

    def effective_n_jobs(self, n_jobs: int) -> int:
        """Take the number as it is: the one who asks knows the cluster."""
        return n_jobs

    def start_call(self) -> None:
        """Open the thread on which joblib hears of results."""
        # Not Ray's own thread, which must not wait: joblib sends the next task off from this one.
        self._answers = ThreadPoolExecutor(max_workers=1)

    def stop_call(self) -> None:
        """Close it; joblib calls this from that same thread, too."""
        self._answers.shutdown(wait=False)

    def submit(self, func: Callable[[], Any], callback: Callable[[Any], None]) -> Future[Any]:
        """Send a task off; ``callback`` hears of its end."""
        reference = self._remote.remote(func)
        self._out.add(reference)

        def answer(done: Future[Any]) -> None:
            if reference in self._out:  # it is not when the run was broken off
                self._out.discard(reference)
                self._answers.submit(callback, done)

        future: Future[Any] = reference.future()
        future.add_done_callback(answer)
        return future

    apply_async = submit  # its name in older versions of joblib, from 1.4 on

    def retrieve_result_callback(self, done: Future[Any]) -> Any:
        """Return what a task returned, or raise what became of its worker."""
        return done.result()

    def abort_everything(self, ensure_ready: bool = True) -> None:  # noqa: ARG002
        """Forget what is out.

        It runs to its end, keeps what it finds, and holds nobody up; on a Ray that was started for
        the run it ends with that. ``ray.cancel`` is no help: when it meets a task that is just
        finishing, Ray 2.60 takes the whole process down.
        """
        self._out = set()


def _run(func: Callable[[], Any]) -> Any:
    return func()
