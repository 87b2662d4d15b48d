"""The network, its data and its unchanged losses: where one change of one layer is measured."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigenscape.ablation._changes import CHANGES
from eigenscape.ablation._prefix import Prefix, Recorder
from eigenscape.errors import EigenscapeError, InputError
from eigenscape.layers import LayerMatrix
from eigenscape.models import Objective, SampleLosses, sample_losses
from eigenscape.results import content_hash
from eigenscape.stats import interval

#: Consecutive tokens taken together, because what a change does to neighbours is alike.
RUN_OF_TOKENS = 32
_SAME = 1e-6  # relative: losses with and without blocks from memory


@dataclass(eq=False)
class Bench:
    """One objective, and how to evaluate it with one layer changed; the model is never written to.

    Args:
        objective: of one network.
        layers: by name, with the tensor of the objective that each lies in.
        base: the losses of the network as it is.
        tensors: of the network, as :meth:`Objective.tensors` names them.
        prefix: blocks whose outputs are taken from memory; None where all is computed.
        whole_seconds: one evaluation.
        tail_seconds: one with all blocks from memory.
        timed: change to the seconds that a unit of its work takes.
        notes: remarks.
    """

    objective: Objective
    layers: Mapping[str, tuple[LayerMatrix, str]]
    base: SampleLosses
    tensors: Mapping[str, Tensor]
    prefix: Prefix | None = None
    whole_seconds: float = 0.0
    tail_seconds: float = 0.0
    timed: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    _places: tuple[str, Tensor] | None = field(default=None, repr=False)

    @classmethod
    def of(cls, objective: Objective, layers: Mapping[str, tuple[LayerMatrix, str]]) -> Bench:
        """Evaluate the network as it is, and find out which of its blocks need not be repeated.

        Raises:
            InputError: the network, or its loss, fails or is not finite.
        """
        tensors = objective.tensors(objective.center)
        base = sample_losses(objective)
        if not math.isfinite(base.mean):
            raise InputError(
                f"the loss of the network as it is is {base.mean}; nothing can be compared with it"
            )
        bench = cls(objective, layers, base, tensors)
        recorder = Recorder(
            objective.model, [layer for layer, _ in layers.values()], objective.data.batches
        )
        started = time.perf_counter()
        with recorder.watching():
            again = sample_losses(objective, unit=base.unit)
        bench.whole_seconds = bench.tail_seconds = time.perf_counter() - started
        if not np.allclose(again.values, base.values, rtol=_SAME, atol=_SAME):
            raise InputError(
                "two evaluations of the same network differ, so that a change cannot be told from "
                "chance. Try: a model without random numbers in evaluation mode"
            )
        found = recorder.prefix()
        if isinstance(found, Prefix) and objective.batch_norm != "frozen":
            found = "batch norm's statistics depend on the data"
        bench._adopt(found)
        return bench

    def _adopt(self, found: Prefix | str) -> None:
        """Use blocks from memory if the losses of a changed network stay the same."""
        reason = self._refuted(found) if isinstance(found, Prefix) else found
        if reason:
            self.prefix, self.tail_seconds = None, self.whole_seconds
            self.notes += (f"every evaluation goes through the whole network: {reason}",)

    def _refuted(self, prefix: Prefix) -> str:
        """Take a network with blocks from memory; return why not, or nothing."""
        late = max(prefix.before, key=lambda name: prefix.before[name])
        if not prefix.before[late]:
            return "no layer comes after a block"
        changed = self._changed(late, "shuffled", 0)[0]
        plain = self.losses(late, changed)
        self.prefix = prefix
        try:
            started = time.perf_counter()
            short = self.losses(late, changed)
            self.tail_seconds = time.perf_counter() - started
        except EigenscapeError as error:
            return str(error)
        same = np.allclose(short.values, plain.values, rtol=_SAME, atol=_SAME, equal_nan=True)
        return "" if same else "the losses were not the same"

    def seconds(self, name: str, change: str) -> float:
        """Return how long it will take to change a layer and evaluate the network once."""
        return self._evaluation(name) + self._changing(name, change)

    def _changing(self, name: str, change: str) -> float:
        """Scale the time of one change of a layer of middle size, taken once, to another layer."""
        if change not in self.timed:
            middle = sorted(self.layers, key=lambda one: self._work(one, change))
            chosen = middle[len(middle) // 2]
            started = time.perf_counter()
            self._changed(chosen, change, 0)
            spent = time.perf_counter() - started
            self.timed[change] = spent / self._work(chosen, change)
        return self.timed[change] * self._work(name, change)

    def _work(self, name: str, change: str) -> float:
        """Entries for a change that draws; multiplications for one that needs directions."""
        k, rows, cols = self.layers[name][0].stack
        return float(k) * rows * cols * (1 if CHANGES[change].drawn else min(rows, cols))

    def _evaluation(self, name: str) -> float:
        share = 1.0
        if self.prefix is not None:
            share -= self.prefix.before[name] / len(self.prefix.modules)
        return self.tail_seconds + share * (self.whole_seconds - self.tail_seconds)

    def losses(self, name: str, stack: Tensor) -> SampleLosses:
        """Return the losses with another stack in the place of a layer's."""
        tensor_name = self.layers[name][1]
        tensor = self.tensors[tensor_name].clone()
        places = self._places_of(name)
        tensor.view(-1)[places.flatten()] = stack.flatten().to(tensor)
        kept = nullcontext() if self.prefix is None else self.prefix.skipping(self._before(name))
        with kept:
            return sample_losses(
                self.objective, {**self.tensors, tensor_name: tensor}, unit=self.base.unit
            )

    def measure(self, name: str, change: str, draw: int, seed: int) -> dict[str, Any]:
        """Return the effect of one draw of one change of one layer, in plain types."""
        stack, directions = self._changed(name, change, seed, draw)
        found = self.losses(name, stack)
        low, high = paired_interval(found.values - self.base.values, self.base)
        return {
            "increase": found.mean - self.base.mean,
            "low": low,
            "high": high,
            "directions": directions,
        }

    # ------------------------------------------------------------------ inside

    def _before(self, name: str) -> int:
        assert self.prefix is not None
        return self.prefix.before[name]

    def _places_of(self, name: str) -> Tensor:
        """Return where the entries of a layer lie; those of the last layer are kept."""
        if self._places is None or self._places[0] != name:
            layer, tensor_name = self.layers[name]
            found = layer.places(self.tensors[tensor_name])
            assert found is not None  # of layers that were let in
            self._places = (name, found)
        return self._places[1]

    def _changed(
        self, name: str, change: str, seed: int, draw: int = 0
    ) -> tuple[Tensor, int | None]:
        layer, tensor_name = self.layers[name]
        stack = layer.matrices([self.tensors[tensor_name]])
        # the draw of a layer depends on nothing but its name: not on what else is measured
        start = int(content_hash(seed, draw, name, change)[:15], 16)
        generator = torch.Generator().manual_seed(start)
        return CHANGES[change].make(stack, generator)


def paired_interval(away: NDArray[np.float64], base: SampleLosses) -> tuple[float, float]:
    """Return the 95 % interval of the mean of paired differences; NaN of one unit alone.

    Tokens are taken in runs of 32: neighbours are not independent.

    Args:
        away: ``(N,)``: the loss of each unit with the change, less that without.
        base: whose weights and unit these are.
    """
    values, weights = away, base.weights
    if base.unit == "token":
        starts = np.arange(0, len(values), RUN_OF_TOKENS)
        sums = np.add.reduceat(values * weights, starts)
        weights = np.add.reduceat(weights, starts)
        values = sums / weights
    if not np.isfinite(values).all():
        return (math.nan, math.nan)
    found = interval(values, weights=weights)
    return found.low, found.high


def the_bench(bench: Bench) -> Bench:
    """Return the bench: how a task gets it."""
    return bench


def measured(bench: Bench, name: str, change: str, draw: int, seed: int) -> dict[str, Any]:
    """Return the effect of one draw of one change of one layer; a task."""
    return bench.measure(name, change, draw, seed)


def admitted(
    objective: Objective, layers: Sequence[LayerMatrix]
) -> tuple[dict[str, tuple[LayerMatrix, str]], list[tuple[LayerMatrix, str]]]:
    """Return the layers that can be changed, each with its tensor; and the others with the reason.

    A layer can be changed where its entries are those of one tensor that the network computes with.
    """
    tensors = objective.tensors(objective.center)
    found: dict[str, tuple[LayerMatrix, str]] = {}
    refused = []
    for layer in layers:
        name = f"model.{layer.tensors[0]}"
        tensor = tensors.get(name)
        if tensor is None or len(layer.tensors) > 1:
            refused.append((layer, "its weight is computed from several tensors, or none is there"))
        elif tensor.is_complex():
            refused.append((layer, "complex entries"))
        elif not bool(torch.isfinite(tensor).all()):
            refused.append((layer, "entries that are not finite"))
        elif layer.places(tensor) is None:
            refused.append((layer, "its matrices are not the entries of its tensor themselves"))
        else:
            found[layer.name] = (layer, name)
    return found, refused
