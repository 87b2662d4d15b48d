"""One experiment, and the same as a task."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigenscape.results import Environment, decode
from eigenscape.runs import Task
from eigenscape.spectra import TopVectors
from eigenscape_studies.laboratory._measure import measure, needs_vectors
from eigenscape_studies.laboratory._options import LabOptions
from eigenscape_studies.laboratory._record import StepRecord
from eigenscape_studies.laboratory._result import LabResult
from eigenscape_studies.laboratory._single_index import SingleIndex
from eigenscape_studies.laboratory._train import State, train


def run_experiment(options: LabOptions, problem: SingleIndex | None = None) -> LabResult:
    """Train the student and measure it at every step.

    A learning rate that overflows stops the experiment: what was measured before is kept, and
    ``stopped`` says why. The global random state is not changed.

    Args:
        options: the settings.
        problem: teacher, data and student; drawn from ``options.seed`` by default.

    >>> small = dict(n=200, d=100, h=150, n_test=100, measures=())
    >>> noise = run_experiment(LabOptions(learning_rate=0.001, **small)).final
    >>> heavy = run_experiment(LabOptions(learning_rate=1.0, **small)).final
    >>> abs(noise.alpha_excess - 1) < 0.06, heavy.alpha_excess < 0.8
    (True, True)
    """
    problem = SingleIndex.draw(options) if problem is None else problem
    records: list[StepRecord] = []
    spectra: dict[int, NDArray[np.float64]] = {}
    looked = {
        step
        for step in range(options.steps + 1)
        if options.probed(step) or needs_vectors(step, options)
    }
    before: TopVectors | None = None

    def look(state: State) -> None:
        nonlocal before
        if state.stopped or not (options.every_step or state.step in looked):
            return
        found = measure(state, problem, options, before)
        before = found.top
        if options.every_step or options.probed(state.step):
            records.append(found.record)
        if options.probed(state.step):
            spectra[state.step] = found.eigenvalues

    last = train(problem, options, look, updates="overlap" in options.measures)
    return LabResult(
        environment=Environment.capture(seed=options.seed),
        options=options,
        records=tuple(records),
        spectra=spectra,
        stopped=last.stopped,
        notes=tuple(_notes(options)),
    )


def experiment_task(name: str, options: LabOptions) -> Task:
    """Return an experiment as a task of :mod:`eigenscape.runs`; its value is plain.

    >>> from eigenscape.runs import execute
    >>> options = LabOptions(n=40, d=20, h=30, n_test=20, steps=1)
    >>> (outcome,) = execute([experiment_task("one", options)], engine="threads", jobs=1)
    >>> experiment_result(outcome.value).final.step
    1
    """
    return Task(name, _task, {"options": options})


def experiment_result(value: dict[str, Any]) -> LabResult:
    """Return the result of an experiment from the value of its task."""
    return decode(value, LabResult, where="the task's value")


def _task(options: LabOptions) -> dict[str, Any]:
    return run_experiment(options).to_dict()


def _notes(options: LabOptions) -> list[str]:
    found = []
    if options.n < options.d:
        found.append(
            f"n {options.n} < d {options.d}: the sampling noise of the gradient is larger than its "
            "signal; the first step hardly points at the teacher"
        )
    if options.h < options.d:
        found.append(
            f"h {options.h} < d {options.d}: W has only h singular directions; its null is that of "
            f"the aspect ratio {options.h / options.d:.3g}"
        )
    return found
