"""Making directions: at random, along the curvature, towards other models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from eigenscape.landscape.grid._direction_scale import (
    Normalization,
    check_normalization,
    normalized,
    without_1d,
)
from eigenscape.landscape.grid._directions import Directions, ModelPoint, check_count, point_of

if TYPE_CHECKING:
    from eigenscape.models import Objective

# Half-widths. Filter-normalised directions are as long as the weights: Li et al. (2018) draw -1..1.
_RANDOM_RADIUS = 1.0
# Along the steepest curvature a share of 1 shows roughness only, and 0.01 a bowl around nearly any
# model; between them the differences show.
_HESSIAN_RADIUS = 0.1
# Beyond the other model, which lies on the grid at 41 steps.
_DIFFERENCE_RADIUS = 1.25


def random_directions(
    objective: Objective,
    n: int = 2,
    *,
    normalize: Normalization = "filter",
    seed: int = 0,
    ignore_1d: bool = True,
) -> Directions:
    """Draw Gaussian directions, orthonormalise them, then normalise them by the weights.

    In this order: the other way round the second direction would lose the lengths of its filters.
    So normalised directions are only nearly orthogonal; their ``gram`` says how nearly.

    Args:
        objective: the loss around its center.
        n: how many.
        normalize: see :data:`Normalization`; ``"filter"`` is that of Li et al. (2018). Filters run
            along axis 0, along axis 1 for transposed convolutions and transformers' Conv1D.
        seed: the seed of the draw; the first directions do not depend on ``n``.
        ignore_1d: under ``"filter"`` and ``"layer"``, do not move 1-D parameters, as in
            the figures of Li et al. (2018); otherwise each counts as one filter.

    Raises:
        InputError: a number of directions that the space does not have, or nothing left to move.

    >>> from eigenscape.models import Objective
    >>> model = torch.nn.Linear(3, 2)
    >>> data = torch.ones(4, 3), torch.zeros(4, 2)
    >>> objective = Objective(model, torch.nn.functional.mse_loss, data)
    >>> along = random_directions(objective, 1)
    >>> parts = objective.space.split(along.vectors[:, 0])
    >>> bool(torch.allclose(parts["weight"].norm(dim=1), model.weight.double().norm(dim=1)))
    True
    >>> parts["bias"].tolist()
    [0.0, 0.0]
    """
    check_normalization(normalize)
    check_count(n, objective.space.count)
    generator = torch.Generator().manual_seed(seed)
    drawn = [
        torch.randn(objective.space.count, generator=generator, dtype=torch.float64)
        for _ in range(n)
    ]
    vectors = torch.stack(drawn, dim=1).to(objective.device)
    if ignore_1d and normalize in ("filter", "layer"):
        vectors = without_1d(objective, vectors)
    plain = normalize == "none"
    return Directions(
        vectors=normalized(objective, _orthonormal(vectors), normalize),
        names=tuple(f"random {i + 1}" for i in range(n)),
        kind="random",
        normalization=normalize,
        unit="relative" if plain else "direction",
        radius=_RANDOM_RADIUS,
        extra={"seed": seed},
    )


def hessian_directions(
    objective: Objective,
    n: int = 2,
    *,
    normalize: Normalization = "none",
    tolerance: float = 1e-3,
    seed: int = 0,
) -> Directions:
    """Return the eigenvectors of the Hessian's largest eigenvalues, at the center.

    The largest entry of each is positive. The plane of the two steepest is that of the landscapes
    of Geniesse et al. (2024), who normalise by layer afterwards: the directions are then neither
    eigenvectors nor orthogonal, which ``rayleigh`` and ``gram`` show. The default does not
    normalise.

    Args:
        objective: the loss around its center.
        n: how many.
        normalize: see :func:`random_directions`.
        tolerance: of the eigenvectors' residuals (see :func:`top_eigenpairs`).
        seed: of the first vector of the iteration.

    Raises:
        InputError: as :func:`top_eigenpairs` says.

    >>> from eigenscape.models import Objective
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> data = torch.diag(torch.tensor([3.0, 1.0])), torch.zeros(2, 1)
    >>> objective = Objective(model, torch.nn.functional.mse_loss, data)
    >>> hessian_directions(objective).rayleigh     # 2/2 x^T x
    (9.0, 1.0)
    """
    from eigenscape.landscape.curvature._eigenpairs import top_eigenpairs

    check_normalization(normalize)
    check_count(n, objective.space.count)
    pairs = top_eigenpairs(objective, n, tolerance=tolerance, seed=seed)
    vectors = normalized(objective, pairs.vectors, normalize)
    values = tuple(pairs.values.tolist())
    return Directions(
        vectors=vectors,
        names=tuple(f"eigenvector {i + 1}" for i in range(n)),
        kind="hessian",
        normalization=normalize,
        unit="relative" if normalize == "none" else "direction",
        radius=_HESSIAN_RADIUS,
        rayleigh=values if normalize == "none" else rayleigh_quotients(objective, vectors),
        extra={"eigenvalues": values, "residuals": tuple(pairs.residuals.tolist())},
    )


def difference_directions(objective: Objective, *models: ModelPoint) -> Directions:
    """Return the directions to other models: coordinate 1 is the other model.

    They are in general not orthogonal, so that the plane is sheared: see :func:`plane_through`.

    Args:
        objective: its center is the origin.
        models: modules, state dicts, or anything that :func:`eigenscape.open_checkpoint` opens; or
            points ``(P,)``.

    Raises:
        InputError: a model whose parameters have other shapes, or that is the center itself.
    """
    steps = [point_of(objective, model) - objective.center.double() for model in models]
    check_count(len(steps), objective.space.count)
    return Directions(
        vectors=torch.stack(steps, dim=1),
        names=tuple(f"to model {i + 2}" for i in range(len(steps))),
        kind="difference",
        radius=_DIFFERENCE_RADIUS,
    )


def plane_through(objective: Objective, model_b: ModelPoint, model_c: ModelPoint) -> Directions:
    """Return two orthogonal directions whose plane holds the center and two other models.

    By Gram-Schmidt: ``d_1 = b - a``, and ``d_2`` is what is left of ``c - a`` (Garipov et al.
    2018). ``extra["coordinates"]`` has the coordinates of the three models.

    Args:
        objective: its center is the first model.
        model_b: at the coordinates (1, 0).
        model_c: at the coordinates (u, 1).

    Raises:
        InputError: models that do not fit, or three models on one line.
    """
    sides = difference_directions(objective, model_b, model_c).vectors
    first, second = sides.T
    along = float(first @ second / (first @ first))
    rest = second - along * first
    if float(rest.norm()) <= 1e-6 * float(second.norm()):
        rest = torch.zeros_like(rest)  # nothing but rounding is left: Directions says so
    return Directions(
        vectors=torch.stack((first, rest), dim=1),
        names=("to model 2", "to model 3, orthogonal"),
        kind="difference",
        radius=_DIFFERENCE_RADIUS * max(1.0, abs(along)),
        extra={"coordinates": ((0.0, 0.0), (1.0, 0.0), (along, 1.0))},
    )


def rayleigh_quotients(objective: Objective, vectors: Tensor) -> tuple[float, ...]:
    """Return the curvatures ``d^T H d / d^T d`` along directions ``(P, n)``, at the center."""
    vectors = vectors.double()
    bent = (vectors * objective.hvp(vectors)).sum(0)
    return tuple((bent / (vectors**2).sum(0)).tolist())


def _orthonormal(vectors: Tensor) -> Tensor:
    """Return Q of the QR decomposition with positive R, which makes it unique."""
    q, r = torch.linalg.qr(vectors)
    diagonal = r.diagonal()
    # what is dependent (everything, where all is held fixed) leads nowhere: Directions says so
    alive = diagonal.abs() > 1e-12 * diagonal.abs().max()
    unique: Tensor = q * torch.where(alive, diagonal.sign(), torch.zeros_like(diagonal))
    return unique
