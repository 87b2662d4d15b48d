"""Rules: cuts through the numbers of a network or of a layer, and how they are chosen.

A rule is one cut (a number above or below a threshold) or two at once. Everything is chosen on the
networks of the building half: for each statement, every kind of rule has its thresholds fitted on
all families but one and is applied to that one, and the kind with the largest lower 95 % limit of
the precision so found is chosen, of equals the one with fewer cuts. Its thresholds are then fitted
on all families of the building half. A threshold is the one with the largest lower limit of the
precision where it is fitted, of equals the one that speaks most often; a rule that speaks of fewer
than 5 % of what it is fitted on is not considered. A rule may also be fixed: a test against random
matrices has thresholds of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigenscape_studies._tables import Rows

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
#: A kind of rule: numbers, each with the side on which it speaks.
Kind = tuple[tuple[str, bool], ...]
_LEAST = 0.05
_FEWEST = 4
_STEPS = 9  # thresholds of each number of a pair: its deciles
_Z = 1.959963984540054  # the 97.5 % point of a normal distribution


@dataclass(frozen=True)
class Cut:
    """A number on one side of a threshold.

    Args:
        number: the name of the number.
        above: whether it is to be above.
        threshold: the threshold.
    """

    number: str
    above: bool
    threshold: float

    def holds(self, numbers: Mapping[str, float]) -> bool:
        """Whether the number is on that side; a NaN is not.

        >>> Cut("median spikes", True, 2.0).holds({"median spikes": 3.0})
        True
        """
        value = numbers[self.number]
        return bool(value > self.threshold if self.above else value < self.threshold)

    def words(self) -> str:
        """Return it as text."""
        return f"{self.number} {'above' if self.above else 'below'} {self.threshold:.3g}"


@dataclass(frozen=True)
class Rule:
    """Cuts that all have to hold.

    Args:
        cuts: one or two of them; none speaks always.
    """

    cuts: tuple[Cut, ...]

    def says(self, row: Mapping[str, Any]) -> bool:
        """Whether it speaks of a network or layer."""
        return all(cut.holds(row["numbers"]) for cut in self.cuts)

    def words(self) -> str:
        """Return it as text."""
        return " and ".join(cut.words() for cut in self.cuts) or "always"


@dataclass(frozen=True)
class Choice:
    """A rule for a statement, and how it did on families that its thresholds were not fitted on.

    Args:
        rule: with thresholds of all building families; None where no rule speaks often enough.
        given: how often it spoke of the families left out in turn.
        right: how often that was true.
    """

    rule: Rule | None
    given: int
    right: int


def choose(rows: Rows, statement: str, kinds: Iterable[Kind], fixed: Iterable[Rule] = ()) -> Choice:
    """Choose a rule for a statement among kinds, on networks or layers of the building half alone.

    Args:
        rows: of both halves: each has ``half``, ``family``, ``numbers`` and ``truths``.
        statement: which truth.
        kinds: what may be chosen.
        fixed: rules whose thresholds are not fitted, which may be chosen as well.
    """
    building = [row for row in rows if row["half"] == "building"]
    best, choice = (-1.0, 0), Choice(None, 0, 0)
    for test in fixed:
        said = [row["truths"][statement] for row in building if test.says(row)]
        value = (_lower_limit(sum(said), len(said)), -len(test.cuts))
        if value > best:
            best, choice = value, Choice(test, len(said), sum(said))
    for kind in kinds:
        given, right = left_out(building, statement, kind)
        value = (_lower_limit(right, given), -len(kind))
        if given and value > best:
            rule = fitted(building, statement, kind)
            if rule is not None:
                best, choice = value, Choice(rule, given, right)
    return choice


def left_out(rows: Rows, statement: str, kind: Kind) -> tuple[int, int]:
    """Return how often a kind of rule spoke and was right, each family judged by the others'."""
    given = right = 0
    for family in sorted({row["family"] for row in rows}):
        rule = fitted([row for row in rows if row["family"] != family], statement, kind)
        if rule is None:
            continue
        said = [row for row in rows if row["family"] == family and rule.says(row)]
        given += len(said)
        right += sum(row["truths"][statement] for row in said)
    return given, right


def fitted(rows: Rows, statement: str, kind: Kind) -> Rule | None:
    """Return a kind of rule with thresholds fitted on these rows; None where it speaks too rarely.

    >>> numbers = [{"x": float(x)} for x in range(20)]
    >>> rows = [{"numbers": n, "truths": {"big": n["x"] > 9}} for n in numbers]
    >>> fitted(rows, "big", (("x", True),)).words()
    'x above 9.5'
    """
    if not rows:
        return None
    true = np.array([row["truths"][statement] for row in rows])
    sides, thresholds = [], []
    for number, above in kind:
        values = np.array([row["numbers"][number] for row in rows], dtype=np.float64)
        steps = _thresholds(values, fine=len(kind) == 1)
        thresholds.append(steps)
        beyond = values > steps[:, None] if above else values < steps[:, None]
        sides.append(beyond)  # (thresholds, rows)
    said = sides[0]
    for other in sides[1:]:
        said = (said[:, None] & other[None]).reshape(-1, len(rows))
    place = _best(said, true)
    if place is None:
        return None
    at = list(product(*thresholds))[place]
    return Rule(
        tuple(Cut(name, above, float(x)) for (name, above), x in zip(kind, at, strict=True))
    )


def _thresholds(values: Floats, *, fine: bool) -> Floats:
    """Return thresholds to try: all midpoints, or the deciles."""
    known = np.unique(values[np.isfinite(values)])
    if len(known) < 2:
        return known
    middles = (known[1:] + known[:-1]) / 2
    if fine:
        return middles
    found = np.quantile(middles, np.linspace(0, 1, _STEPS + 2)[1:-1])
    return np.unique(found)


def _best(said: Flags, true: Flags) -> int | None:
    given = said.sum(axis=1)
    allowed = given >= max(_FEWEST, _LEAST * len(true))
    if not allowed.any():
        return None
    limits = np.where(allowed, lower_limits((said & true).sum(axis=1), given), -1.0)
    return int(np.lexsort((given, limits))[-1])


def lower_limits(right: NDArray[np.int64], given: NDArray[np.int64]) -> Floats:
    """Return lower ends of Wilson's 95 % intervals; 0 where nothing was said.

    It is :func:`eigenscape.stats.share` for many shares at once.

    >>> lower_limits(np.array([9, 0]), np.array([10, 0])).round(3)
    array([0.596, 0.   ])
    """
    n = np.maximum(given, 1)
    p = right / n
    scale = 1 + _Z**2 / n
    low = (p + _Z**2 / (2 * n) - _Z * np.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))) / scale
    return np.where(given > 0, np.maximum(low, 0.0), 0.0)


def _lower_limit(right: int, given: int) -> float:
    return float(lower_limits(np.array([right]), np.array([given]))[0])


def single_kinds(numbers: Sequence[str]) -> list[Kind]:
    """Return the kinds with one cut."""
    return [((number, above),) for number in numbers for above in (True, False)]


def pair_kinds(numbers: Sequence[str]) -> list[Kind]:
    """Return the kinds with two cuts, through different numbers."""
    return [
        ((one, a), (two, b))
        for one, two in combinations(numbers, 2)
        for a in (True, False)
        for b in (True, False)
    ]
