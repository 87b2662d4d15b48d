"""Measure how the loss of a network changes when its layers are changed, one at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from eigenscape.ablation._bench import Bench, admitted, measured, the_bench
from eigenscape.ablation._changes import CHANGES
from eigenscape.ablation._plan import AblationEstimate, Key, Plan, by_kind_and_depth, plan
from eigenscape.ablation._result import AblatedLayer, AblationResult, Effect
from eigenscape.checkpoints import effective_weights
from eigenscape.errors import InputError
from eigenscape.layers import LayerMatrix, LayerOptions, Skipped, find_layers
from eigenscape.models import LanguageModel, Objective, code_of
from eigenscape.results import Environment, content_hash
from eigenscape.runs import (
    PerWorker,
    ProgressCallback,
    Task,
    execute,
    raise_failures,
    single_thread,
    unfinished,
)


def ablate(
    model: Objective | LanguageModel,
    data: Any = None,
    *,
    layers: Iterable[str] | None = None,
    changes: Sequence[str] = tuple(CHANGES),
    draws: int = 2,
    suspects: Collection[str] = (),
    budget_seconds: float | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    options: LayerOptions | None = None,
    on_estimate: Callable[[AblationEstimate], None] | None = None,
    progress: ProgressCallback | None = None,
) -> AblationResult:
    """Measure how much the loss grows when a layer is changed, for each layer and each change.

    The model stays as it is, to the bit, also after an exception: another tensor is given to the
    evaluation in the place of the layer's own. Where the network has blocks that are called one
    after the other, those before the changed layer are taken from memory, if a changed network has
    the same losses that way.

    Args:
        model: an objective of one network, or a language model.
        data: tokens for a language model; other data than its own for an objective.
        layers: names, as :func:`eigenscape.layers.find_layers` gives them; None for all.
        changes: of :data:`CHANGES`, the most wanted first.
        draws: how often a change that draws random numbers is repeated.
        suspects: layers to measure before others of their kind, where the budget is short; marked
            in the picture.
        budget_seconds: the time it may take, beside four evaluations that prepare it. Where it
            does not hold everything, changes are given up from the last, then draws, then layers:
            what stays is of every kind and depth. None for all.
        seed: of the draws.
        folder: keeps finished measurements. A run that was stopped continues from them, and one
            that is started again with the same budget measures further layers.
        options: how tensors are read as layers; by default also those with two eigenvalues.
        on_estimate: told the cost before the start.
        progress: called after each measurement.

    Raises:
        InputError: an unknown layer or change, a budget that is too small for one layer, several
            networks, a loss that is not finite or not repeatable, or no layer that can be changed.
        TaskError: a measurement failed; what is finished stays in the folder.

    >>> import torch
    >>> model = torch.nn.Linear(2, 2, bias=False)
    >>> _ = torch.nn.init.eye_(model.weight)
    >>> data = (torch.eye(2), torch.eye(2))
    >>> loss = torch.nn.functional.mse_loss
    >>> found = ablate(Objective(model, loss, data), changes=["top removed"])
    >>> found.base_loss, found["weight"].effect("top removed").increase  # one of two directions
    (0.0, 0.25)
    """
    started = time.perf_counter()
    objective = _objective(model, data)
    _check(changes, draws, budget_seconds)
    chosen = _layers(objective, layers, options)
    usable, refused = admitted(objective, chosen)
    if not usable:
        seen = "; ".join(f"{layer.name}: {reason}" for layer, reason in refused[:3])
        raise InputError(f"there is no layer that can be changed ({seen or 'no layer at all'})")
    with single_thread(objective.space.count * objective.data.count):
        bench = Bench.of(objective, usable)
        order = by_kind_and_depth([layer for layer, _ in usable.values()], suspects)
        everything = Plan(tuple(order), tuple(changes), draws)
        tasks = _tasks(bench, everything, seed)
        todo = set(tasks) if folder is None else _unfinished(tasks, folder)
        costs = {key: bench.seconds(*key[:2]) if key in todo else 0.0 for key in tasks}
        chosen_ones = plan(everything, costs, budget_seconds)
        names = [name for name in usable if name in chosen_ones.layers]  # as the network has them
        wanted = replace(chosen_ones, layers=tuple(names))
        if on_estimate is not None:
            on_estimate(_estimate(bench, wanted, len(chosen), costs))
        outcomes = execute(
            [tasks[key] for key in wanted.keys],
            folder=folder,
            engine="threads",
            jobs=1,
            about=_about(bench),
            time_budget=budget_seconds,
            progress=progress,
        )
    found = dict(zip(wanted.keys, outcomes, strict=True))
    late = {key[0] for key, outcome in found.items() if outcome.late}
    names = [name for name in names if name not in late]
    if not names:
        raise InputError(
            f"no layer was measured within {budget_seconds:g} s. Try: a larger time budget"
        )
    raise_failures([outcome for outcome in outcomes if not outcome.late])
    values = {key: outcome.value for key, outcome in found.items() if key[0] in names}
    later = "not within the time budget"
    left_out = [(layer, later) for layer, _ in usable.values() if layer.name not in names]
    return AblationResult(
        environment=Environment.capture(seed=seed, device=str(objective.device)),
        model=type(objective.model).__name__,
        data=objective.data.understood,
        data_hash=objective.data.hash,
        unit=bench.base.unit,
        units=len(bench.base.values),
        base_loss=bench.base.mean,
        in_nats=objective.in_nats,
        layers=tuple(
            AblatedLayer(
                layer=usable[name][0],
                effects=tuple(_effect(name, change, values) for change in wanted.changes),
            )
            for name in names
        ),
        left_out=tuple(
            Skipped(layer.name, layer.shape, reason, layer.aliases)
            for layer, reason in (*refused, *left_out)
        ),
        changes=wanted.changes,
        draws=wanted.draws,
        suspects=tuple(name for name in names if name in suspects),
        seed=seed,
        notes=(*objective.notes, *bench.notes),
        seconds=time.perf_counter() - started,
    )


def _objective(model: Objective | LanguageModel, data: Any) -> Objective:
    if isinstance(model, LanguageModel):
        if data is None:
            raise InputError("a language model needs tokens. Try: ablate(model, Tokens.of(text))")
        return Objective(model, data, check=False)
    if not isinstance(model, Objective):
        raise InputError(
            f"model is a {type(model).__name__}; expected an Objective or a LanguageModel. "
            "Try: ablate(Objective(model, loss, data))"
        )
    if model.networks > 1:
        raise InputError(
            f"the objective is of {model.networks} networks; expected one. Try: network(i)"
        )
    return model if data is None else model.on(data)


def _check(changes: Sequence[str], draws: int, budget: float | None) -> None:
    problems = []
    unknown = [repr(change) for change in changes if change not in CHANGES]
    if unknown or not changes or isinstance(changes, str) or len(set(changes)) < len(changes):
        seen = ", ".join(unknown) or repr(changes)
        problems.append(f"changes are {seen}; expected some of {', '.join(CHANGES)}, each once")
    if draws < 1:
        problems.append(f"draws is {draws}; expected 1 or more")
    if budget is not None and not budget > 0:
        problems.append(f"budget_seconds is {budget}; expected more than 0, or None")
    if problems:
        raise InputError("; ".join(problems))


def _layers(
    objective: Objective, names: Iterable[str] | None, options: LayerOptions | None
) -> list[LayerMatrix]:
    options = options or LayerOptions(min_eigenvalues=2)
    found = find_layers(effective_weights(objective.model), options).layers
    if names is None:
        return list(found)
    wanted = list(names)
    unknown = sorted(set(wanted) - {layer.name for layer in found})
    if unknown:
        known = ", ".join(layer.name for layer in found[:4])
        raise InputError(
            f"there is no layer {', '.join(unknown[:4])}; layers are named like {known}"
        )
    return [layer for layer in found if layer.name in wanted]


def _effect(name: str, change: str, values: Mapping[Key, Mapping[str, Any]]) -> Effect:
    draws = [found for key, found in values.items() if key[:2] == (name, change)]
    return Effect(
        change=change,
        increase=fmean(found["increase"] for found in draws),
        low=float(np.min([found["low"] for found in draws])),  # NaN where one is
        high=float(np.max([found["high"] for found in draws])),
        by_draw=tuple(found["increase"] for found in draws),
        directions=draws[0]["directions"],
    )


def _tasks(bench: Bench, everything: Plan, seed: int) -> dict[Key, Task]:
    shared = PerWorker(the_bench, {"bench": bench}, _digest(bench), here=bench)
    return {
        (name, change, draw): Task(
            f"{name}, {change}, draw {draw}",
            measured,
            {"bench": shared, "name": name, "change": change, "draw": draw, "seed": seed},
            cost=bench.seconds(name, change),
        )
        for name, change, draw in everything.keys
    }


def _digest(bench: Bench) -> str:
    """Return a hash of what every effect depends on."""
    objective = bench.objective
    return content_hash(objective.data.hash, objective.center, list(objective.fixed.values()))


def _about(bench: Bench) -> dict[str, Any]:
    return {
        "examined": "ablation",
        "data": bench.objective.data.hash,
        "code": code_of(bench.objective),
        "loss": bench.base.mean,
        "device": bench.objective.device.type,
    }


def _unfinished(tasks: Mapping[Key, Task], folder: str | Path) -> set[Key]:
    open_ones = {task.name for task in unfinished(list(tasks.values()), folder)}
    return {key for key, task in tasks.items() if task.name in open_ones}


def _estimate(
    bench: Bench, wanted: Plan, layers: int, costs: Mapping[Key, float]
) -> AblationEstimate:
    seconds = [costs[key] for key in wanted.keys if costs[key]]
    kept = 0 if bench.prefix is None else bench.prefix.bytes
    return AblationEstimate(
        layers=len(wanted.layers),
        layers_in_all=layers,
        changes=wanted.changes,
        evaluations=len(seconds),
        seconds=sum(seconds),
        bytes=sum(tensor.nbytes for tensor in bench.tensors.values()) + kept,
    )
