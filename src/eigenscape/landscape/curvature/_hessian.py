"""One call for the curvature of a loss: extreme eigenvalues, trace by layer, density."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from eigenscape.errors import InputError
from eigenscape.landscape.curvature._curvature import Grouping
from eigenscape.landscape.curvature._curvature_notes import (
    point_notes,
    rest_notes,
    route_notes,
)
from eigenscape.landscape.curvature._density import spectral_density
from eigenscape.landscape.curvature._eigenpairs import top_eigenpairs
from eigenscape.landscape.curvature._hessian_result import HessianResult
from eigenscape.landscape.curvature._hessian_tasks import measured_in_tasks
from eigenscape.landscape.curvature._recurrence import Tell
from eigenscape.landscape.curvature._trace import TraceMethod, hessian_trace
from eigenscape.models import Matrix
from eigenscape.results import Environment
from eigenscape.runs import Engine, Progress

if TYPE_CHECKING:
    from eigenscape.models import Objective
    from eigenscape.runs import ProgressCallback

Ends = Literal["largest", "both"]


def hessian(
    objective: Objective,
    *,
    n_eigenvalues: int = 5,
    trace_probes: int = 100,
    trace_method: TraceMethod = "hutchinson",
    density: bool = False,
    ends: Ends = "largest",
    groups: Grouping | None = "layer",
    matrix: Matrix = "hessian",
    include: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    tolerance: float = 1e-3,
    checks: int | None = None,
    seed: int = 0,
    time_budget: float | None = None,
    tell: Tell | None = None,
    jobs: int | None = 1,
    engine: Engine = "local",
    address: str | None = None,
    progress: ProgressCallback | None = None,
) -> HessianResult:
    """Examine the curvature of an objective at its center.

    Args:
        objective: the loss around its center.
        n_eigenvalues: how many, at each end that is asked for; at most P.
        trace_probes: matrix-vector products for the trace; see :func:`hessian_trace`.
        trace_method: ``"hutchinson"`` or ``"hutch++"``.
        density: estimate the spectral density too, with the defaults of :func:`spectral_density`.
        ends: ``"largest"``, or ``"both"`` for as many of the smallest (the most negative) as well.
        groups: the trace by ``"layer"``, by ``"block"``, or None.
        matrix: ``"hessian"``, or ``"ggn"`` for the generalised Gauss-Newton matrix.
        include: globs over parameter names; the Hessian is then the diagonal block of those.
        exclude: globs over names of parameters that stay fixed.
        tolerance: of the eigenvalues' residuals; see :func:`top_eigenpairs`.
        checks: products at most to look for missed and repeated eigenvalues, each time; see
            :func:`top_eigenpairs`. What they leave open is in the notes.
        seed: of everything random.
        time_budget: seconds for the eigenvalues; the best so far is returned.
        tell: told a line for each product of a model too large for a stored basis.
        jobs: parts at once: the eigenvalues, every ten probes of the trace, every probe of the
            density. 1 is this process, with all its threads; None is one for each usable core.
        engine: ``"local"`` processes, ``"threads"``, ``"dask"`` or ``"ray"``.
        address: of the Dask or Ray cluster; see :func:`eigenscape.runs.open_executor`.
        progress: called after each of the parts.

    Raises:
        InputError: an argument out of range, or a product that is not finite.

    >>> import torch
    >>> from eigenscape.models import Objective
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> batch = (torch.diag(torch.tensor([1.0, 2.0])), torch.zeros(2, 1))  # Hessian: diag(1, 4)
    >>> found = hessian(Objective(model, torch.nn.functional.mse_loss, batch), n_eigenvalues=2)
    >>> [round(value, 5) for value in (*found.top_eigenvalues, found.hessian_trace)]
    [4.0, 1.0, 5.0]
    """
    start = time.perf_counter()
    if ends not in get_args(Ends):
        raise InputError(f"ends is {ends!r}; expected one of {', '.join(get_args(Ends))}")
    if include is not None or exclude is not None:
        objective = objective.restricted(include, exclude)
    both, n = ends == "both", n_eigenvalues
    if both and 2 * n > objective.space.count:
        raise InputError(
            f"n_eigenvalues is {n} at both ends, but there are {objective.space.count} parameters; "
            "expected twice as many parameters or more"
        )
    pairs_of: dict[str, Any] = {
        "n_eigenvalues": 2 * n if both else n,
        "which": "both" if both else "largest",
    }
    pairs_of |= {"tolerance": tolerance, "checks": checks, "time_budget": time_budget}
    traces: dict[str, Any] = {"probes": trace_probes, "method": trace_method, "groups": groups}
    same: dict[str, Any] = {"seed": seed, "matrix": matrix}
    if jobs == 1 and engine in ("local", "threads"):
        told = _Told(progress, 2 + density, start)
        pairs = top_eigenpairs(objective, **pairs_of, **same, tell=tell)
        told.step("eigenvalues")
        found = hessian_trace(objective, **traces, **same)
        told.step("trace")
        spectrum = spectral_density(objective, **same) if density else None
        if density:
            told.step("density")
    else:
        pairs, found, spectrum = measured_in_tasks(
            objective,
            pairs_of,
            traces,
            density=density,
            **same,
            how=(jobs, engine, address),
            progress=progress,
        )
    gradient_norm = float(objective.gradient().norm())
    top, low = pairs.values[:n], pairs.values[n:].flip(0)
    residuals, low_residuals = pairs.residuals[:n], pairs.residuals[n:].flip(0)
    notes = [
        *objective.notes,
        *point_notes(objective),
        *route_notes(objective),
        *rest_notes(top, low, pairs, checks),
    ]
    spent = pairs.products + found.products + (spectrum.products if spectrum else 0)
    return HessianResult(
        environment=Environment.capture(device=str(objective.device), seed=seed),
        matrix=matrix,
        model=type(objective.model).__name__,
        parameters=objective.space.count,
        samples=round(objective.data.count),
        data_hash=objective.data.hash,
        loss=objective.loss_at_center,
        gradient_norm=gradient_norm,
        top_eigenvalues=tuple(top.tolist()),
        residuals=tuple(residuals.tolist()),
        smallest_eigenvalues=tuple(low.tolist()),
        smallest_residuals=tuple(low_residuals.tolist()),
        tolerance=tolerance,
        hessian_trace=found.value,
        trace_stderr=found.standard_error,
        trace_probes=found.products,
        trace_method=found.method,
        groups=found.groups,
        density=spectrum,
        products=spent,
        seconds=time.perf_counter() - start,
        notes=tuple(notes),
    )


class _Told:
    """Tells a callback which parts are done."""

    def __init__(self, tell: ProgressCallback | None, parts: int, start: float) -> None:
        self._tell, self._parts, self._start, self._done = tell, parts, start, -1
        self.step("")

    def step(self, name: str) -> None:
        self._done += 1
        if self._tell is not None:
            spent = time.perf_counter() - self._start
            self._tell(Progress(self._done, self._parts, 0, 0, spent, None, name))
