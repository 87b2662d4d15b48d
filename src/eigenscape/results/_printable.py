"""Text that may come from a stranger's file, made safe for a terminal or a page."""

from __future__ import annotations

import re

# Control characters (C0, DEL, C1), marks that turn or hide text, and lone surrogates.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)

_LINE = 20


def printable(text: str, most: int | None = 200) -> str:
    r"""Return text with its control characters escaped and the middle of long words left out.

    Escape sequences, line breaks and marks that turn the direction of writing come out as Python
    writes them; all else stays as it is. Of a text longer than twenty such words the middle is
    left out, too: names from a file may hold blanks.

    Args:
        text: one line.
        most: characters of a word, which is what stands between blanks; None for all.

    >>> printable("a\x1b[31m\nb"), printable("α × 2"), len(printable("x" * 10_000))
    ('a\\x1b[31m\\nb', 'α × 2', 200)
    """
    safe = _UNSAFE.sub(lambda found: ascii(found[0])[1:-1], text)
    if most is None or len(safe) <= most:
        return safe
    words = re.sub(rf"[^ ]{{{most + 1},}}", lambda found: _shortened(found[0], most), safe)
    return words if len(words) <= _LINE * most else _shortened(words, _LINE * most)


def _shortened(text: str, most: int) -> str:
    half = most // 2
    return f"{text[: half - 1]}…{text[half - most :]}"


def json_safe(text: str) -> str:
    r"""Return JSON text with the same characters escaped, as JSON does; line breaks stay.

    >>> json_safe('"a\x9bb\u202e"')
    '"a\\u009bb\\u202e"'
    """
    return _UNSAFE.sub(_json_escape, text)


def _json_escape(found: re.Match[str]) -> str:
    if found[0] == "\n":
        return "\n"
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
