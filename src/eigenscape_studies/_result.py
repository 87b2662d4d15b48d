"""The result of a study: claims, paragraphs, tables."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar

from eigenscape.results import Result, find_row
from eigenscape_studies._claim import Claim
from eigenscape_studies._tables import Rows

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class StudyResult(Result):
    """One study at one scale.

    Args:
        study: the study's name.
        title: its heading.
        scale: at which it was run.
        seeds: how many repeats.
        seconds: how long the computation took, summed over its tasks.
        paragraphs: heading to text, in plain words, computed from the measurements.
        claims: the paper's claims, next to what was measured.
        tables: name to rows; the pictures are drawn from these.
    """

    schema: ClassVar[str] = "eigenscape.study/1"
    study: str
    title: str
    scale: str
    seeds: int
    seconds: float
    paragraphs: dict[str, str]
    claims: tuple[Claim, ...]
    tables: dict[str, Rows]

    def __getitem__(self, key: str | int) -> Claim:
        return find_row(self.claims, key)

    @property
    def summary(self) -> dict[str, int]:
        """How many claims have each verdict."""
        return dict(Counter(claim.verdict for claim in self.claims))

    def table(self, name: str) -> pd.DataFrame:
        """Return one table of measurements."""
        import pandas as pd

        return pd.DataFrame(self.tables[name])

    def frame(self) -> pd.DataFrame:
        """Return the claims, one row each."""
        import pandas as pd

        return pd.DataFrame([asdict(claim) for claim in self.claims])
