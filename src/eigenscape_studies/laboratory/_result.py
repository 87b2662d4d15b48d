"""The result of an experiment."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from eigenscape.errors import InputError
from eigenscape.results import Result
from eigenscape_studies.laboratory._options import LabOptions
from eigenscape_studies.laboratory._record import StepRecord

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class LabResult(Result):
    """One experiment, step by step.

    Args:
        options: its settings.
        records: one for each measured step that has finite weights.
        spectra: step to eigenvalues of W^T W, ascending, at the probed steps.
        stopped: why it ended early, or empty.
        notes: remarks on the sizes.
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

    def frame(self) -> pd.DataFrame:
        """Return one row for each step."""
        import pandas as pd

        return pd.DataFrame([asdict(record) for record in self.records])
