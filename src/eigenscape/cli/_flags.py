"""Flags made from an option dataclass: its fields, types, defaults and documentation."""

from __future__ import annotations

import argparse
import re
import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from eigenscape.cli._values import Number, Whole
from eigenscape.errors import InputError

if TYPE_CHECKING:
    import argparse

#: What a value is called in the help, by its type.
_METAVAR = {int: "N", float: "X", str: "WORD"}
_READ: dict[type, Any] = {int: Whole(0), float: Number(), str: str}


def add_flags(
    group: argparse._ActionsContainer,
    options: type,
    names: Iterable[str],
    spelled: Mapping[str, str] | None = None,
    metavars: Mapping[str, str] | None = None,
    unset: Mapping[str, str] | None = None,
) -> None:
    """Add one flag for each named field of a dataclass.

    A bool that is false becomes a switch, a ``Literal`` a choice, a tuple a flag that may be
    repeated, a mapping a repeated ``KEY=VALUE``. The help is the first sentence of the field's
    entry under ``Args:``, and the default in brackets. A flag that is not given is absent from the
    result, so that the dataclass keeps its own default.

    Args:
        group: a parser or an argument group.
        options: the dataclass.
        names: its fields, in the order of the help.
        spelled: field to flag where that is not the field's name with dashes.
        metavars: field to what the help calls its value.
        unset: field to what its empty default means, in words.
    """
    hints, texts = get_type_hints(options), described(options)
    known = {field.name: field for field in fields(options)}
    for name in names:
        flag = (spelled or {}).get(name, "--" + name.replace("_", "-"))
        kind = _kind(hints[name], known[name])
        if metavars and name in metavars:
            kind["metavar"] = metavars[name]
        text = _help(texts.get(name, ""), known[name], (unset or {}).get(name))
        group.add_argument(flag, dest=name, default=argparse.SUPPRESS, help=text, **kind)


def read_flags(args: argparse.Namespace, options: type) -> dict[str, Any]:
    """Return the fields of a dataclass that were given on the command line.

    Raises:
        InputError: a ``KEY=VALUE`` without its parts.
    """
    names = [field.name for field in fields(options)]
    given = {name: getattr(args, name) for name in names if hasattr(args, name)}
    hints = get_type_hints(options)
    for name, value in given.items():
        if get_origin(_bare(hints[name])) is tuple:
            given[name] = tuple(value)
        elif _is_mapping(hints[name]):
            given[name] = dict(_pair(item, name) for item in value)
    return given


def described(options: type) -> dict[str, str]:
    """Return the first sentence about each argument of the docstrings of a class and its bases.

    >>> class Options:
    ...     '''Options.
    ...
    ...     Args:
    ...         steps: along each axis. More take longer.
    ...         unit: of the radius, such as
    ...             "relative".
    ...     '''
    >>> described(Options)
    {'steps': 'along each axis', 'unit': 'of the radius, such as "relative"'}
    """
    found = {}
    for kind in reversed(options.__mro__):
        text = (kind.__doc__ or "").partition("Args:\n")[2]
        for match in re.finditer(r"(?m)^ {8}(\w+): (.+(?:\n {12}.+)*)", text):
            words = " ".join(match[2].split())
            sentence = re.split(r"(?<=[a-z0-9)\"'])\. (?=[A-Z])|\.$", words)[0]
            found[match[1]] = re.sub(r"``\"?([^`\"]+)\"?``", r"\1", sentence)
    return found


def _kind(hint: Any, field: Field[Any]) -> dict[str, Any]:
    """Return what argparse needs to know about a type."""
    hint = _bare(hint)
    if hint is bool:
        return {"action": "store_false" if field.default is True else "store_true"}
    if _is_mapping(hint):
        return {"action": "append", "metavar": "KEY=VALUE"}
    if get_origin(hint) is tuple:
        inner = get_args(hint)[0]
        return {"action": "append", "type": _READ[inner], "metavar": _METAVAR[inner]}
    if get_origin(hint) is Literal:
        return {"choices": get_args(hint)}
    if hint in _METAVAR:
        return {"type": _READ[hint], "metavar": _METAVAR[hint]}
    return {"metavar": "WORD"}  # such as "median, or a fraction": the dataclass checks it


def _bare(hint: Any) -> Any:
    """Return a type without its None."""
    if get_origin(hint) in (Union, types.UnionType):
        rest = [item for item in get_args(hint) if item is not type(None)]
        return rest[0] if len(rest) == 1 else hint
    return hint


def _is_mapping(hint: Any) -> bool:
    origin = get_origin(_bare(hint))
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _help(text: str, field: Field[Any], unset: str | None) -> str:
    default = unset or field.default
    shown = default is not MISSING and not isinstance(default, bool) and default not in (None, ())
    value = f"{default:g}" if isinstance(default, float) else str(default)
    return (f"{text} [{value}]" if shown else text).replace("%", "%%")


def _pair(text: str, name: str) -> tuple[str, str]:
    key, sign, value = text.rpartition("=")
    if not (sign and key and value):
        raise InputError(f"--{name} expects KEY=VALUE; got {text!r}")
    return key, value


_FORM = "FILE.py:FUNCTION"
PROBE_HELP = (
    "a Python file of yours and a function in it. The function is called without arguments and "
    "returns (model, loss, batches) or an eigenscape.models.Objective; model may be a list of two "
    "models, trained from two seeds. The file is run, with all that it does: name only one you "
    "trust"
)


def add_probe(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add ``--probe`` to a verb."""
    text = PROBE_HELP if required else f"{PROBE_HELP} [none]"
    parser.add_argument("--probe", metavar=_FORM, required=required, help=text)
