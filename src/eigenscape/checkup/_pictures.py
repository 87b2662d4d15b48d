"""The picture of a check-up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigenscape.checkup._result import CheckupResult
from eigenscape.results import picture_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@picture_of(CheckupResult)
def plot_checkup(result: CheckupResult) -> Figure:
    """Return the layer picture of the first examination."""
    return next(iter(result.examined.values())).plot()
