"""SparseGPT: prune column by column, and let the columns that follow make up for each.

Frantar & Alistarh, "SparseGPT: Massive language models can be accurately pruned in one-shot", 2023,
sections 3 and 4.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eigenscape.errors import InputError
from eigenscape.pruning._choose import Pattern, smallest, smallest_in_groups

#: Of the mean of the diagonal, added to it (the paper, section 4).
DAMPING = 0.01
#: Columns whose mask is chosen at once (the paper, section 3.4).
BLOCK = 128
_TRIES = 4


def inverse_factor(gram: Tensor, damping: float = DAMPING) -> tuple[Tensor, float]:
    r"""Return the upper Cholesky factor of :math:`(H + \lambda I)^{-1}`, and the damping used.

    Args:
        gram: H, ``(n, n)``; its zero diagonal entries become 1.
        damping: of the mean diagonal. Where the matrix is singular all the same, ten times more,
            up to a thousand times.

    Raises:
        InputError: it stays singular.
    """
    n = len(gram)
    for power in range(_TRIES):
        used = damping * 10.0**power
        damped = gram.clone()
        diagonal = damped.diagonal()
        diagonal[diagonal == 0] = 1
        diagonal += used * diagonal.mean()
        lower, failed = torch.linalg.cholesky_ex(damped)
        if not failed:
            inverse = torch.cholesky_inverse(lower)
            upper, failed = torch.linalg.cholesky_ex(inverse, upper=True)
            if not failed and bool(torch.isfinite(upper).all()):
                return upper, used
    raise InputError(
        f"the Gram matrix of {n} input columns stays singular with damping {used:g}. Try: more "
        "calibration data, or --criterion wanda"
    )


def sparsegpt(
    weight: Tensor,
    gram: Tensor,
    wanted: int | Pattern,
    *,
    damping: float = DAMPING,
    block: int = BLOCK,
) -> tuple[Tensor, Tensor, str]:
    r"""Prune a matrix and update what stays.

    With U the upper Cholesky factor of the inverse of the damped H = X^T X, entry (i, j) scores
    :math:`w_{ij}^2 / U_{jj}^2`. In each block of columns the smallest scores go; then column after
    column, what is lost is spread over the columns to the right:
    :math:`w_{i,j:} \mathrel{-}= (w_{ij} - q_{ij}) / U_{jj} \cdot U_{j,j:}`.

    Args:
        weight: ``(out, in)`` float32.
        gram: ``(in, in)`` float32.
        wanted: how many entries to prune, spread over the blocks by their width; or an N:M pattern,
            whose groups are chosen one after the other among weights that are updated already.
        damping: see :func:`inverse_factor`.
        block: columns in a block.

    Returns:
        The weights, the mask of pruned entries, and a note where the damping was raised.

    Raises:
        InputError: a Gram matrix that stays singular, or a pattern that does not divide the
            columns.
    """
    _rows, columns = weight.shape
    if isinstance(wanted, Pattern):
        smallest_in_groups(weight[:1], wanted)  # whether it divides
        block = max(wanted.of, block // wanted.of * wanted.of)
    current = weight.clone()
    mask = torch.zeros_like(weight, dtype=torch.bool)
    dead = gram.diagonal() == 0
    current[:, dead] = 0
    upper, used = inverse_factor(gram, damping)
    for start in range(0, columns, block):
        stop = min(start + block, columns)
        if not isinstance(wanted, Pattern):
            scores = (current[:, start:stop] / upper.diagonal()[start:stop]).square()
            count = wanted * stop // columns - wanted * start // columns
            mask[:, start:stop] = smallest(scores, count)
        errors = torch.zeros_like(current[:, start:stop])
        for column in range(start, stop):
            if isinstance(wanted, Pattern) and not (column - start) % wanted.of:
                group = slice(column, column + wanted.of)
                scores = (current[:, group] / upper.diagonal()[group]).square()
                mask[:, group] = smallest_in_groups(scores, wanted)
            values = current[:, column].clone()
            kept = values.masked_fill(mask[:, column], 0)
            error = (values - kept) / upper[column, column]
            current[:, column:stop] -= error.unsqueeze(1) * upper[column, column:stop]
            current[:, column] = kept
            errors[:, column - start] = error
        current[:, stop:] -= errors @ upper[start:stop, stop:]
    mask[:, dead] = True
    current[mask] = 0
    note = f"damping raised to {used:g}: its Gram matrix is singular" if used > damping else ""
    return current, mask, note
