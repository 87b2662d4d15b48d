"""Overlap of the singular vectors of two matrices: first vectors and leading blocks."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from eigenscape.errors import InputError

#: Singular values below this share of the largest are rounding noise on the Gram route.
_RESOLVED = 1e-7


class TopVectors(NamedTuple):
    """The leading singular triplets of a matrix.

    Attributes:
        values: descending, (k,); k is smaller than asked for where the rank is.
        left: (rows, k), orthonormal columns, float64.
        right: (cols, k), likewise.
    """

    values: torch.Tensor
    left: torch.Tensor
    right: torch.Tensor


class Overlap(NamedTuple):
    r"""How far the leading directions of two matrices are the same; signs do not matter.

    Attributes:
        left: :math:`(u_1^T u_1')^2`.
        right: :math:`(v_1^T v_1')^2`.
        left_block: :math:`\|U_k^T U_k'\|_F^2 / k`, 1 where the two k-dimensional spaces agree.
        right_block: likewise of the right vectors.
        left_random: what ``left_block`` is for random directions: k over the rows.
        right_random: k over the columns.
    """

    left: float
    right: float
    left_block: float
    right_block: float
    left_random: float
    right_random: float


def decompose(matrix: torch.Tensor, k: int) -> tuple[NDArray[np.float64], TopVectors]:
    """Return all eigenvalues of the smaller Gram matrix and the k leading singular triplets.

    One symmetric eigenproblem of the smaller dimension in float64, a third of the time of a full
    singular value decomposition.

    Args:
        matrix: (rows, cols), finite.
        k: how many triplets.

    Returns:
        Squared singular values, ascending, not below zero; and the triplets.

    Raises:
        InputError: not a matrix, or entries that are not finite.

    >>> values, top = decompose(torch.diag(torch.tensor([1.0, 3.0, 2.0])), 1)
    >>> [round(v, 12) for v in values.tolist()], top.right[:, 0].abs().tolist()
    ([1.0, 4.0, 9.0], [0.0, 1.0, 0.0])
    """
    if matrix.ndim != 2:
        raise InputError(f"expected a matrix, got shape {tuple(matrix.shape)}")
    A = matrix.detach()
    A = (A.cpu() if A.device.type == "mps" else A).double()  # mps has no float64
    tall = A.shape[0] >= A.shape[1]
    gram = A.T @ A if tall else A @ A.T
    if not bool(torch.isfinite(gram).all()):
        bad = int((~torch.isfinite(A)).sum())
        raise InputError(
            f"{bad} of {A.numel()} entries of the {A.shape[0]}x{A.shape[1]} matrix are not finite; "
            "there are no singular vectors. Try: stop the training where this begins"
        )
    squares, vectors = torch.linalg.eigh(gram)
    squares = squares.clamp_min(0.0)
    values = squares.flip(0)[:k].sqrt()
    rank = int((values > _RESOLVED * values[0]).sum()) if float(values[0]) > 0 else 0
    inner = vectors.flip(1)[:, :rank]
    outer = (A @ inner if tall else A.T @ inner) / values[:rank]
    left, right = (outer, inner) if tall else (inner, outer)
    return squares.cpu().numpy(), TopVectors(values[:rank], left, right)


def overlap(first: TopVectors, second: TopVectors) -> Overlap:
    """Compare the leading directions of two matrices of one shape.

    The block has as many vectors as both have; a zero matrix has none, and every overlap with it is
    NaN.

    >>> _, top = decompose(torch.eye(4)[:, :3] * torch.tensor([3.0, 2.0, 1.0]), 2)
    >>> found = overlap(top, top)
    >>> round(found.left, 12), round(found.right_block, 12), found.left_random
    (1.0, 1.0, 0.5)
    """
    k = min(len(first.values), len(second.values))
    rows, cols = len(first.left), len(first.right)
    if k == 0:
        return Overlap(*(math.nan,) * 4, math.nan, math.nan)
    left = (first.left[:, :k].T @ second.left[:, :k]).square()
    right = (first.right[:, :k].T @ second.right[:, :k]).square()
    return Overlap(
        left=float(left[0, 0]),
        right=float(right[0, 0]),
        left_block=float(left.sum()) / k,
        right_block=float(right.sum()) / k,
        left_random=k / rows,
        right_random=k / cols,
    )
