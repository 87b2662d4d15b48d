"""Several networks of one architecture in one pass, by vmap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap

from eigenscape.errors import EigenscapeError, InputError
from eigenscape.models._nested import Batch, rebuilt
from eigenscape.models._parameters import ParameterSpace
from eigenscape.models._random import random_states, set_random_states

#: Networks of at most this many parameters are run by ``vmap``, larger ones one by one. Below it a
#: step costs more in overhead than in arithmetic; far above it, ``vmap``'s grouped kernels lose.
VMAP_LIMIT = 200_000
_AT_ONCE = 64  # networks; rows do not depend on how many there are


class NotBatchedError(InputError):
    """An operation of the model or the loss cannot be run for several networks at once."""


def worth_it(model: nn.Module, space: ParameterSpace) -> bool:
    """Whether k such networks are run side by side: small ones that vmap has rules for."""
    known = not space.complex_names and not any(isinstance(m, nn.RNNBase) for m in model.modules())
    return space.count <= VMAP_LIMIT and known


def side_by_side(
    function: Callable[..., Any], stacked: tuple[Any, ...], batch: Batch, *, each: bool
) -> Any:
    """Call a function of one network for all, and return its results with a first axis of k.

    Args:
        function: of one row of each of ``stacked``, then the batch; it may differentiate.
        stacked: tensors, or dictionaries of tensors, ``(k, ...)``.
        batch: what the networks are given.
        each: the batch's tensors are ``(k, b, ...)``; else all networks are given the same.

    Raises:
        NotBatchedError: vmap has no rule for an operation.
    """
    axes: list[Any] = [0] * len(stacked)
    arguments: list[Any] = list(stacked)
    call = function
    if each:
        arguments.append(rebuilt(batch, lambda tensor: tensor, lambda other: other))
        axes.append(rebuilt(batch, lambda _: 0, lambda _: None))
    else:
        call = lambda *own: function(*own, batch)  # noqa: E731
    count = len(next(iter(stacked[0].values())) if isinstance(stacked[0], dict) else stacked[0])
    chunk = _AT_ONCE if count > _AT_ONCE else None
    try:
        return vmap(call, in_dims=tuple(axes), randomness="different", chunk_size=chunk)(*arguments)
    except EigenscapeError as error:
        if error.__cause__ is not None and says_vmap(error.__cause__):
            raise NotBatchedError(_sentence(error.__cause__)) from error
        raise
    except (RuntimeError, ValueError, NotImplementedError) as error:
        if says_vmap(error):
            raise NotBatchedError(_sentence(error)) from error
        raise


@contextmanager
def undone(written: Mapping[str, Tensor], device: torch.device) -> Iterator[None]:
    """Put back what a pass wrote and drew when it is found that it cannot be run side by side.

    Args:
        written: the tensors that a forward pass may write to.
        device: where it draws random numbers.
    """
    kept = {name: tensor.clone() for name, tensor in written.items()}
    random = random_states(device)
    try:
        yield
    except NotBatchedError:
        for name, tensor in kept.items():
            written[name].copy_(tensor)
        set_random_states(random, device)
        raise


def says_vmap(error: BaseException) -> bool:
    """Whether an error is about vmap, and not about the model."""
    return any(word in str(error) for word in ("vmap", "atching rule", "functorch"))


def _sentence(error: BaseException) -> str:
    return " ".join(str(error).split())[:160]


def stacked_tensors(
    models: Sequence[nn.Module], space: ParameterSpace, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return copies of the tensors of models: moved ones as points, the others by name.

    Args:
        models: one, for ``(P,)`` and tensors as they are; or several, for a first axis of k.
        space: names the parameters that are moved.
        device: of all.
        dtype: of floating tensors.

    Raises:
        InputError: models with different tensors.
    """
    shapes = _shapes(models[0])
    for place, model in enumerate(models):
        if _shapes(model) != shapes:
            raise InputError(
                f"model {place} has other tensors than model 0, so that they are not two runs of "
                "one recipe. Try: give models of one architecture"
            )

    def cast(tensor: Tensor) -> Tensor:
        kind = dtype if tensor.is_floating_point() else tensor.dtype
        return tensor.detach().to(device, kind, copy=True)

    with torch.no_grad():
        points = [space.join(dict(model.named_parameters()), dtype) for model in models]
        moved = set(space.names)
        fixed = [
            {f"model.{n}": cast(t) for n, t in _tensors(model).items() if n not in moved}
            for model in models
        ]
        if len(models) == 1:
            return points[0], fixed[0]
        names = list(fixed[0])
        return torch.stack(points), {n: torch.stack([own[n] for own in fixed]) for n in names}


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in _tensors(model).items()}
