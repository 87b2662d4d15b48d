"""Which entries of a matrix go: the smallest scores, an exact number of them, ties by position."""

from __future__ import annotations

import re
from typing import NamedTuple

import torch
from torch import Tensor

from eigenscape.errors import InputError

_PATTERN = re.compile(r"^(\d+):(\d+)$")


class Pattern(NamedTuple):
    """N:M sparsity: of every M neighbouring inputs of a row, N weights are zero."""

    zeros: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Return the pattern of a text such as ``2:4``.

        Raises:
            InputError: no such pattern.

        >>> Pattern.parse("2:4")
        Pattern(zeros=2, of=4)
        """
        match = _PATTERN.match(text.strip())
        if match is None or not 0 < int(match[1]) < int(match[2]):
            raise InputError(
                f"the pattern is {text!r}; expected N:M, N zeros among M neighbouring weights of a "
                "row, such as 2:4 or 4:8"
            )
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.zeros}:{self.of}"


def smallest(scores: Tensor, count: int) -> Tensor:
    """Return a mask of the ``count`` smallest entries; of equal ones, those that come first.

    Args:
        scores: of any shape, no NaN.
        count: 0 to the number of entries.

    >>> smallest(torch.tensor([[2.0, 1.0], [1.0, 1.0]]), 2).tolist()
    [[False, True], [True, False]]
    """
    flat = scores.reshape(-1)
    if count <= 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    limit = flat.kthvalue(count).values
    mask = flat < limit
    ties = (flat == limit).nonzero().flatten()
    mask[ties[: count - int(mask.sum())]] = True
    return mask.reshape(scores.shape)


def smallest_in_rows(scores: Tensor, count: int) -> Tensor:
    """Return a mask of ``count`` entries, spread evenly over the rows.

    Each row loses its ``count // rows`` smallest entries; what is left goes one by one to the rows
    whose next entry is the smallest. Of equal entries, those that come first go.

    Args:
        scores: ``(rows, columns)``, no NaN.
        count: 0 to rows x columns.

    >>> smallest_in_rows(torch.tensor([[1.0, 2.0, 9.0], [5.0, 6.0, 7.0]]), 3).tolist()
    [[True, True, False], [True, False, False]]
    """
    rows, _columns = scores.shape
    each, left = divmod(count, rows)
    order = scores.argsort(dim=1, stable=True)
    mask = torch.zeros_like(scores, dtype=torch.bool)
    mask.scatter_(1, order[:, :each], True)
    if left:
        following = order[:, each : each + 1]
        chosen = smallest(scores.gather(1, following).flatten(), left)
        mask[chosen] = mask[chosen].scatter(1, following[chosen], True)
    return mask


def smallest_in_groups(scores: Tensor, pattern: Pattern) -> Tensor:
    """Return the mask of an N:M pattern: the N smallest of every M neighbours in a row.

    Raises:
        InputError: the columns do not divide into groups of M.

    >>> smallest_in_groups(torch.tensor([[1.0, 4.0, 2.0, 3.0]]), Pattern(2, 4)).tolist()
    [[True, False, True, False]]
    """
    rows, columns = scores.shape
    if columns % pattern.of:
        raise InputError(
            f"a matrix {rows} x {columns} has no pattern {pattern}: {columns} columns do not "
            f"divide by {pattern.of}. Try: another pattern, or leave the layer out with --exclude"
        )
    groups = scores.reshape(rows, -1, pattern.of)
    order = groups.argsort(dim=2, stable=True)[..., : pattern.zeros]
    mask = torch.zeros_like(groups, dtype=torch.bool).scatter_(2, order, True)
    return mask.reshape(rows, columns)
