"""Small pieces of the sentences that notes and errors are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SHOWN = 6
_DIGITS = re.compile(r"([0-9]{1,18})")


def few(names: Iterable[object], shown: int = _SHOWN) -> str:
    """Join names, the first few of them.

    >>> few(["a", "b", "c"], shown=2)
    'a, b and 1 more'
    """
    texts = [str(name) for name in names]
    more = f" and {len(texts) - shown} more" if len(texts) > shown else ""
    return ", ".join(texts[:shown]) + more


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
