"""The published checkpoints of the CIFAR ResNets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from eigenscape.errors import CheckpointError, UnsafeCheckpointError
from eigenscape.models import build
from eigenscape.zoo._cifar_resnet import DEPTHS, CifarResNet, cifar_resnet

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
