"""The inputs of each block, one block after the other.

Two ways, with the same result. Where the blocks are called one after the other and each is given
what the one before returned, the hidden states between two blocks are kept and each block runs
alone. Otherwise the whole network runs up to the block, once for each block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from typing import Any

import torch
from torch import Tensor, nn

from eigenscape.errors import InputError
from eigenscape.pruning._statistics import InputStatistics
from eigenscape.pruning._targets import Stage, Target

Batch = Any
Call = Callable[[Batch], Any]


class _EnoughError(Exception):
    """Raised by a hook: what follows in the network is not wanted."""


class NotSequentialError(Exception):
    """The blocks cannot run alone; the text says why."""


class WholeNetwork:
    """Runs the whole network for each block: for any network.

    Args:
        call: runs the network on a batch.
        batches: the calibration data.
    """

    def __init__(self, call: Call, batches: Sequence[Batch]) -> None:
        self._call, self._batches = call, batches

    def reach(self, stage: Stage) -> None:
        """Nothing: the network runs from its start."""

    def run(self, stage: Stage) -> None:
        """Give the block all batches."""
        waiting = {target.name for target in stage.targets}
        for batch in self._batches:
            missing = set(waiting)
            handles = [
                target.module.register_forward_hook(_leaving(missing, target.name))
                for target in stage.targets
            ]
            try:
                self._call(batch)
            except _EnoughError:
                pass
            finally:
                for handle in handles:
                    handle.remove()


def _leaving(missing: set[str], name: str) -> Callable[..., None]:
    def leave(*_: Any) -> None:
        missing.discard(name)
        if not missing:
            raise _EnoughError

    return leave


class BlockByBlock:
    """Runs each block alone on the hidden states that the blocks before it gave; in order only.

    The arguments of each block beside the hidden states (masks, positions) are recorded once, while
    the network runs with its blocks handing their inputs on unchanged.

    Args:
        call: runs the network on a batch.
        batches: the calibration data.
        blocks: the blocks by name, in the order of the network.
        loaded: a context in which the weights of a block are in memory.

    Raises:
        NotSequentialError: a block is not given what the one before returned.
    """

    def __init__(
        self,
        call: Call,
        batches: Sequence[Batch],
        blocks: Mapping[str, nn.Module],
        loaded: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext(),
    ) -> None:
        self._blocks, self._loaded = dict(blocks), loaded
        self._others: dict[tuple[str, int], tuple[tuple[Any, ...], dict[str, Any]]] = {}
        self._known: list[Tensor] = []
        self._done = 0
        self._extras: tuple[None, ...] | None = None
        self.hidden: list[Tensor] = []
        for place, batch in enumerate(batches):
            with self._handing_on(place) as order, suppress(_EnoughError):
                call(batch)
            if order != list(self._blocks):
                raise NotSequentialError("the blocks are not called once each, in their order")

    @property
    def bytes(self) -> int:
        """What the hidden states take."""
        return sum(states.nbytes for states in self.hidden)

    def reach(self, stage: Stage) -> None:
        """Let the blocks before this one make their hidden states, as they are by now."""
        names = list(self._blocks)
        while names[self._done] != stage.name:
            with self._loaded(names[self._done]):
                for place in range(len(self.hidden)):
                    self.hidden[place] = self._forward(names[self._done], place)
            self._done += 1

    def run(self, stage: Stage) -> None:
        """Give the block all batches."""
        self.reach(stage)
        with self._loaded(stage.name):
            for place in range(len(self.hidden)):
                self._forward(stage.name, place)

    def _forward(self, name: str, place: int) -> Tensor:
        positional, named = self._others[name, place]
        return _first(self._blocks[name](self.hidden[place], *positional, **named))

    @contextmanager
    def _handing_on(self, place: int) -> Iterator[list[str]]:
        """Let every block return its input, and record what it was given."""
        order: list[str] = []
        returned: list[Tensor] = []
        names = list(self._blocks)

        def forward(name: str, own: Callable[..., Any]) -> Callable[..., Any]:
            def hand_on(*inputs: Any, **named: Any) -> Any:
                positional = list(inputs)
                states = positional.pop(0) if positional else named.pop("hidden_states", None)
                if not isinstance(states, Tensor):
                    raise NotSequentialError(f"{name} is not given hidden states first")
                if returned and states is not returned[-1]:
                    raise NotSequentialError(f"what {name} is given is not what {order[-1]} gave")
                named = {k: v for k, v in named.items() if not _is_cache(k, v)}
                kept = tuple(map(self._interned, positional))
                others = {k: self._interned(v) for k, v in named.items()}
                self._others[name, place] = kept, others
                if not order:
                    self.hidden.append(states.detach())
                if not order and place == 0:
                    with self._loaded(name):
                        self._learn_form(own(states, *positional, **named), states)
                order.append(name)
                if name == names[-1]:
                    raise _EnoughError
                returned.append(states)
                return states if self._extras is None else (states, *self._extras)

            return hand_on

        with ExitStack() as stack:
            for name, block in self._blocks.items():
                if "forward" in vars(block):
                    raise NotSequentialError(f"{name} has a forward of its own")
                vars(block)["forward"] = forward(name, block.forward)
                stack.callback(vars(block).pop, "forward", None)
            yield order

    def _learn_form(self, answer: Any, states: Tensor) -> None:
        """See whether a block answers with a tensor, or with a tuple that begins so."""
        if _first(answer).shape != states.shape:
            raise NotSequentialError("the blocks change the shape of what they are given")
        self._extras = None if isinstance(answer, Tensor) else (None,) * (len(answer) - 1)

    def _interned(self, value: Any) -> Any:
        """Keep equal tensors once: masks and positions are those of every block and batch."""
        if isinstance(value, tuple):
            return tuple(map(self._interned, value))
        if not isinstance(value, Tensor):
            return value
        for known in self._known:
            if (
                known.shape == value.shape
                and known.dtype == value.dtype
                and torch.equal(known, value)
            ):
                return known
        self._known.append(value.detach().clone())
        return self._known[-1]


def gather(
    runner: WholeNetwork | BlockByBlock, stage: Stage, *, gram: bool
) -> dict[str, InputStatistics]:
    """Return the statistics of the inputs of a block's matrices, by name."""
    found = {
        target.name: InputStatistics(target.shape[1], gram=gram, device=target.weight.device)
        for target in stage.targets
    }

    def hook(target: Target) -> Callable[..., None]:
        def watch(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            found[target.name].add(target.rows_of(inputs[0]))

        return watch

    with ExitStack() as stack:
        for target in stage.targets:
            handle = target.module.register_forward_pre_hook(hook(target))
            stack.callback(handle.remove)
        runner.run(stage)
    return found


def _first(answer: Any) -> Tensor:
    states = answer[0] if isinstance(answer, tuple) and answer else answer
    if not isinstance(states, Tensor):
        raise NotSequentialError(f"a block returns a {type(answer).__name__}")
    return states


def _is_cache(name: str, value: Any) -> bool:
    return "past_key_value" in name or type(value).__name__.endswith("Cache")


def sequence_call(model: nn.Module) -> Call:
    """Return the call of a network on a batch of data: its inputs alone, without a cache.

    A batch of a mapping goes in by name; of a tuple or list, its first item.
    """
    import inspect

    names = set(inspect.signature(model.forward).parameters)
    options = {"use_cache": False} if "use_cache" in names else {}

    def call(batch: Batch) -> Any:
        if isinstance(batch, tuple | list):
            batch = batch[0]
        if isinstance(batch, Mapping):
            return model(**{k: v for k, v in batch.items() if k != "labels"}, **options)
        if not isinstance(batch, Tensor):
            raise InputError(f"a calibration batch is a {type(batch).__name__}; expected tensors")
        return model(batch, **options)

    return call
