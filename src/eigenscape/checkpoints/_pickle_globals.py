"""Read the names that a pickle refers to, without executing it."""

from __future__ import annotations

import pickletools
from pathlib import Path

_PUSHES_TEXT = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "UNICODE", "BINUNICODE8"})
_MOST = 1 << 20  # names stand at a pickle's beginning


def pickle_globals(path: Path) -> list[str]:
    """Return the classes and functions that a pickle names, in order; nothing is executed.

    What follows a corrupt instruction is not listed.
    """
    with path.open("rb") as file:
        head = file.read(_MOST)
    found: dict[str, None] = {}
    texts: list[str] = []
    try:
        for instruction, argument, _ in pickletools.genops(head):
            if instruction.name == "GLOBAL":
                found[str(argument).replace(" ", ".")] = None
            elif instruction.name == "STACK_GLOBAL":
                found[".".join(texts[-2:])] = None
            elif instruction.name in _PUSHES_TEXT:
                texts.append(str(argument))
    except Exception:  # the disassembler raises errors of any kind where the bytes are no pickle
        return list(found)
    return list(found)
