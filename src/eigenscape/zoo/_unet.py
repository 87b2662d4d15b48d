"""The small U-shaped network."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from eigenscape.errors import InputError


class _Pair(nn.Sequential):
    """Twice a 3x3 convolution that keeps the picture's size, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


class UNet(nn.Module):
    """A small U-Net: a class for every pixel, from the pixel's surroundings at several scales.

    Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation" (MICCAI
    2015), with padding, batch norm, and nearest-neighbour upsampling instead of the transposed
    convolutions. Its ``depth`` levels have ``width``, ``2 width``, ``4 width``, ... channels; what
    comes up is joined with what went down at the same scale.

    :func:`train` trains it as it is, with masks ``(n, rows, columns)`` as labels: the cross entropy
    is then the mean over pixels. :func:`mean_iou` judges it.

    Args:
        channels: the channels of a picture.
        classes: the number of classes of a pixel, background included.
        width: the channels at full size.
        depth: how often the picture is halved; its sides must be multiples of ``2 ** depth``.

    Raises:
        InputError: a size is below 1.

    >>> UNet()(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 4, 32, 32])
    >>> sum(weight.numel() for weight in UNet().parameters())
    29804
    """

    def __init__(self, channels: int = 1, classes: int = 4, width: int = 8, depth: int = 2) -> None:
        super().__init__()
        if min(channels, classes, width, depth) < 1:
            raise InputError(
                f"UNet has channels={channels}, classes={classes}, width={width}, depth={depth}; "
                "give each 1 or more"
            )
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(
            _Pair(inputs, outputs) for inputs, outputs in pairwise([channels, *widths])
        )
        self.up = nn.ModuleList(
            _Pair(inputs + outputs, outputs) for outputs, inputs in reversed(list(pairwise(widths)))
        )
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits ``(n, classes, rows, columns)`` of ``(n, channels, rows, columns)``.

        Raises:
            InputError: a side cannot be halved ``depth`` times.
        """
        multiple = 2 ** len(self.up)
        if images.ndim != 4 or any(side % multiple for side in images.shape[2:]):
            raise InputError(
                f"UNet got images of shape {tuple(images.shape)}; expected (n, channels, rows, "
                f"columns) with rows and columns that are multiples of {multiple}"
            )
        activations, skipped = self.down[0](images), []
        for block in self.down[1:]:
            skipped.append(activations)
            activations = block(functional.max_pool2d(activations, 2))
        for block in self.up:
            wide = functional.interpolate(activations, scale_factor=2.0, mode="nearest")
            activations = block(torch.cat([skipped.pop(), wide], dim=1))
        logits: Tensor = self.head(activations)
        return logits
