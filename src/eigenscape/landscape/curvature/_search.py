"""Thick-restart Lanczos for some extreme pairs, and the look for what it missed."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor

from eigenscape.landscape.curvature._lanczos import Lanczos
from eigenscape.landscape.curvature._unseen import FAILURE, bounds

if TYPE_CHECKING:
    from eigenscape.landscape.curvature._curvature import Curvature

Which = Literal["largest", "smallest", "magnitude", "both"]
WHICH: tuple[Which, ...] = get_args(Which)

#: Check products at least, where no number is given; else as many as the search took.
_FEWEST_CHECKS = 8
#: Eigenvalues below this share of the largest are resolved to an absolute, no relative, tolerance.
_FLOOR = 1e-3


class Search:
    """The search for the wanted pairs, one product after the other.

    Args:
        curvature: the matrix.
        k: how many pairs.
        which: of them.
        tolerance: of the residuals, relative to each value.
        most: products in all.
        checks: of each look for what was missed; None for as many as the search took.
        generator: of the starts.
        deadline: of ``time.perf_counter()``.
        room: basis vectors at most.

    Attributes:
        rest: bounds on all other eigenvalues, with a probability of 99 %.
        settled: whether they leave no room for another wanted one.
    """

    def __init__(
        self,
        curvature: Curvature,
        k: int,
        which: Which,
        tolerance: float,
        most: int,
        checks: int | None,
        generator: torch.Generator,
        deadline: float | None,
        *,
        room: int,
    ) -> None:
        self._deadline, self._checks = deadline, checks
        self._curvature, self._k, self._which = curvature, k, which
        self._tolerance, self._most, self._generator = tolerance, most - k, generator
        self._lanczos = Lanczos(curvature, room, curvature.random(generator))
        self.rest, self.settled = (-math.inf, math.inf), False
        self._failure = FAILURE
        self._decomposed: tuple[tuple[int, int], Tensor, Tensor] | None = None

    def run(self) -> tuple[Tensor, Tensor]:
        """Return the wanted vectors ``(P, k)`` and their products."""
        again = True
        self._converge()
        if self._checks is None:
            self._checks = max(_FEWEST_CHECKS, self._curvature.products)
        while True:
            if self._checks and not self.settled and not self._checked():
                self._converge()
                continue
            vectors = self._lanczos.vectors(self._ritz()[1])
            products = self._curvature(vectors)
            rest = products - vectors * (vectors * products).sum(0)
            worst = self._excess(rest.norm(dim=0).cpu(), self._ritz()[0])
            spent = self._spent or self._curvature.products + self._k >= self._most
            if spent or not again or self._lanczos.complete or float(worst.max()) <= 1:
                return vectors, products
            again = False  # what the fresh start cut off: once more, from the worst residual
            self._lanczos.inject(rest[:, int(worst.argmax())])
            self._converge()

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
        """Look for what was missed, from a fresh start; False when the wanted values move."""
        lanczos = self._lanczos
        if lanczos.complete or self._spent:
            if lanczos.complete:
                self._close_complete()
            return True
        before, combinations = self._ritz()
        lanczos.restart(combinations, before)
        lanczos.inject(self._curvature.random(self._generator))
        alphas: list[float] = []
        betas: list[float] = []
        self._failure /= 2  # of all checks together it stays below the first
        while len(alphas) < (self._checks or 0) and not (self._spent or lanczos.full):
            lanczos.step()
            alphas.append(float(lanczos.projected[-1, -1]))
            betas.append(0.0 if lanczos.broken else lanczos.beta)
            moved = (self._ritz()[0] - before).abs() > self._tolerance * self._scales(before)
            if bool(moved.any()):
                return False
            self.rest = bounds(alphas, betas, self._curvature.count - self._k, self._failure)
            self.settled = self._leaves_no_room(before)
            if self.settled or lanczos.broken:
                break
        return True

    def _close_complete(self) -> None:
        values, _ = self._spectrum()
        chosen = set(wanted(values, self._k, self._which).tolist())
        others = [value for at, value in enumerate(values.tolist()) if at not in chosen]
        self.rest, self.settled = (min(others), max(others)), True

    def _leaves_no_room(self, values: Tensor) -> bool:
        """Return whether no eigenvalue within ``rest`` would displace one of the wanted."""
        low, high = self.rest
        allowed = self._tolerance * self._scales(values)
        if self._which == "magnitude":
            at = int(values.abs().argmin())
            return max(abs(low), abs(high)) <= float(values.abs()[at] + allowed[at])
        lower = {"largest": 0, "smallest": self._k, "both": self._k // 2}[self._which]
        below = lower == 0 or low >= float((values - allowed)[lower - 1])
        above = lower == self._k or high <= float((values + allowed)[lower])
        return below and above

    def _advance(self) -> None:
        lanczos = self._lanczos
        if lanczos.full and not lanczos.complete:
            self._shrink()
        if lanczos.size and lanczos.broken:
            lanczos.inject(self._curvature.random(self._generator))
        lanczos.step()

    def _shrink(self) -> None:
        """Restart from the Ritz vectors nearest to the wanted ends."""
        values, combinations = self._spectrum()
        kept = wanted(values, self._k + (self._lanczos.size - self._k) // 2, self._which)
        self._lanczos.restart(combinations[:, kept], values[kept])

    def _ritz(self) -> tuple[Tensor, Tensor]:
        values, combinations = self._spectrum()
        chosen = wanted(values, self._k, self._which)
        return values[chosen], combinations[:, chosen]

    def _scales(self, values: Tensor) -> Tensor:
        return values.abs().clamp(min=_FLOOR * float(self._spectrum()[0].abs().max()))

    def _spectrum(self) -> tuple[Tensor, Tensor]:
        """Return the eigenvalues and eigenvectors of the projected matrix, computed once."""
        at = (self._curvature.products, self._lanczos.size)
        if self._decomposed is None or self._decomposed[0] != at:
            self._decomposed = at, *torch.linalg.eigh(self._lanczos.projected)
        return self._decomposed[1:]

    def _excess(self, residuals: Tensor, values: Tensor) -> Tensor:
        """Return residuals in units of the tolerance; those of a zero matrix are zero."""
        allowed = self._tolerance * self._scales(values)
        return torch.where(residuals > 0, residuals / allowed, 0.0)


def wanted(values: Tensor, k: int, which: Which) -> Tensor:
    """Return the places of the wanted among ascending values."""
    k = min(k, len(values))
    places = torch.arange(len(values))
    if which == "magnitude":
        return places[values.abs().argsort(stable=True)[len(values) - k :]]
    low = {"largest": 0, "smallest": k, "both": k // 2}[which]
    return torch.cat((places[:low], places[len(values) - (k - low) :]))
