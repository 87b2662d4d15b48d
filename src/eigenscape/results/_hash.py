"""The hash of content: the same for the same values, in every process and on every machine.

Pickle and ``repr`` do not give that: the one changes with versions and with the history of an
object, the other leaves out the middle of a large array. :func:`canonical` writes a value as bytes,
:func:`content_hash` is the hash of these bytes, :class:`ContentHash` takes one value after another.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import singledispatch
from hashlib import sha256
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import numpy as np

from eigenscape.errors import InputError

_IMPORTABLE = (type, FunctionType, BuiltinFunctionType, MethodType)


def address(thing: Any) -> str:
    """Return ``"module:qualname"`` of a function or class that can be imported by that name.

    Raises:
        InputError: a lambda, a nested function, a partial or a method of an object.

    >>> import math
    >>> address(math.sqrt)
    'math:sqrt'
    """
    module = getattr(thing, "__module__", None)
    name = getattr(thing, "__qualname__", None)
    if module and name:
        found: Any = sys.modules.get(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        if found == thing:
            return f"{module}:{name}"
    raise InputError(
        f"{name or type(thing).__name__} cannot be imported by its name; expected a function at "
        "the top level of a module, not a lambda, a nested function, a partial or an object's "
        "method. Try: define it with 'def' in a module and pass its settings as arguments"
    )


@singledispatch
def canonical(value: Any) -> bytes:
    """Return the canonical bytes of a value.

    Raises:
        InputError: a type without a canonical form.

    >>> canonical({"b": 1, "a": 2.0}) == canonical({"a": 2.0, "b": 1})
    True
    >>> canonical(1) == canonical(1.0)
    False
    """
    if isinstance(value, _IMPORTABLE):
        return join("import", address(value).encode())
    torch = sys.modules.get("torch")  # never imported here: what is no tensor needs none
    if torch is not None and isinstance(value, torch.Tensor):
        return _tensor(value)
    if is_dataclass(value):
        content = {field.name: getattr(value, field.name) for field in fields(value)}
        return join("dataclass", address(type(value)).encode(), canonical(content))
    raise _no_form(type(value).__name__)


@canonical.register
def _(_: None) -> bytes:
    return join("none")


@canonical.register
def _(value: bool | int) -> bytes:
    return join("bool" if isinstance(value, bool) else "int", b"%d" % value)


@canonical.register
def _(value: float | complex) -> bytes:
    number = complex(value)
    kind = "float" if isinstance(value, float) else "complex"
    return join(kind, number.real.hex().encode(), number.imag.hex().encode())


@canonical.register
def _(value: str) -> bytes:
    return join("str", value.encode("utf-8", "surrogatepass"))


@canonical.register
def _(value: bytes | bytearray) -> bytes:
    return join("bytes", bytes(value))


@canonical.register
def _(value: PurePath) -> bytes:
    return join("path", value.as_posix().encode("utf-8", "surrogateescape"))


@canonical.register
def _(value: Enum) -> bytes:
    return join("enum", address(type(value)).encode(), value.name.encode())


@canonical.register
def _(value: list | tuple) -> bytes:  # type: ignore[type-arg]  # singledispatch wants bare types
    kind = "tuple" if isinstance(value, tuple) else "list"
    return join(kind, *(canonical(item) for item in value))


@canonical.register
def _(value: Set) -> bytes:  # type: ignore[type-arg]
    return join("set", *sorted(canonical(item) for item in value))


@canonical.register
def _(value: Mapping) -> bytes:  # type: ignore[type-arg]
    pairs = [join("pair", canonical(key), canonical(item)) for key, item in value.items()]
    return join("mapping", *sorted(pairs))


@canonical.register
def _(value: np.generic) -> bytes:
    return join("scalar", canonical(np.asarray(value)))


@canonical.register
def _(value: np.ndarray) -> bytes:
    # A masked array or a matrix says more than its bytes do; an array of objects, less.
    if type(value) not in (np.ndarray, np.memmap) or value.dtype.kind in "OV":
        raise _no_form(f"{type(value).__name__} of dtype {value.dtype}")
    content = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
    shape = ",".join(map(str, value.shape)).encode()
    return join("array", value.dtype.str.encode(), shape, sha256(content.data).digest())


def _tensor(value: Any) -> bytes:
    import torch

    if value.layout is not torch.strided:
        raise _no_form(f"Tensor of layout {value.layout}")
    plain = value.detach().cpu()
    plain = plain.dequantize() if plain.is_quantized else plain
    plain = plain.resolve_conj().resolve_neg().contiguous()
    content = plain.reshape(-1).view(torch.uint8).numpy()
    shape = ",".join(map(str, value.shape)).encode()
    return join("tensor", str(value.dtype).encode(), shape, sha256(content.data).digest())


def join(tag: str, *parts: bytes) -> bytes:
    """Write a tag and parts, each with its length before it: no two lists give the same bytes.

    >>> join("pair", b"a", b"bc")
    b'4:pair1:a2:bc'
    """
    return b"".join(b"%d:%b" % (len(part), part) for part in (tag.encode(), *parts))


def _no_form(kind: str) -> InputError:
    return InputError(
        f"the type {kind} has no canonical form, so a change in it would go unnoticed; expected "
        "numbers, texts, paths, arrays, tensors, functions of a module, or lists, dicts and "
        "dataclasses of these. Try: pass a path, a seed or settings, and build the object "
        "inside the task"
    )


class ContentHash:
    """A hash of many values, which need not be in memory together.

    >>> state = ContentHash()
    >>> for batch in (np.zeros(2), np.ones(3)):
    ...     state.add(batch)
    >>> state.hexdigest() == content_hash(np.zeros(2), np.ones(3))
    True
    """

    def __init__(self) -> None:
        self._state = sha256()

    def add(self, value: Any) -> None:
        """Add one more value.

        Raises:
            InputError: a type without a canonical form.
        """
        self._state.update(join("item", canonical(value)))

    def hexdigest(self) -> str:
        """Return the hash: 128 bits of a SHA-256, as 32 hexadecimal digits."""
        return self._state.hexdigest()[:32]


def content_hash(*values: Any) -> str:
    """Return the hash of values, 32 hexadecimal digits.

    Numbers, texts, paths, arrays, tensors, functions of a module, and lists, mappings and
    dataclasses of these. The order of a mapping does not count; type and shape do.

    Raises:
        InputError: a type without a canonical form.

    >>> content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})
    True
    >>> content_hash(np.zeros(3)) == content_hash(np.zeros((3, 1)))
    False
    """
    state = ContentHash()
    for value in values:
        state.add(value)
    return state.hexdigest()
