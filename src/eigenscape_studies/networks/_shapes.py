"""Shapes: synthetic pictures with a class for every pixel, and how well pixels are classified."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from eigenscape.errors import InputError
from eigenscape.models import mode_restored
from eigenscape.zoo import Split

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
    """Return synthetic pictures of shapes and their masks, in two parts.

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


def mean_iou(model: nn.Module, images: Tensor, masks: Tensor, *, batch_size: int = 256) -> float:
    """Return the intersection over union of predicted and true pixels, averaged over the classes.

    For a class, intersection and union are counted over all pictures together (Everingham et al.,
    "The PASCAL Visual Object Classes Challenge", 2015, section 4.2.3); a class that is neither
    there nor predicted is left out. Computed in evaluation mode; the mode of every module is
    restored afterwards.

    Args:
        model: maps ``(n, ...)`` pictures to logits ``(n, classes, rows, columns)``.
        images: one picture a row; moved to the model's device a batch at a time.
        masks: int64, ``(n, rows, columns)``, from 0 to ``classes - 1``.
        batch_size: how many pictures are evaluated at once.

    Raises:
        InputError: there are no pictures, not one mask a picture, or masks that do not fit the
            logits.

    >>> logits = torch.tensor([[[[2.0, 2.0, 0.0, 0.0]], [[1.0, 1.0, 1.0, 1.0]]]])   # 0 0 1 1
    >>> masks = torch.tensor([[[0, 1, 1, 1]]])
    >>> mean_iou(nn.Identity(), logits, masks) == (1 / 2 + 2 / 3) / 2
    True
    """
    if len(images) != len(masks) or len(masks) == 0:
        raise InputError(
            f"mean_iou has {len(images)} images and {len(masks)} masks; "
            "give one mask an image, and at least one"
        )
    device = next((weight.device for weight in model.parameters()), torch.device("cpu"))
    tables = []
    with mode_restored(model), torch.no_grad():
        model.eval()
        for some, theirs in zip(
            torch.split(images, batch_size), torch.split(masks, batch_size), strict=True
        ):
            tables.append(_confusion(model(some.to(device)).cpu(), theirs.cpu()))
    table = torch.stack(tables).sum(0).double()
    hits = table.diagonal()
    unions = table.sum(0) + table.sum(1) - hits
    return (hits[unions > 0] / unions[unions > 0]).mean().item()


def _confusion(logits: Tensor, masks: Tensor) -> Tensor:
    """Return how many pixels of each class (row) were taken for each class (column)."""
    classes = logits.shape[1] if logits.ndim == 4 else 0
    fits = logits.ndim == 4 and logits[:, 0].shape == masks.shape
    if not fits or int(masks.min()) < 0 or int(masks.max()) >= classes:
        raise InputError(
            f"mean_iou has logits {tuple(logits.shape)} and masks {tuple(masks.shape)} with values "
            f"from {int(masks.min())} to {int(masks.max())}; expected logits (n, classes, rows, "
            "columns) and masks (n, rows, columns) from 0 to classes - 1"
        )
    pairs = masks.flatten() * classes + logits.argmax(dim=1).flatten()
    return pairs.bincount(minlength=classes**2).reshape(classes, classes)
