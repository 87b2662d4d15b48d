"""Where tasks run: a ``concurrent.futures.Executor`` for each engine."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from platform import python_version
from threading import Lock
from typing import Any, Literal, get_args

from eigenscape.errors import InputError, MissingExtraError
from eigenscape.runs._worker import enter_worker

Engine = Literal["threads", "local", "ray", "dask"]
ENGINES: tuple[Engine, ...] = get_args(Engine)

# A batch system may need minutes to give a cluster its first worker.
_WAIT_FOR_WORKERS_SECONDS = 600
_WAIT_FOR_SCHEDULER_SECONDS = 30
_ONE_THREAD = {
    f"{library}_NUM_THREADS": "1"
    for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR", "NUMBA")
} | {"VECLIB_MAXIMUM_THREADS": "1"}


@dataclass(frozen=True)
class Opened:
    """An executor that is running.

    Args:
        executor: takes the tasks.
        window: how many tasks it is given at a time.
        place: where a task runs: ``"here"`` in the driver's thread, in ``"threads"`` of its
            process, or in ``"processes"``.
    """

    executor: Executor
    window: int
    place: Literal["here", "threads", "processes"] = "processes"


def opened(
    engine: Engine, jobs: int | None, address: str | None, count: int
) -> AbstractContextManager[Opened]:
    """Return the context of an engine's executor for ``count`` tasks; see :func:`open_executor`."""
    if address is not None and engine not in ("dask", "ray"):
        raise InputError(
            f"the engine {engine!r} runs on this machine and takes no address; got {address!r}. "
            "Try: engine='dask' or engine='ray'"
        )
    openers: dict[Engine, Callable[..., AbstractContextManager[Opened]]] = {
        "threads": _threads,
        "local": _local,
        "dask": _dask,
        "ray": _ray,
    }
    return openers[engine](jobs, count, address)


@contextmanager
def open_executor(
    engine: Engine = "local", jobs: int | None = None, address: str | None = None
) -> Iterator[Executor]:
    """Yield the ``concurrent.futures.Executor`` of an engine, and stop what was started for it.

    Args:
        engine: ``"threads"``, ``"local"`` (processes, loky), ``"dask"`` or ``"ray"``.
        jobs: how many calls at once; None for one on each usable core. A cluster that is there
            already decides by itself.
        address: of a Dask scheduler or a Ray cluster to join. None for the cluster that this
            process is connected to, or the one named by ``DASK_SCHEDULER_ADDRESS`` or
            ``RAY_ADDRESS``; where there is none, one is started on this machine.

    Raises:
        InputError: an address that does not answer, or workers without this package.
        MissingExtraError: the engine's package is not installed.

    >>> with open_executor("threads", jobs=2) as executor:
    ...     executor.submit(pow, 2, 5).result()
    32
    """
    with opened(engine, jobs, address, count=sys.maxsize) as found:
        yield found.executor


def usable_workers(jobs: int | None, count: int) -> int:
    """Return how many workers to start for ``count`` tasks.

    No more than there are tasks, but a single one only when that was asked for: it would be this
    very process, with all its threads.

    >>> usable_workers(1, 9), usable_workers(4, 9), usable_workers(4, 1)
    (1, 4, 2)
    """
    return min(jobs or usable_cores(), max(2, count))


def usable_cores() -> int:
    """Return how many cores this process may use: its affinity mask and a container's quota."""
    from loky import cpu_count

    return int(cpu_count())


def _require(package: str, engine: str) -> Any:
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        raise MissingExtraError(package, engine, f"the engine '{engine}'") from error


# --- this machine ---------------------------------------------------------------------------------


class _Here(Executor):
    """Runs each call when it is submitted, in the caller's own thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a call, and return its future, which is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def _threads(jobs: int | None, count: int, _address: None) -> Iterator[Opened]:
    if (workers := usable_workers(jobs, count)) == 1:
        yield Opened(_Here(), 1, "here")
        return
    executor = ThreadPoolExecutor(workers)
    try:
        yield Opened(executor, workers, "threads")
    finally:
        executor.shutdown(cancel_futures=True)


@contextmanager
def _local(jobs: int | None, count: int, _address: None) -> Iterator[Opened]:
    if (workers := usable_workers(jobs, count)) == 1:
        yield Opened(_Here(), 1, "here")
        return
    from loky import ProcessPoolExecutor

    executor = ProcessPoolExecutor(
        workers, initializer=enter_worker, initargs=(os.getpid(),), env=_ONE_THREAD
    )
    complete = False
    try:
        yield Opened(executor, workers)
        complete = True
    finally:  # whoever breaks a run off does not wait for its tasks
        executor.shutdown(kill_workers=not complete)


# --- Dask -----------------------------------------------------------------------------------------


@contextmanager
def _dask(jobs: int | None, count: int, address: str | None) -> Iterator[Opened]:
    distributed = _require("distributed", "dask")
    config = import_module("dask").config
    current = _current_client(distributed)
    address = address or (None if current else config.get("scheduler-address", None))
    if address:
        with _dask_client(distributed, address) as client:
            yield _on_dask(client)
    elif current is not None:
        yield _on_dask(current)
    else:
        with (
            # or it would lose four workers to a task that ends them
            config.set({"distributed.scheduler.allowed-failures": 0}),
            distributed.LocalCluster(
                n_workers=usable_workers(jobs, count),
                threads_per_worker=1,
                memory_limit=0,  # as for other processes: the system decides
                dashboard_address="127.0.0.1:0",  # the usual port may be taken
                silence_logs=logging.CRITICAL,
            ) as cluster,
            distributed.Client(cluster, set_as_default=False) as client,
        ):
            client.register_plugin(_entering(distributed.WorkerPlugin))
            yield _on_dask(client, check=False)


def _entering(plugin: Any) -> Any:
    class Entering(plugin):  # type: ignore[misc]
        def setup(self, worker: Any) -> None:  # noqa: ARG002  # Dask's own signature
            enter_worker(None)

    return Entering()


def _current_client(distributed: Any) -> Any:
    try:
        return distributed.Client.current()
    except ValueError:  # Dask's way to say that there is none
        return None


@contextmanager
def _dask_client(distributed: Any, address: str) -> Iterator[Any]:
    try:
        client = distributed.Client(
            address, set_as_default=False, timeout=_WAIT_FOR_SCHEDULER_SECONDS
        )
    except (OSError, ValueError) as error:
        raise InputError(
            f"no Dask scheduler answers at {address}: {error}. Try: check --address or "
            "DASK_SCHEDULER_ADDRESS, such as tcp://host:8786"
        ) from error
    with client:
        yield client


def _on_dask(client: Any, *, check: bool = True) -> Opened:
    client.wait_for_workers(1, timeout=_WAIT_FOR_WORKERS_SECONDS)
    if check:
        _check_versions("Dask", client.run(_version_reader()))
    threads = sum(client.nthreads().values())
    # Of two equal calls Dask would make one.
    return Opened(client.get_executor(pure=False, retries=0), max(2, threads))


# --- Ray ------------------------------------------------------------------------------------------

_QUIET = {"log_to_driver": False, "logging_level": logging.ERROR}


class _RayExecutor(Executor):
    """Every call is a Ray task on one core; what waits for its turn waits here.

    So ``cancel`` of a waiting call is the standard one. A call that Ray has runs to its end:
    ``ray.cancel`` is no help, when it meets a task that is just finishing, Ray 2.60 takes the whole
    process down.
    """

    def __init__(self, ray: Any, workers: int) -> None:
        self._remote = ray.remote(max_retries=0)(_call)
        self._free, self._lock = workers, Lock()
        # Ray's own thread, which brings the answers, must not be made to wait.
        self._answers = ThreadPoolExecutor(1)
        self._waiting: deque[tuple[Future[Any], tuple[Any, ...]]] = deque()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Pass a call to Ray, now or as soon as a worker is free."""
        future: Future[Any] = Future()
        with self._lock:
            self._waiting.append((future, (fn, args, kwargs)))
        self._send()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Cancel waiting calls; running ones finish and are kept."""
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
        for future, _ in waiting:
            future.cancel()
        self._answers.shutdown(wait=False)

    def _send(self) -> None:
        with self._lock:
            if not self._free or not self._waiting:
                return
            future, call = self._waiting.popleft()
            self._free -= 1
        if not future.set_running_or_notify_cancel():
            self._finished()
            return
        self._remote.remote(*call).future().add_done_callback(
            lambda done: self._heard(done, future)
        )

    def _heard(self, done: Future[Any], future: Future[Any]) -> None:
        with suppress(RuntimeError):  # shut down in the meantime
            self._answers.submit(self._tell, done, future)

    def _tell(self, done: Future[Any], future: Future[Any]) -> None:
        error = done.exception()
        if error is None:
            future.set_result(done.result())
        else:
            future.set_exception(error)
        self._finished()

    def _finished(self) -> None:
        with self._lock:
            self._free += 1
        self._send()


def _call(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return fn(*args, **kwargs)


@contextmanager
def _ray(jobs: int | None, count: int, address: str | None) -> Iterator[Opened]:
    ray = _require("ray", "ray")
    if ray.is_initialized():
        yield _on_ray(ray, jobs)
        return
    address = address or os.environ.get("RAY_ADDRESS")
    try:
        if address:
            try:
                _knock(address)
                ray.init(address=address, **_QUIET)
            except (OSError, ValueError, RuntimeError) as error:
                raise InputError(
                    f"no Ray cluster answers at {address}: {error}. Try: check --address or "
                    "RAY_ADDRESS, such as host:6379 or auto"
                ) from error
            yield _on_ray(ray, jobs)
        else:
            jobs = usable_workers(jobs, count)
            with _environment_to_start_in():
                ray.init(address="local", num_cpus=jobs, include_dashboard=False, **_QUIET)
            yield _on_ray(ray, jobs, check=False)
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise OSError if no server listens at ``[ray://]host:port``; Ray would try for minutes."""
    host, sign, port = address.removeprefix("ray://").rpartition(":")
    if sign and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_WAIT_FOR_SCHEDULER_SECONDS).close()


def _on_ray(ray: Any, jobs: int | None, *, check: bool = True) -> Opened:
    if check:
        _check_versions("Ray", _ray_versions(ray))
    workers = jobs or int(ray.cluster_resources().get("CPU", 1))
    return Opened(_RayExecutor(ray, workers), workers)


def _ray_versions(ray: Any) -> dict[str, Any]:
    strategy = import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
    read = ray.remote(num_cpus=0)(_version_reader())
    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    answers = [
        read.options(scheduling_strategy=strategy(node_id=node, soft=False)).remote()
        for node in nodes
    ]
    return dict(zip(nodes.values(), ray.get(answers), strict=True))


@contextmanager
def _environment_to_start_in() -> Iterator[None]:
    """Set what Ray's servers and workers inherit, and take it back once they run."""
    before = dict(os.environ)
    # The others tell their workers the driver's import path, Ray the script's folder alone.
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


# --- what a cluster must have ---------------------------------------------------------------------


def _version_reader() -> Callable[[], tuple[str, str | None]]:
    """Return a function that goes to a worker as code, so that it runs where the package is not."""

    def read() -> tuple[str, str | None]:
        import platform
        from importlib import import_module

        try:
            found = import_module("eigenscape").__version__
        except ImportError:
            found = None
        return platform.python_version(), found

    return read


def _check_versions(cluster: str, answers: dict[str, tuple[str, str | None]]) -> None:
    """Refuse a cluster whose workers cannot import this very version."""
    own = import_module("eigenscape").__version__

    here = python_version().rsplit(".", 1)[0]
    wrong = []
    for worker, (python, version) in answers.items():
        if version is None:
            wrong.append(f"{worker} has no eigenscape")
        elif version != own:
            wrong.append(f"{worker} has eigenscape {version}")
        elif python.rsplit(".", 1)[0] != here:
            wrong.append(f"{worker} has Python {python}")
    if wrong:
        raise InputError(
            f"the {cluster} workers need eigenscape {own} on Python {here}, as here: "
            f"{'; '.join(wrong)}. Try: install it there, for example with pip"
        )
