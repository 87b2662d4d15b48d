"""Kernel-target alignment: how much of the labels the features hold."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Alignment(NamedTuple):
    """Kernel-target alignment, as published and with the means taken out first."""

    plain: float
    centred: float


def kernel_alignment(Z: torch.Tensor, y: torch.Tensor) -> Alignment:
    r"""Return the alignment of the kernel :math:`K = Z Z^T` with the labels.

    .. math:: \frac{\langle K, y y^T \rangle_F}{\|K\|_F \|y y^T\|_F}
              = \frac{\|Z^T y\|^2}{\|Z^T Z\|_F \|y\|^2}

    No n x n matrix is built where Z is narrower than that. The plain form (as in the published
    experiments) mostly measures the mean of labels that are not centred; the centred one subtracts
    the means of features and labels (Cortes, Mohri and Rostamizadeh 2012, section 2.2).

    Args:
        Z: features, (n, h).
        y: labels, (n,).

    Returns:
        Both, in [0, 1]; NaN where the kernel or the labels are zero.

    >>> y = torch.tensor([1.0, 2.0, -1.0])
    >>> round(kernel_alignment(5 * y[:, None], y).plain, 6)              # K = 25 y y^T
    1.0
    """
    Z, y = Z.double(), y.double()
    return Alignment(_cosine(Z, y), _cosine(Z - Z.mean(0), y - y.mean()))


def _cosine(Z: torch.Tensor, y: torch.Tensor) -> float:
    gram = Z.T @ Z if Z.shape[0] >= Z.shape[1] else Z @ Z.T
    below = torch.linalg.matrix_norm(gram) * y.square().sum()
    return float((y @ Z).square().sum() / below)
