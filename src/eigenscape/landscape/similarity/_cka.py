"""Linear centred kernel alignment of two arrays of features."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from eigenscape.errors import InputError


def linear_cka(x: Any, y: Any, *, unbiased: bool = False) -> float:
    """Return the linear CKA of two sets of features of the same samples (Kornblith et al. 2019).

    ``||Y^T X||_F^2 / (||X^T X||_F ||Y^T Y||_F)`` with centred columns: 1 for features that are
    equal up to a rotation, a common scale and a shift; 0 for uncorrelated ones. With this biased
    HSIC (Gretton et al. 2005), which the published code uses, independent features of n samples
    have a CKA above 0, by about d / n for d isotropic features each. ``unbiased`` takes the
    estimator of HSIC of Song et al. (2012) in all three places (Nguyen et al. 2021); its value is 0
    on average for independent features, and can be negative.

    Computed in float64 from the features (d x d products) or from the Gram matrices (n x n),
    whichever is smaller.

    Args:
        x: ``(n, d)``, a tensor or an array; further axes are flattened.
        y: ``(n, e)``.
        unbiased: see above; needs n >= 4.

    Returns:
        The CKA; nan when a side does not vary (a dead layer).

    Raises:
        InputError: not the same number of samples, too few, or values that are not finite.

    >>> x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 5.0], [3.0, 1.0]])
    >>> turned = 3 * torch.stack([x[:, 1], -x[:, 0]], dim=1) + 7
    >>> round(linear_cka(x, turned), 12), round(linear_cka(x, turned, unbiased=True), 12)
    (1.0, 1.0)
    """
    x, y = _features(x, "x"), _features(y, "y")
    least = 4 if unbiased else 2
    if len(x) != len(y) or len(x) < least:
        raise InputError(
            f"x has {len(x)} samples, y has {len(y)}; expected the same {least} or more in both"
        )
    power = _alignment(x, x, unbiased) * _alignment(y, y, unbiased)
    if not power > 0:
        return math.nan
    return _alignment(x, y, unbiased) / math.sqrt(power)


def _features(values: Any, name: str) -> Tensor:
    """Return centred float64 features ``(n, d)``, scaled to a largest entry of 1."""
    tensor = torch.as_tensor(values).detach()
    if tensor.ndim < 1 or tensor.is_complex():
        raise InputError(
            f"{name} is {tensor.dtype} of shape {tuple(tensor.shape)}; expected real features "
            "(samples, features)"
        )
    flat = tensor.double().reshape(len(tensor), -1) if len(tensor) else tensor.double()[:, None]
    if not bool(flat.isfinite().all()):
        raise InputError(f"{name} holds values that are not finite")
    if flat.numel() == 0:
        return flat
    size = float(flat.abs().max())
    centred = flat - flat.mean(dim=0)
    spread = float(centred.abs().max())
    if spread <= 4 * torch.finfo(torch.float64).eps * size:  # constant up to rounding of the mean
        return torch.zeros_like(centred)
    return centred / spread  # the scale cancels; the fourth powers below must not overflow


def _alignment(x: Tensor, y: Tensor, unbiased: bool) -> float:
    """Return HSIC up to a factor that cancels: sum of K o L, K and L the centred Gram matrices.

    Unbiased: without the diagonals, the formula of Song et al. (2012, theorem 2) for Gram matrices
    whose rows sum to 0; the product K L of the two needs no other sum than k . l of the diagonals.
    """
    n = len(x)
    total = _inner(x, y, gram=max(x.shape[1], y.shape[1]) > n)
    if not unbiased:
        return total
    k, m = x.square().sum(dim=1), y.square().sum(dim=1)
    shared = float(k @ m) * n / (n - 2)
    return total - shared + float(k.sum() * m.sum()) / ((n - 1) * (n - 2))


def _inner(x: Tensor, y: Tensor, *, gram: bool) -> float:
    """Return ``||Y^T X||_F^2 = <X X^T, Y Y^T>`` by either side."""
    if gram:
        return float(((x @ x.T) * (y @ y.T)).sum())
    return float((y.T @ x).square().sum())
