"""FARMS-style windows: square pieces of a matrix, so that its aspect ratio no longer matters."""

from __future__ import annotations

import torch


def square_windows(stack: torch.Tensor, width: int, steps: int) -> torch.Tensor:
    """Cut (k, rows, cols) into overlapping squares and pool them: (k * windows, width, width).

    Windows start at evenly spaced places along both dimensions, first and last included, at most
    ``steps`` along each; the width is at most the smaller dimension. Source: Hu et al. (2025),
    whose pooled spectrum of many windows replaces that of the whole matrix.

    >>> square_windows(torch.zeros(1, 10, 30), 10, 5).shape
    torch.Size([5, 10, 10])
    """
    k, rows, cols = stack.shape
    width = min(width, rows, cols)
    pieces = [
        stack[:, r : r + width, c : c + width]
        for r in _starts(rows, width, steps)
        for c in _starts(cols, width, steps)
    ]
    return torch.stack(pieces, dim=1).reshape(k * len(pieces), width, width)


def _starts(size: int, width: int, steps: int) -> list[int]:
    room = size - width
    count = min(steps, room + 1)
    if count == 1:
        return [room // 2]
    return [round(index * room / (count - 1)) for index in range(count)]
