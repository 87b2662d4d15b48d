"""One extreme eigenpair of a large model: a three-term recurrence, without a stored basis."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.landscape.curvature._curvature import free_memory
from eigenscape.landscape.curvature._steps import Pick, Steps, chunks, dot, random_start, start
from eigenscape.landscape.curvature._unseen import FAILURE, bounds, bounds_of_steps, projected

if TYPE_CHECKING:
    from eigenscape.landscape.curvature._curvature import Curvature

#: Vectors of P numbers at the peak, beside the model and its point: x, w, p, Hp and a product in
#: parts, and half of one more where the gradients of a tied parameter are added up.
VECTORS = 5.5
#: Further ones where several batches are added up in float64.
ADDED_UP = 4
Tell = Callable[[str], None]


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

    The rest are bounds on all other eigenvalues, with a probability of 99 %: see ``_unseen``. The
    start is half random, half the gradient, which lies largely in the space of the top eigenvectors
    (Gur-Ari, Roberts and Dyer 2018). A last product is made for the residual alone. A repeated
    eigenvalue is noticed by ``checks`` only: products from a fresh start, in what is orthogonal to
    the vector.

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
    vectors = VECTORS + ADDED_UP * (curvature.batches > 1)
    each = vectors * torch.finfo(curvature.dtype).bits / 8
    refuse_beyond_memory(curvature.count, curvature.device, each, "an eigenpair")
    tell(
        f"{curvature.count:,} parameters without a stored basis: at most {most} products, about "
        f"{each * curvature.count / 2**30:.1f} GiB and the graph of a batch"
    )
    steps = _converged(curvature, pick, tolerance, most, generator, deadline, tell)
    vector, value, residual = steps.x, steps.value, steps.residual
    rest = bounds_of_steps(steps.taken, value, steps.length, curvature.count, FAILURE / 2)
    del steps
    if checks and curvature.count > 1:
        left = min(checks, most - curvature.products)
        found = _beside(curvature, vector, value, pick, tolerance, left, generator, deadline, tell)
        if found[0]:
            rest = bounds(*found, curvature.count - 1, FAILURE / 2)
    return value, vector.div_(dot(vector, vector) ** 0.5), residual, rest


def _converged(
    curvature: Curvature,
    pick: Pick,
    tolerance: float,
    most: int,
    generator: torch.Generator,
    deadline: float | None,
    tell: Tell,
) -> Steps:
    begun, best = time.perf_counter(), math.inf
    steps = Steps(curvature, pick, start(curvature, generator))
    while True:
        now, done = time.perf_counter(), curvature.products
        kind = "true residual" if steps.exact else "estimated residual"
        tell(
            f"product {done}: {steps.value:.6g}, {kind} {steps.residual:.1e}, "
            f"{now - begun:.1f} s, {_resident():.1f} GiB"
        )
        if done == 1:
            tell(f"{now - begun:.1f} s for the gradient and the first product")
        late = deadline is not None and now + (now - begun) / done > deadline
        over = late or done + 1 >= most or steps.ended or done > curvature.count
        converged = steps.residual <= tolerance
        if steps.exact:
            if over or converged or steps.residual > best / 2:  # no more is to be had
                return steps
            best = steps.residual
        if not steps.exact and (over or converged):
            steps.measure()
        else:
            steps.advance()


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
) -> tuple[list[float], list[float]]:
    """Step by Lanczos in what is orthogonal to a vector: a copy of its eigenvalue shows, or none.

    Returns:
        The coefficients, as :func:`bounds` takes them.
    """
    alphas: list[float] = []
    betas: list[float] = []
    vector, product = random_start(curvature, generator), torch.zeros_like(leading)
    vector.sub_(leading, alpha=dot(leading, vector))
    vector.div_(dot(vector, vector) ** 0.5)
    for done in range(1, most + 1):
        for part, whole in chunks(curvature.parts(vector), product):
            whole.add_(part)
        product.sub_(leading, alpha=dot(leading, product))
        alphas.append(dot(vector, product))
        product.sub_(vector, alpha=alphas[-1])
        beta = math.sqrt(dot(product, product))
        broken = beta <= 10 * curvature.precision * abs(value) or done == curvature.count - 1
        betas.append(0.0 if broken else beta)
        ends = torch.tensor(bounds(alphas, betas, curvature.count - 1, FAILURE / 2))
        outermost, ritz = float(ends[pick(ends)]), torch.linalg.eigvalsh(projected(alphas, betas))
        second = float(ritz[pick(ritz)])
        tell(f"check {done}: the next eigenvalue lies between {second:.6g} and {outermost:.6g}")
        late = deadline is not None and time.perf_counter() > deadline
        found = reaches(second, value, pick, tolerance)
        if broken or late or found or not reaches(outermost, value, pick, tolerance):
            break
        vector, product = product.div_(beta), vector.mul_(-beta)
    return alphas, betas


def reaches(other: float, value: float, pick: Pick, tolerance: float) -> bool:
    """Return whether a number is as far out as an eigenvalue, to its tolerance."""
    both = torch.tensor(sorted((other, value)), dtype=torch.float64)
    return abs(other - value) <= tolerance * abs(value) or float(both[pick(both)]) == other


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
