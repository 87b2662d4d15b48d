"""Shapes: made-up pictures of circles, squares and triangles, with a class for every pixel."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from eigenscape.errors import InputError
from eigenscape.zoo._digits import Split

_SMALLEST = 8


def _inside(
    kind: int, across: NDArray[np.float64], down: NDArray[np.float64], radius: float
) -> NDArray[np.bool_]:
    """Return which pixels a shape covers, in coordinates around its centre."""
    covered: NDArray[np.bool_]
    if kind == 1:
        covered = across**2 + down**2 <= radius**2
    elif kind == 2:
        side = radius * np.sqrt(np.pi) / 2  # half a side: the area is that of the circle
        covered = np.maximum(abs(across), abs(down)) <= side
    else:  # upright, equilateral, of the circle's area: three half-planes at the in-radius
        inner = radius * np.sqrt(np.pi / np.sqrt(27))
        slanted = np.sqrt(0.75) * abs(across) - 0.5 * down
        covered = np.maximum(down, slanted) <= inner
    return covered


def _draw(size: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return one noisy picture and its mask."""
    down, across = np.mgrid[:size, :size].astype(np.float64)
    mask = np.zeros((size, size), dtype=np.int64)
    background, tilt = rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5, size=2)
    picture = background + (tilt[0] * down + tilt[1] * across) / size
    for _ in range(rng.integers(1, 4)):
        kind, radius = int(rng.integers(1, 4)), rng.uniform(0.12, 0.25) * size
        row, column = rng.uniform(radius, size - radius, size=2)
        covered = _inside(kind, across - column, down - row, radius)
        mask[covered] = kind
        picture[covered] = background + rng.choice([-1, 1]) * rng.uniform(0.5, 1.5)
    return picture + rng.normal(0, rng.uniform(0.05, 0.25), size=mask.shape), mask


def shapes(
    count: int = 640, *, size: int = 32, test_fraction: float = 0.25, seed: int = 0
) -> Split:
    """Return made-up pictures of shapes and their masks, in two parts.

    A picture has 1 to 3 shapes, later ones on top; position, size (radius 12 to 25 % of the side),
    brightness (0.5 to 1.5 above or below the background), the tilt of the background and
    the noise (standard deviation 0.05 to 0.25) vary. Circle, square and triangle have the
    same area at the same radius, so the outline has to be seen; the tip of a triangle may lie
    beyond the border. Nothing is downloaded.

    Args:
        count: how many pictures, of both parts together.
        size: rows and columns.
        test_fraction: the share of the pictures that is held out.
        seed: seeds everything.

    Returns:
        Pictures float32 ``(n, 1, size, size)``; in place of labels masks, int64
        ``(n, size, size)``: 0 background, 1 circle, 2 square, 3 triangle.

    Raises:
        InputError: a part would be empty, or the pictures are smaller than 8.

    >>> split = shapes(8)
    >>> split.train_inputs.shape, split.test_labels.shape
    (torch.Size([6, 1, 32, 32]), torch.Size([2, 32, 32]))
    """
    held_out = round(count * test_fraction)
    if size < _SMALLEST or not 1 <= held_out < count:
        raise InputError(
            f"shapes has count={count}, size={size}, test_fraction={test_fraction}; expected at "
            f"least one picture in each part, and a size of {_SMALLEST} or more"
        )
    rng = np.random.default_rng(seed)
    pictures, masks = zip(*(_draw(size, rng) for _ in range(count)), strict=True)
    images = torch.from_numpy(np.stack(pictures)).float().unsqueeze(1)
    labels = torch.from_numpy(np.stack(masks))
    kept = count - held_out
    return Split(images[:kept], labels[:kept], images[kept:], labels[kept:])
