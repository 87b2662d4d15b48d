"""The quality of the hidden features: ridge read-out and kernel-target alignment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

from eigenscape.errors import InputError
from eigenscape_studies.laboratory._single_index import Samples, features


class Readout(NamedTuple):
    """Mean squared errors of a ridge read-out: on the set it was fitted to, and on the test set."""

    train: float
    test: float


def ridge_weights(F: torch.Tensor, y: torch.Tensor, penalty: float) -> torch.Tensor:
    r"""Return :math:`(F^T F + p I)^{-1} F^T y`, by the smaller of the two normal equations.

    Args:
        F: features, (n, h).
        y: labels, (n,).
        penalty: p, above 0.

    >>> ridge_weights(torch.eye(2), torch.tensor([2.0, 4.0]), 1.0).tolist()
    [1.0, 2.0]
    """
    n, h = F.shape
    if n >= h:
        return _solve(F.T @ F, F.T @ y, penalty)
    return F.T @ _solve(F @ F.T, y, penalty)


def readout_losses(
    W: torch.Tensor,
    probe: Samples,
    test: Samples,
    *,
    ridge: float | Sequence[float] = 0.01,
    feature_scale: str = "paper",
) -> list[Readout]:
    r"""Fit a ridge read-out to the probe set's features, and return its losses.

    .. math:: \hat a = (F^T F + \tfrac{\lambda}{h} n I)^{-1} F^T y, \qquad F = Z / \sqrt h

    ``feature_scale`` is not a detail. The paper states :math:`Z = \tanh(W x / \sqrt d)`; its
    published code divides by :math:`\sqrt d` twice, :math:`Z = \tanh(W x / d)`. That makes the
    features smaller and the same :math:`\lambda` stronger by about d, and the effect of a heavy
    tail on the test loss can change its sign.

    Args:
        W: (h, d).
        probe: what the read-out is fitted to.
        test: what it is tested on.
        ridge: :math:`\lambda`, or several.
        feature_scale: ``"paper"`` or ``"reference_code"``.

    Returns:
        One pair of losses for each lambda.

    Raises:
        InputError: another feature scale.

    >>> from eigenscape_studies.laboratory import LabOptions, SingleIndex
    >>> problem = SingleIndex.draw(LabOptions(n=60, d=20, h=30, n_test=50))
    >>> [heavy] = readout_losses(problem.W, problem.probe, problem.test, ridge=1e9)
    >>> abs(heavy.test - float(problem.test.y.square().mean())) < 1e-3     # nothing is left of a
    True
    """
    if feature_scale not in ("paper", "reference_code"):
        raise InputError(f"feature_scale is {feature_scale!r}; expected paper or reference_code")
    n, h = len(probe.y), W.shape[0]
    F = features(W, probe.X, scale=feature_scale).double().div_(math.sqrt(h))
    F_test = features(W, test.X, scale=feature_scale).double().div_(math.sqrt(h))
    y, y_test = probe.y.double(), test.y.double()
    strengths = [ridge] if isinstance(ridge, int | float) else list(ridge)
    gram = F.T @ F if n >= h else F @ F.T
    found = []
    for strength in strengths:
        penalty = strength / h * n
        a = _solve(gram, F.T @ y, penalty) if n >= h else F.T @ _solve(gram, y, penalty)
        found.append(Readout(_error(F, a, y), _error(F_test, a, y_test)))
    return found


def _solve(gram: torch.Tensor, right: torch.Tensor, penalty: float) -> torch.Tensor:
    shifted = gram.clone()
    shifted.diagonal().add_(penalty)
    factor, info = torch.linalg.cholesky_ex(shifted)
    if int(info):
        raise InputError(
            f"the ridge penalty {penalty:.3g} is lost in the rounding of features of this size "
            f"(largest diagonal entry {float(gram.diagonal().max()):.3g}). Try: a larger ridge"
        )
    return torch.cholesky_solve(right[:, None], factor)[:, 0]


def _error(F: torch.Tensor, a: torch.Tensor, y: torch.Tensor) -> float:
    return float((F @ a - y).square().mean())


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
