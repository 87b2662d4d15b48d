"""Ranges of the numbers of a result, by the names of its fields, held when a file is read."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, cast, get_args, get_origin, get_type_hints

#: Whole numbers that may lie below 0; every other is a count, a size, a place or a step.
_SIGNED = ("seed", "seeds", "_change", "_index", "index", "parent")
#: Numbers that are never negative; NaN and infinity say that there is none.
_LEAST_0 = frozenset(
    (
        *("seconds", "standard_error", "trace_stderr", "noise", "seed_noise", "tolerance"),
        *("norm", "spectral_norm", "lambda_max", "stable_rank", "sigma", "bulk_sigma", "distance"),
        *("alpha_hill", "alpha_excess", "alpha_ks", "alpha_null", "entropy", "soft_rank"),
        *("weight_change", "spectral_norm_ratio", "stable_rank_ratio", "update_norm", "overhead"),
    )
)
#: Shares, from 0 to 1.
_SHARES = frozenset(("sparsity", "sparsity_before", "sparsity_after", "ks_distance", "share"))
#: Shares in percent.
_PERCENT = frozenset(
    (
        *("accuracy", "balanced_accuracy", "majority", "train_accuracy"),
        *("zero_shot", "zero_shot_balanced"),
    )
)
_LIMITS = ((_LEAST_0, None), (_SHARES, 1.0), (_PERCENT, 100.0))


def out_of_range(value: Any) -> list[str]:
    """Return a sentence for each field of a dataclass that is out of its range.

    >>> from dataclasses import make_dataclass
    >>> Row = make_dataclass("Row", [("rows", int), ("sparsity", float), ("seed", int)])
    >>> out_of_range(Row(rows=-3, sparsity=1.5, seed=-1))
    ['rows is -3; expected 0 or more', 'sparsity is 1.5; expected from 0 to 1']
    """
    return [
        f"{name} is {number}; expected " + ("0 or more" if most is None else f"from 0 to {most:g}")
        for name, most in _limits(cast(Hashable, type(value)))
        for number in _numbers(getattr(value, name))
        if number < 0 or (most is not None and number > most)
    ]


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, tuple | Mapping):
        items = value.values() if isinstance(value, Mapping) else value
        yield from (item for item in items if isinstance(item, int))
    elif isinstance(value, int | float):
        yield value


@cache
def _limits(kind: Any) -> tuple[tuple[str, float | None], ...]:
    """Return the fields of a dataclass that have limits, each with its largest value."""
    hints = get_type_hints(kind)
    found: list[tuple[str, float | None]] = []
    for field in fields(kind):
        named = [most for names, most in _LIMITS if field.name in names]
        if named:
            found.append((field.name, named[0]))
        elif _whole(hints[field.name]) and not field.name.endswith(_SIGNED):
            found.append((field.name, None))
    return tuple(found)


def _whole(hint: Any) -> bool:
    parts = [part for part in get_args(hint) if part is not Ellipsis] or [hint]
    parts = parts[1:] if get_origin(hint) is Mapping else parts
    return all(part in (int, type(None)) for part in parts) and int in parts
