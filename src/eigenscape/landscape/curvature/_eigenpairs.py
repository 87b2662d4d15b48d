"""Extreme eigenpairs of the Hessian, each with its residual."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.landscape.curvature._curvature import Curvature, whole_number
from eigenscape.landscape.curvature._recurrence import (
    Tell,
    leading_pair,
    reaches,
    refuse_beyond_memory,
)
from eigenscape.landscape.curvature._search import WHICH, Search, Which, wanted

if TYPE_CHECKING:
    from eigenscape.models import Matrix, Objective

Method = Literal["auto", "basis", "recurrence"]
METHODS: tuple[Method, ...] = get_args(Method)

_DENSE = 20
_MOST_PRODUCTS = 500
_BASIS_BYTES = 2**31


@dataclass(frozen=True, kw_only=True)
class Eigenpairs:
    """Some eigenvalues of a symmetric matrix, with their vectors.

    Args:
        values: ``(k,)``, descending.
        vectors: ``(P, k)`` in float64, orthonormal; the largest entry of each is positive. From the
            recurrence ``(P, 1)`` in the precision of the model.
        residuals: ``(k,)``, ``||H v - lambda v|| / |lambda|`` by products of their own. An
            eigenvalue lies within ``residual * |lambda|`` of each value (Parlett 1998, 4.5).
        products: matrix-vector products that were spent, those for the residuals included.
        method: ``"dense"``, ``"basis"`` or ``"recurrence"``: how they were found.
        rest: with a probability of 99 % every eigenvalue that is not among ``values`` (further
            copies of them included) lies between these two, to the size of the residuals; minus
            and plus infinity where nothing was looked for.
        settled: whether ``rest`` leaves no room for an eigenvalue that belongs among ``values``.
    """

    values: Tensor
    vectors: Tensor = field(repr=False)
    residuals: Tensor
    products: int
    method: str = "basis"
    rest: tuple[float, float] = (-math.inf, math.inf)
    settled: bool = False


def top_eigenpairs(
    objective: Objective,
    n_eigenvalues: int = 1,
    *,
    which: Which = "largest",
    tolerance: float = 1e-3,
    max_products: int | None = None,
    checks: int | None = None,
    seed: int = 0,
    matrix: Matrix = "hessian",
    method: Method = "auto",
    time_budget: float | None = None,
    tell: Tell | None = None,
) -> Eigenpairs:
    """Return extreme eigenpairs of the Hessian of an objective at its center.

    By thick-restart Lanczos (Wu and Simon 2000) with full reorthogonalisation, on the objective's
    device. A Krylov space holds one vector of a repeated eigenvalue, so that after convergence
    Lanczos starts again, from a fresh random vector orthogonal to what was found. If that yields
    another wanted eigenvalue the search continues; if not it goes on until its coefficients
    exclude one with a probability of 99 % (see ``Eigenpairs.rest``), or the checks are used up:
    then ``settled`` is False. With 20 parameters or fewer, or twice ``n_eigenvalues`` and one, the
    whole matrix is diagonalised.

    Where such a basis of 2k + 12 vectors in float64 would take more than 2 GiB (P above 19 million
    for one eigenvalue) and one eigenvalue is wanted, locally optimal conjugate gradients (Knyazev
    2001) find it by a three-term recurrence without a basis: four vectors in the model's precision,
    the gradient and a random vector for a start, one product a step and one for the residual, and a
    search for repeated eigenvalues only if ``checks`` asks for it. For an eigenvalue close to
    others it takes more products than a basis does. Several eigenvalues keep their basis, if memory
    holds it.

    Args:
        objective: the loss around its center.
        n_eigenvalues: how many, 1 to P.
        which: ``"largest"``, ``"smallest"`` (the most negative), ``"magnitude"`` (the largest
            absolute value, what power iteration finds) or ``"both"``: half from each end, the
            larger half from the upper.
        tolerance: of the residual, relative to each eigenvalue; the eigenvalue's own error is of
            the order of its square, for one that stands apart. An eigenvalue below 1/1000 of the
            largest one is resolved to ``tolerance / 1000`` of the largest. The default, 1e-3, is
            PyHessian's; there it bounds the change between two iterations (Yao et al. 2020).
        max_products: stop there; what has not converged shows in its residual. None for 500.
        checks: products at most of each look for what was missed; None for as many as the search
            took (8 at least), by the recurrence for none; 0 for none.
        seed: of the first vector.
        matrix: ``"hessian"``, or ``"ggn"`` for the generalised Gauss-Newton matrix.
        method: ``"basis"`` or ``"recurrence"``; ``"auto"`` chooses by size, as above.
        time_budget: seconds, after which the best so far is returned.
        tell: told time and memory before the recurrence starts, and a line at each product.

    Raises:
        InputError: an argument out of range, more than the free memory holds, or a product that is
            not finite.

    >>> from eigenscape.models import Objective
    >>> model = torch.nn.Linear(30, 1, bias=False)
    >>> inputs = torch.diag(torch.arange(1.0, 31.0)).sqrt()  # Hessian: diag(1 ... 30) / 15
    >>> objective = Objective(model, torch.nn.functional.mse_loss, (inputs, torch.zeros(30, 1)))
    >>> (top_eigenpairs(objective, 2).values * 15).round(decimals=4).tolist()
    [30.0, 29.0]
    """
    begun, k = time.perf_counter(), n_eigenvalues
    most = _MOST_PRODUCTS if max_products is None else max_products
    count = objective.space.count
    _check(count, k, which, tolerance, most, checks)
    _check_method(method, k, time_budget)
    deadline = None if time_budget is None else begun + time_budget
    generator = torch.Generator().manual_seed(seed)
    large = 8 * count * (2 * k + 12) > _BASIS_BYTES
    if method == "recurrence" or (method == "auto" and large and k == 1):
        curvature = Curvature(objective, matrix, checked=False)

        def pick(values: Tensor) -> int:
            return int(wanted(values, 1, which))

        value, vector, residual, rest = leading_pair(
            curvature,
            pick,
            tolerance,
            most,
            checks or 0,
            generator,
            deadline,
            tell or (lambda _: None),
        )
        found = _single(value, vector, residual, curvature.products)
        ends = torch.tensor(rest, dtype=torch.float64)
        outermost = float(ends[pick(ends)])
        settled = reaches(value, outermost, pick, tolerance)
        return replace(found, rest=rest, settled=settled)
    if large:
        what = f"a basis for {k} eigenvalues"
        refuse_beyond_memory(count, objective.device, 8 * (2 * k + 16), what)
    curvature = Curvature(objective, matrix)
    if curvature.count <= max(_DENSE, 2 * k + 1):
        values, whole = torch.linalg.eigh(curvature.dense().cpu())
        chosen = wanted(values, k, which)
        vectors = whole[:, chosen].to(curvature.device)
        products = curvature(vectors)
        others = values[[at for at in range(count) if at not in chosen.tolist()]].tolist()
        rest, settled = (min(others, default=math.nan), max(others, default=math.nan)), True
    else:
        room = min(max(4 * k, 60), max(2 * k + 12, _BASIS_BYTES // (8 * count)))
        search = Search(
            curvature, k, which, tolerance, most, checks, generator, deadline, room=room
        )
        vectors, products = search.run()
        rest, settled = search.rest, search.settled
    return replace(_sorted(vectors, products, curvature.products), rest=rest, settled=settled)


def _sorted(vectors: Tensor, products: Tensor, spent: int) -> Eigenpairs:
    values = (vectors * products).sum(0)
    order = values.argsort(descending=True, stable=True)
    values, vectors, products = values[order], vectors[:, order], products[:, order]
    lengths = (products - vectors * values).norm(dim=0)
    residuals = torch.where(lengths > 0, lengths / values.abs(), 0.0)
    top = vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True))
    signs = torch.where(top < 0, -1.0, 1.0).to(vectors.dtype)
    return Eigenpairs(
        values=values.cpu(), vectors=vectors * signs, residuals=residuals.cpu(), products=spent
    )


def _single(value: float, vector: Tensor, residual: float, spent: int) -> Eigenpairs:
    if float(vector.max()) < -float(vector.min()):
        vector.neg_()
    return Eigenpairs(
        values=torch.tensor([value], dtype=torch.float64),
        vectors=vector[:, None],
        residuals=torch.tensor([residual], dtype=torch.float64),
        products=spent,
        method="recurrence",
    )


def _check_method(method: str, k: int, time_budget: float | None) -> None:
    wrong = []
    if method not in METHODS:
        wrong.append(f"method is {method!r}; expected one of {', '.join(METHODS)}")
    if method == "recurrence" and k != 1:
        wrong.append(f"the recurrence finds one eigenvalue, and n_eigenvalues is {k}")
    if time_budget is not None and not time_budget > 0:
        wrong.append(f"time_budget is {time_budget!r}; expected seconds above 0")
    if wrong:
        raise InputError("; ".join(wrong))


def _check(count: int, k: int, which: str, tolerance: float, most: int, checks: int | None) -> None:
    wrong = whole_number("n_eigenvalues", k, 1)
    if not wrong and k > count:
        wrong.append(f"n_eigenvalues is {k}, but there are {count} parameters")
    if which not in WHICH:
        wrong.append(f"which is {which!r}; expected one of {', '.join(WHICH)}")
    if not 0 < tolerance < 1:
        wrong.append(f"tolerance is {tolerance!r}; expected a number between 0 and 1")
    wrong += whole_number("max_products", most, 1)
    if checks is not None:
        wrong += whole_number("checks", checks, 0)
    if not wrong and most < 4 * k:
        wrong.append(f"max_products is {most}; expected four for each eigenvalue, {4 * k}, or more")
    if wrong:
        raise InputError("; ".join(wrong))
