"""One network, trained under one way to set the learning rates."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from eigenscape.balancing import BalanceCallback, BalancingTrace, TempBalance
from eigenscape.models import TrainingLog, build
from eigenscape.spectra import SpectraOptions
from eigenscape.zoo import GPT, GPTClassifier, Split, accuracy
from eigenscape_studies.networks import (
    FieldSplit,
    FNO1d,
    FNO2d,
    Grammar,
    UNet,
    burgers,
    darcy,
    fine_tune,
    labelled_sentences,
    relative_error,
    train_operator,
)
from eigenscape_studies.tempbalance._plan import METHODS, PERMUTED, Cell

#: As in the published runs on equations: layers of more than 12 eigenvalues, the ends too.
_OPERATOR: dict[str, Any] = {"skip": (), "spectra": SpectraOptions(min_eigenvalues=13)}
#: With this forcing (that of the published runs) pressures are about 0.6.
_FORCING = 100.0
#: Permeabilities are 3 or 12: these numbers make them -1 or 1.
_MIDDLE, _HALF = 7.5, 4.5

State = dict[str, NDArray[Any]]


class Trained(NamedTuple):
    """The result of one training.

    Args:
        value: nRMSE, or accuracy in percent, on held-out examples.
        log: of the training.
        trace: of TempBalance.
    """

    value: float
    log: TrainingLog
    trace: BalancingTrace


def make_data(cell: Cell, amount: int, seed: int) -> FieldSplit | Split:
    """Return training and test data of a cell; a smaller amount is the beginning of a larger."""
    if cell.data == "sentences":
        return labelled_sentences(amount, cell.test, seed=seed)
    if cell.data == "burgers":
        return burgers(amount, cell.test, grid=cell.grid, seed=seed)
    split = darcy(amount, cell.test, grid=cell.grid, forcing=_FORCING, seed=seed)
    return replace(
        split,
        train_inputs=(split.train_inputs - _MIDDLE) / _HALF,
        test_inputs=(split.test_inputs - _MIDDLE) / _HALF,
    )


def train_one(
    cell: Cell, data: FieldSplit | Split, seed: int, method: str, rate: float, state: State | None
) -> Trained:
    """Train one network from its seed, and judge it.

    Args:
        cell: what is trained, and how.
        data: as :func:`make_data` makes it.
        seed: of initial weights, order of the examples, and the permutation of the control.
        method: one of ``METHODS``.
        rate: the learning rate, before any factor.
        state: of the pretrained language model, where the cell fine-tunes one.
    """
    options: dict[str, Any] = {**METHODS[method]}
    if method == PERMUTED:
        options["seed"] = seed
    if isinstance(data, Split):
        return _fine_tuned(cell, data, seed, options, rate, state or {})
    return _operator(cell, data, seed, options, rate)


def _operator(
    cell: Cell, data: FieldSplit, seed: int, options: dict[str, Any], rate: float
) -> Trained:
    model = build(_maker(cell), seed)
    epoch = math.ceil(len(data.train_targets) / cell.batch_size)
    balance = BalanceCallback(every=cell.every * epoch, **_OPERATOR, **options)
    recipe = _recipe(cell, seed, rate, balance)
    log = train_operator(model, data.train_inputs, data.train_targets, **recipe)
    return Trained(
        relative_error(model, data.test_inputs, data.test_targets),
        log,
        _final(balance.balance, log.steps),
    )


def _maker(cell: Cell) -> Callable[[], nn.Module]:
    makers: dict[str, Callable[[], nn.Module]] = {
        "FNO1d": FNO1d,
        "FNO2d": partial(FNO2d, width=16, modes=6),
        "UNet": partial(UNet, classes=1),
    }
    return makers[cell.network]


def _fine_tuned(
    cell: Cell, data: Split, seed: int, options: dict[str, Any], rate: float, state: State
) -> Trained:
    gpt = build(lambda: language_model(cell.width))
    gpt.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    model = GPTClassifier.of(gpt, Grammar().dialects, seed)
    balance = BalanceCallback(every=cell.every, group="block", **options)
    recipe = _recipe(cell, seed, rate, balance)
    log = fine_tune(model, data.train_inputs, data.train_labels, **recipe)
    return Trained(
        100 * accuracy(model, data.test_inputs, data.test_labels),
        log,
        _final(balance.balance, log.steps),
    )


def _recipe(cell: Cell, seed: int, rate: float, balance: BalanceCallback) -> dict[str, Any]:
    return {
        "epochs": cell.epochs,
        "batch_size": cell.batch_size,
        "learning_rate": rate,
        "seed": seed,
        "callbacks": [balance],
    }


def language_model(width: int) -> GPT:
    """Return the language model before its training."""
    return GPT(Grammar().vocabulary, width)


def _final(balance: TempBalance, steps: int) -> BalancingTrace:
    """Return the trace, with a measurement after the last step."""
    if balance.trace().steps[-1] != steps:
        balance.update()
    return balance.trace()


def spreads(trace: BalancingTrace) -> tuple[float, float]:
    """Return the standard deviation of PL_Alpha_Hill over the layers, first and last.

    Over the blocks, each with the mean of its layers, where a block shares a factor; without
    blocks it is the last of :meth:`BalancingTrace.spread`.
    """
    return _spread(trace, trace.steps[0]), _spread(trace, trace.steps[-1])


def _spread(trace: BalancingTrace, step: int) -> float:
    groups: dict[str, dict[str, float]] = {}
    for row in trace.rows:
        if row.step == step and math.isfinite(row.value):
            groups.setdefault(row.group, {})[row.name] = row.value
    means = [float(np.mean(list(values.values()))) for values in groups.values()]
    return float(np.std(means)) if means else math.nan
