"""The state in which a model is evaluated: modes, attention kernels, batch norm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal, get_args

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

BatchNormPolicy = Literal["frozen", "recompute", "batch"]
BATCH_NORM_POLICIES: tuple[BatchNormPolicy, ...] = get_args(BatchNormPolicy)


def batch_norms(model: nn.Module) -> dict[str, _BatchNorm]:
    """Return the batch norms that keep running statistics, by name."""
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm) and module.track_running_stats
    }


def batch_norm_statistics(model: nn.Module) -> list[str]:
    """Return the names of the batch norms' running statistics among a model's buffers."""
    return [
        f"{prefix}{'.' if prefix else ''}{name}"
        for prefix, norm in batch_norms(model).items()
        for name, _ in norm.named_buffers()
    ]


def device_of(model: nn.Module) -> torch.device:
    """Return where the model's first parameter lives, or the CPU."""
    return next((weight.device for weight in model.parameters()), torch.device("cpu"))


@contextmanager
def mode_restored(model: nn.Module) -> Iterator[None]:
    """Put every module back, after the block, into the mode (training or not) it was found in.

    >>> model = nn.Dropout()
    >>> with mode_restored(model):
    ...     _ = model.eval()
    >>> model.training
    True
    """
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def evaluating(model: nn.Module, *, train_norms: bool = False) -> Iterator[None]:
    """Put a model into evaluation mode, and every module back into its own afterwards.

    Args:
        model: any module.
        train_norms: batch norms use (and gather) the statistics of the batch.
    """
    with mode_restored(model):
        model.eval()
        if train_norms:
            for norm in batch_norms(model).values():
                norm.train()
        yield


@contextmanager
def twice_differentiable() -> Iterator[None]:
    """Choose kernels that can be differentiated twice: plain attention, plain recurrent nets.

    Fused attention and cuDNN's recurrent kernels have no second derivative.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel

    fast = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        if torch.cuda.is_available():
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
