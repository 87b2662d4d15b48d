"""Results as strict JSON: numbers that JSON cannot represent become null, never ``NaN``."""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eigenscape.errors import InputError
from eigenscape.results._printable import json_safe


def jsonable(value: Any) -> Any:
    """Turn dataclasses, arrays, tuples and paths into JSON's own types.

    Not-a-number and infinities become None, because strict JSON cannot represent them.

    Raises:
        TypeError: a value of a type that has no JSON form.

    >>> jsonable({"a": (1, float("nan")), "b": np.arange(2)})
    {'a': [1, None], 'b': [0, 1]}
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return jsonable(value.tolist())
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: jsonable(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"no JSON form for {type(value).__name__}")


def dumps(value: Any, *, indent: int | None = None) -> str:
    """Return ``value`` as strict JSON text that is safe on a terminal.

    >>> dumps({"x": float("inf")})
    '{"x": null}'
    """
    text = json.dumps(jsonable(value), indent=indent, allow_nan=False, ensure_ascii=False)
    return json_safe(text)


def text_of(plain: Any) -> str:
    """Return JSON's own types as text, indented.

    A file name that is not UTF-8 reaches Python as lone surrogates; their escape is JSON's own.
    """
    text = json.dumps(plain, indent=1, allow_nan=False, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()


def read_object(path: str | Path) -> dict[str, Any]:
    """Read one JSON object from a file.

    Raises:
        InputError: no such file, not strict JSON (NaN and repeated keys are none), nested too
            deeply, or JSON that is not an object.
    """
    try:
        data = json.loads(
            Path(path).read_text(encoding="utf-8"),
            parse_constant=_refused,
            object_pairs_hook=_once,
        )
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror or error}. Try: check the path"
        ) from error
    except RecursionError:
        raise InputError(
            f"{path} is nested too deeply; expected a result file that eigenscape wrote"
        ) from None
    except ValueError as error:
        raise InputError(
            f"{path} is not JSON ({error}); expected a result file that eigenscape wrote"
        ) from error
    if not isinstance(data, dict):
        raise InputError(f"{path} holds a JSON {type(data).__name__}; expected an object")
    return data


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:60]!r} occurs twice")
    return data
