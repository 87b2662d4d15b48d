"""Runs on every engine: the same results, live progress, and killed work that is picked up again.

Ray and Dask are started once for this file, and once more each where a run has to start its own.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from eigenscape.errors import TaskError
from eigenscape.runs import Task, execute, raise_failures

WAIT = 60  # seconds; for a machine that is busy with other things


def spectrum(seed, size):
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(size, size))
    values = np.linalg.svd(W, compute_uv=False)
    return {"seed": seed, "values": values, "rest": (float(values[0]), [None, "text", np.nan])}


def where_am_i(x):
    return {"pid": os.getpid(), "threads": os.environ.get("OMP_NUM_THREADS")}


def total(x, factor):
    return float(x.sum() * factor)


def wait_for(path, seconds=20):
    end = time.monotonic() + seconds
    while not Path(path).exists():
        if time.monotonic() > end:
            raise TimeoutError(f"{path} did not come")
        time.sleep(0.01)
    return "came"


def linger(path):
    Path(f"{path}.part").write_text(str(os.getpid()))
    os.replace(f"{path}.part", path)
    time.sleep(600)


def fail(x):
    raise ValueError(f"no {x}")


class EnoughError(Exception):
    pass


def end_this_process():
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def ray_cluster():
    ray = pytest.importorskip("ray", reason="the engine 'ray' needs the extra [ray]")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # its workers import this file
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    assert ray.is_initialized()  # no run has stopped a Ray that it did not start
    ray.shutdown()


@pytest.fixture(scope="module")
def dask_cluster():
    reason = "the engine 'dask' needs the extra [dask]"
    distributed = pytest.importorskip("distributed", reason=reason)
    dask = pytest.importorskip("dask", reason=reason)
    settings = {"distributed.scheduler.allowed-failures": 0}  # or it loses four workers to be sure
    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
        ) as cluster,
    ):
        yield cluster


@pytest.fixture(params=["threads", "local", "ray", "dask"])
def engine(request):
    """An engine, connected to the cluster of this file where it has one."""
    if request.param == "ray":
        request.getfixturevalue("ray_cluster")
        yield "ray"
    elif request.param == "dask":
        cluster = request.getfixturevalue("dask_cluster")
        from distributed import Client

        with Client(cluster) as client:
            yield "dask"
            assert client.status == "running"  # no run has closed a client that it did not open
    else:
        yield request.param


def spectra():
    return [Task(f"seed {seed}", spectrum, {"seed": seed, "size": 12}) for seed in range(5)]


def test_results_are_the_same_on_every_engine(engine, tmp_path):
    expected = [spectrum(seed, 12) for seed in range(5)]
    for options in ({}, {"folder": tmp_path}, {"folder": tmp_path}):
        outcomes = execute(spectra(), engine=engine, jobs=2, **options)
        raise_failures(outcomes)
        for outcome, known in zip(outcomes, expected, strict=True):
            assert outcome.name == f"seed {known['seed']}"
            assert np.array_equal(outcome.value["values"], known["values"])
            assert repr(outcome.value["rest"]) == repr(known["rest"])
    assert all(outcome.resumed for outcome in outcomes)


def test_progress_is_live_and_a_long_task_holds_nobody_up(engine, tmp_path):
    go = tmp_path / "go"
    short = [Task(f"short {k}", total, {"x": np.arange(4.0), "factor": k}) for k in range(7)]
    tasks = [Task("long", wait_for, {"path": str(go)}), Task("bad", fail, {"x": "data"}), *short]
    seen = []

    def progress(state):
        seen.append(state)
        if state.done == 8:  # all but the long one, which fails if this does not come in time
            go.touch()

    outcomes = execute(tasks, folder=tmp_path / "run", engine=engine, jobs=2, progress=progress)
    assert [o.value for o in outcomes] == ["came", None, *(6.0 * k for k in range(7))]
    assert [o.error for o in outcomes] == [None, "ValueError: no data", *[None] * 7]
    assert [state.done for state in seen] == list(range(10))
    assert [seen[-1].name, seen[-1].failed, seen[-1].remaining_seconds] == ["long", 1, 0]
    assert {p.suffix for p in (tmp_path / "run").iterdir()} == {".npz", ".json"}


def test_a_large_array_that_tasks_share_arrives_whole(engine):
    x = np.ones(300_000)  # beyond the size at which joblib takes to memory maps and scattering
    tasks = [Task(f"times {k}", total, {"x": x, "factor": k}) for k in range(3)]
    outcomes = execute(tasks, engine=engine, jobs=2)
    assert [o.value for o in outcomes] == [0.0, 300_000.0, 600_000.0]


# A thread of joblib's pool may stumble over work that was taken from it; nothing is lost by that.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_who_breaks_a_run_off_keeps_what_is_finished(engine, tmp_path):
    def stop(state):
        if state.done == 1:
            raise EnoughError

    with pytest.raises(EnoughError):
        execute(spectra(), folder=tmp_path, engine=engine, jobs=2, progress=stop)
    outcomes = execute(spectra(), folder=tmp_path, engine=engine, jobs=2)
    raise_failures(outcomes)
    assert sum(outcome.resumed for outcome in outcomes) >= 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # as above
def test_local_work_is_stopped_when_a_run_is_broken_off(tmp_path):
    pid = tmp_path / "pid"
    tasks = [Task("long", linger, {"path": str(pid)}), Task("t", wait_for, {"path": str(pid)})]

    def stop(state):
        if state.done == 1:
            raise EnoughError

    with pytest.raises(EnoughError):
        execute(tasks, engine="local", jobs=2, progress=stop)
    end = time.monotonic() + WAIT
    while Path("/proc", pid.read_text()).exists():
        assert time.monotonic() < end, "it goes on"
        time.sleep(0.02)


def test_workers_are_processes_with_one_thread_each(engine):
    tasks = [Task(f"t{x}", where_am_i, {"x": x}) for x in range(4)]
    here = os.getpid()
    for outcome in execute(tasks, engine=engine, jobs=2):
        if engine == "threads":
            assert outcome.value["pid"] == here
        else:
            assert outcome.value["pid"] != here
            assert outcome.value["threads"] == "1"


def test_one_local_job_needs_no_other_process():
    [outcome] = execute([Task("t", where_am_i, {"x": 1})], engine="local", jobs=1)
    assert outcome.value["pid"] == os.getpid()


@pytest.mark.parametrize("engine", ["local", "ray", "dask"], indirect=True)
def test_a_killed_worker_is_told_and_the_rest_is_kept(engine, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_TASK_MAX_RETRIES", "0")  # or Ray loses four workers to be sure
    known = {
        "local": "TerminatedWorkerError",
        "ray": "WorkerCrashedError",
        "dask": "KilledWorker",
    }
    tasks = [*spectra(), Task("killed", end_this_process)]
    with pytest.raises(TaskError) as caught:
        execute(tasks, folder=tmp_path, engine=engine, jobs=2)
    assert str(caught.value).startswith(f"the engine '{engine}' broke off: {known[engine]}")
    assert "Mend: run the same again" in str(caught.value)
    outcomes = execute(spectra(), folder=tmp_path, engine=engine, jobs=2)
    raise_failures(outcomes)
    assert any(outcome.resumed for outcome in outcomes)


def test_what_a_run_has_started_in_dask_it_stops():
    distributed = pytest.importorskip("distributed", reason="needs the extra [dask]")
    tasks = [Task(f"t{x}", where_am_i, {"x": x}) for x in range(4)]
    outcomes = execute(tasks, engine="dask", jobs=2)
    pids = {outcome.value["pid"] for outcome in outcomes}
    assert os.getpid() not in pids
    assert {outcome.value["threads"] for outcome in outcomes} == {"1"}
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    with pytest.raises(ValueError, match="No clients found"):
        distributed.default_client()


def test_dask_takes_the_scheduler_that_its_settings_name(dask_cluster):
    import dask

    workers = {worker.pid for worker in dask_cluster.workers.values()}
    tasks = [Task(f"t{x}", where_am_i, {"x": x}) for x in range(4)]
    with dask.config.set({"scheduler-address": dask_cluster.scheduler_address}):
        outcomes = execute(tasks, engine="dask")
    assert {outcome.value["pid"] for outcome in outcomes} <= workers


# --- killed and started again ------------------------------------------------------------------

SCRIPT = """
import os, sys, time
from contextlib import suppress
from pathlib import Path
from eigenscape.runs import Task, execute, raise_failures

def step(index, log, gate):
    with open(log, "a") as file:
        file.write(f"{index}\\n")
    if Path(gate).exists() and not passes(gate):
        time.sleep(600)
    return index * index

def passes(gate):
    for ticket in os.listdir(gate):
        with suppress(FileNotFoundError):  # another task has taken it
            os.unlink(Path(gate, ticket))
            return True
    return False

if __name__ == "__main__":
    engine, folder, log, gate = sys.argv[1:]
    tasks = [Task(f"step {i}", step, {"index": i, "log": log, "gate": gate}) for i in range(6)]
    outcomes = execute(tasks, folder=folder, engine=engine, jobs=2)
    raise_failures(outcomes)
    print(*(outcome.value for outcome in outcomes))
    print(*(i for i, outcome in enumerate(outcomes) if not outcome.resumed))
    if engine == "ray":
        import ray
        assert not ray.is_initialized()
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


@pytest.mark.parametrize("engine", ["local", "ray", "dask"])
def test_a_killed_run_goes_on_where_it_was(engine, script, tmp_path):
    package = {"local": "joblib", "ray": "ray", "dask": "distributed"}[engine]
    pytest.importorskip(package, reason=f"the engine {engine!r} needs the extra [{engine}]")
    run, log, gate = (tmp_path / name for name in ("run", "log", "gate"))
    command = [sys.executable, *map(str, (script, engine, run, log, gate))]
    gate.mkdir()
    for ticket in "abc":  # three of the six tasks may pass; the others hang
        (gate / ticket).touch()

    first = subprocess.Popen(command, start_new_session=True)
    try:
        wait_until(lambda: len(list(run.glob("*.npz"))) == 3, first)
        wait_until(lambda: len(log.read_text().split()) == 5, first)  # two more hang
    finally:
        kill_session(first.pid)
        first.wait(WAIT)
    assert first.returncode == -signal.SIGKILL
    finished = {int(path.name.split("-")[0].removeprefix("step_")) for path in run.glob("*.npz")}
    unfinished = sorted(set(range(6)) - finished)

    log.unlink()
    gate.rmdir()
    second = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=True)
    assert second.stdout.splitlines() == ["0 1 4 9 16 25", " ".join(map(str, unfinished))]
    assert sorted(map(int, log.read_text().split())) == unfinished
    assert second.stderr == ""


def test_ray_takes_the_cluster_that_ray_address_names(ray_cluster, script, tmp_path):
    command = [sys.executable, *map(str, (script, "ray", *map(tmp_path.joinpath, "rlg")))]
    address = ray_cluster.get_runtime_context().gcs_address
    before = len(jobs_of(ray_cluster))
    done = subprocess.run(
        command,
        env={**os.environ, "RAY_ADDRESS": address},
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=True,
    )
    assert done.stdout.startswith("0 1 4 9 16 25")
    assert len(jobs_of(ray_cluster)) == before + 1


def jobs_of(ray):
    return ray._private.state.jobs()


def wait_until(condition, process):
    end = time.monotonic() + WAIT
    while not condition():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < end, "the run did not get so far"
        time.sleep(0.02)


def kill_session(leader):
    """Kill a session: the run, its workers, and Ray's servers, which have groups of their own.

    Only joblib's resource tracker may live, until it has removed what the others left in shared
    memory.
    """
    with suppress(ProcessLookupError):
        os.kill(leader, signal.SIGKILL)  # first, lest it answers the death of a worker
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # ended in the meantime
            session = int((entry / "stat").read_text().rpartition(")")[2].split()[3])
            if session == leader and b"resource_tracker" not in (entry / "cmdline").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)
