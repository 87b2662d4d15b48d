"""A finding: one statement, what it rests on, and, of an advice, which knob it turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eigenscape.errors import InputError
from eigenscape.spectra import Precision

#: What a statement may rest on; of advices, the better founded first.
BASES = ("measurement", "diagnosis", "guess", "description")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One statement to the user.

    Args:
        text: the statement, in whole sentences.
        basis: ``measurement`` (of this network), ``diagnosis`` (a rule whose precision was
            measured), ``description`` (what a number is, not what it means) or ``guess``.
        precision: of a diagnosis: how often its rule was right on networks of known state.
        knob: of an advice: what to change, as in ``learning rate``; empty where nothing is advised.
        direction: of an advice: where to, as in ``raise``.

    Raises:
        InputError: an unknown basis, a diagnosis without its precision or a precision without a
            diagnosis, a knob without a direction or the reverse, or a description that advises.

    >>> Finding(text="The loss is 0.31.", basis="measurement").is_advice
    False
    """

    text: str
    basis: str
    precision: Precision | None = None
    knob: str = ""
    direction: str = ""

    def __post_init__(self) -> None:
        problems = []
        if not self.text:
            problems.append("no text")
        if self.basis not in BASES:
            problems.append(f"basis is {self.basis!r}; expected one of {', '.join(BASES)}")
        if (self.basis == "diagnosis") != (self.precision is not None):
            problems.append("a precision and the basis 'diagnosis' need each other")
        if bool(self.knob) != bool(self.direction):
            problems.append("a knob and a direction need each other")
        if self.knob and self.basis == "description":
            problems.append("a description gives no advice; expected another basis")
        if problems:
            raise InputError(f"a finding with {'; '.join(problems)}")

    @property
    def is_advice(self) -> bool:
        """Whether it says what to change."""
        return bool(self.knob)

    @property
    def grounds(self) -> str:
        """The basis, and of a diagnosis how often its rule was right."""
        return f"{self.basis}: {self.precision.words()}" if self.precision else self.basis


def reconciled(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings without advices that contradict a better founded one.

    Two advices on one knob in different directions contradict each other. A measurement counts
    more than a diagnosis, a diagnosis of a higher precision more than one of a lower, and any more
    than a guess; of two that rest on the same, neither stays. What stays of a contradiction comes
    first, with a finding that names what was left out and why.

    >>> up = Finding(text="Raise the rate.", basis="measurement", knob="rate", direction="raise")
    >>> down = Finding(text="Lower the rate.", basis="guess", knob="rate", direction="lower")
    >>> for found in reconciled((down, up)):
    ...     print(found.text)
    Raise the rate.
    Left out: a guess that says to lower the rate; the measurement that says to raise it counts \
more.
    """
    first: list[Finding] = []
    dropped: list[Finding] = []
    for knob in dict.fromkeys(found.knob for found in findings if found.is_advice):
        advices = [found for found in findings if found.knob == knob]
        if len({found.direction for found in advices}) == 1:
            continue
        best = min(map(_founded, advices))
        leading = [found for found in advices if _founded(found) == best]
        agreed = len({found.direction for found in leading}) == 1
        kept = [found for found in advices if agreed and found.direction == leading[0].direction]
        lost = [found for found in advices if found not in kept]
        first += [*kept, _left_out(kept, lost)]
        dropped += lost
    rest = [found for found in findings if found not in first and found not in dropped]
    return (*first, *rest)


def _founded(finding: Finding) -> tuple[int, float]:
    """The smaller, the better founded."""
    rule = finding.precision
    precision = rule.precision if rule and rule.given else 0.0
    return BASES.index(finding.basis), -precision


def _left_out(kept: Sequence[Finding], lost: Sequence[Finding]) -> Finding:
    knob = lost[0].knob
    said = " and ".join(f"{_words(one)} that says to {one.direction}" for one in lost)
    if kept:
        text = (
            f"Left out: {said} the {knob}; the {kept[0].basis} that says to "
            f"{kept[0].direction} it counts more."
        )
    else:
        text = (
            f"Left out, because they contradict each other and rest on the same: {said} ({knob})."
        )
    return Finding(text=text, basis="description")


def _words(finding: Finding) -> str:
    if finding.precision:
        return f"a diagnosis ({finding.precision.words()})"
    return f"a {finding.basis}"
