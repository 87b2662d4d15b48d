"""The state in which a model is evaluated: modes, attention kernels, batch norm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

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
    """Return the device of the model's first parameter, or the CPU."""
    return next((weight.device for weight in model.parameters()), torch.device("cpu"))


@contextmanager
def mode_restored(model: nn.Module) -> Iterator[None]:
    """Restore the mode (training or not) of every module after the block.

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
    """Put a model into evaluation mode, and restore every module's own mode afterwards.

    Compiled parts run as they were written: compiled code cannot be differentiated twice. Tensors
    that the forward pass keeps as plain attributes (the weight that a pruning or weight norm hook
    computes) are put back too, so that no graph stays behind in the model.

    Args:
        model: any module.
        train_norms: batch norms use (and update) the statistics of the batch.
    """
    with mode_restored(model), _attributes_restored(model), _uncompiled(model):
        model.eval()
        if train_norms:
            for norm in batch_norms(model).values():
                norm.train()
        yield


@contextmanager
def _attributes_restored(model: nn.Module) -> Iterator[None]:
    found = [(module, _plain_tensors(module)) for module in model.modules()]
    try:
        yield
    finally:
        for module, kept in found:
            for name in _plain_tensors(module).keys() - kept.keys():
                del vars(module)[name]
            vars(module).update(kept)


def _plain_tensors(module: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in vars(module).items() if isinstance(value, Tensor)}


def _uncompiled(model: nn.Module) -> AbstractContextManager[object]:
    compiled = any("_orig_mod" in m._modules or m._compiled_call_impl for m in model.modules())
    return torch.compiler.set_stance("force_eager") if compiled else nullcontext()


def eager(model: Any) -> Any:
    """Return the module that ``torch.compile`` wrapped; anything else as it is."""
    while isinstance(model, nn.Module) and "_orig_mod" in model._modules:
        model = model._modules["_orig_mod"]
    return model


def weight_normed(model: nn.Module) -> bool:
    """Tell whether a module has a weight norm, by hook or by parametrization."""
    kinds = {"WeightNorm", "_WeightNorm"}
    return any(
        type(part).__name__ in kinds
        for module in model.modules()
        for part in (module, *module._forward_pre_hooks.values())
    )


class _WrittenOut(TorchFunctionMode):
    """``torch._weight_norm`` as ``v (g / ||v||)``, whose parts have right second derivatives.

    torch's fused kernel has a wrong one on the CPU (2.6 to 2.13): no symmetric Hessian.
    """

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function is not torch._weight_norm:
            return function(*args, **(kwargs or {}))
        return _weight_norm(*args, **(kwargs or {}))


def _weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    others = None if dim == -1 else [axis for axis in range(v.ndim) if axis != dim % v.ndim]
    effective: Tensor = v * (g / torch.linalg.vector_norm(v, 2, others, keepdim=True))
    return effective


@contextmanager
def twice_differentiable(model: nn.Module | None = None) -> Iterator[None]:
    """Choose kernels that can be differentiated twice: plain attention, plain recurrent nets.

    Fused attention and cuDNN's recurrent kernels have no second derivative, the fused weight norm
    a wrong one.

    Args:
        model: whose weight norms, if any, are written out.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel

    fast = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        if torch.cuda.is_available():
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        torch.backends.mha.set_fastpath_enabled(False)
        if model is not None and weight_normed(model):
            stack.enter_context(_WrittenOut())
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
