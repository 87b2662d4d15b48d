"""Nested values as JSON beside a dictionary of arrays, and back, without a pickle."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError

Arrays = dict[str, NDArray[Any]]


def pack(value: Any) -> tuple[Any, Arrays]:
    """Split a value into its structure, in strict JSON's types, and its arrays.

    What JSON has no word for becomes an object of one key that says what it was; a dictionary is
    such an object too, so that no value can be mistaken for another.

    Raises:
        InputError: a type that is neither plain data nor an array of numbers.

    >>> pack({"loss": (0.5, float("inf")), 3: np.arange(2)})
    ({'dict': [['loss', {'tuple': [0.5, {'float': 'inf'}]}], [3, {'array': 'a0'}]]}, {'a0': array([0, 1])})
    """  # noqa: E501
    arrays: Arrays = {}
    return _pack(value, "value", arrays), arrays


def unpack(structure: Any, arrays: Arrays) -> Any:
    """Undo :func:`pack`.

    Raises:
        ValueError: not a structure that :func:`pack` makes.
        KeyError: an array that is not there.

    >>> unpack(*pack([None, (True, -0.0)]))
    [None, (True, -0.0)]
    """
    if isinstance(structure, list):
        return [unpack(item, arrays) for item in structure]
    if not isinstance(structure, dict):
        return structure
    [(kind, content)] = structure.items()
    match kind:
        case "float":
            return float(content)
        case "tuple":
            return tuple(unpack(item, arrays) for item in content)
        case "dict":
            return {unpack(key, arrays): unpack(item, arrays) for key, item in content}
        case "array":
            return arrays[content]
        case "scalar":
            return arrays[content][()]
    raise ValueError(f"unknown kind of value {kind!r}")


def _pack(value: Any, where: str, arrays: Arrays) -> Any:
    # By exact type: a subclass (an enum, a named tuple, a masked array) would come back as less.
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if kind is list:
        return [_pack(item, f"{where}[{i}]", arrays) for i, item in enumerate(value)]
    if kind is tuple:
        return {"tuple": [_pack(item, f"{where}[{i}]", arrays) for i, item in enumerate(value)]}
    if kind is dict:
        return {"dict": [_pack_pair(pair, where, arrays) for pair in value.items()]}
    if kind in (np.ndarray, np.memmap) and value.dtype.kind in "biufc":
        return {"array": _add(value, arrays)}
    if isinstance(value, np.generic) and value.dtype.kind in "biufc":
        return {"scalar": _add(np.asarray(value), arrays)}
    raise _refusal(value, where)


def _pack_pair(pair: tuple[Any, Any], where: str, arrays: Arrays) -> list[Any]:
    key, item = pair
    return [_pack(key, f"key {key!r} of {where}", arrays), _pack(item, f"{where}[{key!r}]", arrays)]


def _add(array: NDArray[Any], arrays: Arrays) -> str:
    name = f"a{len(arrays)}"
    arrays[name] = array
    return name


def _refusal(value: Any, where: str) -> InputError:
    dtype = f" of dtype {value.dtype}" if isinstance(value, np.ndarray | np.generic) else ""
    return InputError(
        f"the task returned the type {type(value).__name__}{dtype} ({where}); a folder keeps "
        "dict, list, tuple, str, int, float, bool, None and numpy arrays of numbers, because files "
        "are never unpickled. Mend: return such values, for example tensor.numpy() or "
        "result.to_dict()"
    )
