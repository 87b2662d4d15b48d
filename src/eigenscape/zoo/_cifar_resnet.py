"""The CIFAR residual network."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from eigenscape.errors import InputError

DEPTHS = (20, 32, 44, 56, 110)


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)


class _Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut that has no parameters (option A), or alone."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.stride = stride
        self.padding = (outputs - inputs) // 2  # zero channels on either side of the shortcut's
        self.conv1 = _convolution(inputs, outputs, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = _convolution(outputs, outputs)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, images: Tensor) -> Tensor:
        change: Tensor = self.bn2(self.conv2(self.bn1(self.conv1(images)).relu()))
        if not self.residual:
            return change.relu()
        shortcut = images[:, :, :: self.stride, :: self.stride]
        shortcut = functional.pad(shortcut, (0, 0, 0, 0, self.padding, self.padding))
        return (change + shortcut).relu()


def _stage(blocks: int, inputs: int, outputs: int, stride: int, *, residual: bool) -> nn.Sequential:
    sizes = [(inputs, outputs, stride), *[(outputs, outputs, 1)] * (blocks - 1)]
    return nn.Sequential(*(_Block(*size, residual=residual) for size in sizes))


class CifarResNet(nn.Module):
    """A residual network for 32x32 pictures: 3 stages of ``blocks`` blocks, 16, 32, 64 channels.

    He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), section 4.2, with option
    A shortcuts, and the weights drawn as in He et al. (ICCV 2015). The parameters have the names of
    the published checkpoints: ``conv1``, ``bn1``, ``layer1.0.conv1``, ..., ``linear``.

    Args:
        blocks: the blocks of a stage, ``n`` in the paper; the depth is ``6 n + 2``.
        classes: the number of classes.
        residual: with shortcuts; without, the paper's plain network, of the same parameters.

    Raises:
        InputError: a number is below 1.
    """

    def __init__(self, blocks: int, classes: int = 10, *, residual: bool = True) -> None:
        super().__init__()
        if min(blocks, classes) < 1:
            raise InputError(
                f"CifarResNet has blocks={blocks}, classes={classes}; give each 1 or more"
            )
        self.conv1 = _convolution(3, 16)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(blocks, 16, 16, stride=1, residual=residual)
        self.layer2 = _stage(blocks, 16, 32, stride=2, residual=residual)
        self.layer3 = _stage(blocks, 32, 64, stride=2, residual=residual)
        self.linear = nn.Linear(64, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, ``(n, classes)``, of ``n`` pictures ``(n, 3, 32, 32)``."""
        activations = self.bn1(self.conv1(images)).relu()
        activations = self.layer3(self.layer2(self.layer1(activations)))
        logits: Tensor = self.linear(activations.mean(dim=(2, 3)))
        return logits


def cifar_resnet(depth: int, *, classes: int = 10, residual: bool = True) -> CifarResNet:
    """Return a fresh CIFAR ResNet of a depth that was published.

    Args:
        depth: 20, 32, 44, 56 or 110, counting the layers with weights: ``6 n + 2``.
        classes: the number of classes.
        residual: with shortcuts; see :class:`CifarResNet`.

    Raises:
        InputError: the depth is none of these, or there is no class.

    >>> sum(weight.numel() for weight in cifar_resnet(20).parameters())  # "0.27M" in the paper
    269722
    """
    if depth not in DEPTHS:
        raise InputError(
            f"depth={depth}, but the CIFAR ResNets of He et al. (2016) have depth 6 n + 2; "
            f"give one of {', '.join(map(str, DEPTHS))}"
        )
    return CifarResNet((depth - 2) // 6, classes, residual=residual)
