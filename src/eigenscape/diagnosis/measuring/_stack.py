"""Many networks of one architecture, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from eigenscape.diagnosis.measuring._samples import Samples
from eigenscape.errors import EigenscapeError, InputError
from eigenscape.models import ParameterSpace
from eigenscape.models._calls import fresh
from eigenscape.models._modes import batch_norms, evaluating, twice_differentiable

#: Networks of at most this many parameters are run by ``vmap``, larger ones one by one. Below it a
#: step costs more in overhead than in arithmetic; far above it, ``vmap``'s grouped kernels lose.
VMAP_LIMIT = 200_000


@dataclass(frozen=True, eq=False)
class Stack:
    """K networks that differ in the values of their tensors alone.

    Parameters that are trained lie in one array, so that optimizers and curves are a few lines of
    arithmetic on it. Nothing of the models that it was made of is written to.

    Args:
        model: the architecture.
        space: names and shapes of the trained parameters.
        points: their values, ``(k, P)``.
        fixed: all other tensors by name, ``(k, ...)``: frozen parameters, buffers.
        batched: run all networks by ``vmap``; else one after the other.
    """

    model: nn.Module
    space: ParameterSpace
    points: Tensor
    fixed: dict[str, Tensor]
    batched: bool = True

    @classmethod
    def of(cls, models: Sequence[nn.Module], *, batched: bool | None = None) -> Stack:
        """Stack models of one architecture.

        Args:
            models: one or more.
            batched: None to decide by size (``VMAP_LIMIT``); recurrent networks run one by one.

        Raises:
            InputError: no models, or models with different tensors.
        """
        if not models:
            raise InputError("there are no models to stack; expected one or more")
        first = models[0]
        space = ParameterSpace.of(first)
        shapes = _shapes(first)
        for i, model in enumerate(models):
            if _shapes(model) != shapes:
                raise InputError(
                    f"model {i} has other tensors than model 0, so that they are not two runs of "
                    "one recipe. Mend: give models of one architecture"
                )
        dtype = next(p.dtype for n, p in first.named_parameters() if n in space.names)
        dtype = dtype if dtype == torch.float64 else torch.float32
        points = torch.stack(
            [space.join(dict(model.named_parameters()), dtype) for model in models]
        )
        moved = set(space.names)
        fixed = {
            name: torch.stack([_cast(_tensors(model)[name], dtype) for model in models])
            for name in _tensors(first)
            if name not in moved
        }
        if batched is None:
            recurrent = any(isinstance(module, nn.RNNBase) for module in first.modules())
            batched = space.count <= VMAP_LIMIT and not recurrent  # vmap has no rule for these
        return cls(first, space, points, fixed, batched)

    def __len__(self) -> int:
        return len(self.points)

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.points.device

    def at(self, points: Tensor, fixed: dict[str, Tensor] | None = None) -> Stack:
        """Return the same networks at other points ``(k, P)``."""
        return replace(self, points=points, fixed=self.fixed if fixed is None else fixed)

    def take(self, rows: Sequence[int]) -> Stack:
        """Return some of the networks, copies."""
        index = torch.tensor(list(rows), device=self.device)
        fixed = {name: tensor[index] for name, tensor in self.fixed.items()}
        return replace(self, points=self.points[index], fixed=fixed)

    def state(self, row: int) -> dict[str, Tensor]:
        """Return one network as a state dict, in the storage types of the model."""
        types = {name: tensor.dtype for name, tensor in _tensors(self.model).items()}
        tensors = {
            **{n: t[row] for n, t in self.fixed.items()},
            **self.space.split(self.points[row]),
        }
        return {name: tensor.detach().to(types[name]).clone() for name, tensor in tensors.items()}

    def map(self, function: Callable[..., Any], *arguments: Any, shared: Sequence[Any] = ()) -> Any:
        """Call a function of one network for each, and stack what it returns.

        Args:
            function: of the rows of ``arguments``, then ``shared``; it may differentiate.
            arguments: tensors, or dictionaries of tensors, ``(k, ...)``.
            shared: tensors that all networks are given as they are.
        """
        try:
            return self._mapped(function, arguments, shared)
        except EigenscapeError:
            raise
        except Exception as error:  # the user's own forward pass
            said = " ".join(str(error).split())
            raise InputError(
                f"{type(self.model).__name__} failed on a batch with {type(error).__name__}: "
                f"{said[:300]}. Mend: check that model(inputs) returns logits (n, classes) for "
                "inputs and labels such as these"
            ) from error

    def _mapped(
        self, function: Callable[..., Any], arguments: Sequence[Any], shared: Sequence[Any]
    ) -> Any:
        if self.batched:
            axes = (0,) * len(arguments) + (None,) * len(shared)
            return vmap(function, in_dims=axes, randomness="different")(*arguments, *shared)
        found = [
            function(*(_row(argument, i) for argument in arguments), *shared)
            for i in range(len(self))
        ]
        return _stacked(found)

    def call(self, point: Tensor, fixed: dict[str, Tensor], inputs: Tensor) -> Any:
        """Return the outputs of one network; for functions that are given to :meth:`map`."""
        return functional_call(self.model, {**fixed, **self.space.split(point)}, (inputs,))

    def outputs(self, samples: Samples) -> Tensor:
        """Return the logits of every network in evaluation mode, ``(k, n, classes)``.

        Raises:
            InputError: outputs that are no logits.
        """
        with torch.no_grad(), evaluating(self.model), twice_differentiable():
            parts = [
                self.map(self.call, self.points, self.fixed, inputs) for inputs in samples.batches()
            ]
        return torch.cat([check_logits(part, self.model) for part in parts], dim=1)

    def renormed(self, samples: Samples) -> Stack:
        """Return the networks with the statistics of their batch norms gathered anew.

        A cumulative mean over batches of the samples, dropout off (Garipov et al. 2018).
        """
        norms = batch_norms(self.model)
        if not norms:
            return self
        names = {f"{prefix}{'.' if prefix else ''}{name}" for prefix, norm in norms.items()
                 for name, _ in norm.named_buffers()}  # fmt: skip
        fixed = {
            name: (fresh(name, tensor) if name in names else tensor)
            for name, tensor in self.fixed.items()
        }
        found = [(norm, norm.momentum) for norm in norms.values()]
        seen = 0
        try:
            with (
                torch.no_grad(),
                evaluating(self.model, train_norms=True),
                twice_differentiable(),  # kernels that vmap knows
            ):
                for inputs in samples.batches():
                    seen += inputs.shape[1]
                    for norm, _ in found:
                        norm.momentum = inputs.shape[1] / seen
                    self.map(self.call, self.points, fixed, inputs)
        finally:
            for norm, momentum in found:
                norm.momentum = momentum
        return self.at(self.points, fixed)


def check_logits(outputs: Any, model: nn.Module) -> Tensor:
    """Return stacked logits ``(k, n, classes)``.

    Raises:
        InputError: outputs of another kind.
    """
    if not isinstance(outputs, Tensor) or outputs.ndim != 3 or outputs.shape[-1] < 2:
        seen = tuple(outputs.shape[1:]) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise InputError(
            f"{type(model).__name__} returns {seen} for a batch; the MD tree is of classifiers, "
            "whose models return logits (n, classes)"
        )
    return outputs


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in _tensors(model).items()}


def _cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    tensor = tensor.detach()
    return tensor.to(dtype, copy=True) if tensor.is_floating_point() else tensor.clone()


def _row(argument: Any, i: int) -> Any:
    if isinstance(argument, dict):
        return {name: tensor[i] for name, tensor in argument.items()}
    return argument[i]


def _stacked(found: Sequence[Any]) -> Any:
    if isinstance(found[0], tuple):
        return tuple(_stacked(parts) for parts in zip(*found, strict=True))
    return torch.stack(list(found))
