"""The networks of a training: one, by a plain backward pass; several, side by side by vmap."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.optim import Optimizer

from eigenscape.errors import EigenscapeError, InputError
from eigenscape.models._calls import Bound, Forward, dtype_of
from eigenscape.models._fit_data import Drawn
from eigenscape.models._fit_loss import FitLoss, mean_loss, wanted_by
from eigenscape.models._modes import twice_differentiable
from eigenscape.models._parameters import ParameterSpace

#: Networks of at most this many parameters are run by ``vmap``, larger ones one by one. Below it a
#: step costs more in overhead than in arithmetic; far above it, ``vmap``'s grouped kernels lose.
VMAP_LIMIT = 200_000

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
    """What the training loop asks of the networks that it trains."""

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
        """Tell of each network whether its weights are finite, ``(k,)``."""

    def write_back(self) -> None:
        """Write what was trained into the models."""

    def state(self) -> dict[str, Any]:
        """Return copies of all weights and buffers."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take them over."""


class OneNetwork:
    """One model, trained as it is."""

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
        self.models = tuple(models)
        _check_alike(models)
        self._bound = Bound(models[0], forward)
        self._space = ParameterSpace.of(models[0])
        owned = [_tensors(model) for model in models]
        dtype = dtype_of(models[0])
        self._points = nn.Parameter(torch.stack([self._space.join(own, dtype) for own in owned]))
        self._fixed = {
            name: torch.stack([_cast(own[name], dtype) for own in owned])
            for name in owned[0]
            if name not in self._space.names
        }
        self._loss, self._wanted = loss, wanted_by(loss)
        self._slopes: Tensor | None = None
        recurrent = any(isinstance(module, nn.RNNBase) for module in models[0].modules())
        self._batched = self._space.count <= VMAP_LIMIT and not recurrent  # vmap has no rule

    def leaves(self) -> list[Tensor]:
        return [self._points]

    def points(self) -> Tensor:
        return self._points.detach().clone()

    def losses(self, drawn: Drawn) -> Tensor:
        apart = drawn.numbers is not None and drawn.numbers.ndim == 2
        step = grad_and_value(self._loss_of)
        try:
            if self._batched:
                axis = 0 if apart else None
                self._slopes, values = vmap(
                    step, in_dims=(0, 0, axis, axis), randomness="different"
                )(self._points.detach(), self._fixed, drawn.batch, drawn.numbers)
            else:
                self._slopes, values = self._one_by_one(step, drawn, apart)
        except EigenscapeError:
            raise
        except Exception as error:  # the user's own forward pass
            said = " ".join(str(error).split())
            raise InputError(
                f"{type(self.models[0]).__name__} failed on a batch with {type(error).__name__}: "
                f"{said[:300]}. Try: check that model(inputs) and the loss run on such a batch"
            ) from error
        losses: Tensor = values.detach()
        return losses

    def _loss_of(
        self, point: Tensor, fixed: dict[str, Tensor], batch: Any, numbers: Tensor | None
    ) -> Tensor:
        parameters = self._space.split(point)
        tensors = {f"model.{name}": tensor for name, tensor in {**fixed, **parameters}.items()}
        outcome = functional_call(self._bound, tensors, (batch,))
        given = {"batch": batch, "numbers": numbers, "parameters": parameters}
        return mean_loss(outcome, self._loss, self._wanted, given)

    def _one_by_one(
        self, step: Callable[..., Any], drawn: Drawn, apart: bool
    ) -> tuple[Tensor, Tensor]:
        found = []
        for i, point in enumerate(self._points.detach()):
            batch, numbers = (
                (_row(drawn.batch, i), drawn.numbers[i])
                if apart and drawn.numbers is not None
                else (drawn.batch, drawn.numbers)
            )
            fixed = {name: tensor[i] for name, tensor in self._fixed.items()}
            found.append(step(point, fixed, batch, numbers))
        slopes, values = zip(*found, strict=True)
        return torch.stack(slopes), torch.stack(values)

    def backward(self) -> None:
        self._points.grad = self._slopes

    def finite(self) -> Tensor:
        return self._points.detach().isfinite().all(dim=1).cpu()

    @torch.no_grad()
    def write_back(self) -> None:
        for i, model in enumerate(self.models):
            row = {n: t[i] for n, t in self._fixed.items()} | self._space.split(
                self._points.detach()[i]
            )
            for name, tensor in _tensors(model).items():
                tensor.copy_(row[name])

    def state(self) -> dict[str, Any]:
        fixed = {name: tensor.clone() for name, tensor in self._fixed.items()}
        return {"points": self.points(), "fixed": fixed}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Any]) -> None:
        self._points.copy_(state["points"])
        for name, tensor in self._fixed.items():
            tensor.copy_(state["fixed"][name])


def check_elementwise(optimizer: Optimizer) -> None:
    """Refuse an optimizer that would couple networks whose parameters lie in one array.

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


def _check_alike(models: Sequence[nn.Module]) -> None:
    shapes = [{n: tuple(t.shape) for n, t in _tensors(model).items()} for model in models]
    for i, each in enumerate(shapes):
        if each != shapes[0]:
            raise InputError(
                f"model {i} has other tensors than model 0, so that they cannot be trained side by "
                "side. Try: models of one architecture"
            )
    if len({id(model) for model in models}) < len(models):
        raise InputError(
            "a model stands twice among those to be trained; expected k models. "
            "Try: copy.deepcopy(model)"
        )


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    tensor = tensor.detach()
    return tensor.to(dtype, copy=True) if tensor.is_floating_point() else tensor.clone()


def _row(batch: Any, i: int) -> Any:
    if isinstance(batch, Mapping):
        return {name: _row(value, i) for name, value in batch.items()}
    if isinstance(batch, tuple | list):
        return tuple(_row(value, i) for value in batch)
    return batch[i] if isinstance(batch, Tensor) else batch
