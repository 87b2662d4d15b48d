"""Dask: the cluster that is there, or one on this machine for as long as the run takes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from eigenscape.runs._joblib import parallel, require, workers

# A batch system may need minutes to give a cluster its first worker.
_WAIT_FOR_WORKERS_SECONDS = 600


@contextmanager
def dask_engine(jobs: int | None, count: int) -> Iterator[Any]:
    """Yield a ``joblib.Parallel`` on Dask; what was started for it is stopped at the end."""
    distributed = require("distributed", "dask")
    current = _current_client(distributed)
    if current is not None:
        yield _on(current)
    elif import_module("dask").config.get("scheduler-address", None):
        with distributed.Client(set_as_default=False) as client:
            yield _on(client)
    else:
        with (
            distributed.LocalCluster(
                n_workers=workers(jobs, count),
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",  # the usual port may be taken
                silence_logs=logging.ERROR,
            ) as cluster,
            distributed.Client(cluster, set_as_default=False) as client,
        ):
            yield _on(client)


def _current_client(distributed: Any) -> Any:
    try:
        return distributed.Client.current()
    except ValueError:  # Dask's way to say that there is none
        return None


def _on(client: Any) -> Any:
    from eigenscape.runs._dask_backend import DaskTasks  # imports joblib

    every_core = -1  # joblib leaves the number to the cluster, whatever is asked for
    backend = DaskTasks(client=client, wait_for_workers_timeout=_WAIT_FOR_WORKERS_SECONDS)
    return parallel(backend, every_core)
