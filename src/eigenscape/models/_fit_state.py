"""The state of a training, and the record of it."""

from __future__ import annotations

import time
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from eigenscape.models._callback import Callback
from eigenscape.models._fit_networks import Networks


@dataclass(frozen=True)
class TrainingLog:
    """What happened during a training, epoch by epoch; only finished epochs are listed.

    Two logs are equal when everything but their ``seconds`` is.

    Attributes:
        losses: the mean training loss of every finished epoch, over its examples.
        learning_rates: the learning rate at the start of every finished epoch.
        steps: how many optimizer steps were taken.
        diverged_at: the epoch, counted from 0, in which the loss or a weight stopped being finite
            and the training was stopped; None when it ran to its end.
        seconds: the wall-clock time that it took.

    >>> TrainingLog((2.3, 1.1), (0.1, 0.05), steps=20).final_loss
    1.1
    """

    losses: tuple[float, ...]
    learning_rates: tuple[float, ...]
    steps: int
    diverged_at: int | None = None
    seconds: float = field(default=0.0, compare=False)

    @property
    def epochs(self) -> int:
        """The number of finished epochs."""
        return len(self.losses)

    @property
    def final_loss(self) -> float | None:
        """The loss of the last finished epoch; None when the first one diverged."""
        return self.losses[-1] if self.losses else None


class Fit:
    """The state of a training: what :func:`fit` returns, and what its callbacks receive.

    Attributes:
        step: how many steps have been taken.
        steps: how many there will be.
        epoch: how many passes over the data are finished.
        epochs: how many there will be; the last may be cut by ``steps``.
        loss: of the last step, before its change, ``(k,)``; NaN before the first.
        losses: the mean over the examples of each finished epoch, ``(k,)`` each.
        rates: the learning rate (of the first parameter group) at the start of each of them.
        numbers: the example numbers of the last step, ``(b,)`` or ``(k, b)``; None if unknown.
        optimizer: what changes the weights.
        diverged: for each network the epoch, from 0, in which its loss or a weight stopped being
            finite; None for one that did not.
        stopped: why a callback ended the training, or empty.
        seconds: of wall-clock time, up to now.
    """

    def __init__(
        self, networks: Networks, optimizer: Optimizer, *, steps: int, per_epoch: int, whole: bool
    ) -> None:
        k = len(networks.models)
        self._networks, self.optimizer = networks, optimizer
        self.step, self.steps = 0, steps
        self.epoch, self.epochs = 0, -(-steps // per_epoch)
        self._place, self._per_epoch, self._whole = 0, per_epoch, whole
        self.loss = torch.full((k,), torch.nan, dtype=torch.float64)
        self.losses: list[Tensor] = []
        self.rates: list[float] = []
        self.numbers: Tensor | None = None
        self.diverged: list[int | None] = [None] * k
        self.stopped = ""
        self._began, self._spent = time.perf_counter(), 0.0
        self._total, self._seen = torch.zeros(k, dtype=torch.float64), 0
        self._first_rate = torch.nan
        self._ended = False
        self._random: list[Tensor] | None = None
        self._order: list[Tensor] = []
        self._callbacks: tuple[Callback, ...] = ()

    def __repr__(self) -> str:
        done = f"step {self.step} of {self.steps}, epoch {self.epoch} of {self.epochs}"
        loss = f", mean loss {float(self.losses[-1].mean()):.4g}" if self.losses else ""
        return f"<Fit: {done}{loss}>"

    @property
    def models(self) -> tuple[nn.Module, ...]:
        """The networks with their present weights."""
        self._networks.write_back()
        return self._networks.models

    @property
    def model(self) -> nn.Module:
        """The first of :attr:`models`."""
        return self.models[0]

    @property
    def parameters(self) -> Tensor:
        """A copy of the trained parameters, ``(k, P)``, in the order of ``ParameterSpace``."""
        return self._networks.points()

    @property
    def progress(self) -> float:
        """The share of the training that is over, in [0, 1]."""
        if self._whole:
            return (self.epoch + self._place / self._per_epoch) / self.epochs
        return self.step / self.steps

    @property
    def seconds(self) -> float:
        """Wall-clock seconds up to now; of a resumed training, all parts together."""
        return self._spent if self._ended else self._spent + time.perf_counter() - self._began

    def stop(self, reason: str = "stopped") -> None:
        """End the training after the callbacks of this step.

        Args:
            reason: is kept as ``stopped``.
        """
        self.stopped = reason or "stopped"

    def log(self, network: int = 0) -> TrainingLog:
        """Return what happened to one of the networks, as plain numbers.

        Args:
            network: its place among ``models``.
        """
        at = self.diverged[network]
        return TrainingLog(
            tuple(float(loss[network]) for loss in self.losses[:at]),
            tuple(self.rates[:at]),
            self.step,
            at,
            self.seconds,
        )

    def state(self) -> dict[str, Any]:
        """Return all that :func:`fit` needs to continue from here, bit for bit, as ``resume``.

        Tensors and plain types: ``torch.save`` and ``torch.load(weights_only=True)`` keep it. Of
        the callbacks it has the state at the time of the call: one that saves should be last in the
        list. The state of a loss function is not in it.
        """
        callbacks = {each.name: each.state() for each in self._callbacks}
        return {
            "networks": self._networks.state(),
            "optimizer": deepcopy(self.optimizer.state_dict()),
            "step": self.step,
            "epoch": self.epoch,
            "place": self._place,
            "loss": self.loss.clone(),
            "losses": [loss.clone() for loss in self.losses],
            "rates": list(self.rates),
            "diverged": list(self.diverged),
            "total": self._total.clone(),
            "seen": self._seen,
            "first_rate": self._first_rate,
            "seconds": self.seconds,
            "order": [state.clone() for state in self._order],
            "random": self._random,
            "callbacks": {name: state for name, state in callbacks.items() if state is not None},
        }
