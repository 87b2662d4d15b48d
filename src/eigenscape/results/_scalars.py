"""Numbers and texts in JSON: what is written for each type, and what is accepted for it.

JSON cannot represent NaN and the infinities. Where a number is declared ``float``, NaN is null, and
an infinity is ``"Infinity"`` or ``"-Infinity"``. Where null or a text could stand too, NaN is
``"NaN"``, and beside a text all three are objects: ``{"float": "NaN"}``.
"""

from __future__ import annotations

import math
import re
from pathlib import PurePath
from typing import Any

import numpy as np

WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_KEY = re.compile(r"0|-?[1-9]\d{0,18}")
_SHOWN = 60


class WrongValueError(Exception):
    """A value that is not what the type hint says."""

    def __init__(self, expected: str, seen: Any) -> None:
        super().__init__(f"expected {expected}, found {described(seen)}")


def described(value: Any) -> str:
    """Return a JSON value in words."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return f"an object of {len(value)} entries"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    try:
        text = repr(value)
    except ValueError:  # an integer of more than 4300 digits
        text = "a huge integer"
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


# --- writing -------------------------------------------------------------------------------------


def write_bool(value: Any) -> bool:
    """Write a truth value."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise _mismatch("bool", value)


def write_int(value: Any) -> int:
    """Write a whole number."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    raise _mismatch("int", value)


def write_float(value: Any) -> float | str | None:
    """Write a number: NaN as None, an infinity as its word."""
    if isinstance(value, float | int | np.floating | np.integer) and not isinstance(value, bool):
        number = float(value)
        return None if math.isnan(number) else number if math.isfinite(number) else word(number)
    raise _mismatch("float", value)


def write_str(value: Any) -> str:
    """Write a text."""
    if isinstance(value, str):
        return str(value)
    raise _mismatch("str", value)


def write_complex(value: Any) -> dict[str, Any]:
    """Write a complex number as its two parts."""
    if isinstance(value, complex | float | int | np.number) and not isinstance(value, bool):
        number = complex(value)
        return {"real": write_float(number.real), "imag": write_float(number.imag)}
    raise _mismatch("complex", value)


def write_path(value: Any) -> str:
    """Write a path."""
    if isinstance(value, PurePath):
        return str(value)
    raise _mismatch("Path", value)


def write_none(value: Any) -> None:
    """Write None."""
    if value is not None:
        raise _mismatch("None", value)


def word(number: float) -> str:
    """Return the word for a number that JSON cannot represent."""
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _mismatch(declared: str, value: Any) -> TypeError:
    return TypeError(f"a field declared {declared} holds {described(value)}")


# --- reading -------------------------------------------------------------------------------------


def read_bool(value: Any, _: Any = bool) -> bool:
    """Read a truth value."""
    if isinstance(value, bool):
        return value
    raise WrongValueError("true or false", value)


def read_int(value: Any, _: Any = int) -> int:
    """Read a whole number; 2.0 is not one."""
    if type(value) is int:
        return value
    raise WrongValueError("a whole number", value)


def read_float(value: Any, _: Any = float) -> float:
    """Read a number, null as NaN, or the word of one that JSON cannot represent."""
    if type(value) is float:
        return value
    if value is None:
        return math.nan
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise WrongValueError("a number of at most 1.8e308", value) from None
    if isinstance(value, str) and value in WORDS:
        return WORDS[value]
    raise WrongValueError("a number", value)


def read_str(value: Any, _: Any = str) -> str:
    """Read a text."""
    if isinstance(value, str):
        return value
    raise WrongValueError("a text", value)


def read_complex(value: Any, _: Any = complex) -> complex:
    """Read a complex number from its two parts."""
    if isinstance(value, dict) and set(value) == {"real", "imag"}:
        return complex(read_float(value["real"]), read_float(value["imag"]))
    raise WrongValueError('a complex number {"real": ..., "imag": ...}', value)


def read_none(value: Any, _: Any = None) -> None:
    """Read null."""
    if value is not None:
        raise WrongValueError("null", value)


def read_int_key(key: str) -> int:
    """Read the key of an object as a whole number, in its shortest form only."""
    if _KEY.fullmatch(key):
        return int(key)
    raise WrongValueError("a whole number as the key", key)


# --- values of no declared type ------------------------------------------------------------------


def write_any(value: Any) -> Any:
    """Write what is declared Any: JSON's own values."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": word(value)}
    if isinstance(value, int):
        return int(value)
    if isinstance(value, list):
        return [write_any(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: write_any(item) for key, item in value.items()}
    raise TypeError(
        f"a field declared Any holds a {type(value).__name__}; it may hold JSON's own values: "
        "None, bool, int, float, str, and lists and dicts of these"
    )


def read_any(value: Any, _: Any = Any) -> Any:
    """Read what is declared Any."""
    if isinstance(value, list):
        return [read_any(item) for item in value]
    if isinstance(value, dict):
        number = read_word(value)
        return {k: read_any(v) for k, v in value.items()} if number is None else number
    return value


def read_word(value: Any) -> float | None:
    """Return the number behind ``{"float": "NaN"}``; None where that is something else."""
    if isinstance(value, dict) and len(value) == 1 and isinstance(value.get("float"), str):
        return WORDS.get(value["float"])
    return None
