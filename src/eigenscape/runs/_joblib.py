"""What every engine needs of joblib, which costs 0.1 s and is imported only when something runs."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from eigenscape.errors import MissingExtraError


def parallel(backend: Any, workers: int, *, pre_dispatch: str = "2*n_jobs", **options: Any) -> Any:
    """Return a ``joblib.Parallel`` that yields each result as soon as it is there."""
    from joblib import Parallel, parallel_config

    with parallel_config(backend=backend, n_jobs=workers, **options):
        # One task to a message: tasks are long, and each is to be reported when it is over.
        return Parallel(batch_size=1, pre_dispatch=pre_dispatch, return_as="generator_unordered")


def workers(jobs: int | None, count: int) -> int:
    """Return how many workers to start for ``count`` tasks.

    No more than there are tasks, but a single one only when that was asked for: it would be this
    very process, with all its threads.

    >>> workers(1, 9), workers(4, 9), workers(4, 1)
    (1, 4, 2)
    """
    from joblib import cpu_count  # knows the affinity mask and a container's quota

    usable: int = cpu_count()
    return min(jobs or usable, max(2, count))


def require(package: str, engine: str) -> Any:
    """Import an engine's package, which the extra of the engine's name installs.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        raise MissingExtraError(package, engine, f"the engine '{engine}'") from error
