"""When two results are the same: field by field, NaN like NaN, arrays by their entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def equal(one: Any, other: Any) -> bool:
    """Whether two values have the same types and contents; 2 is 2.0.

    >>> import math
    >>> equal((math.nan, np.array([1.0, math.nan])), (math.nan, np.array([1.0, math.nan])))
    True
    >>> equal({"a": 1.0, "b": True}, {"a": 1, "b": 1})
    False
    """
    if one is other:
        return True
    one, other = (x.item() if isinstance(x, np.generic) else x for x in (one, other))
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        nan = one.dtype.kind in "fc" and other.dtype.kind in "fc"
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=nan)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if {type(one), type(other)} <= {int, float}:
        return bool(one == other or (one != one and other != other))  # NaN is like NaN
    if type(one) is not type(other):
        return False
    if isinstance(one, complex):
        return equal((one.real, one.imag), (other.real, other.imag))
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(equal, one, other))
    if is_dataclass(one):
        return all(
            equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(one) if f.compare
        )
    return bool(one == other)
