"""Find the layers that need not be computed at every point, for a model and directions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from eigenscape.errors import InputError
from eigenscape.landscape.grid._shortcut import (
    Kept,
    Layers,
    Outputs,
    Precomputed,
    Shortcut,
    Source,
)
from eigenscape.landscape.grid._shortcut_trace import Call, hooked, traced
from eigenscape.models import batch_norms, call_with

if TYPE_CHECKING:
    from eigenscape.landscape.grid._sample_walk import Walk
    from eigenscape.models import Objective

# An Embedding is linear in its weights too, but looking rows up costs less than adding them.
_LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
#: How far a loss may be off by rounding, as a share of itself.
_AGREE = {torch.float32: 1e-5, torch.float64: 1e-9}


def shortcut_of(walk: Walk, layers: Layers) -> Shortcut:
    """Compute what is taken from memory: the same bits in every process, on one thread."""
    modules = dict(walk.objective.model.named_modules())
    with walk.ready():
        sources = _filled(walk, modules, layers.linear, layers.kept)
    return Shortcut(layers, modules, sources, walk.objective.data.batches)


def find_shortcut(
    walk: Walk, probes: Sequence[Sequence[float]], budget: int
) -> tuple[Shortcut | None, str]:
    """Return the shortcut for a walk, checked against plain evaluation, or why there is none.

    Two kinds of modules are taken from memory, where they are called once in a forward pass on
    inputs that do not move: those that hold no moved parameter, and single layers that are linear
    in theirs (Linear, convolution, transformers' Conv1D).

    Args:
        walk: the loss along directions.
        probes: points at which the inputs of modules, then the losses, are compared.
        budget: bytes that may be held.

    Returns:
        The shortcut, or None; and a sentence about it.
    """
    objective = walk.objective
    if objective.batch_norm == "recompute" and batch_norms(objective.model):
        return None, "batch norm statistics are recomputed at every point"
    with walk.ready():
        calm, moved = (_pass(walk, at) for at in ((0.0,) * len(probes[0]), probes[0]))
    graph = _graph(walk)
    if graph is None:
        return (
            None,
            "the forward pass runs without a graph, so dependencies between layers are unknown",
        )
    modules = dict(objective.model.named_modules())
    fixed = {name for name, call in graph.items() if not call.depends}
    linear, kept = _candidates(walk, modules, calm, moved, fixed)
    if not linear and not kept:
        return None, "no layer ahead of the moved parameters, nor one linear in them, was found"
    size = _bytes(objective, calm, linear, kept, len(walk.directions))
    if size > budget:
        return None, f"outputs of layers would take {size / 2**20:.0f} MiB"
    try:
        shortcut = shortcut_of(walk, Layers(tuple(linear), tuple(kept), size))
        off = _difference(walk, shortcut, probes)
    except InputError as error:  # a forward pass that differentiates by its inputs, for one
        return None, f"the model does not run on outputs from memory: {error!s:.120} ..."
    if not off <= _AGREE[objective.dtype]:
        return None, f"outputs from memory changed the loss by {off:.1g} of itself"
    return shortcut, shortcut.describe()


def _pass(walk: Walk, at: Sequence[float]) -> dict[str, Call]:
    batch, _ = next(iter(walk.objective.data))
    with traced(walk.objective.model) as record:
        walk.objective.batch_loss(walk.tensors(at), batch)
    return record


def _graph(walk: Walk) -> dict[str, Call] | None:
    """Trace one pass whose moved parameters require gradients; None where the loss does not.

    A closed gate (a dead ReLU, a clamp) hides that a layer's inputs move; the graph does not.
    """
    objective = walk.objective
    batch, _ = next(iter(objective.data))
    tensors = objective.tensors(objective.center.clone())
    with walk.ready(), torch.enable_grad(), traced(objective.model) as record:
        for name in _moved_parameters(walk).values():
            tensors[f"model.{name}"] = tensors[f"model.{name}"].clone().requires_grad_()
        loss = objective.batch_loss(tensors, batch)
    return record if loss.requires_grad else None


def _candidates(
    walk: Walk,
    modules: Mapping[str, nn.Module],
    calm: Mapping[str, Call],
    moved: Mapping[str, Call],
    fixed: Set[str],
) -> tuple[list[str], list[str]]:
    """Return names: linear layers with moved parameters, and largest modules without any."""
    free = _moved_parameters(walk)
    linear: list[str] = []
    kept: list[str] = []
    for name, module in modules.items():  # parents come before their children
        seen, again = calm.get(name), moved.get(name)
        if seen is None or again is None or not _repeats(seen, again) or _is_hooked(module):
            continue
        if name not in fixed:
            continue
        if any(name.startswith(f"{parent}.") for parent in kept):
            continue
        own = {id(parameter) for parameter in module.parameters()}
        if own & free.keys():
            if _is_linear(module) and seen.outputs is not None and len(seen.outputs) == 1:
                linear.append(name)
        elif own and name and seen.outputs is not None and seen.outputs == again.outputs:
            kept.append(name)
    return linear, kept


def _repeats(seen: Call, again: Call) -> bool:
    once = seen.calls == again.calls == 1
    return once and seen.inputs is not None and seen.inputs == again.inputs


def _is_hooked(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module))


def _is_linear(module: nn.Module) -> bool:
    conv1d = type(module).__name__ == "Conv1D" and type(module).__module__.startswith(
        "transformers"
    )
    return type(module) in _LINEAR or conv1d


def _moved_parameters(walk: Walk) -> dict[int, str]:
    """Return id to name of the parameters that some direction moves."""
    space, model = walk.objective.space, walk.objective.model
    owned = dict(model.named_parameters())
    return {
        id(owned[name]): name
        for name, place in space.slices.items()
        if any(bool(direction[place].any()) for direction in walk.directions)
    }


def _bytes(
    objective: Objective,
    calm: Mapping[str, Call],
    linear: Sequence[str],
    kept: Sequence[str],
    dim: int,
) -> int:
    _, first = next(iter(objective.data))
    each = sum(calm[name].bytes for name in linear) * (dim + 2)
    each += sum(calm[name].bytes for name in kept)
    return math.ceil(each * objective.data.count / first)


def _filled(
    walk: Walk, modules: Mapping[str, nn.Module], linear: Sequence[str], kept: Sequence[str]
) -> dict[str, Source]:
    """Run all batches once at the center, and the linear layers once along each direction."""
    objective = walk.objective
    columns = {name: _column(walk, modules[name]) for name in linear}
    outputs: dict[str, list[Outputs]] = {name: [] for name in kept}
    parts: dict[str, list[list[Tensor | None]]] = {name: [] for name in linear}
    given: dict[str, tuple[Any, Any]] = {}

    def hook(name: str) -> Any:
        def after(_module: nn.Module, args: Any, kwargs: Any, answer: Any) -> None:
            if name in outputs:
                outputs[name].append(_copied(answer))
            else:
                given[name] = (args, kwargs)
                parts[name].append([answer.clone()])

        return after

    center = walk.tensors((0.0,) * len(walk.directions))
    for index, (batch, _) in enumerate(objective.data):
        with hooked(objective.model, hook, {**outputs, **parts}):
            objective.batch_loss(center, batch, index)
        for name in linear:
            args, kwargs = given.pop(name)
            parts[name][-1] += [
                None if column is None else call_with(modules[name], column, *args, **kwargs)
                for column in columns[name]
            ]
    precomputed = {name: Precomputed(batches) for name, batches in parts.items()}
    return {**precomputed, **{name: Kept(batches) for name, batches in outputs.items()}}


def _column(walk: Walk, module: nn.Module) -> list[dict[str, Tensor] | None]:
    """Return a layer's own parameters along each direction; None where it does not move."""
    free, objective = _moved_parameters(walk), walk.objective
    columns: list[dict[str, Tensor] | None] = []
    for direction in walk.directions:
        parts = objective.space.split(direction)
        own = {
            key: parts[free[id(parameter)]]
            if id(parameter) in free
            else torch.zeros_like(parameter, dtype=objective.dtype)
            for key, parameter in module.named_parameters()
        }
        columns.append(own if any(bool(part.any()) for part in own.values()) else None)
    return columns


def _copied(outputs: Outputs) -> Outputs:
    if isinstance(outputs, Tensor):
        return outputs.clone()
    return tuple(None if part is None else part.clone() for part in outputs)


def _difference(walk: Walk, shortcut: Shortcut, probes: Sequence[Sequence[float]]) -> float:
    """Return by how much the losses at the probes change, at most, as a share."""
    with walk.ready():
        plain = [walk.value(at) for at in probes]
    with walk.ready(shortcut):
        short = [walk.value(at, shortcut) for at in probes]
    worst = 0.0
    for one, other in zip(plain, short, strict=True):
        if one != other:
            worst = max(worst, abs(one - other) / max(abs(one), 1e-30))
    return worst
