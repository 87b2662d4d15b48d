"""The parts of a Hessian result as tasks: eigenvalues, probes of trace and density."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from eigenscape.landscape.curvature._density import (
    PROBES,
    SpectralDensity,
    density_of,
    quadrature_of,
)
from eigenscape.landscape.curvature._eigenpairs import Eigenpairs, top_eigenpairs
from eigenscape.landscape.curvature._trace import (
    CHUNK,
    TraceEstimate,
    check_trace,
    estimate_of,
    hessian_trace,
    trace_rows,
)
from eigenscape.results import content_hash
from eigenscape.runs import Engine, PerWorker, ProgressCallback, Task, execute, raise_failures

if TYPE_CHECKING:
    from eigenscape.models import Matrix, Objective

Parts = tuple[Eigenpairs, TraceEstimate, SpectralDensity | None]


def measured_in_tasks(
    objective: Objective,
    pairs: dict[str, Any],
    traces: dict[str, Any],
    *,
    density: bool,
    seed: int,
    matrix: Matrix,
    how: tuple[int | None, Engine, str | None],
    progress: ProgressCallback | None,
) -> Parts:
    """Return eigenpairs, trace and density, each from the same numbers as in one process.

    The eigenvalues are one task, for Lanczos steps follow each other. Ten probes of the trace are
    one task (with Hutch++, and where every coordinate is probed, all of them), and so is each probe
    of the density.

    Args:
        objective: the loss around its center.
        pairs: arguments of :func:`top_eigenpairs`.
        traces: arguments of :func:`hessian_trace`.
        density: whether there is one.
        seed: of all probes.
        matrix: ``"hessian"`` or ``"ggn"``.
        how: jobs, engine and address.
        progress: called after each task.

    Raises:
        TaskError: a part failed.
    """
    probes, method, groups = traces["probes"], traces["method"], traces["groups"]
    check_trace(probes, method)
    shared = PerWorker(
        _the_objective, {"objective": objective}, content_hash(objective.center), here=objective
    )
    same = {"objective": shared, "matrix": matrix, "seed": seed}
    tasks = [Task("eigenvalues", top_eigenpairs, {**same, **pairs})]
    cut = method == "hutchinson" and 0 < probes < objective.space.count
    if cut:
        tasks += [
            Task(
                f"trace, probes from {start}",
                trace_rows,
                {**same, "groups": groups, "start": start, "count": min(CHUNK, probes - start)},
            )
            for start in range(0, probes, CHUNK)
        ]
    else:
        tasks.append(Task("trace", hessian_trace, {**same, **traces}))
    first_rule = len(tasks)
    if density:
        tasks += [
            Task(f"density, probe {place}", quadrature_of, {**same, "place": place})
            for place in range(PROBES)
        ]
    jobs, engine, address = how
    outcomes = execute(tasks, engine=engine, jobs=jobs, address=address, progress=progress)
    raise_failures(outcomes)
    values = [outcome.value for outcome in outcomes]
    found = estimate_of(objective, torch.cat(values[1:first_rule]), groups) if cut else values[1]
    spectrum = density_of(objective, values[first_rule:]) if density else None
    return values[0], found, spectrum


def _the_objective(objective: Objective) -> Objective:
    return objective
