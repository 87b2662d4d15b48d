"""Runs: a list of tasks, each saved when it finishes; an interrupted run resumes.

A :class:`Task` names a function of a module and its arguments. :func:`execute` runs many of them on
threads, processes, Ray or Dask, with the same results; given a folder it keeps every finished task
there, so that a run which was killed starts again with what was unfinished::

    tasks = [Task(f"seed {seed}", train, {"seed": seed}) for seed in range(8)]
    with progress_bar("training") as progress:
        outcomes = execute(tasks, folder="runs/seeds", engine="local", progress=progress)
    raise_failures(outcomes)
"""

from eigenscape.runs._execute import execute as execute
from eigenscape.runs._executors import Engine as Engine
from eigenscape.runs._executors import open_executor as open_executor
from eigenscape.runs._executors import usable_cores as usable_cores
from eigenscape.runs._parcel import CannotTravelError as CannotTravelError
from eigenscape.runs._parcel import PerWorker as PerWorker
from eigenscape.runs._progress import Progress as Progress
from eigenscape.runs._progress import ProgressCallback as ProgressCallback
from eigenscape.runs._progress import Tracker as Tracker
from eigenscape.runs._progress import duration as duration
from eigenscape.runs._progress import progress_bar as progress_bar
from eigenscape.runs._progress import time_span as time_span
from eigenscape.runs._store import read_about as read_about
from eigenscape.runs._store import unfinished as unfinished
from eigenscape.runs._task import Outcome as Outcome
from eigenscape.runs._task import Task as Task
from eigenscape.runs._task import raise_failures as raise_failures
from eigenscape.runs._threads import is_first_process as is_first_process
from eigenscape.runs._threads import single_thread as single_thread

__all__ = [
    "CannotTravelError",
    "Engine",
    "Outcome",
    "PerWorker",
    "Progress",
    "ProgressCallback",
    "Task",
    "Tracker",
    "duration",
    "execute",
    "is_first_process",
    "open_executor",
    "progress_bar",
    "raise_failures",
    "read_about",
    "single_thread",
    "time_span",
    "unfinished",
    "usable_cores",
]
