"""Tuples, lists, sets, mappings, unions and arrays in JSON, by their type hints."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import is_dataclass
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np
from cattrs import Converter
from cattrs.errors import IterableValidationError, IterableValidationNote

from eigenscape.results._scalars import (
    WORDS,
    WrongValueError,
    read_float,
    read_int,
    read_int_key,
    read_word,
    word,
    write_float,
)

Read = Callable[[Any, Any], Any]
Write = Callable[[Any], Any]
_LISTS = (list, set, frozenset, Sequence, Set)
_MAPPINGS = (dict, Mapping)


def register_containers(converter: Converter) -> None:
    """Register the containers with a converter."""
    for is_kind, read, write in (
        (is_tuple, _read_tuple, _write_tuple),
        (_is_list, _read_list, _write_list),
        (is_mapping, _read_mapping, _write_mapping),
        (is_union, _read_union, _write_union),
        (_is_literal, _read_literal, _write_literal),
        (is_array, _read_array, _write_array),
    ):
        converter.register_structure_hook_factory(is_kind, _bound(read, converter))
        converter.register_unstructure_hook_factory(is_kind, _bound(write, converter))


def _bound(factory: Callable[[Any, Converter], Any], converter: Converter) -> Callable[[Any], Any]:
    return lambda kind: factory(kind, converter)


# --- lists ---------------------------------------------------------------------------------------


def is_tuple(kind: Any) -> bool:
    """Whether a hint is a tuple's."""
    return get_origin(kind) is tuple


def _is_list(kind: Any) -> bool:
    return get_origin(kind) in _LISTS


def _read_tuple(kind: Any, converter: Converter) -> Read:
    args = get_args(kind)
    if len(args) == 2 and args[1] is Ellipsis:
        return _read_items(args[0], tuple, converter)
    if args == ((),):
        args = ()
    hooks = [converter.get_structure_hook(arg) for arg in args]

    def read(value: Any, _: Any) -> tuple[Any, ...]:
        if type(value) is not list or len(value) != len(args):
            raise WrongValueError(f"a list of {len(args)}", value)
        places = zip(range(len(args)), value, hooks, args, strict=True)
        return tuple(_each(kind, places))

    return read


def _write_tuple(kind: Any, converter: Converter) -> Write:
    args = get_args(kind)
    if len(args) == 2 and args[1] is Ellipsis:
        return _write_items(args[0], (tuple,), converter)
    hooks = [converter.get_unstructure_hook(arg) for arg in args if arg != ()]

    def write(value: Any) -> list[Any]:
        if not isinstance(value, tuple) or len(value) != len(hooks):
            raise TypeError(f"a field declared {kind} holds {value!r:.80}")
        return [hook(item) for hook, item in zip(hooks, value, strict=True)]

    return write


def _read_list(kind: Any, converter: Converter) -> Read:
    origin = get_origin(kind)
    made = tuple if origin is Sequence else frozenset if origin is Set else origin
    return _read_items(get_args(kind)[0], made, converter)


def _write_list(kind: Any, converter: Converter) -> Write:
    origin = get_origin(kind)
    if origin in (list, Sequence):
        return _write_items(get_args(kind)[0], (list, tuple), converter)
    write = _write_items(get_args(kind)[0], (set, frozenset), converter)
    return lambda value: sorted(write(value))


def _read_items(arg: Any, made: Callable[[list[Any]], Any], converter: Converter) -> Read:
    hook = converter.get_structure_hook(arg)

    def read(value: Any, kind: Any) -> Any:
        if type(value) is not list:
            raise WrongValueError("a list", value)
        if arg is float and set(map(type, value)) <= {float}:  # the long lists, at once
            return made(value)
        places = ((index, item, hook, arg) for index, item in enumerate(value))
        return made(_each(kind, places))

    return read


def _write_items(arg: Any, made: tuple[type, ...], converter: Converter) -> Write:
    hook = converter.get_unstructure_hook(arg)

    def write(value: Any) -> list[Any]:
        if isinstance(value, made):
            items: Any = value
            return [hook(item) for item in items]
        raise TypeError(f"a field declared {made[0].__name__} holds {value!r:.80}")

    return write


def _each(kind: Any, places: Any) -> list[Any]:
    """Read items, and say of each that failed where it stands."""
    found, errors = [], []
    for place, item, hook, arg in places:
        try:
            found.append(hook(item, arg))
        except Exception as error:  # of any hook; all are raised together below
            note = IterableValidationNote(f"at {place!r}", place, arg)
            error.__notes__ = [*getattr(error, "__notes__", []), note]
            errors.append(error)
    if errors:
        raise IterableValidationError(str(kind), errors, kind)
    return found


# --- mappings ------------------------------------------------------------------------------------


def is_mapping(kind: Any) -> bool:
    """Whether a hint is a mapping's."""
    return get_origin(kind) in _MAPPINGS


def _read_mapping(kind: Any, converter: Converter) -> Read:
    key, arg = get_args(kind)
    hook = converter.get_structure_hook(arg)
    read_key: Callable[[str], Any] = _KEYS[key][0]

    def read(value: Any, _: Any) -> dict[Any, Any]:
        if type(value) is not dict:
            raise WrongValueError("an object", value)
        keys = [read_key(name) for name in value]
        places = ((name, item, hook, arg) for name, item in value.items())
        return dict(zip(keys, _each(kind, places), strict=True))

    return read


def _write_mapping(kind: Any, converter: Converter) -> Write:
    key, arg = get_args(kind)
    hook = converter.get_unstructure_hook(arg)
    if key not in _KEYS:
        raise TypeError(f"{kind}: the keys of a saved mapping are str or int")
    kinds = _KEYS[key][1]

    def write(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping) or not all(isinstance(name, kinds) for name in value):
            raise TypeError(f"a field declared {kind} holds {value!r:.80}")
        return {str(name): hook(item) for name, item in value.items()}

    return write


_KEYS: dict[Any, tuple[Callable[[str], Any], Any]] = {
    str: (str, str),
    int: (read_int_key, int | np.integer),
}


# --- choices -------------------------------------------------------------------------------------


def is_union(kind: Any) -> bool:
    """Whether a hint is a union's."""
    return get_origin(kind) in (Union, UnionType)


def _is_literal(kind: Any) -> bool:
    return get_origin(kind) is Literal


def _read_literal(kind: Any, _: Converter) -> Read:
    allowed = get_args(kind)

    def read(value: Any, _: Any) -> Any:
        for choice in allowed:
            if type(choice) is type(value) and choice == value:
                return choice
        raise WrongValueError(f"one of {', '.join(map(repr, allowed))}", value)

    return read


def _write_literal(kind: Any, _: Converter) -> Write:
    allowed = get_args(kind)

    def write(value: Any) -> Any:
        if value not in allowed:
            raise TypeError(f"a field declared {kind} holds {value!r:.80}")
        return value

    return write


def _read_union(kind: Any, converter: Converter) -> Read:
    args = get_args(kind)
    arms = [(arg, converter.get_structure_hook(arg)) for arg in args]
    texts = any(arg is str or _is_path(arg) or _is_literal(arg) for arg in args)

    def read(value: Any, _: Any) -> Any:
        if float in args:
            number = read_word(value) if texts else None
            if number is None and not texts and isinstance(value, str):
                number = WORDS.get(value)
            if number is not None:
                return number
        if value is None and NoneType in args:
            return None
        fitting = [(arg, hook) for arg, hook in arms if _fits(arg, value, args)]
        fitting = _tagged(fitting, value)
        if len(fitting) == 1:
            arg, hook = fitting[0]
            return hook(value, arg)
        raise WrongValueError(" or ".join(_name(arg) for arg in args), value)

    return read


def _fits(arg: Any, value: Any, args: tuple[Any, ...]) -> bool:
    """Whether the JSON type of a value is that of an arm of a union."""
    if arg is NoneType:
        return value is None
    if arg is float:
        return type(value) is float or (type(value) is int and int not in args)
    if arg in (bool, int):
        return type(value) is arg
    if _is_literal(arg):
        return any(type(one) is type(value) and one == value for one in get_args(arg))
    if arg is str or _is_path(arg):
        return isinstance(value, str)
    if is_tuple(arg) or _is_list(arg) or is_array(arg):
        return isinstance(value, list)
    return isinstance(value, dict)


def _tagged(fitting: list[Any], value: Any) -> list[Any]:
    if len(fitting) > 1 and isinstance(value, dict):
        tags = (value.get("type"), value.get("schema"))
        return [arm for arm in fitting if _tag(arm[0]) in tags]
    if len(fitting) > 1:  # a literal beside a text
        return [arm for arm in fitting if not _is_literal(arm[0])] or fitting[:1]
    return fitting


def _tag(arm: Any) -> str:
    return str(getattr(arm, "schema", getattr(arm, "__name__", "")))


def _write_union(kind: Any, converter: Converter) -> Write:
    args = get_args(kind)
    arms = [(arg, converter.get_unstructure_hook(arg)) for arg in args]
    texts = any(arg is str or _is_path(arg) or _is_literal(arg) for arg in args)
    objects = [arg for arg in args if is_dataclass(arg)]
    tagged = [arg for arg in objects if len(objects) > 1 and not hasattr(arg, "schema")]

    def write(value: Any) -> Any:
        if value is None and NoneType in args:
            return None
        if float in args and isinstance(value, float | np.floating) and not math.isfinite(value):
            return {"float": word(float(value))} if texts else word(float(value))
        for arg, hook in arms:
            if _holds(arg, value):
                return {"type": _tag(arg), **hook(value)} if arg in tagged else hook(value)
        if float in args and isinstance(value, int | np.integer) and not isinstance(value, bool):
            return write_float(value)
        raise TypeError(f"a field declared {kind} holds {value!r:.80}")

    return write


def _holds(arg: Any, value: Any) -> bool:
    """Whether a value is of an arm of a union."""
    if arg is NoneType:
        return value is None
    if arg is bool:
        return isinstance(value, bool | np.bool_)
    if arg is int:
        return isinstance(value, int | np.integer) and not isinstance(value, bool)
    if arg is float:
        return isinstance(value, float | np.floating)
    if _is_literal(arg):
        return value in get_args(arg)
    origin = get_origin(arg) or arg
    return isinstance(value, origin)


def _is_path(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, PurePath)


_NAMES = {
    NoneType: "null",
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


def _name(arg: Any) -> str:
    if arg in _NAMES:
        return _NAMES[arg]
    if _is_literal(arg):
        return " or ".join(map(repr, get_args(arg)))
    if is_tuple(arg) or _is_list(arg) or is_array(arg):
        return "a list"
    return f"an object ({getattr(arg, '__name__', arg)})"


# --- arrays --------------------------------------------------------------------------------------


def is_array(kind: Any) -> bool:
    """Whether a hint is that of a numpy array."""
    return (get_origin(kind) or kind) is np.ndarray


def _dtype(kind: Any) -> np.dtype[Any]:
    """Return the dtype that a hint states.

    Raises:
        TypeError: it states none, or objects.
    """
    args = get_args(kind)
    scalar = get_args(args[1])[0] if len(args) == 2 and get_args(args[1]) else None
    if isinstance(scalar, type) and issubclass(scalar, np.bool_ | np.number | np.str_):
        dtype = np.dtype(scalar)
        if dtype.kind in "biufcU":
            return dtype
    raise TypeError(f"{kind} states no type of numbers. Try: NDArray[np.float64]")


def _write_array(kind: Any, _: Converter) -> Write:
    dtype = _dtype(kind)

    def write(value: Any) -> Any:
        if not isinstance(value, np.ndarray) or not np.can_cast(value.dtype, dtype, "same_kind"):
            raise TypeError(f"a field declared an array of {dtype} holds {value!r:.80}")
        array = value.astype(dtype, copy=False)
        if not array.size:
            return {"shape": list(array.shape)}
        if dtype.kind == "c":
            return {"real": _nested(array.real), "imag": _nested(array.imag)}
        return _nested(array)

    return write


def _nested(array: np.ndarray[Any, Any]) -> Any:
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return array.tolist()
    written = np.array([write_float(item) for item in array.reshape(-1)], dtype=object)
    return written.reshape(array.shape).tolist()


def _read_array(kind: Any, _: Converter) -> Read:
    dtype = _dtype(kind)

    def read(value: Any, _: Any) -> Any:
        if isinstance(value, dict) and set(value) == {"shape"}:
            return np.empty(_shape(value["shape"]), dtype)
        if dtype.kind == "c" and isinstance(value, dict) and set(value) == {"real", "imag"}:
            real, imag = (_filled(value[part], np.dtype(float)) for part in ("real", "imag"))
            if real.shape != imag.shape:
                raise WrongValueError(f"imaginary parts of shape {real.shape}", value["imag"])
            whole = np.empty(real.shape, dtype)
            whole.real, whole.imag = real, imag
            return whole
        if dtype.kind == "c":
            raise WrongValueError("complex numbers", value)
        return _filled(value, dtype)

    return read


def _shape(value: Any) -> tuple[int, ...]:
    sizes = isinstance(value, list) and all(type(n) is int and 0 <= n < 2**31 for n in value)
    if sizes and 0 in value and len(value) <= 32:
        return tuple(value)
    raise WrongValueError("the shape of an array without entries", value)


def _filled(value: Any, dtype: np.dtype[Any]) -> Any:
    """Read nested lists of equal lengths."""
    shape: list[int] = []
    level = [value]
    while isinstance(level[0], list):
        size = len(level[0])
        if not size or any(type(row) is not list or len(row) != size for row in level):
            raise WrongValueError("nested lists of equal lengths", value)
        shape.append(size)
        level = [item for row in level for item in row]
    wanted = {"b": bool, "U": str}.get(dtype.kind)
    if wanted is not None and any(type(item) is not wanted for item in level):
        raise WrongValueError(f"entries of type {wanted.__name__}", value)
    if wanted is None and (dtype.kind != "f" or not set(map(type, level)) <= {float}):
        read = read_float if dtype.kind == "f" else read_int
        level = [read(item) for item in level]
    try:
        with np.errstate(over="ignore"):
            return np.array(level, dtype).reshape(shape)
    except OverflowError:
        raise WrongValueError(f"numbers that fit into {dtype}", value) from None
