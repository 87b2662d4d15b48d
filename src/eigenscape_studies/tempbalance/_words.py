"""What claims and paragraphs share: units, verdicts, lists of amounts."""

from __future__ import annotations

from eigenscape_studies.tempbalance._numbers import ACCURACY, Numbers


def unit_of(numbers: Numbers, cell: str) -> str:
    """Return the unit of a change: percent of the nRMSE, or points of accuracy."""
    return " points" if numbers.cells[cell] == ACCURACY else " %"


def verdict(*parts: bool) -> str:
    """Say what parts that hold, and parts that do not, make of a claim.

    >>> verdict(True, True), verdict(True, False), verdict(False)
    ('holds', 'in part', 'fails')
    """
    if not parts:
        return "not tested here"
    return "holds" if all(parts) else "in part" if any(parts) else "fails"


def fewest(numbers: Numbers, cells: list[str]) -> int:
    """Return the smallest number of seeds among the amounts of some cells."""
    runs = [
        numbers.mean(cell, amount, method).seeds
        for cell in cells
        for amount in numbers.amounts(cell)
        for method in numbers.methods(cell)
    ]
    return min(runs, default=0)


def amounts_of(numbers: Numbers) -> str:
    """List the amounts of every cell."""
    return "; ".join(
        f"{cell} {', '.join(map(str, numbers.amounts(cell)))}" for cell in numbers.cells
    )
