"""What a study hands back: claims, paragraphs, tables."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from eigenscape.results import Environment, Result
from eigenscape_studies._claim import Claim

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Rows = list[dict[str, Any]]


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

    @property
    def summary(self) -> dict[str, int]:
        """How many claims have each verdict."""
        return dict(Counter(claim.verdict for claim in self.claims))

    def table(self, name: str) -> pd.DataFrame:
        """Return one table of measurements."""
        import pandas as pd

        return pd.DataFrame(self.tables[name])

    def payload(self) -> dict[str, Any]:
        """Return everything but schema and environment."""
        return {
            "study": self.study,
            "title": self.title,
            "scale": self.scale,
            "seeds": self.seeds,
            "seconds": self.seconds,
            "paragraphs": self.paragraphs,
            "claims": [claim.to_dict() for claim in self.claims],
            "tables": self.tables,
        }

    @classmethod
    def from_payload(cls, data: dict[str, Any], environment: Environment) -> Self:
        """Rebuild from :meth:`payload`."""
        return cls(
            environment=environment,
            study=data["study"],
            title=data["title"],
            scale=data["scale"],
            seeds=data["seeds"],
            seconds=data["seconds"],
            paragraphs=dict(data["paragraphs"]),
            claims=tuple(Claim(**claim) for claim in data["claims"]),
            tables=data["tables"],
        )

    def frame(self) -> pd.DataFrame:
        """Return the claims, one row each."""
        import pandas as pd

        return pd.DataFrame([claim.to_dict() for claim in self.claims])

    def plot(self) -> Figure:
        """Draw the study's first picture; :meth:`pictures` has all of them."""
        return next(iter(self.pictures().values()))[0]

    def pictures(self) -> dict[str, tuple[Figure, str]]:
        """Draw every picture of the study: heading to figure and caption."""
        from eigenscape_studies._registry import get_study

        return get_study(self.study).pictures(self)
