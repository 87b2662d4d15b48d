"""Finer parameter groups, for the time of one optimizer step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from types import MethodType
from typing import Any

from torch import Tensor, nn
from torch.optim import LBFGS, Optimizer

from eigenscape.balancing._layers import Labels
from eigenscape.errors import InputError

BASE = "base"


@dataclass(frozen=True)
class Part:
    """The parameters of one group of the optimizer that share a factor.

    Args:
        parent: the optimizer's own group.
        name: the layer or block; ``"base"`` at a factor of 1.
        factor: what the parent's numbers are multiplied by.
        parameters: in the parent's order.
    """

    parent: dict[str, Any]
    name: str
    factor: float
    parameters: list[nn.Parameter]


class StepGroups:
    """Splits the groups of an optimizer by factor for each step, and restores them afterwards.

    Outside the step nothing changes: a scheduler reads and writes base rates in the groups that it
    knows, so nothing can compound, whatever its formula and whenever it was made; and the
    optimizer's state dict has its usual form. State is kept by parameter, so it is untouched.

    Args:
        optimizer: the optimizer.
        scale: the numbers of a group that are multiplied.

    Raises:
        InputError: an optimizer that cannot be split, or is split already.
    """

    def __init__(self, optimizer: Optimizer, scale: Sequence[str]) -> None:
        self.optimizer, self.scale = optimizer, tuple(scale)
        self.labels: Labels = {}
        self.factors: Mapping[str, float] = {}
        self._coarse: list[dict[str, Any]] | None = None
        self._given: list[tuple[Part, dict[str, Any], dict[str, Any]]] = []
        self._handles: list[Any] = []
        self._own_step: Any = None  # the optimizer's attribute ``step`` before ours, if it had one
        self._guard: Any = None

    def attach(self) -> None:
        """Split the groups at each step from now on."""
        hooks = self.optimizer._optimizer_step_pre_hooks.values()
        if any(isinstance(getattr(hook, "__self__", None), StepGroups) for hook in hooks):
            raise InputError("this optimizer is balanced already. Try: remove() the other first")
        self._handles = [
            self.optimizer.register_step_pre_hook(self._before),
            self.optimizer.register_step_post_hook(self._after),
            self.optimizer.register_state_dict_pre_hook(self._saving),
        ]
        self._own_step = vars(self.optimizer).get("step")
        self._guard = self._guarded(self.optimizer.step)
        vars(self.optimizer)["step"] = self._guard

    def remove(self) -> None:
        """Detach from the optimizer."""
        self.restore()
        for handle in self._handles:
            handle.remove()
        self._handles = []
        if self._guard is not None and vars(self.optimizer).get("step") is self._guard:
            del vars(self.optimizer)["step"]
            if self._own_step is not None:
                vars(self.optimizer)["step"] = self._own_step
        self._guard = None

    def _guarded(self, step: Callable[..., Any]) -> MethodType:
        """Return a step that puts the groups back where it raises: post hooks are not called then.

        A bound method that keeps the marks of the function inside, for the learning-rate schedulers
        of torch, which look for both.
        """

        @wraps(step)
        def guarded(_: Optimizer, *args: Any, **kwargs: Any) -> Any:
            try:
                return step(*args, **kwargs)
            finally:
                self.restore()

        return MethodType(guarded, self.optimizer)

    def parts(self) -> list[Part]:
        """Return every parameter of the optimizer in exactly one part, in a fixed order."""
        self.restore()
        parts: list[Part] = []
        for parent in self.optimizer.param_groups:
            found: dict[str, Part] = {}
            for parameter in parent["params"]:
                name, factor = self._factor(parameter)
                part = found.setdefault(name, Part(parent, name, factor, []))
                part.parameters.append(parameter)
            parts.extend(found.values())
        return parts

    def restore(self) -> None:
        """Restore the groups after a step that raised an error."""
        if self._coarse is not None:
            self.optimizer.param_groups[:] = self._coarse
            self._coarse, self._given = None, []

    def _factor(self, parameter: nn.Parameter) -> tuple[str, float]:
        names = [name for name in self.labels.get(parameter, ()) if name in self.factors]
        if not names:
            return BASE, 1.0
        return "+".join(names), math.fsum(self.factors[name] for name in names) / len(names)

    def _before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:  # noqa: ARG002
        parts = self.parts()
        self._coarse = list(optimizer.param_groups)
        for part in parts:
            given = {**part.parent, "params": part.parameters}
            given |= {key: scaled(part.parent, key, part.factor) for key in self.scale}
            self._given.append((part, given, dict(given)))
        # In place: wrappers such as SAM or Lookahead hold the same list.
        optimizer.param_groups[:] = [given for _, given, _ in self._given]

    def _after(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:  # noqa: ARG002
        used = self._given
        self.restore()
        seen: set[tuple[int, str]] = set()
        for part, now, then in sorted(used, key=lambda entry: entry[0].name != BASE):
            for key, value in now.items():
                if key == "params" or value is then.get(key) or (id(part.parent), key) in seen:
                    continue  # only what the optimizer itself wrote goes back, once
                seen.add((id(part.parent), key))
                if key in self.scale:
                    value = value / part.factor if part.factor else part.parent[key]
                part.parent[key] = value

    def _saving(self, optimizer: Optimizer) -> None:  # noqa: ARG002
        self.restore()


def scaled(group: Mapping[str, Any], key: str, factor: float) -> Any:
    """Return a number of a group times a factor; the same object at a factor of 1."""
    value = group[key]
    return value if factor == 1 else value * factor


def check_optimizer(optimizer: Any, scale: Sequence[str]) -> Optimizer:
    """Return the torch optimizer inside, or raise an error that lists every problem.

    Raises:
        InputError: not an optimizer, one parameter twice, or a group without a number to scale.
    """
    inside = optimizer
    while not hasattr(inside, "_optimizer_step_pre_hooks") and hasattr(inside, "optimizer"):
        inside = inside.optimizer  # accelerate's wrapper
    if not isinstance(inside, Optimizer):
        raise InputError(f"expected a torch optimizer; got a {type(optimizer).__name__}")
    if isinstance(inside, LBFGS):
        raise InputError("LBFGS supports one group only, so layers cannot have rates of their own")
    problems = []
    parameters = [p for group in inside.param_groups for p in group["params"]]
    if len(set(parameters)) < len(parameters):
        twice = next(p for p in parameters if sum(p is other for other in parameters) > 1)
        problems.append(
            f"the optimizer holds a parameter of shape {tuple(twice.shape)} twice; expected every "
            "parameter in one group once. Try: build the groups from model.parameters()"
        )
    for at, group in enumerate(inside.param_groups):
        problems += [
            f"group {at} of the optimizer has {key}={group.get(key)!r}; expected a number. "
            "Try: give the optimizer a rate of its own, or name another number in scale"
            for key in scale
            if isinstance(group.get(key), bool)
            or not isinstance(group.get(key), int | float | Tensor)
        ]
    if problems:
        raise InputError("; ".join(problems))
    return inside
