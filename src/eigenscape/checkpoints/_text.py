"""Helpers for the text of notes and errors."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SHOWN = 6
_LONGEST = 80
_DIGITS = re.compile(r"([0-9]{1,18})")


def few(names: Iterable[object], shown: int = _SHOWN) -> str:
    """Join names, the first few of them.

    >>> few(["a", "b", "c"], shown=2)
    'a, b and 1 more'
    """
    texts = [shown_name(name) for name in names]
    more = f" and {len(texts) - shown} more" if len(texts) > shown else ""
    return ", ".join(texts[:shown]) + more


def shown_name(name: object) -> str:
    r"""Return a name for a message: control characters escaped, the middle of a long one left out.

    >>> shown_name("a\x1b[31m\nb"), len(shown_name("x" * 10_000))
    ('a\\x1b[31m\\nb', 80)
    """
    text = str(name)
    half = _LONGEST // 2
    if not text.isprintable():
        text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return text if len(text) <= _LONGEST else f"{text[: half - 3]} ... {text[2 - half :]}"


def counted(count: int, noun: str) -> str:
    """Put a number before a noun.

    >>> counted(1, "tensor"), counted(3, "entry")
    ('1 tensor', '3 entries')
    """
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{count} {noun if count == 1 else plural}"


def natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts numbers in names by their value.

    >>> sorted(["layers.10.w", "layers.9.w"], key=natural)
    ['layers.9.w', 'layers.10.w']
    """
    parts = enumerate(_DIGITS.split(name))  # text and digits take turns, so keys stay comparable
    return [(int(part), "") if place % 2 else (-1, part) for place, part in parts]
