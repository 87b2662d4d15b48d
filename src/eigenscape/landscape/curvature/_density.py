"""The spectral density of the Hessian by stochastic Lanczos quadrature."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.landscape.curvature._curvature import Curvature, whole_number
from eigenscape.landscape.curvature._lanczos import Lanczos
from eigenscape.landscape.curvature._recurrence import refuse_beyond_memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eigenscape.models import Matrix, Objective

_KAPPA = 3.0
_MARGIN = 5.0
PROBES = 4
STEPS = 100

Rule = tuple[tuple[float, ...], tuple[float, ...], int]  # nodes, weights, products


@dataclass(frozen=True, kw_only=True)
class SpectralDensity:
    """Nodes and weights of Gauss quadratures, one for each probe.

    ``sum_i weights[i] f(nodes[i])`` estimates ``tr f(H) / P`` for smooth f.

    Args:
        nodes: for each probe its Ritz values, ascending.
        weights: for each probe their weights, which sum to one.
        parameters: the number of rows P.
        width: standard deviation of the Gaussian that each node is drawn with.
        products: matrix-vector products that were spent.
    """

    nodes: tuple[tuple[float, ...], ...]
    weights: tuple[tuple[float, ...], ...]
    parameters: int
    width: float
    products: int

    def moment(self, power: int) -> tuple[float, float]:
        """Return ``tr(H^power) / P`` and its standard error over the probes."""
        each = [
            float(np.dot(weights, np.power(nodes, power)))
            for nodes, weights in zip(self.nodes, self.weights, strict=True)
        ]
        error = float(np.std(each, ddof=1)) / math.sqrt(len(each)) if len(each) > 1 else math.nan
        return float(np.mean(each)), error

    def mass_below(self, value: float) -> float:
        """Return the share of the eigenvalues that lie below a value."""
        return float(
            np.mean(
                [
                    np.dot(weights, np.asarray(nodes) < value)
                    for nodes, weights in zip(self.nodes, self.weights, strict=True)
                ]
            )
        )

    def grid(self, points: int = 1024) -> NDArray[np.float64]:
        """Return equally spaced eigenvalues that cover the nodes and five widths beyond."""
        reach = _MARGIN * self.width
        low, high = min(map(min, self.nodes)), max(map(max, self.nodes))
        return np.linspace(low - reach, high + reach, points)

    def density(self, grid: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Return each probe's density, ``(probes, len(grid))``; a curve has the area one."""
        places = np.asarray(grid, dtype=np.float64)
        scale = self.width * math.sqrt(2 * math.pi)
        curves = []
        for nodes, weights in zip(self.nodes, self.weights, strict=True):
            away = (places[:, None] - np.asarray(nodes)) / self.width
            curves.append(np.exp(-(away**2) / 2) @ np.asarray(weights) / scale)
        return np.array(curves)


def spectral_density(
    objective: Objective,
    *,
    probes: int = PROBES,
    steps: int = STEPS,
    seed: int = 0,
    matrix: Matrix = "hessian",
    width: float | None = None,
) -> SpectralDensity:
    r"""Estimate the spectral density of the Hessian of an objective at its center.

    Stochastic Lanczos quadrature (Golub and Welsch 1969; Lin, Saad and Yang 2016; Ghorbani et al.
    2019): from a random sign vector of unit length, ``steps`` Lanczos steps give a tridiagonal T;
    its eigenvalues are the nodes, the squared first entries of its eigenvectors the weights. A
    quadrature with ``steps`` of P or more is exact for its probe. The process ends early where the
    basis spans an invariant subspace.

    Args:
        objective: the loss around its center.
        probes: random vectors, whose scatter is the uncertainty of a curve.
        steps: products for each; the default, 100, is PyHessian's (Yao et al. 2020).
        seed: of the probes.
        matrix: ``"hessian"``, or ``"ggn"`` for the generalised Gauss-Newton matrix.
        width: of the Gaussian around each node, in units of eigenvalues. None for
            :math:`(\lambda_{max} - \lambda_{min}) / ((m - 1) \sqrt{8 \ln \kappa})` with m steps and
            :math:`\kappa = 3`, the choice of Lin, Saad and Yang (2016) as Papyan (2018) uses
            it: narrow enough that two neighbouring Ritz values can be distinguished. Of a single
            eigenvalue, a millionth of it.

    Raises:
        InputError: an argument out of range, or a product that is not finite.

    >>> from eigenscape.models import Objective
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> batch = (torch.diag(torch.tensor([1.0, 2.0])), torch.zeros(2, 1))  # Hessian: diag(1, 4)
    >>> found = spectral_density(Objective(model, torch.nn.functional.mse_loss, batch), probes=1)
    >>> [round(node, 4) for node in found.nodes[0]], [round(w, 4) for w in found.weights[0]]
    ([1.0, 4.0], [0.5, 0.5])
    """
    curvature = Curvature(objective, matrix)
    wrong = whole_number("probes", probes, 1) + whole_number("steps", steps, 2)
    if width is not None and not (width > 0 and math.isfinite(width)):
        wrong.append(f"width is {width!r}; expected a positive number")
    if wrong:
        raise InputError("; ".join(wrong))
    vectors = min(steps, curvature.count) + 6
    refuse_beyond_memory(curvature.count, curvature.device, 8 * vectors, "the density")
    generator = torch.Generator().manual_seed(seed)
    rules = [_quadrature(curvature, steps, generator) for _ in range(probes)]
    return density_of(objective, rules, steps=steps, width=width)


def density_of(
    objective: Objective, rules: Sequence[Rule], *, steps: int = STEPS, width: float | None = None
) -> SpectralDensity:
    """Return the density from given quadratures, one for each probe."""
    count = objective.space.count
    nodes = tuple(rule[0] for rule in rules)
    span = max(map(max, nodes)) - min(map(min, nodes))
    largest = max(abs(node) for row in nodes for node in row)
    narrow = span / (max(min(steps, count) - 1, 1) * math.sqrt(8 * math.log(_KAPPA)))
    return SpectralDensity(
        nodes=nodes,
        weights=tuple(rule[1] for rule in rules),
        parameters=count,
        width=width or max(narrow, 1e-6 * largest) or 1e-6,
        products=sum(rule[2] for rule in rules),
    )


def quadrature_of(objective: Objective, *, matrix: Matrix, seed: int, place: int) -> Rule:
    """Return the quadrature of one of the probes of :func:`spectral_density`, with its defaults."""
    curvature = Curvature(objective, matrix)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(place):
        _coins(curvature, generator)
    return _quadrature(curvature, STEPS, generator)


def _quadrature(curvature: Curvature, steps: int, generator: torch.Generator) -> Rule:
    before = curvature.products
    start = _coins(curvature, generator).to(curvature.device, torch.float64) * 2 - 1
    lanczos = Lanczos(curvature, steps, start)
    while not lanczos.full and not (lanczos.size and lanczos.broken):
        lanczos.step()
    nodes, vectors = torch.linalg.eigh(lanczos.projected)
    weights = tuple((vectors[0] ** 2).tolist())
    return tuple(nodes.tolist()), weights, curvature.products - before


def _coins(curvature: Curvature, generator: torch.Generator) -> Tensor:
    return torch.randint(2, (curvature.count,), generator=generator, dtype=torch.int8)
