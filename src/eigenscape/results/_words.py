"""Numbers, names and sources as they stand in sentences."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import PurePath
from typing import Protocol

_NAMED = 3
_SCALES = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"))
_FILES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".gguf", ".npz")


class HasName(Protocol):
    """What has a name."""

    @property
    def name(self) -> str:
        """The name."""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "layer"), counted(1200, "layer")
    ('1 layer', '1,200 layers')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def rounded(number: int) -> str:
    """Return a count in words, to three digits.

    >>> rounded(134_515_008), rounded(9_226)
    ('135 million', '9,226')
    """
    for scale, word in _SCALES:
        if number >= scale:
            return f"{number / scale:.3g} {word}"
    return f"{number:,}"


def named(things: Iterable[str | HasName], most: int = _NAMED) -> str:
    """Name a few things, given as names or with a ``name``, and count the rest.

    >>> named(["a", "b"]), named("abcde")
    ('a, b', 'a, b, c and 2 more')
    """
    every = [one if isinstance(one, str) else one.name for one in things]
    rest = len(every) - most
    return ", ".join(every[:most]) + (f" and {rest} more" if rest > 0 else "")


def as_argument(source: str, otherwise: str = "MODEL") -> str:
    """Return a source as an argument of a shell's command, if it is a path or a hub id.

    >>> as_argument("my model.pt"), as_argument("owner/model"), as_argument("Sequential")
    ("'my model.pt'", 'owner/model', 'MODEL')
    """
    place = "/" in source or "\\" in source or is_file_name(source)
    return shlex.quote(source) if place else otherwise


def is_file_name(source: str) -> bool:
    """Whether a source is one file of weights, by its ending, and no folder or hub id.

    >>> is_file_name("a/model.pt"), is_file_name("a/model-v1.5")
    (True, False)
    """
    return PurePath(source).suffix.lower() in _FILES
