"""From dataclasses to JSON and back, by their type hints; what is read is checked against them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from pathlib import PurePath
from types import NoneType
from typing import Any, TypeVar, get_type_hints, is_typeddict

from cattrs import Converter, transform_error
from cattrs.errors import BaseValidationError, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from cattrs.gen.typeddicts import make_dict_structure_fn as make_typed_dict

from eigenscape.errors import InputError
from eigenscape.results import _scalars as scalars
from eigenscape.results._containers import register_containers
from eigenscape.results._ranges import out_of_range
from eigenscape.results._scalars import WrongValueError

T = TypeVar("T")
_SHOWN = 5


def encode(value: Any) -> Any:
    """Return a dataclass in JSON's own types, by its type hints.

    Every field is written, but those of ``field(metadata={"saved": False})``, which need a default;
    of one with ``metadata={"largest": n}``, an array of more entries is written as null.
    NaN and infinities come back as themselves: see ``docs/results.md`` for their words.

    Raises:
        TypeError: a field that holds something else than its hint says.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Point:
    ...     x: float
    ...     names: tuple[str, ...] = ()
    >>> encode(Point(float("inf"), ("a", "b")))
    {'x': 'Infinity', 'names': ['a', 'b']}
    """
    return _converter().unstructure(value, type(value))


def decode(data: Any, kind: type[T], *, where: str = "the data") -> T:
    """Read a dataclass back from what :func:`encode` wrote; every field has to be there.

    Args:
        data: JSON's own types.
        kind: the dataclass.
        where: what errors call the data: the path of a file.

    Raises:
        InputError: naming each field that is missing, unknown, of another type or out of its
            range, and what was expected there.

    >>> from eigenscape.results import Environment
    >>> decode({"seed": "three"}, Environment)
    Traceback (most recent call last):
        ...
    eigenscape.errors.InputError: the data: versions, platform, device, command, created are \
missing. Try: ...
    """
    try:
        return _converter().structure(data, kind)
    except RecursionError:
        raise InputError(f"{where} is nested too deeply for a {kind.__name__}") from None
    except (BaseValidationError, WrongValueError, InputError, ValueError, TypeError) as error:
        problems = [_placed(line) for line in transform_error(error, "$", _sentence)]
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise InputError(
            f"{where}: {'; '.join(problems[:_SHOWN])}{more}. "
            f"Try: make the {kind.__name__} again with this version"
        ) from error


@lru_cache(maxsize=1)
def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True, detailed_validation=True)
    plain: tuple[tuple[Any, Callable[[Any], Any], Callable[[Any, Any], Any]], ...] = (
        (int, scalars.write_int, scalars.read_int),
        (bool, scalars.write_bool, scalars.read_bool),
        (float, scalars.write_float, scalars.read_float),
        (str, scalars.write_str, scalars.read_str),
        (complex, scalars.write_complex, scalars.read_complex),
    )
    for kind, write, read in plain:
        converter.register_unstructure_hook(kind, write)
        converter.register_structure_hook(kind, read)
    for is_kind, write, read in (
        (lambda kind: kind is Any, scalars.write_any, scalars.read_any),
        (lambda kind: kind in (None, NoneType), scalars.write_none, scalars.read_none),
        (_is_path, scalars.write_path, lambda value, kind: kind(scalars.read_str(value))),
    ):
        converter.register_unstructure_hook_func(is_kind, write)
        converter.register_structure_hook_func(is_kind, read)
    register_containers(converter)
    converter.register_structure_hook_factory(is_typeddict, lambda k: _typed_dict(k, converter))
    converter.register_unstructure_hook_factory(_is_named, lambda k: _named_writer(k, converter))
    converter.register_structure_hook_factory(_is_named, lambda k: _named_reader(k, converter))
    converter.register_unstructure_hook_factory(_is_dataclass, lambda k: _writer(k, converter))
    converter.register_structure_hook_factory(_is_dataclass, lambda k: _reader(k, converter))
    return converter


def _is_path(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, PurePath)


def _is_named(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")


def _is_dataclass(kind: Any) -> bool:
    return isinstance(kind, type) and is_dataclass(kind)


# --- dataclasses ---------------------------------------------------------------------------------


def _left_out(kind: Any) -> dict[str, Any]:
    """Return what cattrs is told of the fields that are not saved."""
    found = [f for f in fields(kind) if not f.metadata.get("saved", True)]
    bare = [f.name for f in found if f.default is MISSING and f.default_factory is MISSING]
    if bare:
        raise TypeError(f"{kind.__name__}: {', '.join(bare)} are not saved and have no default")
    return {f.name: override(omit=True) for f in found}


def _limited(kind: Any, converter: Converter) -> dict[str, Any]:
    """Return how arrays are written that are left out when they are large."""
    limits = {f.name: f.metadata["largest"] for f in fields(kind) if "largest" in f.metadata}
    hints = get_type_hints(kind) if limits else {}

    def limited(limit: int, write: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda value: write(None if value is None or value.size > limit else value)

    return {
        name: override(unstruct_hook=limited(limit, converter.get_unstructure_hook(hints[name])))
        for name, limit in limits.items()
    }


def _writer(kind: Any, converter: Converter) -> Callable[[Any], Any]:
    """Write a dataclass; an object of a subclass says which one it is."""
    told = {**_left_out(kind), **_limited(kind, converter)}
    whole = make_dict_unstructure_fn(kind, converter, **told)
    adorn = getattr(kind, "_adorned", None)

    def write(value: Any) -> Any:
        if type(value) is kind:
            return whole(value) if adorn is None else adorn(value, whole(value))
        if not isinstance(value, kind):
            raise TypeError(f"a field declared {kind.__name__} holds {value!r:.80}")
        plain = converter.unstructure(value, type(value))
        return plain if adorn is not None else {"type": type(value).__name__, **plain}

    return write


def _reader(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    """Read a dataclass: all of its fields, and nothing else."""
    omitted = _left_out(kind)
    whole = make_dict_structure_fn(kind, converter, **omitted)
    names = [f.name for f in fields(kind) if f.init and f.name not in omitted]
    strip = getattr(kind, "_stripped", None)

    def read(value: Any, asked: Any) -> Any:
        if type(value) is not dict:
            raise WrongValueError(f"an object ({kind.__name__})", value)
        other, rest = _subclass(kind, value, names) if strip is None else strip(value)
        if other is not kind:
            return converter.get_structure_hook(other)(value, other)
        _check_there(names, rest)
        found = whole(rest, asked)
        if wrong := out_of_range(found):
            raise ValueError("; ".join(wrong))
        return found

    return read


def _named_writer(kind: Any, converter: Converter) -> Callable[[Any], Any]:
    """Write a named tuple as an object."""
    hints = get_type_hints(kind)
    return lambda value: {
        name: converter.unstructure(part, hints[name]) for name, part in value._asdict().items()
    }


def _named_reader(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    hints = get_type_hints(kind)

    def read(value: Any, _: Any) -> Any:
        if type(value) is not dict:
            raise WrongValueError(f"an object ({kind.__name__})", value)
        _check_there(list(hints), value)
        unknown = [name for name in value if name not in hints]
        if unknown:
            raise ValueError(f"{', '.join(unknown)} not known in a {kind.__name__}")
        return kind(**{name: converter.structure(value[name], hints[name]) for name in hints})

    return read


def _typed_dict(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    whole = make_typed_dict(kind, converter)
    names = sorted(kind.__required_keys__)

    def read(value: Any, asked: Any) -> Any:
        if type(value) is not dict:
            raise WrongValueError(f"an object ({kind.__name__})", value)
        _check_there(names, value)
        return whole(value, asked)

    return read


def _check_there(names: list[str], value: dict[str, Any]) -> None:
    missing = [name for name in names if name not in value]
    if missing:
        raise ValueError(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")


def _subclass(kind: Any, value: dict[str, Any], names: list[str]) -> tuple[Any, dict[str, Any]]:
    if "type" not in value or "type" in names:
        return kind, value
    known: dict[str, Any] = {kind.__name__: kind}
    known.update((below.__name__, below) for below in _below(kind))
    tag = value["type"]
    if not isinstance(tag, str) or tag not in known:
        raise WrongValueError(f"type: one of {', '.join(known)}", tag)
    return known[tag], {name: item for name, item in value.items() if name != "type"}


def _below(kind: type) -> Iterator[type]:
    below: list[type] = kind.__subclasses__()
    for one in below:
        yield one
        yield from _below(one)


# --- errors --------------------------------------------------------------------------------------


def _sentence(error: BaseException, _: Any) -> str:
    if isinstance(error, ForbiddenExtraKeysError):
        extra = sorted(error.extra_fields)
        return f"{', '.join(extra)} {'is' if len(extra) == 1 else 'are'} unknown"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return str(error)


def _placed(line: str) -> str:
    """Turn ``sentence @ $.place`` around."""
    sentence, _, place = line.rpartition(" @ $")
    place = place.lstrip(".")
    return f"{place}: {sentence}" if place else sentence
