"""Other views of an objective: some of its networks, other points, other data, fewer parameters."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from eigenscape.errors import InputError
from eigenscape.models._data import Data
from eigenscape.models._evaluation import Evaluation
from eigenscape.models._modes import BatchNormPolicy
from eigenscape.models._parameters import ParameterSpace
from eigenscape.models._side_by_side import worth_it


class Views(Evaluation):
    """What an :class:`Objective` is turned into; nothing is evaluated for it."""

    center: Tensor
    noise: float
    _losses: Tensor | None
    _batched: bool

    def network(self, place: int) -> Self:
        """Return the objective of one of the networks."""
        if self.networks == 1:
            return self
        fixed = {name: tensor[place] for name, tensor in self.fixed.items()}
        other = self._copy(self.models[place : place + 1], self.center[place], fixed)
        other.data = self.data.network(place) if self.data.networks else self.data
        other._batched = False
        return other

    def select(self, places: Sequence[int]) -> Self:
        """Return the objective of some of the networks, in that order; copies."""
        index = torch.tensor(list(places), device=self.device)
        several = self.networks > 1
        other = self._copy(
            tuple(self.models[place] for place in index.tolist()),
            self.center[index] if several else self.center.expand(len(index), -1).clone(),
            {
                name: tensor[index] if several else tensor.expand(len(index), *tensor.shape).clone()
                for name, tensor in self.fixed.items()
            },
        )
        if len(index) == 1:
            return other._alone(self.data.network(int(index)) if self.data.networks else self.data)
        other._batched = worth_it(self.model, self.space)
        if self.data.networks:
            other.data = self.data.select(index.tolist())
        return other

    def at(self, points: Tensor, fixed: dict[str, Tensor] | None = None) -> Self:
        """Return the same networks with other parameters, in the shape of :attr:`center`."""
        if points.shape != self.center.shape:
            raise InputError(
                f"points have the shape {tuple(points.shape)}; expected {tuple(self.center.shape)}"
            )
        return self._copy(self.models, points, self.fixed if fixed is None else fixed)

    def on(self, data: Any) -> Self:
        """Return the same networks on other data, weighted in the same way."""
        other = self._copy(self.models, self.center, self.fixed)
        weighed = self.data.sized and not (isinstance(data, Data) and data.sized)
        other.data = other._given(Data.of(data, size=self.data._size if weighed else None))
        return other

    def with_batch_norm(self, policy: BatchNormPolicy) -> Self:
        """Return the same objective under another batch-norm policy."""
        other = self._copy(self.models, self.center, self.fixed)
        other.batch_norm = policy
        return other

    def restricted(
        self, include: Sequence[str] | None = None, exclude: Sequence[str] | None = None
    ) -> Self:
        """Return the same objective over fewer of its parameters, the others held fixed.

        Its Hessian is the diagonal block of the whole one.

        Args:
            include: globs over parameter names, such as ``"layers.0.*"``.
            exclude: globs over those that are held fixed.

        Raises:
            InputError: a glob that matches nothing, or parameters that are held fixed already.
        """
        space = ParameterSpace.of(self.model, include or list(self.space.names), exclude)
        held = sorted(set(space.names) - set(self.space.names))
        if held:
            raise InputError(
                f"the objective holds fixed what the globs name: {', '.join(held[:5])}. Try: name "
                "parameters that it moves"
            )
        parts, moved = self.space.split(self.center), set(space.names)
        rest = {f"model.{name}": part for name, part in parts.items() if name not in moved}
        center = space.join(parts, torch.float64).to(self.device, self.dtype)
        other = self._copy(self.models, center, {**self.fixed, **rest})
        other.space, other._losses, other.noise = space, self._losses, self.noise
        return other

    def _copy(
        self, models: tuple[nn.Module, ...], center: Tensor, fixed: dict[str, Tensor]
    ) -> Self:
        other = copy.copy(self)
        other.models = models  # the first of all serves as the architecture of each
        other.center, other.fixed, other._losses = center, fixed, None
        return other

    def _alone(self, data: Data) -> Self:
        """Return an objective with one row as that of one model, on its data."""
        fixed = {name: tensor[0] for name, tensor in self.fixed.items()}
        other = self._copy(self.models, self.center[0], fixed)
        other.data, other._batched = data, False
        return other

    def state(self, place: int = 0) -> dict[str, Tensor]:
        """Return one network as a state dict, in the storage types of the model."""
        own = self.network(place)
        tensors = {**own.fixed, **own.named(own.center)}
        model = self.model
        kinds = {n: t.dtype for n, t in (*model.named_parameters(), *model.named_buffers())}
        return {n: tensors[f"model.{n}"].detach().to(kind, copy=True) for n, kind in kinds.items()}

    def _given(self, data: Data) -> Data:
        """Return data in the models' type, where they are; refuse those of other networks."""
        data = data.to(self.device, self.dtype)
        if data.networks not in (None, self.networks):
            raise InputError(
                f"the data are of {data.networks} networks, and there are {self.networks}"
            )
        return data.network(0) if data.networks and self.networks == 1 else data
