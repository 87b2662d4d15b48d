"""How often a statement about a network was right where its truth had been measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from eigenscape.stats._intervals import Interval, share

StatementKind = Literal["description", "diagnosis", "action"]
#: What a diagnosis or an action needs to be printed: precision, and its lower 95 % limit.
PRINTED_FROM = (0.8, 0.6)


@dataclass(frozen=True, kw_only=True)
class Precision:
    """How often a rule was right on networks that it was not chosen on.

    The counts are kept, and every share follows from them. Networks of one family share their
    data and architecture, so they are fewer independent cases than ``networks`` says, and the
    intervals are too short for a network of another family.

    Args:
        statement: the name of the rule.
        kind: ``description``, ``diagnosis`` or ``action``.
        says: what it says, as a sentence.
        given: how many networks it said this of.
        right: how many of these it was true of.
        positives: how many networks it was true of in all.
        networks: how many were judged.
        families: the kinds of network and data that they come from.
        rule: the rule in words.
        unit: what was judged, in the plural: ``networks`` or ``layers``.
        looks: how often these networks have been looked at to judge rules; 1 is the first time.

    Raises:
        InputError: counts that cannot be.

    >>> rule = Precision(statement="example", kind="diagnosis", says="It is so.", given=10,
    ...                  right=9, positives=12, networks=40, families=("cnn", "lstm"))
    >>> rule.precision, rule.recall, rule.coverage, rule.base_rate, rule.printed
    (0.9, 0.75, 0.25, 0.3, False)
    >>> rule.interval.words(2)
    '0.90 [0.60, 0.98]'
    """

    statement: str
    kind: StatementKind
    says: str
    given: int
    right: int
    positives: int
    networks: int
    families: tuple[str, ...]
    rule: str = ""
    unit: str = "networks"
    looks: int = 1

    def __post_init__(self) -> None:
        share(self.right, max(self.given, 1))
        share(self.positives, self.networks)

    @property
    def interval(self) -> Interval:
        """The precision with Wilson's 95 % interval; NaN where nothing was said."""
        if not self.given:
            return Interval(float("nan"), float("nan"), float("nan"), 0)
        return share(self.right, self.given)

    @property
    def precision(self) -> float:
        """The share of the statements that were right."""
        return self.interval.mean

    @property
    def low(self) -> float:
        """The lower end of the precision's 95 % interval."""
        return self.interval.low

    @property
    def high(self) -> float:
        """The upper end."""
        return self.interval.high

    @property
    def recall(self) -> float:
        """The share of the networks of which it is true, of which it was said."""
        return self.right / self.positives if self.positives else float("nan")

    @property
    def coverage(self) -> float:
        """The share of all networks of which it was said."""
        return self.given / self.networks

    @property
    def base_rate(self) -> float:
        """The share of all networks of which it is true: a constant answer's precision."""
        return self.positives / self.networks

    @property
    def passes(self) -> bool:
        """Whether it is right .80 of the time, with .60 as the lower end of the interval."""
        least, lowest = PRINTED_FROM
        return self.precision >= least and self.low >= lowest

    @property
    def printed(self) -> bool:
        """Whether a page may say it: a description, or a rule that passed at the first look.

        A rule that passes at a later look may have been chosen because it would.
        """
        return self.kind == "description" or (self.passes and self.looks == 1)

    def words(self) -> str:
        """Return the figures as text.

        >>> Precision(statement="example", kind="action", says="Do it.", given=10, right=9,
        ...           positives=12, networks=40, families=("cnn", "lstm")).words()
        'right 9 of 10 times (0.90 [0.60, 0.98]), said of 25 % of 40 networks; true of 30 %'
        """
        true = f"{self.networks} {self.unit}; true of {100 * self.base_rate:.0f} %"
        if not self.given:
            return f"said of none of {true}"
        return (
            f"right {self.right} of {self.given} times ({self.interval.words(2)}), said of "
            f"{100 * self.coverage:.0f} % of {true}"
        )
