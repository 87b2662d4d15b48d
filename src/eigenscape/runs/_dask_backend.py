"""joblib's backend for Dask, with an ear for workers that die."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from joblib._dask import DaskDistributedBackend

# Older versions of joblib, from 1.4 on, call the method ``apply_async``.
_own = vars(DaskDistributedBackend)
_send = _own["submit" if "submit" in _own else "apply_async"]


class DaskTasks(DaskDistributedBackend):  # type: ignore[misc]
    """Tells joblib when Dask gives a task up because it has cost too many workers their lives.

    The backend that joblib brings keeps that to itself, and the run waits for ever.
    """

    def submit(self, func: Callable[[], Any], callback: Callable[[Any], None]) -> Future[Any]:
        """Send a task off; ``callback`` hears of its end, whatever that is."""
        future: Future[Any] = _send(self, func, callback)

        def tell(done: Future[Any]) -> None:
            if done.exception() is not None:
                callback(done)

        future.add_done_callback(tell)
        return future

    apply_async = submit

    def retrieve_result_callback(self, out: Any) -> Any:
        """Return what a task returned, or raise what became of its workers."""
        return out.result() if isinstance(out, Future) else super().retrieve_result_callback(out)
