"""The MD tree on its published tables: the paper's figures, and the controls beside them."""

from eigenscape_studies import Study
from eigenscape_studies.md_tree._claims import CLAIMS, paragraphs
from eigenscape_studies.md_tree._numbers import tables
from eigenscape_studies.md_tree._pictures import pictures
from eigenscape_studies.md_tree._plan import PLANS
from eigenscape_studies.md_tree._tasks import collect, tasks

STUDY = Study(
    name="md_tree",
    title="MD tree: the diagnosis on its published tables",
    paper="Zhou, Chen, Cao, Schürholt and Yang, MD tree: a model-diagnostic tree grown on loss "
    "landscape, ICML 2024 (arXiv 2406.16988)",
    scales=PLANS,
    stages={"scores": tasks},
    collect=collect,
    claims=CLAIMS,
    tables=tables,
    paragraphs=paragraphs,
    pictures=pictures,
    intervals="Student's t over distinct training sets (all of them where ten or fewer are "
    "possible). One training set has none. All are tested on the same table of 1,560 "
    "configurations, so that an interval says how much the draw matters, not how another "
    "collection of networks would come out.",
)

__all__ = ["STUDY"]
