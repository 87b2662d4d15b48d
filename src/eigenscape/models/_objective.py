"""The objective: a scalar loss of the parameters of k networks on fixed data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, TypeVar, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from eigenscape.errors import InputError
from eigenscape.models import _derivatives, _objective_checks
from eigenscape.models._calls import (
    Bound,
    Forward,
    Loss,
    check_arguments,
    default_forward,
    doubled_loss,
    dtype_of,
    next_tokens,
    one_device_of,
)
from eigenscape.models._data import Data
from eigenscape.models._language import LanguageModel
from eigenscape.models._modes import (
    BatchNormPolicy,
    batch_norm_statistics,
    eager,
    evaluating,
    twice_differentiable,
)
from eigenscape.models._nested import Batch
from eigenscape.models._parameters import ParameterSpace
from eigenscape.models._side_by_side import NotBatchedError, stacked_tensors, undone, worth_it
from eigenscape.models._views import Views

Matrix = Literal["hessian", "ggn"]
MATRICES: tuple[Matrix, ...] = get_args(Matrix)
_AnswerT = TypeVar("_AnswerT")


class Objective(Views):
    """The mean loss of k networks of one architecture on fixed data, of their parameters.

    ``f(theta) = sum_b n_b loss_b(theta) / sum_b n_b`` over batches b of weight n_b, for each
    network. The models run in evaluation mode on copies of their tensors: neither their parameters
    nor their buffers nor their modes are changed, also when an evaluation fails. Means over batches
    are taken in float64, and so is the loss of a batch when the model's outputs are known
    (``forward`` returns a pair).

    One model is k = 1. Several small ones (200,000 parameters or fewer) are evaluated side by side
    by ``torch.vmap``, equal to one by one up to rounding; larger ones one after the other, which is
    faster for them.

    Args:
        model: any module or :class:`LanguageModel`, or several of one architecture. Its trainable
            parameters span the landscape.
        loss: from outputs and targets to a scalar, the mean over the samples of the batch. None
            when ``forward`` returns the loss itself. May be left out: ``Objective(model, data)``.
        data: one batch or several, of any kind that :class:`Data` understands. With :class:`Tokens`
            the loss is the mean cross-entropy of the tokens that are scored, each predicted from
            those before it.
        forward: from model and batch to ``(outputs, targets)``, or to the scalar loss. By default a
            batch is a pair ``(inputs, targets)``; with no ``loss``, a mapping is passed to the
            model as keywords and the loss is the ``.loss`` of what it returns, as in transformers.
        size: from a batch to the number of terms that its loss is a mean over. By default the
            examples; of a mapping with ``labels``, as in transformers, and of integer targets some
            of which are -100, those that are not -100. Where the loss does not depend on the first
            label of a row (a causal language model predicts ``labels[:, 1:]``), without those.
        batch_norm: ``"frozen"`` keeps the running statistics of the model as it is (the default of
            Li et al. 2018); ``"recompute"`` computes them again at each point, by a cumulative mean
            over one more pass (Garipov et al. 2018); ``"batch"`` uses those of each batch.
        include: globs over parameter names that span the landscape; None for all trainable ones.
        exclude: globs over names of parameters that stay fixed.
        dtype: in which the model is evaluated; None for float64 if all parameters are, else
            float32 (also for half-precision models).
        check: evaluate twice and raise an error for a loss that is not finite, not a mean or not
            repeatable.
            False: nothing is evaluated beforehand.

    Attributes:
        space: names and shapes of the parameters that are moved (a :class:`ParameterSpace`).
        center: the models' own parameters: ``(P,)`` for one model, ``(k, P)`` for several.
        models: as they were given (of ``torch.compile`` the module that it wraps); the first of
            them serves as the architecture of all.
        networks: k.
        noise: the difference between two evaluations at the center, the largest of the networks.
        data: the :class:`Data`.
        fixed: the models' other tensors, copies, as :meth:`tensors` names them; ``(k, ...)`` for
            several models.

    Raises:
        InputError: no data, data that differ between two passes, a loss that is not a scalar, not
            finite or not repeatable, a model on several devices, models of several architectures.

    >>> model = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.constant_(model.weight, 3.0)
    >>> inputs = torch.tensor([[1.0], [2.0]])
    >>> objective = Objective(model, nn.functional.mse_loss, (inputs, 0 * inputs))
    >>> objective.value(), objective.gradient(), objective.hvp(torch.ones(1))   # 5/2 w^2 at w = 3
    (22.5, tensor([15.], dtype=torch.float64), tensor([5.], dtype=torch.float64))
    >>> both = Objective([model, model], nn.functional.mse_loss, (inputs, 0 * inputs))
    >>> both.values(torch.tensor([[3.0], [1.0]])).tolist(), both.gradients().tolist()
    ([22.5, 2.5], [[15.0], [15.0]])
    """

    def __init__(
        self,
        model: nn.Module | LanguageModel | Sequence[nn.Module | LanguageModel],
        loss: Loss | Any = None,
        data: Batch | Iterable[Batch] | Data = None,
        *,
        forward: Forward | None = None,
        size: Callable[[Batch], float] | None = None,
        batch_norm: BatchNormPolicy = "frozen",
        include: Sequence[str] | None = None,
        exclude: Sequence[str] | None = None,
        dtype: torch.dtype | None = None,
        check: bool = True,
    ) -> None:
        if data is None and loss is not None and not callable(loss):
            loss, data = None, loss
        given: list[Any] = list(model) if isinstance(model, list | tuple) else [model]
        models = [eager(one.model if isinstance(one, LanguageModel) else one) for one in given]
        check_arguments(models, loss, batch_norm, dtype)
        if data is None:
            raise InputError("there are no data. Try: Objective(model, loss, data)")
        self.models, self.batch_norm = tuple(models), batch_norm
        self.model = models[0]
        self.space = ParameterSpace.of(self.model, include, exclude)
        self.device, self.dtype = one_device_of(models), dtype or dtype_of(self.model)
        self._live: tuple[str, ...] = ()  # tensors that the forward pass writes to
        held = Data.of(data, size=size)
        if size is None and forward is None and not held.sized:
            held = _objective_checks.weighing(loss, held)
        if held.of_tokens and loss is None and forward is None:
            loss, forward = functional.cross_entropy, next_tokens
        self._loss, self._bound = loss, Bound(self.model, forward or default_forward(loss))
        self._exact_loss = doubled_loss(loss)
        self._graph = False  # whether the forward pass itself differentiates by its inputs
        self._said: tuple[str, ...] = ()
        self._losses: Tensor | None = None
        self.center, self.fixed = stacked_tensors(models, self.space, self.device, self.dtype)
        self._batched = len(models) > 1 and worth_it(self.model, self.space)
        self.norm_statistics = [f"model.{name}" for name in batch_norm_statistics(self.model)]
        self.noise = 0.0
        self.data = self._given(held)
        if check:
            _objective_checks.check(self, weigh=not held.sized)

    def __repr__(self) -> str:
        networks = "" if self.networks == 1 else f"{self.networks} networks of "
        name, count = type(self.model).__name__, self.space.count
        return f"<Objective: {networks}{name}, {count} parameters, {self.data.understood}>"

    @property
    def loss(self) -> Loss | Any:
        """The loss that was given; None for the one in the model's own output."""
        return self._loss

    # ------------------------------------------------------------------ k networks

    def values(self, points: Tensor | Sequence[Tensor] | None = None) -> Tensor:
        """Return the loss of each network, ``(k,)`` in float64 on the CPU.

        Args:
            points: ``(k, P)``, one for each network; of one model any number of points; None for
                the models as they are.

        Raises:
            InputError: a model or its loss failed, or points of another shape.
        """
        rows = self._rows(points)

        def together() -> Tensor:
            train_norms = self.batch_norm == "batch"
            with self.grad_mode(), self._side_by_side(train_norms=train_norms):
                tensors = self.tensors(rows)
                if self.batch_norm == "recompute" and self.norm_statistics:
                    tensors = self.renormed(tensors)
                total = torch.zeros(self.networks, dtype=torch.float64, device=self.device)
                for index, (batch, weight) in enumerate(self.data):
                    losses = self.batch_losses(tensors, batch, index, exact=True)
                    total += losses.detach().double() * weight
                return (total / self.data.count).cpu()

        def alone(network: Objective, row: Tensor) -> Tensor:
            return torch.tensor(network.value(row), dtype=torch.float64)

        return self._each(rows, together, alone)

    def outputs(self, points: Tensor | None = None) -> list[Tensor]:
        """Return the outputs of every network, batch by batch: each ``(k, n, ...)``.

        Args:
            points: as for :meth:`values`.

        Raises:
            InputError: ``forward`` returns the loss alone, or outputs that are not a tensor.
        """
        rows = self._rows(points)

        def together() -> tuple[Tensor, ...]:
            train_norms = self.batch_norm == "batch"
            with self.grad_mode(), self._side_by_side(train_norms=train_norms):
                return self._outputs(self.tensors(rows))

        def alone(network: Objective, row: Tensor) -> tuple[Tensor, ...]:
            train_norms = self.batch_norm == "batch"
            with network.grad_mode(), evaluating(network.model, train_norms=train_norms):
                return network._outputs(network.tensors(row))

        return list(self._each(rows, together, alone))

    def gradients(self, points: Tensor | None = None) -> Tensor:
        """Return the gradient of each network, ``(k, P)`` in float64.

        Args:
            points: as for :meth:`values`.

        Raises:
            InputError: batch norm's statistics are recomputed, or the loss has no gradient.
        """
        rows = self._rows(points)
        return self._each(rows, lambda: _derivatives.gradient(self, rows), _derivatives.gradient)

    def products(self, points: Tensor | None, vectors: Tensor, kind: Matrix = "hessian") -> Tensor:
        """Return the Hessian of each network times m vectors, ``(k, m, P)`` in float64.

        By double backward on kernels that can be differentiated twice; a ReLU counts as linear on
        each side of its kink.

        Args:
            points: as for :meth:`values`.
            vectors: ``(k, m, P)``, or ``(m, P)`` for all networks.
            kind: ``"hessian"``, or ``"ggn"`` for the generalised Gauss-Newton matrix.

        Raises:
            InputError: vectors of another shape; or see :meth:`gradients`.
        """
        rows = self._rows(points)
        if kind not in MATRICES:
            raise InputError(f"kind is {kind!r}; expected one of {', '.join(MATRICES)}")
        wanted = (len(rows), vectors.shape[-2] if vectors.ndim > 1 else 0, self.space.count)
        if (
            vectors.ndim not in (2, 3)
            or (wanted[0], *vectors.shape[-2:]) != wanted
            or (vectors.ndim == 3 and len(vectors) != len(rows))
        ):
            raise InputError(
                f"vectors have the shape {tuple(vectors.shape)}; expected (k, m, P) or (m, P) with "
                f"k = {len(rows)} and P = {self.space.count}"
            )
        spread = vectors.to(self.device, self.dtype).expand(len(rows), *vectors.shape[-2:])
        own = iter(spread)
        return self._each(
            rows,
            lambda: _derivatives.products(self, list(spread.unbind(dim=1)), rows, kind),
            lambda network, row: _derivatives.products(network, list(next(own)), row, kind).T,
        )

    def slopes(
        self, points: Tensor, batch: Batch, fixed: dict[str, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return each network's loss ``(k,)`` on one batch, and its gradient ``(k, P)``.

        The inner step of a training, in the mode that the caller sets for :attr:`model`.

        Args:
            points: ``(k, P)``.
            batch: one batch of :attr:`data`, or of data of the same kind: where each network has
                samples of its own, tensors ``(k, b, ...)``.
            fixed: the other tensors, as :attr:`fixed`. The forward pass writes batch norm's running
                statistics into them. None for copies that are discarded.
        """
        rows = self._rows(points)
        if fixed is None:
            fixed = self._spare()
        if self._batched:
            written = {n: fixed[n] for n in {*self.norm_statistics, *self._live}}
            try:
                with undone(written, self.device):
                    return _derivatives.slopes_side_by_side(self, rows, batch, fixed)
            except NotBatchedError as error:
                self._give_up_batching(error)
        found = []
        for i, row in enumerate(rows):
            some, others = _own(self, batch, i), _own_fixed(self, fixed, i)
            found.append(_derivatives.slope(self.network(i), row, some, others))
        losses, slopes = zip(*found, strict=True)
        return torch.stack(losses), torch.stack(slopes)

    def operator(self, kind: Matrix = "hessian") -> _derivatives.Operator:
        """Return a function that multiplies vectors of one model, as :meth:`hvp` does.

        Many products at the center: on a single batch they share one forward and one first backward
        pass, whose graph is held, at no higher peak of memory.

        Args:
            kind: ``"hessian"``, or ``"ggn"`` for the generalised Gauss-Newton matrix.

        Raises:
            InputError: another word for the matrix; or see :meth:`hvp`.
        """
        if kind not in MATRICES:
            raise InputError(f"matrix is {kind!r}; expected one of {', '.join(MATRICES)}")
        self._point(None)
        return _derivatives.Operator(self, kind)

    # ------------------------------------------------------------------ one model

    @property
    def loss_at_center(self) -> float:
        """The loss of the one model as it is."""
        if self._losses is None:
            self._losses = torch.tensor([self.value()], dtype=torch.float64)
        return float(self._losses[0])

    def value(self, point: Tensor | None = None) -> float:
        """Return the loss of one model at a point.

        Args:
            point: ``(P,)``; None for the model as it is.

        Raises:
            InputError: the model or its loss failed, or the point has another length.
        """
        tensors = self.tensors(self._point(point))
        with self.grad_mode(), evaluating(self.model, train_norms=self.batch_norm == "batch"):
            return self.value_of(tensors)

    def gradient(self, point: Tensor | None = None) -> Tensor:
        """Return the gradient of one model at a point, ``(P,)`` in float64."""
        return _derivatives.gradient(self, self._point(point))

    def hvp(self, vectors: Tensor, point: Tensor | None = None, kind: Matrix = "hessian") -> Tensor:
        """Return Hessian products of one model, in float64 and in the shape of ``vectors``.

        Args:
            vectors: ``(P,)``, or columns ``(P, m)`` that share their first backward pass.
            point: ``(P,)``; None for the model as it is.
            kind: ``"hessian"``, or ``"ggn"`` for ``J^T H_out J``: J is the Jacobian of the outputs,
                H_out the Hessian of the loss in the outputs. It is the Hessian without the
                curvature of the model (Schraudolph 2002), positive semi-definite for a loss that is
                convex in the outputs.

        Raises:
            InputError: vectors of another shape; or, for ``"ggn"``, the loss is no known function
                of outputs: ``forward`` returns the loss alone, or the model answers with a loss
                that is not the mean cross-entropy of its labels.
        """
        count = self.space.count
        if vectors.ndim not in (1, 2) or vectors.shape[0] != count:
            raise InputError(
                f"vectors have the shape {tuple(vectors.shape)}; expected ({count},) or "
                f"({count}, m)"
            )
        columns = list(vectors.reshape(count, -1).to(self.device, self.dtype).T)
        found = _derivatives.products(self, columns, self._point(point), kind)
        return found.reshape(vectors.shape)

    # ------------------------------------------------------------------ inside

    def _point(self, point: Tensor | None) -> Tensor:
        if self.networks > 1:
            raise InputError(
                f"the objective is of {self.networks} networks; value, gradient and hvp are of "
                "one. Try: values, gradients and products, or network(i)"
            )
        return self.center if point is None else point

    def _rows(self, points: Tensor | Sequence[Tensor] | None) -> Tensor:
        """Return points ``(k, P)``; of one model any number of them."""
        if points is None:
            return self.center.reshape(-1, self.space.count)
        rows = points if isinstance(points, Tensor) else torch.stack(list(points))
        if rows.ndim != 2 or (self.networks > 1 and len(rows) != self.networks):
            raise InputError(
                f"points have the shape {tuple(rows.shape)}; expected ({self.networks}, "
                f"{self.space.count}), a row for each network"
            )
        return rows

    def _each(
        self,
        rows: Tensor,
        together: Callable[[], _AnswerT],
        alone: Callable[[Objective, Tensor], _AnswerT],
    ) -> _AnswerT:
        """Do it side by side where that pays and works, else one after the other."""
        if self._batched:
            try:
                return together()
            except NotBatchedError as error:
                self._give_up_batching(error)
        one = self.networks == 1
        found = [alone(self if one else self.network(i), row) for i, row in enumerate(rows)]
        stacked: _AnswerT = _stacked(found)
        return stacked

    def _give_up_batching(self, error: NotBatchedError) -> None:
        self._batched = False
        self._said += (f"the networks run one after the other: {error}",)

    @contextmanager
    def _side_by_side(self, *, train_norms: bool) -> Iterator[None]:
        """Hold the architecture in evaluation mode, on kernels that vmap knows."""
        with ExitStack() as stack:
            stack.enter_context(evaluating(self.model, train_norms=train_norms))
            if self.networks > 1:
                stack.enter_context(twice_differentiable())
            yield


def _own(objective: Objective, batch: Batch, place: int) -> Batch:
    """Return one network's part of a batch."""
    if objective.networks == 1 or not objective.data.networks:
        return batch
    return tuple(part[place] for part in batch)


def _own_fixed(objective: Objective, fixed: dict[str, Tensor], place: int) -> dict[str, Tensor]:
    if objective.networks == 1:
        return fixed
    return {name: tensor[place] for name, tensor in fixed.items()}


def _stacked(found: Sequence[Any]) -> Any:
    if isinstance(found[0], tuple):
        return tuple(_stacked(parts) for parts in zip(*found, strict=True))
    return torch.stack(list(found))
