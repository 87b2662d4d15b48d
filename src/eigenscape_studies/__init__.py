"""Studies: one for each paper; its claims, run at a stated scale, next to what was measured.

A :class:`Study` is data: plans, stages of tasks, claims, tables, pictures. :meth:`Study.run` runs
any of them; :func:`get_study` finds one by its name among those that installed packages offer::

    from eigenscape_studies import get_study
    study = get_study("md_tree")
    result = study.run("small", folder="md-tree")
    study.write_page(result, "md-tree/report.html")
"""

from eigenscape_studies._claim import Claim as Claim
from eigenscape_studies._claim import graded as graded
from eigenscape_studies._claim import signed as signed
from eigenscape_studies._claim import verdict as verdict
from eigenscape_studies._registry import get_study as get_study
from eigenscape_studies._registry import study_names as study_names
from eigenscape_studies._result import StudyResult as StudyResult
from eigenscape_studies._study import Found as Found
from eigenscape_studies._study import Pictures as Pictures
from eigenscape_studies._study import Plan as Plan
from eigenscape_studies._study import Study as Study

__all__ = [
    "Claim",
    "Found",
    "Pictures",
    "Plan",
    "Study",
    "StudyResult",
    "get_study",
    "graded",
    "signed",
    "study_names",
    "verdict",
]
