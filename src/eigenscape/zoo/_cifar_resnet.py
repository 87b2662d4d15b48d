"""The CIFAR residual network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from eigenscape.errors import CheckpointError, InputError, UnsafeCheckpointError
from eigenscape.models import build

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


_FIRST_STAGE = re.compile(r"layer1\.(\d+)\.conv1\.weight")
_SHOWN = 4
_COUNTER = "num_batches_tracked"  # torch counts these since 0.4.1; older files have none


def _read(path: Path) -> Any:
    if not path.is_file():
        raise CheckpointError(f"no checkpoint file at {path}; give the path of a '.th' file")
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # a file of foreign bytes makes torch raise errors of any kind
        if isinstance(error, UnpicklingError) and "GLOBAL" in str(error):
            raise UnsafeCheckpointError(
                f"{path} holds more than tensors and plain containers, and reading it could run "
                "code; save its state_dict alone, where you trust it, and give that file"
            ) from error
        raise CheckpointError(
            f"{path} is {path.stat().st_size} bytes that torch cannot read ({type(error).__name__}"
            "): it is not a file of torch.save, or it is cut or corrupt; fetch or save it again"
        ) from error


def _tensors(content: Any, path: Path) -> dict[str, Tensor]:
    """Return the file's tensors by name, without the ``module.`` of data-parallel training."""
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__} without a mapping of names to tensors; "
            "expected a state_dict, or a dict with one under the key 'state_dict'"
        )
    return {str(name).removeprefix("module."): tensor for name, tensor in state.items()}


def _few(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _misfits(state: Mapping[str, Tensor], model: CifarResNet) -> list[str]:
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    missing = [name for name in expected if name not in state and not name.endswith(_COUNTER)]
    unknown = [name for name in state if name not in expected]
    reshaped = [
        f"{name} {tuple(state[name].shape)} instead of {shape}"
        for name, shape in expected.items()
        if name in state and tuple(state[name].shape) != shape
    ]
    kinds = {"missing": missing, "not of this network": unknown, "of another shape": reshaped}
    return [f"{len(names)} {kind}: {_few(names)}" for kind, names in kinds.items() if names]


def load_cifar_resnet(path: str | PathLike[str]) -> CifarResNet:
    """Load a published CIFAR ResNet checkpoint; depth and classes follow from its tensors.

    The layout is that of the widely used ``resnet20-12fca82f.th`` and its siblings: a dict whose
    ``state_dict`` has data-parallel names (``module.conv1.weight``). A bare state dict fits too.
    The file is read with ``weights_only=True``: nothing in it is executed.

    Args:
        path: the ``.th`` file.

    Returns:
        The network on the CPU, in evaluation mode.

    Raises:
        CheckpointError: no file is there, it cannot be read, or its tensors do not fit.
        UnsafeCheckpointError: reading the file would run code.
    """
    path = Path(path)
    state = _tensors(_read(path), path)
    blocks = sum(_FIRST_STAGE.fullmatch(name) is not None for name in state)
    depth = 6 * blocks + 2
    head = state.get("linear.weight")
    if depth not in DEPTHS or head is None or head.ndim != 2:
        raise CheckpointError(
            f"{path} is not a CIFAR ResNet of depth {', '.join(map(str, DEPTHS))}: it has "
            f"{blocks} blocks in layer1 and "
            f"{'no linear.weight' if head is None else f'linear.weight {tuple(head.shape)}'}; "
            f"its first tensors are {_few(list(state)) or 'none'}"
        )
    model = build(lambda: cifar_resnet(depth, classes=len(head)))
    problems = _misfits(state, model)
    if problems:
        raise CheckpointError(
            f"{path} looks like a CIFAR ResNet-{depth}, but its tensors do not fit: "
            + "; ".join(problems)
        )
    model.load_state_dict(state, strict=True)
    return model.eval()
