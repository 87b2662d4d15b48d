"""The networks of a training: one, by a plain backward pass; several, side by side by vmap."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import grad_and_value
from torch.optim import Optimizer

from eigenscape.errors import EigenscapeError, InputError
from eigenscape.models._calls import Bound, Forward, call_with, dtype_of, one_device_of
from eigenscape.models._fit_data import Drawn
from eigenscape.models._fit_loss import FitLoss, mean_loss, wanted_by
from eigenscape.models._modes import twice_differentiable
from eigenscape.models._nested import rebuilt
from eigenscape.models._parameters import ParameterSpace
from eigenscape.models._side_by_side import (
    NotBatchedError,
    side_by_side,
    stacked_tensors,
    undone,
    worth_it,
)

#: Optimizers of torch that treat each number apart from the others, up to the step count.
ELEMENTWISE = (
    "SGD",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "RAdam",
    "RMSprop",
    "Rprop",
    "Adagrad",
    "Adadelta",
    "ASGD",
)


class Diverged(Exception):  # noqa: N818  # it leaves an optimizer from inside of its closure
    """The loss of a closure is not finite."""


class Networks(Protocol):
    """The interface of the networks in the training loop."""

    models: tuple[nn.Module, ...]

    def leaves(self) -> list[Tensor]:
        """Return what the optimizer changes."""

    def points(self) -> Tensor:
        """Return a copy of the trained parameters, ``(k, P)``."""

    def losses(self, drawn: Drawn) -> Tensor:
        """Return the loss of each network, ``(k,)``, and keep what :meth:`backward` needs."""

    def backward(self) -> None:
        """Write the gradients of the last :meth:`losses`."""

    def finite(self) -> Tensor:
        """Return for each network whether its weights are finite, ``(k,)``."""

    def write_back(self) -> None:
        """Write what was trained into the models."""

    def state(self) -> dict[str, Any]:
        """Return copies of all weights and buffers."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take them over."""


class OneNetwork:
    """One model, trained by itself."""

    def __init__(self, model: nn.Module, loss: FitLoss | None, forward: Forward) -> None:
        self.models: tuple[nn.Module, ...] = (model,)
        self._model, self._loss, self._forward = model, loss, forward
        self._wanted = wanted_by(loss)
        self._last: Tensor | None = None
        self._optimized = list(model.parameters())

    def leaves(self) -> list[Tensor]:
        return list(self._optimized)

    def points(self) -> Tensor:
        space = ParameterSpace.of(self._model)
        owned = dict(self._model.named_parameters())
        return space.join(owned, dtype_of(self._model))[None]

    def losses(self, drawn: Drawn) -> Tensor:
        given: dict[str, Any] = {"batch": drawn.batch, "numbers": drawn.numbers}
        if "parameters" in self._wanted:
            given["parameters"] = dict(self._model.named_parameters())
        outcome = self._forward(self._model, drawn.batch)
        self._last = mean_loss(outcome, self._loss, self._wanted, given)
        return self._last.detach().reshape(1)

    def backward(self) -> None:
        assert self._last is not None  # losses() comes first
        self._last.backward()  # type: ignore[no-untyped-call]

    def finite(self) -> Tensor:
        return torch.tensor([all(bool(leaf.isfinite().all()) for leaf in self._optimized)])

    def write_back(self) -> None:
        self._last = None

    def state(self) -> dict[str, Any]:
        return {name: tensor.clone() for name, tensor in self._model.state_dict().items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._model.load_state_dict(dict(state))


class SeveralNetworks:
    """Networks of one architecture: their trained parameters lie in one array ``(k, P)``."""

    def __init__(self, models: Sequence[nn.Module], loss: FitLoss | None, forward: Forward) -> None:
        if len({id(model) for model in models}) < len(models):
            raise InputError(
                "a model occurs twice among those to be trained; expected k models. "
                "Try: copy.deepcopy(model)"
            )
        self.models = tuple(models)
        self._bound = Bound(models[0], forward)
        self._space = ParameterSpace.of(models[0])
        self._device, dtype = one_device_of(models), dtype_of(models[0])
        points, fixed = stacked_tensors(models, self._space, self._device, dtype)
        frozen = {tuple(leaf.requires_grad for leaf in model.parameters()) for model in models}
        if len(frozen) > 1:
            raise InputError(
                "the models are frozen in different parameters; expected the same in each. "
                "Try: requires_grad_ alike in all, or fit each network alone"
            )
        if len(models) == 1:
            points, fixed = points[None], {name: tensor[None] for name, tensor in fixed.items()}
        self._points, self._fixed = nn.Parameter(points), fixed
        buffers = [f"model.{name}" for name, _ in models[0].named_buffers()]
        self._buffers = {name: fixed[name] for name in buffers}
        self._loss, self._wanted = loss, wanted_by(loss)
        self._slopes: Tensor | None = None
        self._batched = worth_it(models[0], self._space)

    def leaves(self) -> list[Tensor]:
        return [self._points]

    def points(self) -> Tensor:
        return self._points.detach().clone()

    def losses(self, drawn: Drawn) -> Tensor:
        each = drawn.numbers is not None and drawn.numbers.ndim == 2
        step = grad_and_value(self._loss_of)
        stacked = (self._points.detach(), self._fixed)
        given = (drawn.batch, drawn.numbers)
        try:
            if self._batched:
                try:
                    with undone(self._buffers, self._device):
                        found = side_by_side(step, stacked, given, each=each)
                except NotBatchedError:
                    self._batched = False
            if not self._batched:
                found = self._one_by_one(step, given, each)
        except EigenscapeError:
            raise
        except Exception as error:  # the user's own forward pass
            said = " ".join(str(error).split())
            raise InputError(
                f"{type(self.models[0]).__name__} failed on a batch with {type(error).__name__}: "
                f"{said[:300]}. Try: check that model(inputs) and the loss run on such a batch"
            ) from error
        self._slopes, losses = found
        values: Tensor = losses.detach()
        return values

    def _loss_of(
        self, point: Tensor, fixed: dict[str, Tensor], given: tuple[Any, Tensor | None]
    ) -> Tensor:
        batch, numbers = given
        parameters = self._space.split(point)
        tensors = fixed | {f"model.{name}": tensor for name, tensor in parameters.items()}
        outcome = call_with(self._bound, tensors, batch)
        seen = {"batch": batch, "numbers": numbers, "parameters": parameters}
        return mean_loss(outcome, self._loss, self._wanted, seen)

    def _one_by_one(
        self, step: Callable[..., Any], given: tuple[Any, Tensor | None], each: bool
    ) -> tuple[Tensor, Tensor]:
        found = []
        for i, point in enumerate(self._points.detach()):
            own = rebuilt(given, partial(_row, i), lambda other: other) if each else given
            fixed = {name: tensor[i] for name, tensor in self._fixed.items()}
            found.append(step(point, fixed, own))
        slopes, losses = zip(*found, strict=True)
        return torch.stack(slopes), torch.stack(losses)

    def backward(self) -> None:
        self._points.grad = self._slopes

    def finite(self) -> Tensor:
        return self._points.detach().isfinite().all(dim=1).cpu()

    @torch.no_grad()
    def write_back(self) -> None:
        for i, model in enumerate(self.models):
            trained = self._space.split(self._points.detach()[i])
            for name, parameter in model.named_parameters():
                if name in trained:
                    parameter.copy_(trained[name])
            for name, buffer in model.named_buffers():
                buffer.copy_(self._fixed[f"model.{name}"][i])

    def state(self) -> dict[str, Any]:
        fixed = {name: tensor.clone() for name, tensor in self._fixed.items()}
        return {"points": self.points(), "fixed": fixed}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Any]) -> None:
        self._points.copy_(state["points"])
        for name, tensor in self._fixed.items():
            tensor.copy_(state["fixed"][name])


def _row(place: int, tensor: Tensor) -> Tensor:
    return tensor[place]


def check_elementwise(optimizer: Optimizer) -> None:
    """Raise an error for an optimizer that would couple networks whose parameters lie in one array.

    Raises:
        InputError: it takes a norm over a tensor (SAM, LARS, LAMB, Muon, Adafactor, LBFGS,
            clipping), or may do so.
    """
    kind = type(optimizer)
    known = kind.__module__.startswith("torch.optim") and kind.__name__ in ELEMENTWISE
    hooked = bool(getattr(optimizer, "_optimizer_step_pre_hooks", None))
    if (known or getattr(optimizer, "elementwise", False)) and not hooked:
        return
    what = "has a hook before its step, such as clipping" if hooked else "is not known to"
    what += "" if hooked else " treat every number apart"
    raise InputError(
        f"{kind.__name__} {what}: a norm over a tensor would be taken over all networks at once "
        "and couple them. Try: fit each network alone, one of "
        f"{', '.join(ELEMENTWISE)}, or, where it is elementwise, its attribute elementwise = True"
    )


@contextmanager
def stacked_kernels(several: bool) -> Any:
    """Choose kernels that vmap and grad can go through, where networks lie side by side."""
    with ExitStack() as stack:
        if several:
            stack.enter_context(twice_differentiable())
        yield
