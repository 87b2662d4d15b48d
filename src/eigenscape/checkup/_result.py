"""What a check-up returns: the examinations, and what they say in plain sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from eigenscape.diagnosis import Prescription
from eigenscape.landscape import HessianResult, Landscape
from eigenscape.results import Environment, Result
from eigenscape.spectra import SpectraResult

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class CheckupResult(Result):
    """One examination, or several side by side, with the findings.

    Args:
        title: what was checked.
        sentences: the findings, the most important first.
        facts: what else is known, by name.
        examined: label to spectral examination.
        around: label to what was measured of the loss around the model, where a probe was given.
    """

    schema: ClassVar[str] = "eigenscape.checkup/1"
    title: str
    sentences: tuple[str, ...]
    facts: Mapping[str, str]
    examined: Mapping[str, SpectraResult]
    around: Mapping[str, Result] = field(default_factory=dict)

    def payload(self) -> dict[str, Any]:
        """Return the fields; each examination is a whole result of its own."""
        return {
            "title": self.title,
            "sentences": self.sentences,
            "facts": dict(self.facts),
            "examined": {label: result.to_dict() for label, result in self.examined.items()},
            "around": {label: result.to_dict() for label, result in self.around.items()},
        }

    @classmethod
    def from_payload(cls, data: dict[str, Any], environment: Environment) -> Self:
        """Rebuild from JSON."""
        examined = {
            label: SpectraResult.from_payload(inner, _stamp(inner))
            for label, inner in data["examined"].items()
        }
        known: tuple[type[Result], ...] = (HessianResult, Landscape, Prescription)
        kinds = {kind.schema: kind for kind in known}
        around = {
            label: kinds[inner["schema"]].from_payload(inner, _stamp(inner))
            for label, inner in data.get("around", {}).items()
        }
        return cls(
            environment=environment,
            title=data["title"],
            sentences=tuple(data["sentences"]),
            facts=data["facts"],
            examined=examined,
            around=around,
        )

    def frame(self) -> pd.DataFrame:
        """Return the layer tables, one below the other, with a column that says which."""
        import pandas as pd

        tables = [result.frame().assign(examined=label) for label, result in self.examined.items()]
        table = pd.concat(tables, ignore_index=True)
        return table[["examined", *(name for name in table.columns if name != "examined")]]

    def plot(self) -> Figure:
        """Return the layer picture of the first examination."""
        return next(iter(self.examined.values())).plot()


def _stamp(data: dict[str, Any]) -> Environment:
    return Environment.from_dict(data.get("environment") or {})
