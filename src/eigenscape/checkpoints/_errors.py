"""Turns what torch and safetensors raise on foreign bytes into errors that teach."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError

from eigenscape.errors import CheckpointError, UnsafeCheckpointError

_REFUSED = (
    re.compile(r"GLOBAL (\S+) was not an allowed global"),
    re.compile(r"unsupported GLOBAL (\S+) whose module"),
    re.compile(r"Trying to call reduce for unrecognized function (.+)"),
    re.compile(r"classes allowlisted via `add_safe_globals` but got (.+)"),
)
_UNKNOWN_OPCODE = "Unsupported operand"
_WHY = 160


@contextmanager
def teaching(path: Path) -> Iterator[None]:
    """Raise :class:`CheckpointError` for anything that reading ``path`` raises in the block.

    Raises:
        UnsafeCheckpointError: the file asked for something that could run code.
        CheckpointError: it could not be read for any other reason.
    """
    try:
        yield
    except CheckpointError:
        raise
    except UnpicklingError as error:  # torch's own text proposes to run the pickle: not passed on
        raise _unpickling(path, str(error)) from None
    except OSError as error:
        raise CheckpointError(
            f"cannot read {path}: {error.strerror or error}. "
            "Try: check that the path is right and that you may read it"
        ) from error
    except MemoryError as error:
        raise CheckpointError(
            f"{path} asks for more memory than there is: it is corrupt, or too large to read here. "
            "Try: fetch it again, or use a machine with more memory"
        ) from error
    except Exception as error:  # corrupt bytes make the parsers raise errors of any kind
        raise CheckpointError(
            f"{path} cannot be read: {_first_line(error)}. It is truncated or corrupt. "
            "Try: compare its size with the original's, and copy, download or save it again"
        ) from error


def runs_code(path: Path, asked_for: str) -> UnsafeCheckpointError:
    """Say that a file is not mere tensors, and how to get the tensors out where it was made."""
    return UnsafeCheckpointError(
        f"{path} holds more than tensors: reading it would run code that it names ({asked_for}). "
        "It was not run. Try: in the program that made it, save the tensors alone with "
        "torch.save(model.state_dict(), path), numbers as Python's own; or, in Python, pass the "
        "module itself"
    )


def _unpickling(path: Path, message: str) -> CheckpointError:
    for pattern in _REFUSED:
        found = pattern.search(message)
        if found:
            return runs_code(path, found.group(1))
    if _UNKNOWN_OPCODE in message:
        return CheckpointError(
            f"{path} is corrupt, or was saved with a pickle protocol that cannot be read without "
            "running code; expected torch.save's own protocol. Try: save it again without "
            "the argument pickle_protocol, or fetch it again"
        )
    reason = message.split("WeightsUnpickler error:")[-1]
    reason = reason.split("Check the documentation")[0].strip().split("\n")[-1]
    return CheckpointError(
        f"{path} cannot be read as tensors alone: {reason[:_WHY]}. It is corrupt, or holds a kind "
        "of tensor that needs its own library. Try: save model.state_dict() with plain tensors"
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    text = lines[0].strip().rstrip(".")[:_WHY] if lines else ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
