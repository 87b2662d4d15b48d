"""Dispersion of row and column norms: do they differ more than those of independent entries?"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from eigenscape.spectra.metrics._registry import MetricContext, own_metric

Array = NDArray[np.float64]
#: Entries that are squared at a time: in float64 they fit into a core's cache.
_AT_ONCE = 100_000
#: Squares that differ by less than this share of their mean are equal, up to rounding.
_EQUAL = 1e-10


class Dispersion(NamedTuple):
    """How far row and column norms vary, in standard deviations of the null; NaN without a value.

    There is none where all squares are equal, or a side has one entry.
    """

    rows: float
    columns: float


def dispersion(stack: torch.Tensor) -> Dispersion:
    r"""Return how much more the norms of rows and columns vary than those of independent entries.

    With :math:`y_{ij} = w_{ij}^2` of an (n, m) matrix, :math:`N = n m`, row means :math:`q_i`, and
    :math:`s_y^2` the variance of all squares (which is :math:`(\kappa - 1)` times the squared mean
    square, of entries of kurtosis :math:`\kappa`):

    .. math::
        F = \frac{m \,\mathrm{var}_i(q_i)}{s_y^2}, \qquad
        z = (F - 1) \Big/ \sqrt{\frac{2}{n - 1} \, \frac{N - n}{N + 1} \, (1 - g / N)}

    with :math:`g` the sample excess kurtosis of the squares. Where the entries are exchangeable,
    so that each order of them was as likely, z has mean 0 and standard deviation 1 exactly, for
    every law of the entries: F has mean 1, and its variance over the orders is the expression under
    the root (the polykay :math:`k_{22} / k_2^2` of the squares). Its distribution is close to that
    of a chi-squared with n - 1 degrees of freedom, centred and scaled: skewed to the right where n
    is small.

    A few entries far larger than the rest hold most of the squares' variance; F then goes to 1, so
    that z hides what the other rows do, and raises no false alarm.

    Each matrix of a pool has its own F, so that pools may hold matrices of different scale; z is of
    the sum of their F. Rows of zeros count: pruning by rows is a departure as well.

    Args:
        stack: real matrices, (k, rows, cols).

    >>> W = torch.randn(200, 300, generator=torch.Generator().manual_seed(0))
    >>> found = dispersion(W[None])
    >>> abs(found.rows) < 3, abs(found.columns) < 3
    (True, True)
    >>> grown = dispersion((torch.linspace(0.8, 1.2, 200)[:, None] * W)[None])
    >>> grown.rows > 20, abs(grown.columns) < 3
    (True, True)
    """
    by_row, by_column, powers = _sums(stack)
    rows, cols = stack.shape[1:]
    return Dispersion(_z(by_row, cols, powers), _z(by_column, rows, powers))


def _sums(stack: torch.Tensor) -> tuple[Array, Array, Array]:
    """Squares summed by row (k, rows) and column (k, cols), and their powers 1 to 4 (4, k)."""
    stack = stack.cpu() if stack.device.type == "mps" else stack  # mps has no float64
    stack = stack.float() if stack.dtype.itemsize == 1 else stack  # eight bits have no aminmax
    k, rows, cols = stack.shape
    top = max(map(abs, map(float, torch.aminmax(stack))))
    by_row, by_column, powers = (
        torch.zeros(shape, dtype=torch.float64, device=stack.device)
        for shape in ((k, rows), (k, cols), (4, k))
    )
    many = max(1, _AT_ONCE // (rows * cols))
    few = max(1, _AT_ONCE // cols)
    for first in range(0, k, many):
        some = slice(first, first + many)
        for start in range(0, rows, few):
            part = slice(start, start + few)
            y = (stack[some, part].double() / top).square_()  # (matrices, rows, cols)
            by_row[some, part] = y.sum(2)
            by_column[some] += y.sum(1)
            y = y.flatten(1)
            square = y.square()
            for power, (one, two) in enumerate(((y, y), (y, square), (square, square)), 1):
                powers[power, some] += torch.linalg.vecdot(one, two)
    powers[0] = by_row.sum(1)
    return by_row.cpu().numpy(), by_column.cpu().numpy(), powers.cpu().numpy()


def _z(sums: Array, m: int, powers: Array) -> float:
    """Standardise the variance of sums (k, n), each of m squares; powers (4, k) are of them all."""
    n = sums.shape[1]
    count = n * m
    raw = powers / count
    mean = raw[0]
    second = raw[1] - mean**2  # central moments of the squares
    usable = second > _EQUAL * mean**2
    if n < 2 or m < 2 or not usable.any():
        return math.nan
    raw, mean, second = raw[:, usable], mean[usable], second[usable]
    fourth = raw[3] - 4 * mean * raw[2] + 6 * mean**2 * raw[1] - 3 * mean**4
    between = (sums[usable] / m).var(axis=1, ddof=1)
    ratio = m * between * (count - 1) / (count * second)
    known = 1 - _excess(fourth / second**2, count) / count
    variance = 2 / (n - 1) * (count - n) / (count + 1) * known
    spread = math.sqrt(max(0.0, float(variance.sum())))
    return float((ratio - 1).sum()) / spread if spread > 0 else math.nan


def _excess(kurtosis: Array, count: int) -> Array:
    """Return Fisher's sample excess kurtosis, k4 over the square of k2."""
    return (count - 1) / ((count - 2) * (count - 3)) * ((count + 1) * kurtosis - 3 * (count - 1))


@own_metric("dispersion", 150, few=True)
def of_layer(positive: Array, context: MetricContext) -> dict[str, Any]:  # noqa: ARG001
    """Dispersion of row and column norms; none where the entries were never independent.

    Windows overlap, frequencies of a kernel depend on each other, and an update by two thin factors
    is no matrix of independent entries.
    """
    if (
        context.options.windows is not None
        or context.stack.is_complex()
        or context.layer.kind == "lora_update"
    ):
        return {}
    found = dispersion(context.stack)
    return {"row_dispersion": found.rows, "column_dispersion": found.columns}
