"""Steps towards one extreme eigenpair, four vectors of P numbers at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from eigenscape.landscape.curvature._curvature import asymmetric
from eigenscape.landscape.curvature._unseen import Step

if TYPE_CHECKING:
    from eigenscape.landscape.curvature._curvature import Curvature

#: Numbers that are combined at a time (four times as many lie in the cache), and of them those
#: whose products are added up in the working precision; these sums are added in float64.
_CHUNK, _ADDED = 2**17, 2**15

Pick = Callable[[Tensor], int]


class Steps:
    """Locally optimal conjugate gradients on the Rayleigh quotient (LOBPCG of block 1).

    Kept are the approximation x of length 1, its residual ``w = Hx - theta x``, the last step p and
    Hp. A step multiplies w and takes the wanted Ritz vector of span{x, w, p} (Knyazev 2001); Hx and
    Hp follow from the same combinations, so that there is one product a step. The new residual is
    orthogonal to that whole space: in the basis of x, w and what of p is orthogonal to x (Hetmaniuk
    and Lehoucq 2006) the projected matrix is tridiagonal, and a step measures three inner products.

    Args:
        curvature: the matrix.
        pick: the place of the wanted value among ascending ones.
        start: x, of any length above zero; it is overwritten.
    """

    def __init__(self, curvature: Curvature, pick: Pick, start: Tensor) -> None:
        self._curvature, self._pick = curvature, pick
        self.x, self._w = start, torch.empty_like(start)
        self._p = self._hp = start[:0]
        self._xp = self._pp = self._php = self._whp = 0.0  # inner products
        self.taken: list[Step] = []
        self.measure()

    def measure(self) -> None:
        """Take the value and the residual from a product of their own: one product."""
        product = self._curvature.parts(self.x)
        length = dot(self.x, self.x) ** 0.5
        self.value = _inner(product, self.x) / length**2
        squares: list[Tensor] = []
        for hx, x, w in chunks(product, self.x, self._w):
            torch.sub(hx, x, alpha=self.value, out=w).div_(length)
            x.div_(length)
            squares += _dots(w, w)
        self.length, self.exact = math.sqrt(_total(squares)), True
        if len(self._p):
            self._whp, self._xp = dot(self._w, self._hp), dot(self.x, self._p)

    @property
    def residual(self) -> float:
        """The length of the residual over the absolute value."""
        if self.length == 0:
            return 0.0
        return self.length / abs(self.value) if self.value else math.inf

    @property
    def ended(self) -> bool:
        """Whether nothing is left of the residual, to rounding."""
        scale = max((abs(step.value) for step in self.taken), default=abs(self.value))
        return self.length <= 10 * self._curvature.precision * scale

    def advance(self) -> None:
        """Take one step: one product."""
        product, rho, theta = self._curvature.parts(self._w), self.length, self.value
        whw = _inner(product, self._w)
        if not self.taken:
            back = _inner(product, self.x) / rho
            scale = max(abs(theta), abs(whw) / rho**2, rho)
            asymmetric(back, rho, scale, self._curvature)
            self._p, self._hp = torch.zeros_like(self.x), torch.zeros_like(self.x)
        projected = [[theta, rho, 0.0], [rho, whw / rho**2, 0.0], [0.0, 0.0, 0.0]]
        aside = self._pp - self._xp**2  # the square of what of p is orthogonal to x
        if has_p := aside > 1e-6 * self._pp:
            bent = self._php - 2 * self._xp * theta * self._xp + self._xp**2 * theta
            projected[1][2] = projected[2][1] = (self._whp / rho - self._xp * rho) / aside**0.5
            projected[2][2] = bent / aside
        matrix = torch.tensor(projected, dtype=torch.float64)[: 2 + has_p, : 2 + has_p]
        values, vectors = torch.linalg.eigh(matrix)
        at = self._pick(values)
        y = vectors[:, at] * (-1.0 if vectors[0, at] < 0 else 1.0)
        back = float(y[2]) / aside**0.5 if has_p else 0.0
        step = Step(theta, rho, float(y[0]) - back * self._xp, float(y[1]) / rho, back)
        self._php = step.down**2 * whw + 2 * step.down * back * self._whp + back**2 * self._php
        self._pp, inner = (step.down * rho) ** 2 + back**2 * self._pp, step.keep * back * self._xp
        self._xp = inner + self._pp
        self._combine(product, step, float(values[at]))
        self.taken.append(step)
        self.value, self.exact = float(values[at]), False

    def _combine(self, product: list[Tensor], step: Step, value: float) -> None:
        """Replace p, Hp, w and x by their combinations, one chunk after the other."""
        squares: list[Tensor] = []
        across: list[Tensor] = []
        turned = step.keep * (step.value - value)
        for hw, x, w, p, hp in chunks(product, self.x, self._w, self._p, self._hp):
            p.mul_(step.back).add_(w, alpha=step.down)
            hp.mul_(step.back).add_(hw, alpha=step.down)
            w.mul_(step.keep).add_(x, alpha=turned).add_(hp).add_(p, alpha=-value)
            x.mul_(step.keep).add_(p)
            squares += _dots(w, w)
            across += _dots(w, hp)
        self.length, self._whp = math.sqrt(_total(squares)), _total(across)


def start(curvature: Curvature, generator: torch.Generator) -> Tensor:
    """Return half a random unit vector, half the gradient's direction where there is one."""
    drawn, slope = random_start(curvature, generator), curvature.slope()
    length = math.sqrt(sum(dot(part, part) for part in slope))
    if length > 0:
        share = dot(drawn, drawn) ** 0.5 / length
        for part, own in chunks(slope, drawn):
            own.add_(part, alpha=share)
    return drawn


def random_start(curvature: Curvature, generator: torch.Generator) -> Tensor:
    """Return a Gaussian vector in the precision of the model, drawn on the CPU."""
    drawn = torch.randn(curvature.count, generator=generator, dtype=curvature.dtype)
    return drawn.to(curvature.device)


def chunks(parts: Sequence[Tensor], *whole: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield pieces of a vector that is given in parts, and the same pieces of whole vectors."""
    start = 0
    for part in parts:
        for piece in torch.split(part, _CHUNK):
            stop = start + len(piece)
            yield piece, *(one[start:stop] for one in whole)
            start = stop


def _dots(left: Tensor, right: Tensor) -> list[Tensor]:
    pairs = zip(torch.split(left, _ADDED), torch.split(right, _ADDED), strict=True)
    return [torch.dot(a, b) for a, b in pairs]


def _inner(parts: Sequence[Tensor], whole: Tensor) -> float:
    """Return the inner product of a vector in parts and a whole one."""
    return _total([one for pair in chunks(parts, whole) for one in _dots(*pair)])


def _total(sums: Sequence[Tensor]) -> float:
    return float(torch.stack(list(sums)).double().sum()) if sums else 0.0


def dot(left: Tensor, right: Tensor) -> float:
    """Return an inner product whose rounding does not grow with the length.

    Up to 2^15 products are added in the working precision, their sums in float64.

    >>> round(dot(torch.full((2**20 + 3,), 0.1), torch.ones(2**20 + 3)) / (2**20 + 3), 4)
    0.1
    """
    return _inner([left], right)
