"""Studies: one for each paper; its claims, run at a stated scale, next to what was measured."""

from eigenscape_studies._claim import VERDICTS as VERDICTS
from eigenscape_studies._claim import Claim as Claim
from eigenscape_studies._interval import Interval as Interval
from eigenscape_studies._interval import interval as interval
from eigenscape_studies._page import render_study as render_study
from eigenscape_studies._page import write_study_page as write_study_page
from eigenscape_studies._registry import STUDIES as STUDIES
from eigenscape_studies._registry import Study as Study
from eigenscape_studies._registry import get_study as get_study
from eigenscape_studies._registry import run_study as run_study
from eigenscape_studies._result import StudyResult as StudyResult

__all__ = [
    "STUDIES",
    "VERDICTS",
    "Claim",
    "Interval",
    "Study",
    "StudyResult",
    "get_study",
    "interval",
    "render_study",
    "run_study",
    "write_study_page",
]
