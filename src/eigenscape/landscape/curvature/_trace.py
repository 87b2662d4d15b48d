"""The trace of the Hessian from random probes, each layer's share with it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.landscape.curvature._curvature import Curvature, Grouping, Groups, whole_number
from eigenscape.landscape.curvature._recurrence import refuse_beyond_memory

if TYPE_CHECKING:
    from eigenscape.models import Matrix, Objective

TraceMethod = Literal["hutchinson", "hutch++"]
TRACE_METHODS: tuple[TraceMethod, ...] = get_args(TraceMethod)

#: Probes that share one forward and one first backward pass.
CHUNK = 10
_MOST_PROBES = 10_000


@dataclass(frozen=True, kw_only=True)
class GroupTrace:
    """The trace of one layer's, or one block's, diagonal block of the Hessian.

    Args:
        name: of the layer or block.
        parameters: its number of parameters.
        value: the estimate.
        standard_error: of the estimate; zero where it is exact.
    """

    name: str
    parameters: int
    value: float
    standard_error: float


@dataclass(frozen=True, kw_only=True)
class TraceEstimate:
    """The trace of the Hessian, with the error of the estimate.

    Args:
        value: the estimate.
        standard_error: of the estimate; zero where it is exact.
        products: matrix-vector products that were spent.
        per_probe: one unbiased estimate for each probe of the random part.
        method: ``"hutchinson"``, ``"hutch++"``, ``"exact"`` where every coordinate was probed, or
            ``"none"``.
        groups: the shares of layers or blocks; they add up to ``value``.
    """

    value: float
    standard_error: float
    products: int
    per_probe: Tensor = field(repr=False)
    method: str
    groups: tuple[GroupTrace, ...] = ()


def hessian_trace(
    objective: Objective,
    *,
    probes: int = 100,
    method: TraceMethod = "hutchinson",
    seed: int = 0,
    groups: Grouping | None = None,
    matrix: Matrix = "hessian",
    relative_error: float | None = None,
    max_probes: int = _MOST_PROBES,
) -> TraceEstimate:
    r"""Estimate the trace of the Hessian of an objective at its center.

    Hutchinson (1990): the mean of :math:`v^T H v` over Rademacher vectors v. The share of a layer
    is the mean of :math:`v_l^T (H v)_l`, from the same probes. Hutch++ (Meyer, Musco, Musco and
    Woodruff 2021): a third of the products find a basis Q of :math:`H S`, a third give
    :math:`\mathrm{tr}(Q^T H Q)` exactly, and the rest estimate what is left, so that the error
    falls as 1/probes; it pays where a few eigenvalues make most of the trace. The standard error
    is that of the random part. With ``probes`` of P or more, each coordinate is probed once and
    the trace is exact.

    Args:
        objective: the loss around its center.
        probes: matrix-vector products, 2 or more (6 for Hutch++), or 0: no trace, which is then
            NaN. The default, 100, is the most that PyHessian takes (Yao et al. 2020).
        method: ``"hutchinson"`` or ``"hutch++"``.
        seed: of the probes.
        groups: ``"layer"`` or ``"block"`` for their shares, None for the total alone.
        matrix: ``"hessian"``, or ``"ggn"`` for the generalised Gauss-Newton matrix.
        relative_error: continue after ``probes`` products until the standard error is below this
            share of the estimate, or ``max_probes`` is reached; exactly, once P products are
            spent. None: take ``probes``.
        max_probes: the most products under ``relative_error``.

    Raises:
        InputError: an argument out of range, or a product that is not finite.

    >>> from eigenscape.models import Objective
    >>> model = torch.nn.Linear(3, 1)
    >>> objective = Objective(model, torch.nn.functional.mse_loss, (torch.eye(3), torch.ones(3, 1)))
    >>> round(hessian_trace(objective).value, 5)  # 2/3 for each of the weights, 2 for the bias
    4.0
    """
    check_trace(probes, method, relative_error, max_probes)
    if probes == 0:
        none = torch.zeros(0, dtype=torch.float64)
        nan = math.nan
        return TraceEstimate(
            value=nan, standard_error=nan, products=0, per_probe=none, method="none"
        )
    each = 8 * 4 * min(probes, CHUNK)
    refuse_beyond_memory(objective.space.count, objective.device, each, "the trace")
    curvature = Curvature(objective, matrix)
    members = Groups(objective.space, groups)
    if probes >= curvature.count:
        return _exact(curvature, members)
    sketch = probes // 3 if method == "hutch++" else 0
    drawn = _Probes(curvature, members, torch.Generator().manual_seed(seed), sketch)
    found = drawn.draw(probes - curvature.products)
    if relative_error is not None:
        while curvature.products < max_probes:
            value = float(drawn.known[-1] + found[:, -1].mean())
            if float(_errors(found)[-1]) <= relative_error * abs(value):
                break
            if curvature.products >= curvature.count:  # every coordinate costs no more
                return _exact(curvature, members)
            more = drawn.draw(min(CHUNK, max_probes - curvature.products))
            found = torch.cat((found, more))
    return _estimate(drawn.known, found, curvature.products, method, members)


def hessian_traces(objective: Objective, *, probes: int = 32, seed: int = 0) -> Tensor:
    """Estimate the trace of the Hessian of each of k networks: ``(k, probes)`` in float64.

    Hutchinson's ``v^T H v`` for each network and probe, Rademacher vectors that are the same for
    all networks; the mean over the probes estimates the trace.

    Args:
        objective: of the networks, at their center.
        probes: random vectors.
        seed: of the vectors.

    >>> from eigenscape.models import Objective
    >>> models = [torch.nn.Linear(3, 1), torch.nn.Linear(3, 1)]
    >>> data = (torch.eye(3), torch.ones(3, 1))
    >>> objective = Objective(models, torch.nn.functional.mse_loss, data)
    >>> hessian_traces(objective, probes=64).mean(dim=1).round().tolist()
    [4.0, 4.0]
    """
    generator = torch.Generator().manual_seed(seed)
    coins = torch.randint(2, (probes, objective.space.count), generator=generator)
    signs = (2 * coins - 1).to(objective.device, objective.dtype)
    parts = [
        (some * objective.products(None, some)).sum(dim=-1) for some in torch.split(signs, CHUNK)
    ]
    return torch.cat(parts, dim=1).cpu()


def trace_rows(
    objective: Objective,
    *,
    matrix: Matrix,
    groups: Grouping | None,
    seed: int,
    start: int,
    count: int,
) -> Tensor:
    """Return the estimates of some of the probes of :func:`hessian_trace`: ``(count, groups + 1)``.

    Args:
        objective: as for :func:`hessian_trace`, and so are the next three.
        matrix: see there.
        groups: see there.
        seed: see there.
        start: the first of the probes, a multiple of ``CHUNK``.
        count: how many.
    """
    generator = torch.Generator().manual_seed(seed)
    members = Groups(objective.space, groups)
    probes = _Probes(Curvature(objective, matrix), members, generator, 0)
    probes.skip(start)
    return probes.draw(count)


def estimate_of(objective: Objective, rows: Tensor, groups: Grouping | None) -> TraceEstimate:
    """Return the estimate of Hutchinson's probes whose rows are known."""
    known = torch.zeros(rows.shape[1], dtype=torch.float64)
    return _estimate(known, rows, len(rows), "hutchinson", Groups(objective.space, groups))


class _Probes:
    """Random probes, outside a subspace that is known exactly when there is a sketch.

    With P = Q Q^T and g' = (1 - P) g, the share of a layer l is the sum over its coordinates of
    ``Q * (H Q)``, exactly, plus the mean of ``g' * (H g')``: tr(E_l H P) + tr(E_l H (1 - P)).
    """

    def __init__(
        self, curvature: Curvature, members: Groups, generator: torch.Generator, sketch: int
    ) -> None:
        self._curvature, self._members, self._generator = curvature, members, generator
        self._basis: Tensor | None = None
        self.known = torch.zeros(len(members.names) + 1, dtype=torch.float64)
        if sketch:
            self._basis = torch.linalg.qr(_by_chunks(curvature, self._signs(sketch)))[0]
            entries = self._basis * _by_chunks(curvature, self._basis)
            self.known = _shares(members, entries).sum(0)

    def draw(self, count: int) -> Tensor:
        """Return estimates of the rest from so many probes: ``(count, groups + 1)``."""
        parts = []
        for start in range(0, count, CHUNK):
            probes = self._signs(min(CHUNK, count - start))
            if self._basis is not None:
                probes = probes - self._basis @ (self._basis.T @ probes)
            parts.append(_shares(self._members, probes * self._curvature(probes)))
        return torch.cat(parts)

    def skip(self, count: int) -> None:
        """Skip so many probes, in whole chunks, in the random stream."""
        for _ in range(0, count, CHUNK):
            self._signs(CHUNK)

    def _signs(self, count: int) -> Tensor:
        shape = (self._curvature.count, count)
        coins = torch.randint(2, shape, generator=self._generator, dtype=torch.int8)
        return coins.to(self._curvature.device, torch.float64) * 2 - 1


def _by_chunks(curvature: Curvature, vectors: Tensor) -> Tensor:
    parts = [vectors[:, start : start + CHUNK] for start in range(0, vectors.shape[1], CHUNK)]
    return torch.cat([curvature(part) for part in parts], dim=1)


def _shares(members: Groups, entries: Tensor) -> Tensor:
    """Return each column's sums within the groups, and in all: ``(k, groups + 1)``."""
    return torch.cat((members.sums(entries), entries.sum(0)[:, None].cpu()), dim=1)


def _exact(curvature: Curvature, members: Groups) -> TraceEstimate:
    diagonal = torch.zeros(curvature.count, 1, dtype=torch.float64, device=curvature.device)
    for start in range(0, curvature.count, CHUNK):
        places = torch.arange(start, min(start + CHUNK, curvature.count), device=curvature.device)
        units = diagonal.new_zeros(curvature.count, len(places))
        units[places, places - start] = 1.0
        diagonal[places, 0] = curvature(units)[places, places - start]
    known = _shares(members, diagonal)[0]
    none = torch.zeros(0, len(known), dtype=torch.float64)
    return _estimate(known, none, curvature.products, "exact", members)


def _estimate(
    known: Tensor, found: Tensor, spent: int, method: str, members: Groups
) -> TraceEstimate:
    values = known + (found.mean(0) if len(found) else 0.0)
    errors = _errors(found).tolist()
    groups = zip(members.names, members.sizes, values.tolist(), errors, strict=False)
    return TraceEstimate(
        value=float(values[-1]),
        standard_error=errors[-1],
        products=spent,
        per_probe=(known + found)[:, -1],
        method=method,
        groups=tuple(
            GroupTrace(name=name, parameters=size, value=value, standard_error=error)
            for name, size, value, error in groups
        ),
    )


def _errors(found: Tensor) -> Tensor:
    """Standard errors of the means over probes; zero without a random part."""
    if not len(found):
        return torch.zeros(found.shape[1], dtype=torch.float64)
    return found.std(0) / math.sqrt(len(found))


def check_trace(
    probes: int, method: str, relative_error: float | None = None, max_probes: int = _MOST_PROBES
) -> None:
    """Raise an error that lists the arguments of :func:`hessian_trace` that are out of range."""
    wrong = []
    if method not in TRACE_METHODS:
        wrong.append(f"method is {method!r}; expected one of {', '.join(TRACE_METHODS)}")
    if type(probes) is not int or probes != 0:
        wrong += whole_number("probes", probes, 6 if method == "hutch++" else 2)
    wrong += whole_number("max_probes", max_probes, 2)
    if relative_error is not None and not 0 < relative_error < 1:
        wrong.append(f"relative_error is {relative_error!r}; expected a number between 0 and 1")
    if wrong:
        raise InputError("; ".join(wrong))
