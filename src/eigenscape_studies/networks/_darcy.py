"""Darcy flow: its solver, and pairs of a permeability and a pressure to learn from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape_studies.networks._burgers import FieldSplit

_WAVES = 32  # of a random field, in each direction
_LOW, _HIGH = 3.0, 12.0
_SMALLEST = 8
_FINER = 2  # cells of the solver a pixel, in each direction


def _operator(coefficient: NDArray[np.float64]) -> Any:
    """Return the symmetric matrix of the fluxes out of each cell, times the area of a cell.

    Between two cells the coefficient is their harmonic mean; from a cell's centre to the boundary
    it is half a cell, so twice the coefficient.
    """
    from scipy import sparse

    rows, columns = coefficient.shape
    number = np.arange(coefficient.size).reshape(rows, columns)
    down = 2 / (1 / coefficient[1:] + 1 / coefficient[:-1])
    across = 2 / (1 / coefficient[:, 1:] + 1 / coefficient[:, :-1])
    diagonal = np.zeros_like(coefficient)
    diagonal[1:] += down
    diagonal[:-1] += down
    diagonal[:, 1:] += across
    diagonal[:, :-1] += across
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        diagonal[edge] += 2 * coefficient[edge]
    heads = np.concatenate([number[1:].ravel(), number[:, 1:].ravel()])
    tails = np.concatenate([number[:-1].ravel(), number[:, :-1].ravel()])
    faces = -np.concatenate([down.ravel(), across.ravel()])
    upper = sparse.csc_matrix((faces, (heads, tails)), shape=(number.size, number.size))
    return upper + upper.T + sparse.diags(diagonal.ravel(), format="csc")


def solve_darcy(coefficient: ArrayLike, forcing: ArrayLike = 1.0) -> NDArray[np.float64]:
    """Solve ``-div(a grad u) = f`` on the unit square, with u = 0 at its boundary.

    Finite volumes: the square is cut into equal cells, ``a`` is constant in each, and u is known at
    their centres. The flux through a face takes the harmonic mean of the two cells' ``a``, which is
    exact for layers (Patankar, "Numerical Heat Transfer and Fluid Flow", 1980, section 4.2-3). What
    flows over the boundary is what ``f`` brings in, to rounding; where ``f`` is not negative, u is
    not; for smooth ``a`` the error falls with the square of the cell's side. The symmetric system
    is factorized by scipy.

    Args:
        coefficient: ``a`` in each cell, above 0: ``(rows, rows)``, 2 rows and more.
        forcing: ``f`` in each cell, or one number.

    Returns:
        u at the centres of the cells, ``(rows, rows)``, float64.

    Raises:
        InputError: a coefficient that is not square or not positive, or a forcing that does not fit
            it.

    >>> u = solve_darcy(np.full((65, 65), 2.0))
    >>> round(2 * float(u[32, 32]), 4)               # the series of the unit square: 0.07367...
    0.0737
    """
    a, f = (np.asarray(given, dtype=np.float64) for given in (coefficient, forcing))
    if a.ndim != 2 or a.shape[0] != a.shape[1] or len(a) < 2:
        raise InputError(
            f"the coefficient has the shape {a.shape}; expected (rows, rows) with 2 or more"
        )
    if not ((a > 0) & np.isfinite(a)).all():
        raise InputError("the coefficient must be finite and above 0 in every cell")
    if f.shape not in ((), a.shape) or not np.isfinite(f).all():
        raise InputError(
            f"the forcing has the shape {f.shape}; expected one finite number, or {a.shape} of them"
        )
    from scipy.sparse.linalg import splu

    factors = splu(
        _operator(a),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    solution: NDArray[np.float64] = factors.solve(np.broadcast_to(f / a.size, a.shape).ravel())
    return solution.reshape(a.shape)


def _random_media(count: int, grid: int, key: Sequence[int]) -> NDArray[np.float64]:
    """Return permeabilities, ``(count, grid, grid)``; the first ones stay the same."""
    wave = math.pi * np.arange(_WAVES)
    deviations = 1 / (wave[:, None] ** 2 + wave**2 + 9)
    deviations[0, 0] = 0.0
    draws = np.random.default_rng(key).standard_normal((count, _WAVES, _WAVES)) * deviations
    shapes = np.cos(np.outer(wave, (np.arange(grid) + 0.5) / grid))
    shapes[1:] *= math.sqrt(2)
    return np.where(shapes.T @ draws @ shapes >= 0, _HIGH, _LOW)


def darcy(
    train_count: int = 100,
    test_count: int = 100,
    *,
    grid: int = 32,
    forcing: float = 100.0,
    seed: int = 0,
) -> FieldSplit:
    """Return permeabilities a and pressures u of ``-div(a grad u) = forcing``, u = 0 outside.

    The data of Li et al., "Fourier Neural Operator for Parametric Partial Differential Equations"
    (ICLR 2021, section 5.2), on the unit square: ``a`` is 12 where a Gaussian random field is
    positive and 3 where it is not; the field has the covariance ``(-Laplace + 9)^-2`` with slope 0
    at the boundary, that is, cosines of (k, l) half waves with the standard deviation
    ``1 / (pi^2 (k^2 + l^2) + 9)``; here k and l are 0 to 31, not both 0. PDEBench has the
    same equation with the values 0.1 and 1, and calls the forcing beta.

    The forcing is 1 in Li et al., and u about 0.006 then, which an unscaled network is slow to
    reach; it is 100 in Liu et al. ("Model Balancing Helps Low-data Training and Fine-tuning", EMNLP
    2024), as it is here, and u about 0.6. Divide by 100 for the former.

    ``a`` is constant in each pixel, and the equation is solved by :func:`solve_darcy` with pixels
    cut into 2 x 2 cells; the target is the mean of u over a pixel, right to 0.4 % on average.
    Nothing is downloaded. The test part does not depend on ``train_count``, and a smaller training
    part is the beginning of a larger one.

    Args:
        train_count: pairs to learn from; 100 take about a second.
        test_count: pairs that are held out.
        grid: rows and columns of pixels; a :class:`UNet` needs a multiple of ``2 ** depth``.
        forcing: u is proportional to it.
        seed: seeds the permeabilities.

    Returns:
        Inputs a, 3 or 12, and targets u, float32 ``(n, 1, grid, grid)``.

    Raises:
        InputError: an argument is out of its range (all problems are listed).

    >>> split = darcy(2, 1)
    >>> split.train_inputs.shape, split.test_targets.shape, split.train_inputs.unique()
    (torch.Size([2, 1, 32, 32]), torch.Size([1, 1, 32, 32]), tensor([ 3., 12.]))
    """
    problems = [
        f"{name}={value}; expected {expected}"
        for name, expected, value, fits in (
            ("train_count", "1 or more", train_count, train_count >= 1),
            ("test_count", "1 or more", test_count, test_count >= 1),
            ("grid", f"{_SMALLEST} or more", grid, grid >= _SMALLEST),
            ("forcing", "a finite number other than 0", forcing, 0 < abs(forcing) < math.inf),
        )
        if not fits
    ]
    if problems:
        raise InputError("darcy has " + "; ".join(problems))
    parts = []
    for part, count in enumerate((train_count, test_count)):
        media = _random_media(count, grid, (seed, part))
        parts += [_tensor(media), _tensor(np.stack([_pressure(a, forcing) for a in media]))]
    return FieldSplit(*parts)


def _pressure(a: NDArray[np.float64], forcing: float) -> NDArray[np.float64]:
    """Return the mean of u over each pixel."""
    cells = solve_darcy(a.repeat(_FINER, axis=0).repeat(_FINER, axis=1), forcing)
    pixels: NDArray[np.float64] = cells.reshape(len(a), _FINER, len(a), _FINER).mean(axis=(1, 3))
    return pixels


def _tensor(fields: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(fields[:, None]).float()
