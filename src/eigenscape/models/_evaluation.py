"""The inner loops of an objective: the loss of a batch, for tensors that are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from eigenscape.errors import EigenscapeError, InputError
from eigenscape.models._calls import (
    Bound,
    Loss,
    call_with,
    doubled,
    forward_keywords,
    fresh,
    own_answer,
    scalar,
)
from eigenscape.models._data import Data
from eigenscape.models._modes import BatchNormPolicy, batch_norms, evaluating
from eigenscape.models._nested import Batch
from eigenscape.models._parameters import ParameterSpace
from eigenscape.models._side_by_side import says_vmap, side_by_side


class Evaluation:
    """What an :class:`Objective` computes from tensors, for callers that set the mode themselves.

    Tensors are named ``"model." + name``. Those of several networks have a first axis of k.
    """

    models: tuple[nn.Module, ...]
    model: nn.Module
    space: ParameterSpace
    device: torch.device
    dtype: torch.dtype
    data: Data
    fixed: dict[str, Tensor]
    batch_norm: BatchNormPolicy
    norm_statistics: list[str]
    _bound: Bound
    _loss: Loss | None
    _exact_loss: Loss | None
    _graph: bool  # whether the forward pass itself differentiates by its inputs
    _live: tuple[str, ...]  # tensors that the forward pass writes to
    _said: tuple[str, ...]

    @property
    def networks(self) -> int:
        """How many networks there are: k."""
        return len(self.models)

    @property
    def in_nats(self) -> bool:
        """Whether the loss is torch's cross-entropy or negative log-likelihood."""
        known = (nn.CrossEntropyLoss, nn.NLLLoss)
        named = (nn.functional.cross_entropy, nn.functional.nll_loss)
        return isinstance(self._loss, known) or self._loss in named

    def grad_mode(self) -> AbstractContextManager[object]:
        """Return the context for evaluations: no graph, unless the forward pass needs one."""
        return torch.enable_grad() if self._graph else torch.no_grad()

    def value_of(self, tensors: Mapping[str, Tensor]) -> float:
        """Return the loss for one model's tensors, as :meth:`tensors` names them.

        The inner loop of :meth:`value`, for callers that set evaluation mode themselves.
        """
        if self.batch_norm == "recompute" and self.norm_statistics:
            tensors = self.renormed(tensors)
        tensors = self._unwritten(tensors)
        total = 0.0
        for index, (batch, weight) in enumerate(self.data):
            total += float(self.batch_loss(tensors, batch, index, exact=True).detach()) * weight
        return total / self.data.count

    def tensors(self, points: Tensor) -> dict[str, Tensor]:
        """Return every tensor of the models at points ``(P,)`` or ``(k, P)``."""
        points = points.to(self.device, self.dtype)
        return self._unwritten({**self.fixed, **self.named(points)})

    def named(self, points: Tensor) -> dict[str, Tensor]:
        """Return the parameters at points, as :meth:`tensors` names them."""
        return {f"model.{name}": part for name, part in self.space.split(points).items()}

    def tensors_of(self, parts: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return :meth:`tensors` of points that are cut into the parts of each parameter."""
        shaped = {f"model.{name}": part for name, part in self.space.shaped(parts).items()}
        return self._unwritten({**self.fixed, **shaped})

    def answer(self, tensors: Mapping[str, Tensor], batch: Batch, index: int = 0) -> Any:
        """Return what ``forward`` gives for one batch and one model's tensors.

        Raises:
            InputError: the model failed; its own error is the cause.
        """
        return self._answer(self._bound, tensors, batch, index)

    @property
    def answers_itself(self) -> bool:
        """Whether the loss is the one that the model answers with."""
        return self._bound.answer is forward_keywords

    def own_answer(
        self, tensors: Mapping[str, Tensor], batch: Batch, index: int = 0
    ) -> tuple[Tensor, Any]:
        """Return the loss and the logits of a model that :attr:`answers_itself`."""
        loss, logits = self._answer(Bound(self.model, own_answer), tensors, batch, index)
        return scalar(loss, index), logits

    def _answer(self, bound: Bound, tensors: Mapping[str, Tensor], batch: Batch, index: int) -> Any:
        try:
            return call_with(bound, dict(tensors), batch)
        except EigenscapeError:
            raise
        except Exception as error:
            if "does not require grad" in str(error) and not torch.is_grad_enabled():
                self._graph = True  # such as a loss with derivatives in its inputs
                with torch.enable_grad():
                    return self._answer(bound, tensors, batch, index)
            said = " ".join(str(error).split())
            raise InputError(
                f"the model failed on batch {index} with {type(error).__name__}: {said[:400]}. "
                f"The data were interpreted as {self.data.understood}. Try: check model(inputs), "
                "or forward(model, batch), runs on such a batch"
            ) from error

    def batch_loss(
        self, tensors: Mapping[str, Tensor], batch: Batch, index: int = 0, *, exact: bool = False
    ) -> Tensor:
        """Return the scalar loss of one batch, for one model's tensors.

        Args:
            tensors: as :meth:`tensors` gives them; they are not written to.
            batch: one batch.
            index: its number, for messages.
            exact: take the loss of the outputs in float64.

        Raises:
            InputError: the model or the loss failed, or the loss is not a real scalar.
        """
        return self.training_loss(self._fresh_for_a_batch(tensors), batch, index, exact=exact)

    def training_loss(
        self, tensors: Mapping[str, Tensor], batch: Batch, index: int = 0, *, exact: bool = False
    ) -> Tensor:
        """Return :meth:`batch_loss`, where the forward pass may write to the tensors."""
        return self.scalar_loss(self.answer(tensors, batch, index), index, exact=exact)

    def scalar_loss(self, answer: Any, index: int = 0, *, exact: bool = False) -> Tensor:
        """Return the scalar loss of what :meth:`answer` gave."""
        if self._loss is not None and isinstance(answer, tuple) and len(answer) == 2:
            answer = self.loss_of(*answer, exact=exact)
        return scalar(answer, index)

    def batch_losses(
        self, tensors: Mapping[str, Tensor], batch: Batch, index: int = 0, *, exact: bool = False
    ) -> Tensor:
        """Return the loss of one batch: a scalar for one model, ``(k,)`` side by side."""
        if self.networks == 1:
            return self.batch_loss(tensors, batch, index, exact=exact)
        losses: Tensor = side_by_side(
            lambda own, some: self.batch_loss(own, some, index, exact=exact),
            (dict(tensors),),
            batch,
            each=bool(self.data.networks),
        )
        return losses

    def batch_answers(self, tensors: Mapping[str, Tensor], batch: Batch, index: int = 0) -> Any:
        """Return :meth:`answer` for one model, or for all side by side."""
        if self.networks == 1:
            return self.answer(tensors, batch, index)
        beside: list[Any] = []  # targets that are no tensor: the same for all networks

        def one(own: Mapping[str, Tensor], some: Batch) -> Any:
            outcome = self.answer(own, some, index)
            pair = isinstance(outcome, tuple) and len(outcome) == 2
            if not pair or isinstance(outcome[1], Tensor):
                return outcome
            beside[:] = [outcome[1]]
            return outcome[0]

        found = side_by_side(one, (dict(tensors),), batch, each=bool(self.data.networks))
        return (found, beside[0]) if beside else found

    def loss_of(self, outputs: Any, targets: Any, *, exact: bool = False) -> Tensor:
        """Return the loss of outputs and targets; ``exact`` takes floating tensors to float64.

        Raises:
            InputError: there is no loss function, or it failed.
        """
        if self._loss is None:
            raise InputError("forward returns outputs and targets, but the objective has no loss")
        if exact and self._exact_loss is not None:
            try:
                return self._exact_loss(doubled(outputs), doubled(targets))
            except Exception as error:  # a loss that holds float32 tensors of its own
                if says_vmap(error):
                    raise
                self._exact_loss = None
        loss = self._loss
        wide = isinstance(outputs, Tensor) and outputs.dtype == torch.float64
        if wide and isinstance(loss, nn.Module) and self._exact_loss is not None:
            loss = self._exact_loss  # its class weights are as wide
        try:
            return loss(outputs, targets)
        except Exception as error:
            shapes = [tuple(x.shape) for x in (outputs, targets) if isinstance(x, Tensor)]
            raise InputError(
                f"the loss failed with {type(error).__name__}: {error} (outputs and targets of "
                f"shapes {shapes}). Try: check that loss(outputs, targets) runs on such a batch, "
                "and that its own tensors, such as class weights, are of the outputs' type"
            ) from error

    def renormed(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return tensors with the batch norms' statistics computed again: a cumulative mean."""
        anew = {name: fresh(name, tensors[name]) for name in self.norm_statistics}
        seen, norms = 0.0, batch_norms(self.model).values()
        found = [(norm, norm.momentum) for norm in norms]
        try:
            with evaluating(self.model, train_norms=True):
                for index, (batch, weight) in enumerate(self.data):
                    seen += weight
                    for norm in norms:
                        norm.momentum = weight / seen
                    self.batch_answers({**tensors, **anew}, batch, index)
        finally:
            for norm, momentum in found:
                norm.momentum = momentum
        return {**tensors, **anew}

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks on this model, loss or data, for results to repeat."""
        found = (
            [f"the data were interpreted as {self.data.understood}"] if self.data.ambiguous else []
        )
        found += self._said
        if self._loss is not None and self._exact_loss is None:
            found.append("the loss does not run in float64; it is taken in the model's own type")
        if self._graph:
            found.append("the forward pass differentiates, so evaluations build its graph")
        if self._live:
            found.append(
                f"the forward pass writes to {len(self._live)} tensors; each evaluation "
                "starts from the model's own"
            )
        return tuple(found)

    def _outputs(self, tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
        if self.batch_norm == "recompute" and self.norm_statistics:
            tensors = self.renormed(tensors)
        found = []
        for index, (batch, _) in enumerate(self.data):
            outcome = self.batch_answers(self._fresh_for_a_batch(tensors), batch, index)
            pair = isinstance(outcome, tuple) and len(outcome) == 2
            if not (pair and isinstance(outcome[0], Tensor)):
                raise InputError(
                    f"forward returned a {type(outcome).__name__}; the outputs are known where it "
                    "returns (outputs, targets) with outputs a tensor"
                )
            found.append(outcome[0].detach())
        return tuple(found)

    def _spare(self) -> dict[str, Tensor]:
        """Return the fixed tensors, copies of those that a forward pass may write to."""
        copies = {*self.norm_statistics, *self._live}
        return {n: t.clone() if n in copies else t for n, t in self.fixed.items()}

    def _fresh_for_a_batch(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return tensors with copies of the statistics that batch norm updates on every batch."""
        if self.batch_norm != "batch":
            return tensors
        return {**tensors, **{name: tensors[name].clone() for name in self.norm_statistics}}

    def _unwritten(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return tensors with copies of those that the forward pass writes to."""
        return {**tensors, **{name: tensors[name].clone() for name in self._live}}
