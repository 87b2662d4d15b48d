"""Which transfers the study runs, and with how many training configurations."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eigenscape.diagnosis import SEEDS
from eigenscape.errors import InputError

#: Tree by name: variant and search.
TREES = {
    "MD tree, paper search": ("peak", "paper"),
    "MD tree, exact search": ("peak", "exact"),
    "MD tree with CKA": ("cka", "paper"),
}
#: The baselines of the paper, and two that it does not show.
BASELINES = (
    "validation", "hyperparameters", "hyperparameters + validation", "free landscape",
    "one checkpoint", "temperature (cheats)",
)  # fmt: skip
PERMUTED = "permuted labels"


@dataclass(frozen=True)
class Case:
    """One transfer: what is asked, and what is varied.

    Args:
        question: of the tree.
        varied: ``cells``, ``max_data`` or ``max_width``.
        title: of its panel.
        unit: of the value that is varied.
        min_width: narrower networks are left out on both sides.
    """

    question: str
    varied: str
    title: str
    unit: str
    min_width: float | None = None


CASES = {
    "temperature, few": Case(
        "temperature", "cells", "Temperature: few configurations", "cells of 12 temperatures"
    ),
    "temperature, little data": Case(
        "temperature", "max_data", "Temperature: little data", "data at most (tenths)"
    ),
    "temperature, narrow": Case(
        "temperature", "max_width", "Temperature: narrow networks", "width at most"
    ),
    "width, few": Case("width", "cells", "Width: few configurations", "slices of data"),
    "width, little data": Case("width", "max_data", "Width: little data", "data at most (tenths)"),
    "data, few": Case("data", "cells", "Data: few configurations", "slices of width", 32),
    "data, narrow": Case("data", "max_width", "Data: narrow networks", "width at most", 32),
}
_TENTHS = tuple(range(1, 11))
_WIDTHS = (2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128)
#: Scale to case to the values that are varied.
PLANS: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "small": {
        "temperature, few": (1, 4, 8, 24),
        "temperature, little data": (1, 4, 10),
        "temperature, narrow": (2, 6, 128),
        "width, few": (1, 4, 10),
        "width, little data": (1, 4, 10),
        "data, few": (1, 5),
        "data, narrow": (32, 128),
    },
    "full": {
        "temperature, few": (1, 2, 4, 8, 12, 16, 20, 24),
        "temperature, little data": _TENTHS,
        "temperature, narrow": _WIDTHS,
        "width, few": _TENTHS,
        "width, little data": _TENTHS,
        "data, few": (1, 2, 3, 4, 5),
        "data, narrow": (32, 45, 64, 91, 128),
    },
}
_FILES = ("dataframe_normal_public.csv", "dataframe_noise_public.csv")


def find_tables() -> tuple[str, str]:
    """Return the paths of the two published tables.

    Raises:
        InputError: the variable is not set, or its folder does not hold them.
    """
    named = os.environ.get("EIGENSCAPE_DATA")
    if not named:
        raise InputError(
            "this study reads the paper's published tables, and EIGENSCAPE_DATA is not set. Mend: "
            "put dataframe_normal_public.csv and dataframe_noise_public.csv (from "
            "github.com/YefanZhou/ModelDiagnosis) in a folder md_tree, and set EIGENSCAPE_DATA to "
            "the folder above it"
        )
    clean, noisy = (Path(named) / "md_tree" / name for name in _FILES)
    missing = [str(path) for path in (clean, noisy) if not path.is_file()]
    if missing:
        raise InputError(f"EIGENSCAPE_DATA is {named}; it does not hold {', '.join(missing)}")
    return str(clean), str(noisy)


def take_seeds(count: int | None) -> tuple[int, ...]:
    """Return the paper's five seeds, or as many as asked for: beyond five, 100, 101 and so on."""
    if count is None:
        return SEEDS
    return (*SEEDS[:count], *range(100, 100 + count - len(SEEDS)))


def arguments_of(case: Case, value: int) -> dict[str, Any]:
    """Return the arguments of ``evaluate`` at one value of a case."""
    return {"question": case.question, "min_width": case.min_width, case.varied: value}
