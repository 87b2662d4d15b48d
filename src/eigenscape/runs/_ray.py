"""Ray: the cluster that is there, or one on this machine for as long as the run takes."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from eigenscape.runs._joblib import parallel, require, workers

_QUIET = {"log_to_driver": False, "logging_level": logging.ERROR}
_EVERY_CORE = -1  # of the cluster, as Ray's backend for joblib reads it


@contextmanager
def ray_engine(jobs: int | None, count: int) -> Iterator[Any]:
    """Yield a ``joblib.Parallel`` on Ray; what was started for it is stopped at the end."""
    ray = require("ray", "ray")
    if ray.is_initialized():
        yield parallel(_backend(), jobs or _EVERY_CORE)
        return
    try:
        if "RAY_ADDRESS" in os.environ:
            ray.init(**_QUIET)
            yield parallel(_backend(), jobs or _EVERY_CORE)
        else:
            cores = workers(jobs, count)
            with _environment_to_start_in():
                ray.init(address="local", num_cpus=cores, include_dashboard=False, **_QUIET)
            yield parallel(_backend(), cores)
    finally:
        ray.shutdown()


def _backend() -> Any:
    from ray.util.joblib.ray_backend import RayBackend

    class LiveRayBackend(RayBackend):  # type: ignore[misc]
        # Ray inherits the refusal to yield results as they come from joblib's backend for
        # multiprocessing.Pool, whose pool can hang when it is left early. Ray's own pool, which
        # takes that one's place, ends its actors at once.
        supports_return_generator = True

    return LiveRayBackend(nesting_level=0)


@contextmanager
def _environment_to_start_in() -> Iterator[None]:
    """Set what Ray's servers and workers inherit, and take it back once they run."""
    before = dict(os.environ)
    # Dask and joblib tell their workers the driver's import path, Ray the script's folder alone.
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    # A Ray that is started tells its makers how it is used, and its notice of that is among what is
    # silenced here; so it reports only where the user has said so.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        yield
    finally:
        for name in ("PYTHONPATH", "RAY_USAGE_STATS_ENABLED"):
            if name in before:
                os.environ[name] = before[name]
            else:
                del os.environ[name]
