"""The small U-shaped network."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from eigenscape.errors import InputError


class _Pair(nn.Sequential):
    """Twice a convolution of 3 (x 3) that keeps the size, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, dims: int) -> None:
        convolution = (nn.Conv1d, nn.Conv2d)[dims - 1]
        norm = (nn.BatchNorm1d, nn.BatchNorm2d)[dims - 1]
        super().__init__(
            convolution(inputs, outputs, 3, padding=1, bias=False),
            norm(outputs),
            nn.ReLU(),
            convolution(outputs, outputs, 3, padding=1, bias=False),
            norm(outputs),
            nn.ReLU(),
        )


class UNet(nn.Module):
    """A small U-Net: a class for every pixel, from the pixel's surroundings at several scales.

    Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation" (MICCAI
    2015), with padding, batch norm, and nearest-neighbour upsampling instead of the transposed
    convolutions. Its ``depth`` levels have ``width``, ``2 width``, ``4 width``, ... channels; what
    comes up is joined with what went down at the same scale.

    :func:`train` trains it as it is, with masks ``(n, rows, columns)`` as labels: the cross entropy
    is then the mean over pixels. :func:`mean_iou` judges it. The same network maps functions on an
    interval (``dims=1``) or a rectangle to others: ``classes`` are the output channels then,
    :func:`train_operator` trains it, and :func:`relative_error` judges it.

    Args:
        channels: the channels of a picture, or of a function.
        classes: the number of classes of a pixel, background included.
        width: the channels at full size.
        depth: how often the picture is halved; its sides must be multiples of ``2 ** depth``.
        dims: 2 for pictures, 1 for rows of points.

    Raises:
        InputError: a size is below 1, or ``dims`` is neither 1 nor 2.

    >>> UNet()(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 4, 32, 32])
    >>> sum(weight.numel() for weight in UNet().parameters())
    29804
    >>> UNet(classes=1, dims=1)(torch.zeros(2, 1, 64)).shape
    torch.Size([2, 1, 64])
    """

    def __init__(
        self, channels: int = 1, classes: int = 4, width: int = 8, depth: int = 2, *, dims: int = 2
    ) -> None:
        super().__init__()
        if min(channels, classes, width, depth) < 1:
            raise InputError(
                f"UNet has channels={channels}, classes={classes}, width={width}, depth={depth}; "
                "give each 1 or more"
            )
        if dims not in (1, 2):
            raise InputError(f"UNet has dims={dims}; expected 1 or 2")
        self.dims = dims
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(
            _Pair(inputs, outputs, dims) for inputs, outputs in pairwise([channels, *widths])
        )
        self.up = nn.ModuleList(
            _Pair(inputs + outputs, outputs, dims)
            for outputs, inputs in reversed(list(pairwise(widths)))
        )
        self.head = (nn.Conv1d, nn.Conv2d)[dims - 1](width, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits ``(n, classes, rows, columns)`` of ``(n, channels, rows, columns)``.

        With ``dims=1`` both have points in place of rows and columns.

        Raises:
            InputError: a side cannot be halved ``depth`` times.
        """
        multiple = 2 ** len(self.up)
        if images.ndim != 2 + self.dims or any(side % multiple for side in images.shape[2:]):
            sides = ("points",) if self.dims == 1 else ("rows", "columns")
            raise InputError(
                f"UNet got images of shape {tuple(images.shape)}; expected (n, channels, "
                f"{', '.join(sides)}) with {' and '.join(sides)} that are multiples of {multiple}"
            )
        pool = functional.max_pool1d if self.dims == 1 else functional.max_pool2d
        activations, skipped = self.down[0](images), []
        for block in self.down[1:]:
            skipped.append(activations)
            activations = block(pool(activations, 2))
        for block in self.up:
            wide = functional.interpolate(activations, scale_factor=2.0, mode="nearest")
            activations = block(torch.cat([skipped.pop(), wide], dim=1))
        logits: Tensor = self.head(activations)
        return logits
