"""The objective: a scalar loss of the parameters of a model on fixed data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from eigenscape.errors import EigenscapeError, InputError
from eigenscape.models._batches import Batch, Batches
from eigenscape.models._calls import (
    Bound,
    Forward,
    Loss,
    check_arguments,
    default_forward,
    device_of,
    doubled,
    doubled_loss,
    dtype_of,
    fresh,
    scalar,
)
from eigenscape.models._derivatives import ggn_product, gradient, hessian_product
from eigenscape.models._modes import (
    BatchNormPolicy,
    batch_norms,
    evaluating,
)
from eigenscape.models._parameters import ParameterSpace


class Objective:
    """The mean loss of a model on fixed data, as a function of its parameters.

    ``f(theta) = sum_b n_b loss_b(theta) / sum_b n_b`` over batches b of n_b samples each. The model
    runs in evaluation mode on copies of its tensors: neither its parameters nor its buffers nor its
    mode are changed, also when an evaluation fails. Means over batches are taken in float64, and so
    is the loss of a batch when the model's outputs are known (``forward`` returns a pair).

    Args:
        model: any module. Its trainable parameters span the landscape.
        loss: from outputs and targets to a scalar, the mean over the samples of the batch. None
            when ``forward`` returns the loss itself.
        batches: one batch, or an iterable of batches that is the same at every pass.
        forward: from model and batch to ``(outputs, targets)``, or to the scalar loss. By default a
            batch is a pair ``(inputs, targets)``; with no ``loss``, a mapping is handed to the
            model as keywords and the loss is the ``.loss`` of what it returns, as in transformers.
        size: from a batch to its number of samples; by default the length of its first tensor.
        batch_norm: ``"frozen"`` keeps the running statistics of the model as it is (the default of
            Li et al. 2018); ``"recompute"`` gathers them anew at each point, by a cumulative mean
            over one more pass (Garipov et al. 2018); ``"batch"`` uses those of each batch.
        parameters: globs over parameter names that span the landscape; None for all trainable ones.
        dtype: in which the model is evaluated; None for float64 if all parameters are, else
            float32 (also for half-precision models).
        check: evaluate twice and refuse a loss that is not repeatable.

    Attributes:
        space: names and shapes of the parameters that are moved (a :class:`ParameterSpace`).
        center: the model's own parameters, ``(P,)``.
        loss_at_center: the loss of the model as it is.
        noise: the difference between two evaluations at the center.
        data: the number of samples (``count``) and of batches, and the ``hash`` of the data.
        fixed: the model's other tensors, copies, as :meth:`tensors` names them.
        norm_statistics: names of the batch norms' running statistics among them.

    Raises:
        InputError: no data, data that differ between two passes, a loss that is not a scalar, not
            finite or not repeatable, a model on several devices, a policy that does not exist.

    >>> model = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.constant_(model.weight, 3.0)
    >>> inputs = torch.tensor([[1.0], [2.0]])
    >>> objective = Objective(model, nn.functional.mse_loss, (inputs, 0 * inputs))
    >>> objective.value(), objective.gradient(), objective.hvp(torch.ones(1))   # 5/2 w^2 at w = 3
    (22.5, tensor([15.], dtype=torch.float64), tensor([5.], dtype=torch.float64))
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss | None,
        batches: Batch | Iterable[Batch],
        *,
        forward: Forward | None = None,
        size: Callable[[Batch], int] | None = None,
        batch_norm: BatchNormPolicy = "frozen",
        parameters: Sequence[str] | None = None,
        dtype: torch.dtype | None = None,
        check: bool = True,
    ) -> None:
        check_arguments(model, loss, batch_norm, dtype)
        self.space = ParameterSpace.of(model, parameters)
        self._live: tuple[str, ...] = ()  # tensors that the forward pass writes to
        self.model, self.batch_norm = model, batch_norm
        self.device, self.dtype = device_of(model), dtype or dtype_of(model)
        self._loss, self._bound = loss, Bound(model, forward or default_forward(loss))
        self._exact_loss = doubled_loss(loss)
        self._graph = False  # whether the forward pass itself differentiates by its inputs
        with torch.no_grad():
            self.center = self.space.join(dict(model.named_parameters()), self.dtype)
            moved = set(self.space.names)
            self.fixed = {
                f"model.{name}": self._cast(tensor.detach())
                for name, tensor in (*model.named_parameters(), *model.named_buffers())
                if name not in moved
            }
        self.norm_statistics = [
            f"model.{prefix}{'.' if prefix else ''}{name}"
            for prefix, norm in batch_norms(model).items()
            for name, _ in norm.named_buffers()
        ]
        self.data = Batches(batches, self.device, self.dtype, size)
        self.loss_at_center = self.value()
        self.noise = 0.0
        self._check_center(repeat=check)

    # ------------------------------------------------------------------ evaluation

    def value(self, point: Tensor | None = None) -> float:
        """Return the loss at a point.

        Args:
            point: ``(P,)``; None for the model as it is.

        Raises:
            InputError: the model or its loss failed, or the point has another length.
        """
        tensors = self.tensors(self.center if point is None else point)
        with self.grad_mode(), evaluating(self.model, train_norms=self.batch_norm == "batch"):
            return self.value_of(tensors)

    def grad_mode(self) -> AbstractContextManager[object]:
        """Return the context for evaluations: no graph, unless the forward pass needs one."""
        return torch.enable_grad() if self._graph else torch.no_grad()

    def values(self, points: Iterable[Tensor]) -> list[float]:
        """Return the loss at each of several points ``(P,)``."""
        return [self.value(point) for point in points]

    def value_of(self, tensors: Mapping[str, Tensor]) -> float:
        """Return the loss for a model's tensors, as :meth:`tensors` names them.

        The inner loop of :meth:`value`, for callers that hold the model in evaluation mode.
        """
        if self.batch_norm == "recompute" and self.norm_statistics:
            tensors = self.renormed(tensors)
        tensors = self._unwritten(tensors)
        total = 0.0
        for index, (batch, count) in enumerate(self.data):
            total += float(self.batch_loss(tensors, batch, index, exact=True).detach()) * count
        return total / self.data.count

    def tensors(self, point: Tensor) -> dict[str, Tensor]:
        """Return every tensor of the model at a point, for ``torch.func.functional_call``."""
        point = point.to(self.device, self.dtype)
        moved = {f"model.{name}": part for name, part in self.space.split(point).items()}
        return self._unwritten({**self.fixed, **moved})

    def outputs(self, tensors: Mapping[str, Tensor], batch: Batch, index: int = 0) -> Any:
        """Return what ``forward`` gives for one batch.

        Raises:
            InputError: the model failed; its own error is the cause.
        """
        try:
            return functional_call(self._bound, dict(tensors), (batch,))
        except EigenscapeError:
            raise
        except Exception as error:
            if "does not require grad" in str(error) and not torch.is_grad_enabled():
                self._graph = True  # such as a loss with derivatives in its inputs
                with torch.enable_grad():
                    return self.outputs(tensors, batch, index)
            raise InputError(
                f"the model failed on batch {index} with {type(error).__name__}: {error}. "
                "Mend: check that model(inputs), or forward(model, batch), runs on such a batch"
            ) from error

    def batch_loss(
        self, tensors: Mapping[str, Tensor], batch: Batch, index: int = 0, *, exact: bool = False
    ) -> Tensor:
        """Return the scalar loss of one batch.

        Args:
            tensors: as :meth:`tensors` gives them.
            batch: one batch.
            index: its number, for messages.
            exact: take the loss of the outputs in float64.

        Raises:
            InputError: the model or the loss failed, or the loss is not a real scalar.
        """
        if self.batch_norm == "batch" and self.norm_statistics:
            tensors = {**tensors, **{name: tensors[name].clone() for name in self.norm_statistics}}
        outcome = self.outputs(tensors, batch, index)
        if self._loss is not None and isinstance(outcome, tuple) and len(outcome) == 2:
            outcome = self.loss_of(*outcome, exact=exact)
        return scalar(outcome, index)

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
            except Exception:  # a loss that holds float32 tensors of its own: taken as it is
                self._exact_loss = None
        try:
            return self._loss(outputs, targets)
        except Exception as error:
            shapes = [tuple(x.shape) for x in (outputs, targets) if isinstance(x, Tensor)]
            raise InputError(
                f"the loss failed with {type(error).__name__}: {error} (outputs and targets of "
                f"shapes {shapes}). Mend: check that loss(outputs, targets) runs on such a batch"
            ) from error

    # ------------------------------------------------------------------ derivatives

    def gradient(self, point: Tensor | None = None) -> Tensor:
        """Return the gradient at a point, ``(P,)`` in float64."""
        return gradient(self, self.center if point is None else point)

    def hvp(self, vectors: Tensor, point: Tensor | None = None) -> Tensor:
        """Return Hessian-vector products at a point.

        By double backward on kernels that can be differentiated twice; a ReLU counts as linear on
        each side of its kink.

        Args:
            vectors: ``(P,)``, or ``(P, k)`` for k products that share their first backward pass.
            point: ``(P,)``; None for the model as it is.

        Returns:
            The products in float64, in the shape of ``vectors``.
        """
        return hessian_product(self, vectors, self.center if point is None else point)

    def ggn_product(self, vectors: Tensor, point: Tensor | None = None) -> Tensor:
        """Return products with the generalised Gauss-Newton matrix ``J^T H_out J``.

        J is the Jacobian of the outputs, H_out the Hessian of the loss in the outputs: the Hessian
        without the curvature of the model (Schraudolph 2002). It is positive semi-definite for a
        loss that is convex in the outputs.

        Args:
            vectors: ``(P,)`` or ``(P, k)``.
            point: ``(P,)``; None for the model as it is.

        Raises:
            InputError: ``forward`` returns the loss alone, so that the outputs are not known.
        """
        return ggn_product(self, vectors, self.center if point is None else point)

    # ------------------------------------------------------------------ set-up

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done differently for this model or loss, for results to repeat."""
        found = []
        if self._loss is not None and self._exact_loss is None:
            found.append("the loss does not run in float64; it is taken in the model's own type")
        if self._graph:
            found.append("the forward pass differentiates, so evaluations build its graph")
        if self._live:
            found.append(f"the forward pass writes to {len(self._live)} tensors; each evaluation "
                         "starts from the model's own")  # fmt: skip
        return tuple(found)

    def _unwritten(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return tensors with copies of those that the forward pass writes to."""
        return {**tensors, **{name: tensors[name].clone() for name in self._live}}

    def _cast(self, tensor: Tensor) -> Tensor:
        return tensor.detach().to(
            self.device, self.dtype if tensor.is_floating_point() else tensor.dtype, copy=True
        )

    def renormed(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return tensors with the batch norms' statistics gathered anew: a cumulative mean."""
        anew = {name: fresh(name, tensors[name]) for name in self.norm_statistics}
        seen, norms = 0, batch_norms(self.model).values()
        found = [(norm, norm.momentum) for norm in norms]
        try:
            with evaluating(self.model, train_norms=True):
                for index, (batch, count) in enumerate(self.data):
                    seen += count
                    for norm in norms:
                        norm.momentum = count / seen
                    self.outputs({**tensors, **anew}, batch, index)
        finally:
            for norm, momentum in found:
                norm.momentum = momentum
        return {**tensors, **anew}

    def _check_tensors(self) -> None:
        """Look for what the forward pass wrote to."""
        owned = dict(self.model.named_parameters())
        if not torch.equal(self.center, self.space.join(owned, self.dtype)):
            raise InputError(
                "the forward pass changes parameters in place (an Embedding with max_norm does), "
                "so the loss at a point is not a function of the point. Mend: max_norm=None"
            )
        own = {**owned, **dict(self.model.named_buffers())}
        found = []
        for name, tensor in self.fixed.items():
            if not torch.equal(tensor, fresh := self._cast(own[name.removeprefix("model.")])):
                self.fixed[name] = fresh
                found.append(name)
        self._live = tuple(found)
        if found:
            self.loss_at_center = self.value()

    def _check_mean(self) -> None:
        """Give every sample of the first batch twice: a mean stays, a sum doubles."""
        batch, _ = next(iter(self.data))
        with self.grad_mode(), evaluating(self.model, train_norms=self.batch_norm == "batch"):
            outcome = self.outputs(self.tensors(self.center), batch)
        pair = isinstance(outcome, tuple) and len(outcome) == 2
        if self._loss is None or not pair or not all(isinstance(x, Tensor) and x.ndim
                                                     for x in outcome):  # fmt: skip
            return
        with torch.no_grad():
            once = float(self.loss_of(*outcome, exact=True))
            try:
                twice = float(self.loss_of(*(torch.cat((x, x)) for x in outcome), exact=True))
            except InputError:  # a loss for batches of one size
                return
        if once and abs(twice / once - 2) < 1e-3:
            raise InputError(
                "the loss doubles when every sample is given twice: it is a sum, so that its value "
                "would depend on how the data are cut. Mend: reduction='mean'"
            )

    def _check_center(self, *, repeat: bool) -> None:
        if not math.isfinite(self.loss_at_center):
            broken = [n for n, t in self.space.split(self.center).items() if not t.isfinite().all()]
            because = (
                f"parameters that are not finite: {', '.join(broken[:5])}"
                if broken
                else ("all parameters are finite; the outputs, or the data, are not")
            )
            raise InputError(
                f"the loss of the model as it is is {self.loss_at_center}; {because}. Mend: give a "
                "model with a finite loss"
            )
        self._check_tensors()
        if not repeat:
            return
        self._check_mean()
        again = self.value()
        self.noise = abs(again - self.loss_at_center)
        if self.noise > 1e-5 * max(abs(self.loss_at_center), 1e-30):
            raise InputError(
                f"the loss is not repeatable: {self.loss_at_center:.9g}, then {again:.9g} on the "
                "same parameters and data. Mend: dropout or noise that is drawn inside the forward "
                "pass must obey model.eval()"
            )
