"""Advices that contradict each other: the better founded one stays."""

from __future__ import annotations

from collections.abc import Sequence

from eigenscape.results import BASES, Finding


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
