"""The one training loop."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from copy import deepcopy
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from eigenscape.errors import InputError
from eigenscape.models._callback import Callback, check_callbacks
from eigenscape.models._calls import Forward
from eigenscape.models._fit_data import Drawn, Feed, Order
from eigenscape.models._fit_loss import FitLoss, forward_of
from eigenscape.models._fit_networks import (
    Diverged,
    Networks,
    OneNetwork,
    SeveralNetworks,
    check_elementwise,
    stacked_kernels,
)
from eigenscape.models._fit_state import Fit
from eigenscape.models._modes import mode_restored
from eigenscape.models._random import random_states, seeded, set_random_states
from eigenscape.models._recipe import OptimizerFactory, Schedule, ScheduleFunction, ScheduleName
from eigenscape.runs import single_thread


def fit(
    model: nn.Module | Sequence[nn.Module],
    loss: FitLoss | None,
    data: Any,
    *,
    optimizer: OptimizerFactory | Optimizer,
    epochs: int | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    drop_last: bool = False,
    order: Order | None = None,
    schedule: ScheduleName | ScheduleFunction | None = None,
    seed: int | Sequence[int] = 0,
    forward: Forward | None = None,
    callbacks: Sequence[Callback] = (),
    resume: Mapping[str, Any] | None = None,
) -> Fit:
    """Train a network, or k of one architecture side by side, in place.

    Shuffling and dropout follow ``seed`` alone, and the global random state is not changed: a
    run repeats to the bit on the same machine with the same number of threads: one where the
    network and its batches are small (:func:`eigenscape.runs.single_thread`). A loss or a weight
    that stops being finite ends the training, without an exception: see :attr:`Fit.diverged`. The
    step of such a loss is not taken; weights are checked after each epoch.

    k networks lie in one array, and each is trained as it would be alone, up to rounding; dropout
    is drawn for each separately. An optimizer that takes a norm over a tensor would couple them,
    and is refused. One that diverges continues as NaN; the training ends when all have.

    Args:
        model: one network, or a list of them; trained in place, modules are put back into the mode
            they were found in.
        loss: ``loss(outputs, targets)``: a scalar, or a term for each sample or token, of which
            the mean is taken (without those of integer targets of -100). One that has a parameter
            named ``numbers`` is given the example numbers of the batch (rows of the data,
            ``(b,)``), ``batch`` the whole batch, and ``parameters`` the trained tensors by name,
            for penalties. None where the model answers a mapping with ``.loss``, or ``forward``
            returns the loss.
        data: all examples as one batch (a tensor, a mapping, or a tuple of which the last part is
            the target), which ``batch_size`` cuts; an object with ``len`` and ``batch(numbers)``;
            or an iterable of batches that can be read again, such as a DataLoader.
        optimizer: from a list of parameters to an optimizer, such as
            ``partial(torch.optim.SGD, lr=0.1)``; or one that is made already (for one network).
            One whose ``step`` needs a closure gets it.
        epochs: passes over the data; give this or ``steps``.
        steps: of the optimizer; the last pass may be cut.
        batch_size: examples a step, shuffled anew in every epoch; a last batch of one joins its
            neighbour, for batch norm's sake. None: all of them, in order.
        drop_last: leave out a last batch that is smaller.
        order: from an epoch to the example numbers of each of its steps, ``(b,)``, or ``(k, b)``
            where networks differ, in place of the shuffled order. It is called once for each epoch;
            for ``resume`` it has to depend on the epoch alone.
        schedule: "constant", "cosine" or "linear"; a :class:`Schedule` with a warm-up; or a
            function of the base rate and the :class:`Fit`. None keeps the rates.
        seed: of shuffling and dropout, not of the initial weights. k of them for k networks; one
            number is for all.
        forward: ``forward(model, batch)``, which returns ``(outputs, targets)``, the outputs, or,
            without a loss, the loss. By default the parts of a tuple but the last are the inputs.
        callbacks: called during the training, in this order.
        resume: what :meth:`Fit.state` returned in a training of the same arguments.

    Raises:
        InputError: options that do not fit together; all that is wrong, at once.

    >>> model, x = nn.Linear(1, 1, bias=False), torch.tensor([[1.0]])
    >>> _ = nn.init.constant_(model.weight, 1.0)
    >>> done = fit(model, nn.functional.mse_loss, (x, 3 * x), steps=1,
    ...            optimizer=lambda weights: torch.optim.SGD(weights, lr=0.25))
    >>> done.loss.item(), model.weight.item()             # (1 - 3)^2; 1 - 0.25 * 2 * (1 - 3)
    (4.0, 2.0)
    """
    models = [model] if isinstance(model, nn.Module) else list(model)
    seeds = [seed] * len(models) if isinstance(seed, int) else list(seed)
    _check(models, seeds, optimizer, epochs, steps)
    device = _device(models)
    feed = Feed(data, seeds, device, batch_size=batch_size, drop_last=drop_last, order=order)
    call = forward or forward_of
    networks: Networks = (
        OneNetwork(models[0], loss, call)
        if isinstance(model, nn.Module)
        else SeveralNetworks(models, loss, call)
    )
    if isinstance(optimizer, Optimizer):
        made = optimizer
    elif not any(leaf.requires_grad for leaf in networks.leaves()):
        name = type(models[0]).__name__
        raise InputError(f"{name} has no parameter that requires a gradient, so nothing to train")
    else:
        made = optimizer(networks.leaves())
    if isinstance(networks, SeveralNetworks):
        check_elementwise(made)
    total = steps if steps is not None else cast(int, epochs) * feed.per_epoch
    state = Fit(networks, made, steps=total, per_epoch=feed.per_epoch, whole=steps is None)
    state._callbacks = check_callbacks(callbacks)
    rates = Schedule(schedule) if isinstance(schedule, str) else schedule
    loop = _Loop(state, networks, feed, rates, device)
    size = sum(leaf.numel() for each in models for leaf in each.parameters())
    with single_thread(size * feed.positions(models[0])):
        loop.run(resume)
    return state


class _Loop:
    """Steps, epochs, and who is told of them."""

    def __init__(
        self,
        fit: Fit,
        networks: Networks,
        feed: Feed,
        schedule: ScheduleFunction | None,
        device: torch.device,
    ) -> None:
        self.fit, self.networks, self.feed = fit, networks, feed
        self.schedule, self.device = schedule, device
        self.optimizer = fit.optimizer
        moved = {id(leaf) for group in fit.optimizer.param_groups for leaf in group["params"]}
        self.others = [leaf for leaf in networks.leaves() if id(leaf) not in moved]
        self.closed = _needs_closure(fit.optimizer)
        for group in fit.optimizer.param_groups:
            if "lr" in group:
                group.setdefault("initial_lr", group["lr"])

    def run(self, resume: Mapping[str, Any] | None) -> None:
        fit = self.fit
        fit._order = self.feed.states()
        if resume is not None:
            self._restore(resume)
        self._tell(Callback.on_start)
        for each in fit._callbacks:
            if resume is not None and each.name in resume["callbacks"]:
                each.restore(resume["callbacks"][each.name])
        with ExitStack() as stack:
            stack.enter_context(stacked_kernels(isinstance(self.networks, SeveralNetworks)))
            for model in self.networks.models:
                stack.enter_context(mode_restored(model))
            while self._goes_on():
                self._epoch()
        self._zero_grad()
        self.networks.write_back()
        fit._spent, fit._ended = fit.seconds, True
        self._tell(Callback.on_end)

    def _goes_on(self) -> bool:
        fit = self.fit
        return not fit.stopped and fit.step < fit.steps and None in fit.diverged

    def _epoch(self) -> None:
        fit = self.fit
        for model in self.networks.models:
            model.train()
        dropout_seed, batches = self.feed.epoch(fit.epoch)
        with seeded(dropout_seed, self.device):
            for _ in range(fit._place):  # resumed within an epoch: a loader shuffles here
                next(batches, None)
            if fit._random is not None:
                set_random_states(fit._random, self.device)
            for drawn in batches:
                if not self._step(drawn):
                    break
                fit._place += 1
                if fit._callbacks:
                    fit._random = random_states(self.device)
                    self._tell(Callback.on_step)
                if not self._goes_on():
                    break
            fit._random = random_states(self.device)  # to go on from where it is stopped
        if fit._place == fit._per_epoch and None in fit.diverged:
            self._finish_epoch()
        elif not fit.stopped:
            self._note(self.networks.finite().tolist())

    def _finish_epoch(self) -> None:
        fit = self.fit
        self._note(self.networks.finite().tolist())
        if None not in fit.diverged:
            return
        fit.losses.append(fit._total / fit._seen)
        fit.rates.append(fit._first_rate)
        fit.epoch, fit._place = fit.epoch + 1, 0
        fit._total, fit._seen, fit._random = torch.zeros_like(fit._total), 0, None
        fit._order = self.feed.states()
        self._tell(Callback.on_epoch)

    def _step(self, drawn: Drawn) -> bool:
        """Take one step; tell whether it was taken."""
        fit = self.fit
        self._set_rates()
        try:
            loss = self._closed_step(drawn) if self.closed else self._plain_step(drawn)
        except Diverged:
            self._note([False] * len(fit.diverged))
            return False
        fit.loss, fit.numbers = loss, drawn.numbers
        fit.step += 1
        fit._total = fit._total + loss * drawn.size
        fit._seen += drawn.size
        return True

    def _plain_step(self, drawn: Drawn) -> Tensor:
        loss = self._loss(drawn)
        self._zero_grad()
        self.networks.backward()
        self.optimizer.step()
        return loss

    def _closed_step(self, drawn: Drawn) -> Tensor:
        """Let the optimizer ask for loss and gradient as often as it likes."""
        seen: list[Tensor] = []

        def closure() -> Tensor:
            with torch.enable_grad():  # steps of optimizers run without
                self._zero_grad()
                seen.append(self._loss(drawn))
                self.networks.backward()
            return seen[-1].sum()

        self.optimizer.step(closure)  # type: ignore[arg-type]  # torch's own take a tensor too
        return seen[0]

    def _zero_grad(self) -> None:
        self.optimizer.zero_grad()
        for leaf in self.others:
            leaf.grad = None

    def _loss(self, drawn: Drawn) -> Tensor:
        """Return the loss of each network, ``(k,)`` in float64.

        Raises:
            Diverged: none of them is finite.
        """
        loss = self.networks.losses(drawn).double().cpu()
        finite = [math.isfinite(value) for value in loss.tolist()]
        if not any(finite):
            raise Diverged
        self._note(finite)
        return loss

    def _set_rates(self) -> None:
        fit = self.fit
        if self.schedule is not None:
            for group in self.optimizer.param_groups:
                group["lr"] = self.schedule(group["initial_lr"], fit)
        if fit._place == 0:
            fit._first_rate = float(self.optimizer.param_groups[0].get("lr", torch.nan))

    def _note(self, finite: Sequence[bool]) -> None:
        """Remember which networks diverged in this epoch."""
        for i, fine in enumerate(finite):
            if not fine and self.fit.diverged[i] is None:
                self.fit.diverged[i] = self.fit.epoch

    def _tell(self, moment: Callable[[Callback, Fit], None]) -> None:
        """Call one method of every callback; what they draw at random is undone."""
        if not self.fit._callbacks:
            return
        kept = random_states(self.device)
        try:
            for each in self.fit._callbacks:
                getattr(each, moment.__name__)(self.fit)
        finally:
            set_random_states(kept, self.device)

    def _restore(self, saved: Mapping[str, Any]) -> None:
        fit = self.fit
        self.networks.restore(saved["networks"])
        self.optimizer.load_state_dict(deepcopy(saved["optimizer"]))
        self.feed.set_states(saved["order"])
        fit.step, fit.epoch, fit._place = saved["step"], saved["epoch"], saved["place"]
        fit.loss, fit.losses = saved["loss"], list(saved["losses"])
        fit.rates, fit.diverged = list(saved["rates"]), list(saved["diverged"])
        fit._total, fit._seen = saved["total"], saved["seen"]
        fit._first_rate, fit._spent = saved["first_rate"], saved["seconds"]
        fit._order, fit._random = list(saved["order"]), saved["random"]


def _check(
    models: Sequence[Any],
    seeds: Sequence[int],
    optimizer: Any,
    epochs: int | None,
    steps: int | None,
) -> None:
    wrong = []
    strange = [type(model).__name__ for model in models if not isinstance(model, nn.Module)]
    if strange or not models:
        wrong.append(f"model is {', '.join(strange) or 'empty'}; expected one torch.nn.Module or k")
    if len(seeds) != len(models):
        wrong.append(f"there are {len(seeds)} seeds for {len(models)} networks; expected as many")
    if (epochs is None) == (steps is None):
        wrong.append(f"epochs={epochs} and steps={steps}; expected one of the two")
    least = epochs if epochs is not None else steps
    if least is not None and least < 1:
        wrong.append(f"{'steps' if epochs is None else 'epochs'}={least}, expected 1 or more")
    if not callable(optimizer) and not isinstance(optimizer, Optimizer):
        wrong.append(
            f"optimizer is a {type(optimizer).__name__}; expected a function of a list of "
            "parameters. Try: functools.partial(torch.optim.SGD, lr=0.1)"
        )
    if isinstance(optimizer, Optimizer) and len(models) > 1:
        wrong.append(
            "the optimizer of k networks is made for their stacked parameters; expected a function "
            "that makes it. Try: functools.partial(torch.optim.SGD, lr=0.1)"
        )
    if wrong:
        raise InputError("fit: " + "; ".join(wrong))


def _device(models: Sequence[nn.Module]) -> torch.device:
    return next((leaf.device for leaf in models[0].parameters()), torch.device("cpu"))


def _needs_closure(optimizer: Optimizer) -> bool:
    """Tell whether ``step`` cannot do without a closure, or the optimizer says so itself."""
    parameter = inspect.signature(type(optimizer).step).parameters.get("closure")
    required = parameter is not None and parameter.default is inspect.Parameter.empty
    return required or bool(getattr(optimizer, "needs_closure", False))
