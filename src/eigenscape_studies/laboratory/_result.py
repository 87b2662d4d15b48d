"""What an experiment hands back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError
from eigenscape.results import Environment, Result
from eigenscape.theory import FirstStep, first_step
from eigenscape_studies.laboratory._links import link_moments
from eigenscape_studies.laboratory._options import LabOptions
from eigenscape_studies.laboratory._record import StepRecord

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class LabResult(Result):
    """One experiment, step by step.

    Args:
        options: its settings.
        records: one for each measured step that has finite weights.
        spectra: step to eigenvalues of W^T W, ascending, at the probed steps.
        stopped: why it ended early, or empty.
        notes: what the reader should know about the sizes.
    """

    schema: ClassVar[str] = "eigenscape_studies.laboratory/1"
    options: LabOptions
    records: tuple[StepRecord, ...]
    spectra: dict[int, NDArray[np.float64]]
    stopped: str = ""
    notes: tuple[str, ...] = ()

    @property
    def final(self) -> StepRecord:
        """The last measured step that has finite weights."""
        if not self.records:
            raise InputError(f"no step was measured: {self.stopped or 'probes name none'}")
        return self.records[-1]

    def at(self, step: int) -> StepRecord | None:
        """Return the record of a step, or None where the experiment had stopped."""
        return next((record for record in self.records if record.step == step), None)

    def prediction(self) -> FirstStep:
        """Return what theory says about the first step of this experiment."""
        o = self.options
        return first_step(o.optimizer, o.n, o.d, o.h, link_moments(o.link), noise=o.noise)

    def payload(self) -> dict[str, Any]:
        """Return settings, records and spectra; eigenvalues to seven digits."""
        return {
            "options": self.options.to_dict(),
            "records": [record.to_dict() for record in self.records],
            "spectra": {
                str(step): [float(f"{value:.7g}") for value in values.tolist()]
                for step, values in self.spectra.items()
            },
            "stopped": self.stopped,
            "notes": list(self.notes),
        }

    @classmethod
    def from_payload(cls, data: dict[str, Any], environment: Environment) -> Self:
        """Rebuild from :meth:`payload`."""
        return cls(
            environment=environment,
            options=LabOptions.from_dict(data["options"]),
            records=tuple(StepRecord.from_dict(record) for record in data["records"]),
            spectra={int(step): np.asarray(values) for step, values in data["spectra"].items()},
            stopped=data["stopped"],
            notes=tuple(data["notes"]),
        )

    def frame(self) -> pd.DataFrame:
        """Return one row for each step."""
        import pandas as pd

        return pd.DataFrame([record.to_dict() for record in self.records])

    def plot(self) -> Figure:
        """Draw the spectra of the probed steps, and the tail exponent against the steps."""
        from eigenscape_studies.laboratory._plot import plot_result

        return plot_result(self)
