"""A hash of the code that an objective runs: the loss, ``forward``, and the model's own modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dis import get_instructions
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from eigenscape.results import content_hash

if TYPE_CHECKING:
    from eigenscape.models._objective import Objective

_DEEPEST = 8  # objects held by objects
_SCALARS = (type(None), bool, int, float, complex, str, bytes)
_DATA = (*_SCALARS, Tensor, np.ndarray, list, tuple, dict)
_NAMED = (type, FunctionType)
#: What a module holds beside what it was made with.
_OWN = ("training", "_parameters", "_buffers", "_modules", "_non_persistent_buffers_set")


def code_of(objective: Objective) -> str:
    """Return a hash of the code of loss, ``forward`` and model, and of what they hold.

    Functions, methods, partial calls, objects that are called and modules are followed to what
    they close over, to their defaults and attributes, and to the names of their own file that they
    use. What lies in other files is known by its name alone, so its change is not noticed.

    Args:
        objective: whose parameters, buffers and data are no part of it.

    >>> from functools import partial
    >>> from eigenscape.models import Objective
    >>> def loss(outputs, targets, weight):
    ...     return (outputs - targets).square().mean() + weight * 0 * outputs.sum()
    >>> model, data = nn.Linear(2, 1), (torch.ones(3, 2), torch.ones(3, 1))
    >>> one, two = (Objective(model, partial(loss, weight=w), data) for w in (0.1, 0.2))
    >>> one.value() == two.value(), code_of(one) == code_of(two)
    (True, False)
    """
    called = [objective.loss, *filter(callable, vars(objective._bound).values())]
    walk = _Walk()
    parts = [walk.module(module, 0, state=False) for module in objective.model.modules()]
    return content_hash(parts, [walk.form(one) for one in called])


class _Walk:
    """What was met on the way: a second time, its name is enough."""

    def __init__(self) -> None:
        self._met: dict[int, Any] = {}  # held, so that no other object takes its number

    def form(self, value: Any, depth: int = 0) -> Any:
        """Return what a value is, of what has a canonical form."""
        if isinstance(value, _SCALARS):
            return value
        if isinstance(value, Tensor):
            return ["tensor", value.detach().cpu()]
        if isinstance(value, np.ndarray | np.generic):
            return ["array", value if value.dtype.kind in "biufc" else str(value.dtype)]
        if isinstance(value, torch.dtype | torch.device):
            return str(value)
        if id(value) in self._met or depth > _DEEPEST:
            return ["again", _name(value if isinstance(value, _NAMED) else type(value))]
        self._met[id(value)] = value
        return self._parts(value, depth + 1)

    def _parts(self, value: Any, depth: int) -> Any:
        def form(item: Any) -> Any:
            return self.form(item, depth)

        if isinstance(value, Mapping):
            return ["mapping", [[form(key), form(item)] for key, item in value.items()]]
        if isinstance(value, list | tuple):
            return [_name(type(value)), [form(item) for item in value]]
        if isinstance(value, Set):
            return ["set", sorted(content_hash(form(item)) for item in value)]
        if isinstance(value, nn.Module):
            return [self.module(module, depth, state=True) for module in value.modules()]
        if isinstance(value, type):
            return [_name(value), *map(form, _written(value))]
        if callable(value):
            return self._called(value, depth)
        return [form(type(value)), form(dict(getattr(value, "__dict__", {})))]

    def _called(self, value: Any, depth: int) -> Any:
        def form(item: Any) -> Any:
            return self.form(item, depth)

        if isinstance(value, partial):
            return ["partial", form(value.func), form(value.args), form(value.keywords)]
        if isinstance(value, MethodType):
            return ["method", form(value.__func__), form(value.__self__)]
        if isinstance(value, FunctionType):
            return self._function(value, depth)
        wrapped = getattr(value, "__wrapped__", None)  # of functools.lru_cache
        if callable(wrapped):
            return ["wrapped", form(wrapped)]
        if hasattr(value, "__qualname__"):  # built in
            return _name(value)
        return [form(type(value)), form(dict(getattr(value, "__dict__", {})))]

    def module(self, module: nn.Module, depth: int, *, state: bool) -> Any:
        """Return a module's class and what it was made with, and its tensors where asked.

        What its forward pass assigns, such as a count of calls, is no part of what it was made
        with.
        """
        left_out = {*_OWN, *_assigned(type(module).forward)}
        made = {
            name: value
            for name, value in vars(module).items()
            if name not in left_out and not name.endswith("_hooks") and _is_plain(value)
        }
        tensors = list(module.state_dict().values()) if state else []
        return [self.form(part, depth) for part in (type(module), made, tensors)]

    def _function(self, function: FunctionType, depth: int) -> Any:
        if _is_library(function):
            return _name(function)
        held = [_content(cell) for cell in function.__closure__ or ()]
        names = dict.fromkeys(_names(function.__code__))
        used = {name: function.__globals__[name] for name in names if name in function.__globals__}
        beside = {
            name: value
            for name, value in used.items()
            if isinstance(value, _DATA) or getattr(value, "__module__", None) == function.__module__
        }
        code = [
            item if isinstance(item, _SCALARS) else self.form(item, depth)
            for item in _code_parts(function.__code__)
        ]
        rest = (held, function.__defaults__, function.__kwdefaults__, beside)
        return [code, *(self.form(item, depth) for item in rest)]


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a name that was never given a value
        return None


def _written(kind: type) -> Iterator[dict[str, Any]]:
    """Yield what a class, and each of its bases that is no library's, has in its body."""
    for one in kind.__mro__:
        if one is object or _is_library(one):
            continue
        plain = {
            name: getattr(value, "__func__", getattr(value, "fget", value))
            for name, value in vars(one).items()
            if name not in ("__doc__", "__module__", "__firstlineno__")
        }
        yield {
            name: value
            for name, value in plain.items()
            if isinstance(value, (FunctionType, *_DATA)) and not name.startswith("__slot")
        }


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    return isinstance(value, (*_SCALARS, FunctionType))


def _is_library(thing: Any) -> bool:
    return str(getattr(thing, "__module__", "")).partition(".")[0] in ("torch", "eigenscape")


def _name(thing: Any) -> str:
    name = f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '')}"
    return f"{name} {torch.__version__}" if name.startswith("torch.") else name


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _assigned(function: Any) -> set[str]:
    """The attributes that a function assigns, of any object."""
    code = getattr(function, "__code__", None)
    stores = ("STORE_ATTR", "DELETE_ATTR")
    return {one.argval for one in get_instructions(code) if one.opname in stores} if code else set()


def _code_parts(code: CodeType) -> Iterator[Any]:
    yield from (code.co_code, list(code.co_names), list(code.co_varnames))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code_parts(constant)
        else:
            yield constant
