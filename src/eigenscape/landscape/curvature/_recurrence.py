"""One extreme eigenpair of a large model: the Lanczos recurrence without a stored basis."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.landscape.curvature._curvature import asymmetric, free_memory
from eigenscape.landscape.curvature._unseen import FAILURE, bounds

if TYPE_CHECKING:
    from eigenscape.landscape.curvature._curvature import Curvature

#: Vectors of P numbers at the peak of a product: leaf, first gradient, the product and two of
#: autograd's workspace; two of the recurrence, its start or the sum, and the point itself.
VECTORS = 9
#: Numbers whose products are held at a time.
_CHUNK = 2**20

Pick = Callable[[Tensor], int]
Tell = Callable[[str], None]


@dataclass
class _Recurrence:
    """The coefficients of ``H V = V T``, and where the process stands."""

    alphas: list[float] = field(default_factory=list)
    betas: list[float] = field(default_factory=list)

    def ritz(self, pick: Pick) -> tuple[float, Tensor, float]:
        """Return the wanted eigenvalue of T, its vector, and the estimated residual."""
        off = torch.tensor(self.betas[: len(self.alphas) - 1], dtype=torch.float64)
        matrix = torch.diag(torch.tensor(self.alphas, dtype=torch.float64))
        values, vectors = torch.linalg.eigh(matrix + torch.diag(off, 1) + torch.diag(off, -1))
        at = pick(values)
        return float(values[at]), vectors[:, at], self.betas[-1] * abs(float(vectors[-1, at]))


def refuse_beyond_memory(count: int, device: torch.device, number_bytes: float, what: str) -> None:
    """Refuse what the free memory does not hold.

    Args:
        count: P.
        device: where the vectors lie.
        number_bytes: for each of the P parameters.
        what: they are for.

    Raises:
        InputError: with both figures.
    """
    needed, there = count * number_bytes, free_memory(device)
    if there and needed > there:
        raise InputError(
            f"{what} of {count:,} parameters needs {needed / 2**30:.1f} GiB of memory "
            f"and the graph of a batch; {there / 2**30:.1f} GiB are free. Try: one eigenvalue at "
            "one end, which needs no basis; include=[...] for a block; float32"
        )


def leading_pair(
    curvature: Curvature,
    pick: Pick,
    tolerance: float,
    most: int,
    checks: int,
    generator: torch.Generator,
    deadline: float | None,
    tell: Tell,
) -> tuple[float, Tensor, float, tuple[float, float]]:
    """Return one eigenvalue, its vector ``(P,)``, its true residual over the value, and the rest.

    The rest are bounds on all other eigenvalues, with a probability of 99 %: see ``_unseen``.

    Three vectors are held. A first pass finds the coefficients; a second one, from the same start,
    adds up the vector; one more product gives the residual. Without orthogonalisation converged
    eigenvalues come back as copies of themselves (Paige 1980), which does no harm to an extreme
    one. A repeated eigenvalue is noticed by ``checks`` only: products from a fresh start, in what
    is orthogonal to the vector.

    Args:
        curvature: the matrix.
        pick: the place of the wanted value among ascending ones.
        tolerance: of the residual, relative to the value.
        most: products in all.
        checks: of them at most, to look for a second copy; 0 for none.
        generator: of the starts.
        deadline: of ``time.perf_counter()``; what is best by then is returned.
        tell: told a line before the start and at each product.

    Raises:
        InputError: not enough memory, a product that is not finite, or no symmetric matrix.
    """
    each = (VECTORS + (checks > 0)) * torch.finfo(curvature.dtype).bits // 8
    refuse_beyond_memory(curvature.count, curvature.device, each, "an eigenpair")
    begun = time.perf_counter()
    state = generator.get_state()
    found = _first_pass(curvature, pick, tolerance, most, generator, deadline, tell)
    _, combination, _ = found.ritz(pick)
    generator.set_state(state)
    vector = _second_pass(curvature, found, combination, generator, tell)
    product = curvature.plain(vector)
    value = dot(vector, product)
    apart = product.sub_(vector, alpha=value)
    length = dot(apart, apart) ** 0.5
    residual = length / abs(value) if length > 0 else 0.0
    spent = time.perf_counter() - begun
    tell(
        f"eigenvalue {value:.6g}, true residual {residual:.1e}, {curvature.products} products, "
        f"{spent:.1f} s, at most {_peak():.1f} GiB"
    )
    rest = bounds(found.alphas, found.betas, curvature.count, FAILURE / 2)
    if checks and curvature.count > 1:
        left = min(checks, most - curvature.products)
        found = _beside(curvature, vector, value, pick, tolerance, left, generator, deadline, tell)
        if found.alphas:
            rest = bounds(found.alphas, found.betas, curvature.count - 1, FAILURE / 2)
    return value, vector, residual, rest


def _beside(
    curvature: Curvature,
    leading: Tensor,
    value: float,
    pick: Pick,
    tolerance: float,
    most: int,
    generator: torch.Generator,
    deadline: float | None,
    tell: Tell,
) -> _Recurrence:
    """Step in what is orthogonal to a vector: a copy of its eigenvalue shows, or is excluded."""
    known, before = _Recurrence(), None
    vector = _start(curvature, generator)
    vector.sub_(leading, alpha=dot(leading, vector))
    vector.div_(dot(vector, vector) ** 0.5)
    for done in range(1, most + 1):
        product = curvature.plain(vector)
        product.sub_(leading, alpha=dot(leading, product))
        alpha = dot(vector, product)
        beta = _orthogonalise(product, vector, before, alpha, known)
        broken = beta <= 10 * curvature.precision * abs(value) or done == curvature.count - 1
        known.alphas.append(alpha)
        known.betas.append(0.0 if broken else beta)
        ends = torch.tensor(bounds(known.alphas, known.betas, curvature.count - 1, FAILURE / 2))
        outermost, second = float(ends[pick(ends)]), known.ritz(pick)[0]
        tell(f"check {done}: the next eigenvalue lies between {second:.6g} and {outermost:.6g}")
        late = deadline is not None and time.perf_counter() > deadline
        found = reaches(second, value, pick, tolerance)
        if broken or late or found or not reaches(outermost, value, pick, tolerance):
            return known
        vector, before = product.div_(beta), vector
    return known


def reaches(other: float, value: float, pick: Pick, tolerance: float) -> bool:
    """Return whether a number is as far out as an eigenvalue, to its tolerance."""
    both = torch.tensor(sorted((other, value)), dtype=torch.float64)
    return abs(other - value) <= tolerance * abs(value) or float(both[pick(both)]) == other


def _first_pass(
    curvature: Curvature,
    pick: Pick,
    tolerance: float,
    most: int,
    generator: torch.Generator,
    deadline: float | None,
    tell: Tell,
) -> _Recurrence:
    begun, known = time.perf_counter(), _Recurrence()
    vector, before = _start(curvature, generator), None
    while True:
        product = curvature.plain(vector)
        alpha = dot(vector, product)
        if before is not None and len(known.alphas) == 1:
            back, beta = dot(before, product), known.betas[0]
            asymmetric(back, beta, max(abs(known.alphas[0]), abs(alpha), beta), curvature)
        beta = _orthogonalise(product, vector, before, alpha, known)
        known.alphas.append(alpha)
        known.betas.append(beta)
        value, _, estimate = known.ritz(pick)
        done, spent = len(known.alphas), time.perf_counter() - begun
        if done == 1:
            tell(_forecast(curvature, spent, most))
        tell(
            f"product {done}: {value:.6g}, estimated residual "
            f"{estimate / abs(value) if value else 0.0:.1e}, {spent:.1f} s, {_resident():.1f} GiB"
        )
        scale = max(map(abs, known.alphas))
        broken = beta <= 10 * curvature.precision * scale or done == curvature.count
        late = deadline is not None and begun + (2 * spent + spent / done) > deadline
        if estimate <= tolerance * abs(value) or broken or late or 2 * (done + 1) > most:
            return known
        vector, before = product.div_(beta), vector


def _second_pass(
    curvature: Curvature,
    known: _Recurrence,
    combination: Tensor,
    generator: torch.Generator,
    tell: Tell,
) -> Tensor:
    vector, before = _start(curvature, generator), None
    total = vector * float(combination[0])
    for place, weight in enumerate(combination.tolist()[1:]):
        product = curvature.plain(vector)
        product.sub_(vector, alpha=known.alphas[place])
        if before is not None:
            product.sub_(before, alpha=known.betas[place - 1])
        vector, before = product.div_(known.betas[place]), vector
        total.add_(vector, alpha=weight)
        tell(f"second pass, product {place + 1} of {len(combination) - 1}")
    return total.div_(dot(total, total) ** 0.5)


def _orthogonalise(
    product: Tensor, vector: Tensor, before: Tensor | None, alpha: float, known: _Recurrence
) -> float:
    product.sub_(vector, alpha=alpha)
    if before is not None:
        product.sub_(before, alpha=known.betas[-1])
    return math.sqrt(dot(product, product))


def _start(curvature: Curvature, generator: torch.Generator) -> Tensor:
    drawn = torch.randn(curvature.count, generator=generator, dtype=curvature.dtype)
    drawn = drawn.to(curvature.device)
    return drawn.div_(dot(drawn, drawn) ** 0.5)


def dot(left: Tensor, right: Tensor) -> float:
    """Return an inner product whose rounding does not grow with the length.

    Products are taken in the working precision and summed in float64, chunk by chunk.

    >>> dot(torch.full((2**20 + 3,), 0.1), torch.ones(2**20 + 3)) / (2**20 + 3)
    0.1000000...
    """
    pairs = zip(torch.split(left, _CHUNK), torch.split(right, _CHUNK), strict=True)
    return sum(float((a * b).sum(dtype=torch.float64)) for a, b in pairs)


def _forecast(curvature: Curvature, seconds: float, most: int) -> str:
    needed = VECTORS * curvature.count * torch.finfo(curvature.dtype).bits / 2**33
    return (
        f"{curvature.count:,} parameters without a stored basis: about {needed:.1f} GiB and the "
        f"graph of a batch, {seconds:.2f} s for a product, at most {most} products "
        f"({most * seconds:.0f} s); each product of the first pass is made twice"
    )


def _resident() -> float:
    """Return this process's memory in GiB, its peak where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (AttributeError, OSError, ValueError, IndexError):
        return _peak()


def _peak() -> float:
    """Return the most memory that this process has held, in GiB; NaN on Windows."""
    try:
        import resource
    except ImportError:
        return math.nan
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
