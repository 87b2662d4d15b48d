"""Which transfers the study runs, and with how many training configurations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eigenscape.diagnosis import SEEDS
from eigenscape_studies import Plan
from eigenscape_studies._data import data_files

#: Tree by name: variant and search.
TREES = {
    "MD tree, paper search": ("peak", "paper"),
    "MD tree, exact search": ("peak", "exact"),
    "MD tree with CKA": ("cka", "paper"),
}
#: The baselines of the paper, and two that it does not show.
BASELINES = (
    *("validation", "hyperparameters", "hyperparameters + validation", "free landscape"),
    *("one checkpoint", "temperature (cheats)"),
)
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


@dataclass(frozen=True, kw_only=True)
class MDTreePlan(Plan):
    """What a scale runs.

    Args:
        values: case to the values that are varied.
        draws: random thresholds in the search box.
    """

    seeds: tuple[int, ...] = SEEDS
    values: Mapping[str, tuple[int, ...]]
    draws: int = 2000

    def first_seeds(self, count: int) -> tuple[int, ...]:
        """Return the paper's five seeds, or as many as asked for: beyond five, 100, 101 ..."""
        return (*SEEDS[:count], *range(100, 100 + count - len(SEEDS)))


PLANS = {
    "small": MDTreePlan(
        values={
            "temperature, few": (1, 4, 8, 24),
            "temperature, little data": (1, 4, 10),
            "temperature, narrow": (2, 6, 128),
            "width, few": (1, 4, 10),
            "width, little data": (1, 4, 10),
            "data, few": (1, 5),
            "data, narrow": (32, 128),
        }
    ),
    "full": MDTreePlan(
        values={
            "temperature, few": (1, 2, 4, 8, 12, 16, 20, 24),
            "temperature, little data": _TENTHS,
            "temperature, narrow": _WIDTHS,
            "width, few": _TENTHS,
            "width, little data": _TENTHS,
            "data, few": (1, 2, 3, 4, 5),
            "data, narrow": (32, 45, 64, 91, 128),
        }
    ),
}


def find_tables() -> dict[str, str]:
    """Return the paths of the two published tables, ``clean`` and ``noisy``.

    Raises:
        InputError: EIGENSCAPE_DATA is not set, or its folder does not hold them.
    """
    clean, noisy = data_files(
        "md_tree",
        ("dataframe_normal_public.csv", "dataframe_noise_public.csv"),
        "this study reads the paper's published tables (github.com/YefanZhou/ModelDiagnosis)",
    )
    return {"clean": str(clean), "noisy": str(noisy)}


def arguments_of(case: Case, value: int) -> dict[str, Any]:
    """Return the arguments of ``evaluate`` at one value of a case."""
    return {"question": case.question, "min_width": case.min_width, case.varied: value}
