"""The calls of an evaluation, and checks of their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.parameter import is_lazy

from eigenscape.errors import InputError
from eigenscape.models._greedy import logits_of
from eigenscape.models._modes import BATCH_NORM_POLICIES
from eigenscape.models._nested import Batch

Forward = Callable[..., Any]  # (model, batch); a model of any class
Loss = Callable[[Any, Any], Tensor]


class Bound(nn.Module):
    """A model inside a module whose forward is ``forward(model, batch)``."""

    def __init__(self, model: nn.Module, forward: Forward) -> None:
        super().__init__()
        self.model = model
        self.answer = forward

    def forward(self, batch: Batch) -> Any:
        """Call ``forward(model, batch)``."""
        return self.answer(self.model, batch)


def call_with(module: nn.Module, tensors: Mapping[str, Tensor], *args: Any, **kwargs: Any) -> Any:
    """Call a module with other parameters and buffers than its own.

    Args:
        module: not changed.
        tensors: by name; the module's own are used for the others. Buffers that the forward pass
            writes to are written here.
        args: of the call.
        kwargs: of the call.

    >>> linear = nn.Linear(1, 1, bias=False)
    >>> call_with(linear, {"weight": torch.tensor([[2.0]])}, torch.tensor([[3.0]]))
    tensor([[6.]])
    """
    return functional_call(module, _at_each_place(module, tensors), args, kwargs, tie_weights=False)


def _at_each_place(module: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name tensors once for every place that holds them: for each of two tied weights.

    A module that is reached under two names is one place. torch's own ``tie_weights`` replaces it
    once for each name and puts back only the first, so that the module stays changed.
    """
    groups: dict[str, list[str]] = {}  # name -> one name of each place that holds its tensor
    places: dict[tuple[int, str], list[str]] = {}
    tied: dict[int, list[str]] = {}
    for path, owner in module.named_modules(remove_duplicate=False):
        for leaf, held in (*owner._parameters.items(), *owner._buffers.items()):
            if held is None:
                continue
            name, place = f"{path}.{leaf}" if path else leaf, (id(owner), leaf)
            if place not in places:
                places[place] = tied.setdefault(id(held), [])
                places[place].append(name)
            groups[name] = places[place]
    return {
        place: tensor for name, tensor in tensors.items() for place in groups.get(name, (name,))
    }


def check_arguments(
    models: Sequence[object], loss: object, batch_norm: str, dtype: torch.dtype | None
) -> None:
    """Raise an error that lists all arguments of a wrong kind."""
    wrong = [] if models else ["there are no models; expected one or more"]
    for model in models:
        if isinstance(model, torch.jit.ScriptModule):
            wrong.append(
                "model is TorchScript, whose parameters cannot be replaced for a call. Try: "
                "give the module it was made from"
            )
        elif not isinstance(model, nn.Module):
            wrong.append(f"model is a {type(model).__name__}; expected a torch.nn.Module")
        else:
            wrong += _without_shapes(model)
    if loss is not None and not callable(loss):
        wrong.append(f"loss is a {type(loss).__name__}; expected loss(outputs, targets) -> scalar")
    if batch_norm not in BATCH_NORM_POLICIES:
        names = ", ".join(BATCH_NORM_POLICIES)
        wrong.append(f"batch_norm is {batch_norm!r}; expected one of {names}")
    if dtype not in (None, torch.float32, torch.float64):
        wrong.append(f"dtype is {dtype}; expected torch.float32 or torch.float64")
    if wrong:
        raise InputError("; ".join(wrong))


def _without_shapes(model: nn.Module) -> list[str]:
    tensors = (*model.named_parameters(), *model.named_buffers())
    lazy = [name for name, tensor in tensors if is_lazy(tensor)]
    return lazy and [
        f"the model has lazy parameters without a shape yet ({', '.join(lazy[:3])}). Try: call it "
        "once on a batch before"
    ]


def one_device_of(models: Sequence[nn.Module]) -> torch.device:
    """Return the one device of all parameters of models.

    Raises:
        InputError: several devices, or tensors that hold no values.
    """
    devices = {tensor.device for model in models for tensor in model.parameters()}
    if len(devices) > 1 or any(device.type == "meta" for device in devices):
        raise InputError(
            f"the model's parameters lie on {', '.join(sorted(map(str, devices)))}; expected one "
            "device that holds values. Try: model.to('cpu')"
        )
    return devices.pop()


def dtype_of(model: nn.Module) -> torch.dtype:
    """Return float64 for a model of float64, else float32."""
    wide = {torch.float64, torch.complex128}
    found = {tensor.dtype for tensor in model.parameters() if not _integer(tensor)}
    return torch.float64 if found and found <= wide else torch.float32


def _integer(tensor: Tensor) -> bool:
    return not (tensor.is_floating_point() or tensor.is_complex())


def default_forward(loss: Loss | None) -> Forward:
    """Return how a batch is evaluated by default."""
    return forward_keywords if loss is None else _forward_pair


def _forward_pair(model: nn.Module, batch: Batch) -> Any:
    if not (isinstance(batch, tuple | list) and len(batch) == 2):
        raise InputError(
            f"a batch is a {type(batch).__name__}; expected a pair (inputs, targets). "
            "Try: Objective(..., forward=lambda model, batch: (outputs, targets)); or, where "
            "model(**batch) returns the loss as its entry 'loss', None in the place of the loss"
        )
    return model(batch[0]), batch[1]


def forward_keywords(model: nn.Module, batch: Batch) -> Any:
    """Return the loss that a model answers with to keywords, as in transformers."""
    return own_answer(model, batch)[0]


def own_answer(model: nn.Module, batch: Batch) -> tuple[Any, Any]:
    """Return the loss and the logits (None without any) that a model answers with to keywords.

    Raises:
        InputError: the batch is no mapping, or the answer has no loss.
    """
    if not isinstance(batch, Mapping):
        raise InputError(
            f"there is no loss and a batch is a {type(batch).__name__}; expected a mapping that "
            "the model takes as keywords, and an answer with an entry 'loss'. Try: give a loss, or "
            "forward=lambda model, batch: the scalar loss"
        )
    answer = model(**batch)
    loss = loss_part(answer)
    if loss is None:
        raise InputError(
            f"the model answered with a {type(answer).__name__} that has no loss. Try: put the "
            "labels into the batch, or give forward=lambda model, batch: the scalar loss"
        )
    return loss, _part(answer, "logits")


def loss_part(answer: Any) -> Any:
    """Return the loss that a model answers with, an entry or an attribute; None without one."""
    return _part(answer, "loss")


def _part(answer: Any, name: str) -> Any:
    return answer.get(name) if isinstance(answer, Mapping) else getattr(answer, name, None)


def next_tokens(model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return logits ``(N, V)`` and ids ``(N,)`` of the tokens that are scored in windows.

    Args:
        model: from ids ``(n, t)`` to logits, as :class:`LanguageModel` takes it.
        batch: ids and scored, ``(n, t)``.
    """
    ids, scored = batch
    wanted = scored[:, 1:]
    return logits_of(model, ids)[:, :-1][wanted], ids[:, 1:][wanted]


def scalar(loss: Any, index: int) -> Tensor:
    """Return a loss as a scalar, or raise an error that says what it is."""
    if not isinstance(loss, Tensor) or loss.numel() != 1 or loss.is_complex():
        seen = (
            f"{loss.dtype} of shape {tuple(loss.shape)}"
            if isinstance(loss, Tensor)
            else (f"a {type(loss).__name__}")
        )
        raise InputError(
            f"the loss of batch {index} is {seen}; expected one real number, the mean over the "
            "samples. Try: reduction='mean'"
        )
    return loss.reshape(())


def doubled(value: Any) -> Any:
    """Return a floating tensor as float64, anything else as it is."""
    return value.double() if isinstance(value, Tensor) and value.is_floating_point() else value


def doubled_loss(loss: Loss | None) -> Loss | None:
    """Return a loss for float64: of a module a copy whose own tensors (class weights) are."""
    return deepcopy(loss).double() if isinstance(loss, nn.Module) else loss


def fresh(name: str, tensor: Tensor) -> Tensor:
    """Return the start of a running statistic: variance 1, the rest 0."""
    return torch.ones_like(tensor) if name.endswith("running_var") else torch.zeros_like(tensor)
