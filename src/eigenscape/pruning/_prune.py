"""Prune a network: allocate, then block by block measure the inputs, choose and set to zero."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn

from eigenscape.allocation import Allocation
from eigenscape.checkpoints import named_modules
from eigenscape.errors import InputError
from eigenscape.layers import blocks
from eigenscape.models import Data, LanguageModel, Tokens, device_of, evaluating
from eigenscape.pruning._allocations import Known, Look, named, sparsities
from eigenscape.pruning._calibrate import (
    Batch,
    BlockByBlock,
    Call,
    NotSequentialError,
    WholeNetwork,
    gather,
    sequence_call,
)
from eigenscape.pruning._choose import Pattern
from eigenscape.pruning._criteria import CRITERIA, output_error
from eigenscape.pruning._result import PrunedLayer, Pruning
from eigenscape.pruning._targets import Stage, Target, Targets, check_finite, find_targets
from eigenscape.results import Environment
from eigenscape.runs import ProgressCallback, Tracker
from eigenscape.spectra import SpectraResult, analyze

Runner = BlockByBlock | WholeNetwork
Rows = tuple[PrunedLayer, ...]
#: Tokens that go through the network together.
_TOKENS = 4096


@dataclass(frozen=True, kw_only=True)
class PruneOptions:
    """How to prune.

    Args:
        sparsity: of all pruned matrices together; None with a pattern N:M, which says it.
        criterion: of :data:`CRITERIA`: which weights of a matrix go.
        allocation: of :data:`ALLOCATIONS`: how much each matrix loses. Uniform by default: that
            another one does better was not measured here.
        pattern: ``N:M``, N zeros among M neighbours, everywhere; or ``:M``, with N for each matrix
            from the allocation.
        epsilon: the range of an allocation that has one.
        floor: the smallest sparsity of a matrix.
        cap: the largest (0.99: the formula of AlphaPruning exceeds 1 at high sparsities).
        include: shell patterns of the modules to prune; all by default.
        exclude: shell patterns of modules to leave.
        windows: the width of square windows for the exponent, which then does not depend on a
            matrix's shape (FARMS, Hu et al. 2025); None for whole matrices.
        seed: of the control ``shuffled``.
    """

    sparsity: float | None = None
    criterion: str = "wanda"
    allocation: str = "uniform"
    pattern: str = ""
    epsilon: float | None = None
    floor: float = 0.0
    cap: float = 0.99
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    windows: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.criterion not in CRITERIA:
            raise InputError(f"unknown criterion {self.criterion!r}; known: {', '.join(CRITERIA)}")
        named(self.allocation)
        fixed = self.fixed
        if fixed is not None and self.allocation != "uniform":
            raise InputError(
                f"the pattern {fixed} takes as much from every matrix, so that the allocation "
                f"{self.allocation} cannot act. Try: --pattern :{fixed.of} and --sparsity"
            )
        asked = self.sparsity
        if fixed is not None and asked is not None and asked != fixed.zeros / fixed.of:
            raise InputError(
                f"the pattern {fixed} is a sparsity of {fixed.zeros / fixed.of:g}; got {asked:g}. "
                "Try: leave one of them out"
            )
        if fixed is None and (asked is None or not 0 < asked < 1):
            percent = f". Try: --sparsity {asked / 100:g}" if asked and 1 < asked < 100 else ""
            raise InputError(
                f"the sparsity is {asked}; expected more than 0 and less than 1{percent}"
            )

    @property
    def fixed(self) -> Pattern | None:
        """The pattern of every matrix, where it is one."""
        fixed = self.pattern and not self.pattern.startswith(":")
        return Pattern.parse(self.pattern) if fixed else None

    @property
    def group(self) -> int | None:
        """M, where each matrix has an N of its own."""
        if not self.pattern.startswith(":"):
            return None
        if not self.pattern[1:].isdigit() or int(self.pattern[1:]) < 2:
            raise InputError(f"the pattern is {self.pattern!r}; expected N:M or :M")
        return int(self.pattern[1:])

    @property
    def share(self) -> float:
        """The sparsity of all matrices together."""
        if self.fixed is not None:
            return self.fixed.zeros / self.fixed.of
        assert self.sparsity is not None
        return self.sparsity


def prune(
    model: nn.Module | LanguageModel,
    calibration: Any = None,
    *,
    options: PruneOptions | None = None,
    progress: ProgressCallback | None = None,
    **fields: Any,
) -> Pruning:
    """Set weights of a network to zero, in place, one block after the other.

    The inputs of a block are measured behind the blocks that are pruned already. Where the network
    cannot go block by block, it runs from the start for each block, with the same result.

    Args:
        model: any module; what is pruned is decided by the types of its modules and its repeated
            blocks, and said in ``recognised``.
        calibration: what ``Data`` takes, or token ids ``(n, t)``; not needed for the criterion
            ``magnitude`` with an allocation from the weights alone.
        options: see :class:`PruneOptions`.
        progress: called after each block.
        **fields: single fields of :class:`PruneOptions`.

    Raises:
        InputError: nothing to prune, no calibration data where they are needed, weights or inputs
            that are not finite, an option out of its range. Blocks that are done stay pruned.

    >>> model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.ReLU(), nn.Linear(4, 2))
    >>> found = prune(model, sparsity=0.5, criterion="magnitude")
    >>> found.sparsity, int((model[0].weight == 0).sum())
    (0.5, 8)
    """
    chosen = PruneOptions(**fields) if options is None else options
    if options is not None and fields:
        raise InputError("give options or their fields, not both")
    module = model.model if isinstance(model, LanguageModel) else model
    batches, words, digest = calibration_batches(calibration, device_of(module))
    network = Network(module, batches)
    with torch.no_grad(), evaluating(module):
        found = prune_network(network, chosen, progress)
    return found.result(type(module).__name__, words, digest)


def calibration_batches(
    calibration: Any, device: torch.device | None = None
) -> tuple[list[Batch], str, str]:
    """Return the batches, what they are in words, and their hash."""
    if calibration is None:
        return [], "", ""
    if isinstance(calibration, Tensor) and not calibration.is_floating_point():
        calibration = Tokens.of(calibration)
    if isinstance(calibration, Tokens):
        longest = max(len(ids) for ids, _ in calibration)
        size = max(1, _TOKENS // longest)
        batches: list[Batch] = [ids.to(device) for ids, _ in calibration.batches(size)]
        words = f"{len(calibration):,} sequences of up to {longest:,} tokens: {calibration.source}"
        return batches, words, calibration.hash
    data = Data.of(calibration).to(device)
    return [batch for batch, _ in data], data.understood, data.hash


# ---------------------------------------------------------------- a network, and where it lies


class Network:
    """A network whose weights are all in memory; others override where they lie.

    Args:
        model: in evaluation mode.
        batches: the calibration data.
    """

    def __init__(self, model: nn.Module, batches: Sequence[Batch] = ()) -> None:
        self.model, self.batches = model, batches
        self.call: Call = sequence_call(model)

    def loaded(self, block: str) -> AbstractContextManager[None]:  # noqa: ARG002
        """A context in which the weights of a block are in memory."""
        return nullcontext()

    def outside(self) -> AbstractContextManager[None]:
        """A context in which the weights outside the blocks are."""
        return nullcontext()

    def tensor(self, target: Target) -> str:
        """The name of a target's tensor in the checkpoint."""
        return target.tensor

    def weight(self, target: Target) -> Tensor:
        """The dense weight of a target, as stored."""
        return target.weight

    def rounded(self, target: Target, weight: Tensor) -> Tensor:
        """A new weight in the type in which it is stored."""
        return weight.to(target.weight.dtype)

    def spectra(self, include: tuple[str, ...], windows: int | None) -> SpectraResult:
        """Examine the weights."""
        return analyze(self.model, include=include, min_eigenvalues=2, windows=windows)

    def store(self, stage: Stage, weights: Mapping[Target, Tensor], rows: Rows) -> None:  # noqa: ARG002
        """Put new weights in the place of the old; the block is over."""
        for target, weight in weights.items():
            target.weight.copy_(weight)

    def finished(self, stage: Stage) -> Rows | None:  # noqa: ARG002
        """What an earlier attempt found of a block; None where it is still to do."""
        return None

    def plan(self, make: Callable[[], Allocation]) -> Allocation:
        """The plan: that of an earlier attempt, or one that is made now."""
        return make()


@dataclass
class Work:
    """What :func:`prune_network` found."""

    options: PruneOptions
    targets: Targets
    plan: Allocation
    rows: list[PrunedLayer] = field(default_factory=list)
    masks: dict[str, Tensor] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    def result(self, model: str, calibration: str, digest: str, **others: Any) -> Pruning:
        """Return the result."""
        return Pruning(
            environment=Environment.capture(seed=self.options.seed),
            model=model,
            recognised=self.targets.words(),
            criterion=self.options.criterion,
            allocation=self.options.allocation,
            plan=self.plan,
            pattern=self.options.pattern,
            target=self.options.share,
            calibration=calibration,
            calibration_hash=digest,
            rows=tuple(self.rows),
            left_out=self.targets.left_out,
            notes=tuple(dict.fromkeys(self.notes)),
            seconds=time.perf_counter() - self.started,
            masks=self.masks,
            **others,
        )


def prune_network(
    network: Network,
    options: PruneOptions,
    progress: ProgressCallback | None = None,
    announce: Callable[[str], None] | None = None,
) -> Work:
    """Prune a network that is in evaluation mode, without gradients."""
    started = time.perf_counter()
    targets = find_targets(network.model, include=options.include, exclude=options.exclude)
    if announce is not None:
        announce(targets.words())
    notes: list[str] = []
    if not network.batches and (
        CRITERIA[options.criterion].needs != "nothing" or named(options.allocation).inputs
    ):
        raise InputError(
            f"the criterion {options.criterion} with the allocation {options.allocation} needs "
            "calibration data. Try: --calibration FILE, or --criterion magnitude"
        )

    def dense_inputs(look: Look) -> None:
        runner = _runner(network, targets, notes)
        gram = options.allocation == "layer_error"
        for stage in targets.stages:
            runner.reach(stage)
            with network.loaded(stage.name):
                look(stage, gather(runner, stage, gram=gram))

    known = Known(
        targets,
        options.share,
        network.weight,
        lambda: _exponents(network, targets, options.windows),
        dense_inputs,
        options.criterion,
    )
    plan = network.plan(
        lambda: sparsities(
            options.allocation,
            known,
            epsilon=options.epsilon,
            floor=options.floor,
            cap=options.cap,
            seed=options.seed,
        )
    )
    work = Work(options, targets, plan, notes=notes, started=started)
    wanted = _wanted(options, plan)
    runner = _runner(network, targets, notes) if network.batches else None
    earlier = {stage.name: network.finished(stage) for stage in targets.stages}
    costs = {
        stage.name: float(sum(target.weight.numel() for target in stage.targets))
        for stage in targets.stages
        if earlier[stage.name] is None
    }
    tracker = Tracker(costs, len(earlier) - len(costs), progress)
    tracker.start()
    for stage in targets.stages:
        begun, rows = time.perf_counter(), earlier[stage.name]
        if rows is not None:
            work.rows += rows
            continue
        _prune_stage(network, stage, wanted, runner, work)
        tracker.step(stage.name, failed=False, seconds=time.perf_counter() - begun)
    return work


def _prune_stage(
    network: Network,
    stage: Stage,
    wanted: Mapping[str, int | Pattern],
    runner: Runner | None,
    work: Work,
) -> None:
    """Measure the inputs of one block, and prune its matrices."""
    criterion = CRITERIA[work.options.criterion]
    if runner is not None:
        runner.reach(stage)
    with network.loaded(stage.name):
        check_finite(stage.targets)
        gram = criterion.needs == "gram"
        inputs = {} if runner is None else gather(runner, stage, gram=gram)
        new: dict[Target, Tensor] = {}
        rows = []
        for target in stage.targets:
            seen = inputs.get(target.name)
            before = target.matrix(target.weight).float()
            found = criterion.prune(before, seen, wanted[target.name])
            stored = network.rounded(target, target.as_stored(found.weight))
            new[target] = stored
            after = target.matrix(stored).float()
            work.masks[target.tensor] = target.as_stored(found.mask)
            many = wanted[target.name]
            rows.append(
                PrunedLayer(
                    name=target.name,
                    block=stage.name,
                    shape=target.shape,
                    zeros=int((stored == 0).sum()),
                    pruned=int(found.mask.sum()),
                    error=None if seen is None else output_error(before, after, seen),
                    pattern=str(many) if isinstance(many, Pattern) else "",
                    note=found.note,
                )
            )
            work.notes += [f"{target.name}: {found.note}"] if found.note else []
        network.store(stage, new, tuple(rows))
        work.rows += rows


def _runner(network: Network, targets: Targets, notes: list[str]) -> Runner:
    """Return what goes through the network block by block; the notes say where it cannot."""
    if targets.repeated:
        modules = named_modules(network.model)
        found = {block.name: modules[block.name] for block in blocks(network.model)}
        try:
            with network.outside():
                return BlockByBlock(network.call, network.batches, found, network.loaded)
        except NotSequentialError as error:
            notes.append(f"{error}: the network runs from its start for each block")
    return WholeNetwork(network.call, network.batches)


def _wanted(options: PruneOptions, plan: Allocation) -> dict[str, int | Pattern]:
    """How many entries of each matrix go, or in which pattern."""
    if options.fixed is not None:
        return dict.fromkeys(plan.layers, options.fixed)
    if options.group is not None:
        whole = plan.zeros_in_groups(options.group)
        return {name: Pattern(zeros, options.group) for name, zeros in whole.items()}
    return dict(plan.entries_to_prune())


def _exponents(network: Network, targets: Targets, windows: int | None) -> dict[str, float]:
    """The Hill exponent of each matrix, by the name of the target."""
    names = {network.tensor(target): target.name for target in targets.all}
    include = tuple(name.removesuffix(".weight") for name in names)
    found: dict[str, list[float]] = {}
    for row in network.spectra(include, windows):
        for tensor in row.tensors:
            if tensor in names:
                found.setdefault(names[tensor], []).append(row.alpha_hill)
    return {name: fmean(values) for name, values in found.items()}
