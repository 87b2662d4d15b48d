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


@contextmanager
def ray_engine(jobs: int | None, count: int) -> Iterator[Any]:
    """Yield a ``joblib.Parallel`` on Ray; what was started for it is stopped at the end."""
    ray = require("ray", "ray")
    if ray.is_initialized():
        yield _on(ray, jobs)
        return
    try:
        if "RAY_ADDRESS" in os.environ:
            ray.init(**_QUIET)
        else:
            jobs = workers(jobs, count)
            with _environment_to_start_in():
                ray.init(address="local", num_cpus=jobs, include_dashboard=False, **_QUIET)
        yield _on(ray, jobs)
    finally:
        ray.shutdown()


def _on(ray: Any, jobs: int | None) -> Any:
    from eigenscape.runs._ray_backend import RayTasks  # imports joblib

    cores = int(ray.cluster_resources().get("CPU", 1))
    # No task beyond the jobs waits in Ray's queue, where an idle core of the cluster would take it.
    return parallel(RayTasks(ray), jobs or cores, pre_dispatch="n_jobs")


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
