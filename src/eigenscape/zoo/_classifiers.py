"""Small classifiers: of vectors, and of images."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from eigenscape.errors import InputError


class _Layer(nn.Module):
    """A hidden layer: linear, batch norm (or nothing), ReLU."""

    def __init__(self, inputs: int, outputs: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.norm = nn.BatchNorm1d(outputs) if batch_norm else nn.Identity()

    def forward(self, inputs: Tensor) -> Tensor:
        activations: Tensor = self.norm(self.linear(inputs)).relu()
        return activations


class MLP(nn.Module):
    """A fully connected ReLU network with a linear head.

    Parameters are named ``layers.0.linear.weight``, ``layers.0.norm.weight``, ..., ``head.weight``.
    The initial weights are those of ``torch.nn.Linear``: uniform within ``1 / sqrt(fan_in)``.

    Args:
        inputs: the width of an example; an input of any shape is flattened to it.
        hidden: the width of every hidden layer, from the input on; empty gives a linear model.
        outputs: the number of classes.
        batch_norm: normalise before every ReLU.

    Raises:
        InputError: a width is below 1.

    >>> model = MLP(64, [256, 256, 256], 10)
    >>> [name for name, weight in model.named_parameters() if weight.ndim == 2]
    ['layers.0.linear.weight', 'layers.1.linear.weight', 'layers.2.linear.weight', 'head.weight']
    """

    def __init__(
        self, inputs: int, hidden: Sequence[int], outputs: int, *, batch_norm: bool = True
    ) -> None:
        super().__init__()
        widths = [inputs, *hidden, outputs]
        if min(widths) < 1:
            raise InputError(f"MLP widths are {widths} from input to output; give each 1 or more")
        self.layers = nn.ModuleList(
            _Layer(width, following, batch_norm=batch_norm)
            for width, following in pairwise(widths[:-1])
        )
        self.head = nn.Linear(widths[-2], outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits, ``(n, outputs)``, of ``n`` examples."""
        activations = inputs.flatten(1)
        for layer in self.layers:
            activations = layer(activations)
        logits: Tensor = self.head(activations)
        return logits


class _Stage(nn.Module):
    """A 3x3 convolution that keeps the picture's size, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, images: Tensor) -> Tensor:
        activations: Tensor = self.norm(self.conv(images)).relu()
        return activations


class SmallCNN(nn.Module):
    """Three convolution stages of growing width, pooling, and a linear head.

    The stages have ``width``, ``2 * width`` and ``4 * width`` channels; the picture is halved after
    the first and the second, and averaged over after the third, so any size from 4x4 on fits.
    Parameters are named ``stages.0.conv.weight``, ``stages.0.norm.weight``, ..., ``head.weight``.

    Args:
        channels: the channels of a picture.
        classes: the number of classes.
        width: the channels of the first stage.

    Raises:
        InputError: a size is below 1.

    >>> import torch
    >>> SmallCNN()(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """

    def __init__(self, channels: int = 1, classes: int = 10, width: int = 32) -> None:
        super().__init__()
        if min(channels, classes, width) < 1:
            raise InputError(
                f"SmallCNN has channels={channels}, classes={classes}, width={width}; "
                "give each 1 or more"
            )
        widths = [channels, width, 2 * width, 4 * width]
        self.stages = nn.ModuleList(_Stage(inputs, outputs) for inputs, outputs in pairwise(widths))
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, ``(n, classes)``, of pictures ``(n, channels, rows, columns)``."""
        activations = images
        for number, stage in enumerate(self.stages):
            if number:
                activations = functional.max_pool2d(activations, 2)
            activations = stage(activations)
        logits: Tensor = self.head(activations.mean(dim=(2, 3)))
        return logits
