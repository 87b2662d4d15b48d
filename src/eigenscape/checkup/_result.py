"""What a check-up returns: the examinations, and what they say in plain sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from eigenscape.checkup import _answer as said
from eigenscape.errors import InputError
from eigenscape.results import Finding, Result
from eigenscape.spectra import SpectraResult

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class CheckupResult(Result):
    """One examination, or several side by side, with the findings.

    Args:
        title: what was checked.
        statements: all that is to be said, the most important first.
        facts: what else is known, by name.
        examined: label to spectral examination.
        around: label to what was measured of the loss around the model, where a probe was given.
    """

    schema: ClassVar[str] = "eigenscape.checkup/1"
    also_written: ClassVar[tuple[str, ...]] = ("sentences",)
    title: str
    statements: tuple[Finding, ...]
    facts: Mapping[str, str]
    examined: Mapping[str, SpectraResult]
    around: Mapping[str, Result] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.examined:
            raise InputError("a check-up without an examination; expected one or more")

    @property
    def answer(self) -> str:
        """What can be used at all, what the network uses on the data, and what the spectra are."""
        return said.answer(self)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is broken, what failed and what is advised; then what was measured on data."""
        return tuple(said.findings(self))

    @property
    def sentences(self) -> tuple[str, ...]:
        """The texts of the statements."""
        return tuple(found.text for found in self.statements)

    def frame(self) -> pd.DataFrame:
        """Return the layer tables, one below the other, with a column that says which."""
        import pandas as pd

        tables = [result.frame().assign(examined=label) for label, result in self.examined.items()]
        table = pd.concat(tables, ignore_index=True)
        return table[["examined", *(name for name in table.columns if name != "examined")]]
