"""Extreme eigenpairs of the Hessian, each with its residual."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.landscape.curvature._curvature import Curvature, whole_number
from eigenscape.landscape.curvature._lanczos import Lanczos
from eigenscape.landscape.curvature._recurrence import Tell, leading_pair, refuse_beyond_memory

if TYPE_CHECKING:
    from eigenscape.models import Matrix, Objective

Which = Literal["largest", "smallest", "magnitude", "both"]
WHICH: tuple[Which, ...] = get_args(Which)
Method = Literal["auto", "basis", "recurrence"]
METHODS: tuple[Method, ...] = get_args(Method)

_DENSE = 20
_MOST_PRODUCTS = 500
_BASIS_BYTES = 2**31
#: Steps from a fresh random vector after convergence, to find what the first start did not see.
_CHECK_STEPS = 8
#: Eigenvalues below this share of the largest are resolved to an absolute, no relative, tolerance.
_FLOOR = 1e-3


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
    """

    values: Tensor
    vectors: Tensor = field(repr=False)
    residuals: Tensor
    products: int
    method: str = "basis"


def top_eigenpairs(
    objective: Objective,
    n_eigenvalues: int = 1,
    *,
    which: Which = "largest",
    tolerance: float = 1e-3,
    max_products: int | None = None,
    seed: int = 0,
    matrix: Matrix = "hessian",
    method: Method = "auto",
    time_budget: float | None = None,
    tell: Tell | None = None,
) -> Eigenpairs:
    """Return extreme eigenpairs of the Hessian of an objective at its center.

    By thick-restart Lanczos (Wu and Simon 2000) with full reorthogonalisation, on the objective's
    device. A Krylov space holds one vector of a repeated eigenvalue, so that after convergence a
    fresh random vector is followed for eight more steps; if it yields another eigenvalue the
    search continues. With 20 parameters or fewer, or twice ``n_eigenvalues`` and one, the whole
    matrix is diagonalised.

    Where such a basis of 2k + 12 vectors in float64 would take more than 2 GiB (P above 19 million
    for one eigenvalue) and one eigenvalue is wanted, the three-term recurrence finds it without a
    basis: nine vectors in the model's precision, each product made twice, and no search for
    repeated eigenvalues. Several eigenvalues keep their basis, if memory holds it.

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
    _check(count, k, which, tolerance, most)
    _check_method(method, k, time_budget)
    deadline = None if time_budget is None else begun + time_budget
    generator = torch.Generator().manual_seed(seed)
    large = 8 * count * (2 * k + 12) > _BASIS_BYTES
    if method == "recurrence" or (method == "auto" and large and k == 1):
        curvature = Curvature(objective, matrix, checked=False)
        value, vector, residual = leading_pair(
            curvature,
            lambda values: int(_wanted(values, 1, which)),
            tolerance,
            most,
            generator,
            deadline,
            tell or (lambda _: None),
        )
        return _single(value, vector, residual, curvature.products)
    if large:
        what = f"a basis for {k} eigenvalues"
        refuse_beyond_memory(count, objective.device, 8 * (2 * k + 16), what)
    curvature = Curvature(objective, matrix)
    if curvature.count <= max(_DENSE, 2 * k + 1):
        values, whole = torch.linalg.eigh(curvature.dense().cpu())
        chosen = _wanted(values, k, which)
        vectors = whole[:, chosen].to(curvature.device)
        products = curvature(vectors)
    else:
        search = _Search(curvature, k, which, tolerance, most, generator, deadline)
        vectors, products = search.run()
    return _sorted(vectors, products, curvature.products)


class _Search:
    """The search for the wanted pairs, one product after the other."""

    def __init__(
        self,
        curvature: Curvature,
        k: int,
        which: Which,
        tolerance: float,
        most: int,
        generator: torch.Generator,
        deadline: float | None,
    ) -> None:
        self._deadline = deadline
        self._curvature, self._k, self._which = curvature, k, which
        self._tolerance, self._most, self._generator = tolerance, most - k, generator
        room = min(max(4 * k, 60), max(2 * k + 12, _BASIS_BYTES // (8 * curvature.count)))
        self._lanczos = Lanczos(curvature, room, curvature.random(generator))

    def run(self) -> tuple[Tensor, Tensor]:
        """Return the wanted vectors ``(P, k)`` and their products."""
        again = True
        while True:
            self._converge()
            unseen = self._lanczos.inject(self._curvature.random(self._generator))
            if unseen and not self._spent and not self._checked():
                continue
            vectors = self._lanczos.vectors(self._ritz()[1])
            products = self._curvature(vectors)
            rest = products - vectors * (vectors * products).sum(0)
            worst = self._excess(rest.norm(dim=0).cpu(), self._ritz()[0])
            spent = self._curvature.products + self._k >= self._most
            if (
                self._spent
                or spent
                or not again
                or self._lanczos.complete
                or float(worst.max()) <= 1
            ):
                return vectors, products
            again = False  # what the injected vector cut off: once more, from the worst residual
            self._lanczos.inject(rest[:, int(worst.argmax())])

    @property
    def _spent(self) -> bool:
        enough = self._lanczos.size >= self._k
        late = self._deadline is not None and time.perf_counter() > self._deadline
        return self._curvature.products >= self._most or (late and enough)

    def _converge(self) -> None:
        """Step until the wanted pairs meet the tolerance, by their estimated residuals."""
        while not self._spent and not self._lanczos.complete:
            self._advance()
            if self._lanczos.size < self._k:
                continue
            values, combinations = self._ritz()
            estimates = self._lanczos.beta * combinations[-1].abs()
            if float(self._excess(estimates, values).max()) <= 1:
                return

    def _checked(self) -> bool:
        """Follow an injected vector; False when the wanted values move."""
        before = self._ritz()[0]
        for _ in range(_CHECK_STEPS):
            if self._lanczos.complete or self._spent:
                break
            self._advance()
            after = self._ritz()[0]
            moved = (after - before).abs() > self._tolerance * self._scales(before)
            if bool(moved.any()):
                return False
        return True

    def _advance(self) -> None:
        lanczos = self._lanczos
        if lanczos.full and not lanczos.complete:
            self._shrink()
        if lanczos.size and lanczos.broken:
            lanczos.inject(self._curvature.random(self._generator))
        lanczos.step()

    def _shrink(self) -> None:
        """Restart from the Ritz vectors nearest to the wanted ends."""
        values, combinations = torch.linalg.eigh(self._lanczos.projected)
        kept = _wanted(values, self._k + (self._lanczos.size - self._k) // 2, self._which)
        self._lanczos.restart(combinations[:, kept], values[kept])

    def _ritz(self) -> tuple[Tensor, Tensor]:
        values, combinations = torch.linalg.eigh(self._lanczos.projected)
        chosen = _wanted(values, self._k, self._which)
        return values[chosen], combinations[:, chosen]

    def _scales(self, values: Tensor) -> Tensor:
        largest = float(torch.linalg.eigvalsh(self._lanczos.projected).abs().max())
        return values.abs().clamp(min=_FLOOR * largest)

    def _excess(self, residuals: Tensor, values: Tensor) -> Tensor:
        """Return residuals in units of the tolerance; those of a zero matrix are zero."""
        allowed = self._tolerance * self._scales(values)
        return torch.where(residuals > 0, residuals / allowed, 0.0)


def _wanted(values: Tensor, k: int, which: Which) -> Tensor:
    """Return the places of the wanted among ascending values."""
    k = min(k, len(values))
    places = torch.arange(len(values))
    if which == "magnitude":
        return places[values.abs().argsort(stable=True)[len(values) - k :]]
    low = {"largest": 0, "smallest": k, "both": k // 2}[which]
    return torch.cat((places[:low], places[len(values) - (k - low) :]))


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


def _check(count: int, k: int, which: str, tolerance: float, most: int) -> None:
    wrong = whole_number("n_eigenvalues", k, 1)
    if not wrong and k > count:
        wrong.append(f"n_eigenvalues is {k}, but there are {count} parameters")
    if which not in WHICH:
        wrong.append(f"which is {which!r}; expected one of {', '.join(WHICH)}")
    if not 0 < tolerance < 1:
        wrong.append(f"tolerance is {tolerance!r}; expected a number between 0 and 1")
    wrong += whole_number("max_products", most, 1)
    if not wrong and most < 4 * k:
        wrong.append(f"max_products is {most}; expected four for each eigenvalue, {4 * k}, or more")
    if wrong:
        raise InputError("; ".join(wrong))
