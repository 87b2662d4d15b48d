"""The picture of a study's result, found by the name of the study."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigenscape.results import picture_of
from eigenscape_studies._registry import get_study
from eigenscape_studies._result import StudyResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@picture_of(StudyResult)
def first_picture(result: StudyResult) -> Figure:
    """Draw the study's first picture; :attr:`Study.pictures` draws all of them."""
    figure: Figure = next(iter(get_study(result.study).pictures(result).values()))[0]
    return figure
