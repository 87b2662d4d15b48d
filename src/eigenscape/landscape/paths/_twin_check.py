"""Whether two models are two points of one space."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eigenscape.errors import InputError
from eigenscape.models import ParameterSpace, batch_norm_statistics

_SHOWN = 5


def check_twins(model_a: nn.Module, model_b: nn.Module, space: ParameterSpace) -> None:
    """Raise an error if two models differ in more than trainable parameters and batch statistics.

    Raises:
        InputError: another architecture, other frozen tensors, or parameters that are not finite.
    """
    for name, model in (("model_a", model_a), ("model_b", model_b)):
        if not isinstance(model, nn.Module):
            raise InputError(f"{name} is a {type(model).__name__}; expected a torch.nn.Module")
    wrong = _other_modules(model_a, model_b) or _other_shapes(model_a, model_b)
    if wrong:
        raise InputError(
            "the models are of different architectures, and no path in the space of parameters "
            "joins them: " + "; ".join(wrong[:_SHOWN])
        )
    moved = dict(model_b.named_parameters())
    broken = [name for name in space.names if not bool(moved[name].isfinite().all())]
    if broken:
        raise InputError(f"model_b has parameters that are not finite: {broken[:_SHOWN]}")
    fixed = _other_fixed(model_a, model_b, space)
    if fixed:
        raise InputError(
            f"tensors that do not move along a path differ between the models: {fixed[:_SHOWN]}. "
            "Try: requires_grad_(True) for parameters; equal buffers"
        )


def _other_modules(model_a: nn.Module, model_b: nn.Module) -> list[str]:
    kinds_a, kinds_b = (
        {name or "the model": type(module).__name__ for name, module in model.named_modules()}
        for model in (model_a, model_b)
    )
    return _differences(kinds_a, kinds_b)


def _other_shapes(model_a: nn.Module, model_b: nn.Module) -> list[str]:
    shapes_a, shapes_b = (
        {name: str(tuple(tensor.shape)) for name, tensor in _tensors(model).items()}
        for model in (model_a, model_b)
    )
    return _differences(shapes_a, shapes_b)


def _other_fixed(model_a: nn.Module, model_b: nn.Module, space: ParameterSpace) -> list[str]:
    free = {*batch_norm_statistics(model_a), *space.names}
    tensors_a, tensors_b = _tensors(model_a), _tensors(model_b)
    return [
        name
        for name, tensor in tensors_a.items()
        if name not in free and not torch.equal(tensor.cpu(), tensors_b[name].cpu())
    ]


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _differences(first: dict[str, str], second: dict[str, str]) -> list[str]:
    return [
        f"{name}: {first.get(name, 'missing')} and {second.get(name, 'missing')}"
        for name in {**first, **second}
        if first.get(name) != second.get(name)
    ]
