"""A paper's claim as data, next to what was measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from eigenscape.errors import InputError

#: What can be said of a claim after the measurement.
VERDICTS = ("holds", "in part", "fails", "not tested here")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim.

    Args:
        name: a short handle.
        statement: what the paper says, in our words.
        figure: where the paper shows it.
        command: what was run here.
        measured: the numbers, with intervals.
        seeds: how many independent repeats are behind them.
        verdict: one of ``VERDICTS``.

    Raises:
        InputError: another verdict.
    """

    name: str
    statement: str
    figure: str
    command: str
    measured: str
    seeds: int
    verdict: str

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise InputError(f"verdict {self.verdict!r}; expected one of {', '.join(VERDICTS)}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain types."""
        return asdict(self)
